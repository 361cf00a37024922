"""Backup, restore and factory reset of real boxes: while phones talk and people commit, onto a fresh box, onto one that runs, and during an emergency."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.emergency.journal import read as read_journal
from appliance.site import files, pending
from appliance.site.store import SiteStore
from appliance.sound import header, load
from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import ROOT, Box
from tests.support.carrier import Carrier
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.sites import ELINS, Document, add_trunk, make_site, secret
from tests.support.tone import PROOF, tone_fraction

pytestmark = pytest.mark.timeout(300)  # several starts and commands each

CARRIER = "127.0.0.5"
WORDS = "seven brave herons"
SAID = struct.pack("<8000h", *[3000, -3000] * 4000) * 3


def holdfast(box: Box, *words: str, code: int = 0) -> Any:
    """`holdfast … --json` against this box; what it says."""
    argv = [sys.executable, "-m", "appliance.cli.main", *words, "--json"]
    done = subprocess.run(argv, env={**os.environ, **box.env}, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, f"holdfast {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout)


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "passphrase"
    path.write_text(f"{WORDS}\n")
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "box.hfb")


def site(line: Carrier | None = None) -> Document:
    document = make_site(3)
    document["mailboxes"] = {"box-201": {"name": "Of 201", "owner": "user-201"}}
    return add_trunk(document, "out", line.ip, line.port, health_seconds=0, emergency_armed=True) if line is not None else document


def leave(box: Box, id: str) -> None:
    """A voicemail message as a box has it on disk when it was killed before it noted it; its next start does."""
    folder = box.data / "voicemail" / "box-201"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{id}.json").write_text(json.dumps({"caller": "+15550123", "caller_name": "Zoë", "session": "s1", "started_unix_s": 1.7e9}))
    (folder / f"{id}.wav").write_bytes(header(8000, len(SAID)) + SAID)


def messages(box: Box, count: int) -> list[str]:
    """Ids, once there are `count` of them."""

    def look() -> list[str] | None:
        found = [row["id"] for row in box.rpc("voicemail.list", mailbox="")["messages"]]
        return found if len(found) == count else None

    return wait_until(look, 20, f"{count} messages")


def journal(box: Box) -> list[str]:
    """Whose calls the emergency journal has, in order."""
    return [entry["device"] for entry in read_journal(box.data / "state" / "emergency.journal") if entry.get("kind", "call") == "call" and "dialled" in entry]


def rename(box: Box, name: str) -> None:
    holdfast(box, "site", "set", "name", name)
    holdfast(box, "site", "commit")


def emergency(box: Box, line: Carrier, caller: PjPhone) -> None:
    """911 from start to end, with its call-back window on the disk."""
    index = len(line.calls)
    call = caller.call(box.uri("911")).wait("CONFIRMED")
    line.wait_call(index)
    call.hangup()
    wait_until(lambda: windows(box) > 0, 10, "the call-back window on the disk")


def web(box: Box) -> int | None:
    """The process id of the pages' server once it serves."""
    child = json.loads((box.data / "run" / "supervisor.json").read_text())["children"].get("web", {})
    return child["pid"] if child.get("ready") else None


def windows(box: Box) -> int:
    with contextlib.closing(sqlite3.connect(box.data / "state" / "state.db", timeout=10)) as database:
        count: int = database.execute("SELECT count(*) FROM callback_map WHERE remaining_s IS NOT NULL").fetchone()[0]
        return count


def is_called_back(box: Box, line: Carrier, phone: PjPhone) -> None:
    back = line.call(box.uri(ELINS[0]), box.sip, from_uri=f"sip:+12025559911@{line.ip}")
    phone.incoming().wait("CONFIRMED")
    back.wait_answer().hangup()


def sealed_in(file: str, words: str, box: Box, folder: Path) -> Path:
    """The content of a backup, in a folder of no box."""
    data = folder / "looked-into"
    shutil.rmtree(data, ignore_errors=True)
    holdfast(box, "restore", file, "--yes", "--passphrase-file", words, "--data", str(data), "--control", str(folder / "none"))
    return data


def test_while_two_phones_talk_and_commits_go_on(box: BoxMaker, phone: PhoneMaker, file: str, words: str, tmp_path: Path) -> None:
    home: Box = box(site(), supervised=True)
    a, b = phone("a"), phone("b")
    assert a.register("201", secret(201), home.sip).ok and b.register("202", secret(202), home.sip).ok
    call = a.call(home.uri("202")).wait("CONFIRMED")
    stop, count = threading.Event(), 0

    def commit() -> None:
        nonlocal count
        while not stop.is_set():
            rename(home, f"Number {count}")
            count += 1

    busy = threading.Thread(target=commit)
    busy.start()
    try:
        for _ in range(2):
            made = holdfast(home, "backup", file, "--overwrite", "--passphrase-file", words)
            data = sealed_in(file, words, home, tmp_path)
            revision, inside = SiteStore(data / "site").current()
            assert (revision.number, inside.name) == (made["revision"], made["site"])
    finally:
        stop.set()
        busy.join()
    assert count >= 2
    heard = call.stats()["rx"]
    call.wait_heard(heard + 300)
    assert call.state == "CONFIRMED"
    call.hangup()
    assert tone_fraction(call.recording) >= PROOF
    assert home.status()["crashes"] == 0 and home.status()["site"] == f"Number {count - 1}"


def test_a_fresh_box_is_the_old_one_again(box: BoxMaker, phone: PhoneMaker, carrier: Any, file: str, words: str) -> None:
    line: Carrier = carrier(CARRIER)
    old: Box = box(site(line), start=False)
    leave(old, "m1")
    old.start()
    messages(old, 1)
    desk = phone("desk")
    assert desk.register("201", secret(201), old.sip).ok
    emergency(old, line, desk)
    wait_until(lambda: holdfast(old, "calls", "--history", "5")["calls"], 10, "the call on record")
    rename(old, "Moved office")
    holdfast(old, "site", "set", "users.user-202.name", "Not committed yet")
    holdfast(old, "backup", file, "--passphrase-file", words)
    history = holdfast(old, "calls", "--history", "5")
    old.stop()

    new: Box = box(make_site(1), start=False)  # its own site file must not count
    told = holdfast(new, "restore", file, "--dry-run", "--passphrase-file", words)
    assert (told["site"], told["users"], told["devices"], told["messages"]) == ("Moved office", 3, 3, 1)
    assert not new.data.exists()
    assert holdfast(new, "restore", file, "--yes", "--passphrase-file", words)["placed"] == "now"
    new.start()
    assert new.status()["site"] == "Moved office"
    for extension in ("201", "202"):
        again = phone(f"again-{extension}") if extension != "201" else desk
        assert again.register(extension, secret(extension), new.sip).ok
    assert not phone("thief").register("201", secret(202), new.sip).ok
    assert messages(new, 1) == ["m1"]
    assert load(new.data / "voicemail" / "box-201" / "m1.wav").pcm == SAID
    assert holdfast(new, "calls", "--history", "5") == history
    assert "Not committed yet" in json.dumps(holdfast(new, "site", "diff"))
    assert journal(new) == ["phone-201"]
    is_called_back(new, line, desk)


def test_on_a_box_that_runs_and_back_again(box: BoxMaker, phone: PhoneMaker, carrier: Any, file: str, words: str) -> None:
    line: Carrier = carrier(CARRIER)
    home: Box = box(site(line), supervised=True)
    holdfast(home, "backup", file, "--passphrase-file", words)
    rename(home, "Later")
    leave(home, "after")
    desk, other = phone("desk"), phone("other")
    assert desk.register("201", secret(201), home.sip).ok
    assert other.register("202", secret(202), home.sip).ok
    emergency(home, line, desk)

    pid, before = home.pid(), wait_until(lambda: web(home), 30, "the web process")
    assert holdfast(home, "restore", file, "--yes", "--passphrase-file", words)["placed"] == "restarted"
    assert home.pid() != pid
    status = home.status()
    assert (status["site"], status["revision"], status["crashes"], status["alarms"]) == ("Test site", 1, 0, [])
    assert home.said(r"restart of the engine was asked for by uid 0 .*backup of Test site")
    # Who had signed in to the pages must not be signed in to what is there now.
    wait_until(lambda: web(home) not in (None, before), 30, "the web process started anew")
    # Nobody has registered again: the box knew of them, and of the emergency, although the backup did not.
    call = other.call(home.uri("201")).wait("CONFIRMED")
    call.hangup()
    is_called_back(home, line, desk)
    assert journal(home) == ["phone-201"]
    assert not (home.data / "voicemail").exists() or not list((home.data / "voicemail").rglob("*.wav"))

    assert holdfast(home, "restore", "--undo", "--yes")["placed"] == "restarted"
    assert home.status()["site"] == "Later"
    assert (home.data / "voicemail" / "box-201" / "after.wav").is_file()
    other.call(home.uri("201")).wait("CONFIRMED").hangup()
    wait_until(lambda: not list(home.data.glob("restore.*")), 10, "nothing left over")


def test_an_emergency_call_is_not_cut_off_unless_by_force(box: BoxMaker, phone: PhoneMaker, carrier: Any, file: str, words: str) -> None:
    line: Carrier = carrier(CARRIER)
    home: Box = box(site(line), supervised=True)
    holdfast(home, "backup", file, "--passphrase-file", words)
    rename(home, "Later")
    desk = phone("desk")
    assert desk.register("201", secret(201), home.sip).ok
    call = desk.call(home.uri("911")).wait("CONFIRMED")
    pid = home.pid()
    for argv in (("restore", file, "--yes", "--passphrase-file", words), ("factory-reset", "--yes")):
        error = holdfast(home, *argv, code=1)
        assert error["code"] == "emergency-in-progress" and "--force" in error["hint"]
    assert home.pid() == pid and call.state == "CONFIRMED"
    assert home.status()["site"] == "Later" and not list(home.data.glob("restore.*"))
    home.kill9()  # what was taken back does not come back
    home.wait_back(other_than=pid)
    assert home.status()["site"] == "Later"
    assert holdfast(home, "restore", file, "--yes", "--force", "--passphrase-file", words)["placed"] == "restarted"
    assert home.status()["site"] == "Test site"
    is_called_back(home, line, desk)


def test_a_start_killed_again_and_again_ends_with_all_of_the_backup(box: BoxMaker, phone: PhoneMaker, file: str, words: str) -> None:
    home: Box = box(site(), start=False)
    leave(home, "m1")
    home.start()
    messages(home, 1)
    holdfast(home, "backup", file, "--passphrase-file", words)
    rename(home, "Later")
    home.kill9()
    chance = random.Random(17)
    with pending.stopped(home.data) as free:  # as a running box would hold it: what is staged waits
        assert free
        assert holdfast(home, "restore", file, "--yes", "--passphrase-file", words)["placed"] == "at-next-start"
    for _ in range(6):
        home.launch()
        assert home.program is not None
        with contextlib.suppress(AssertionError):
            home.program.wait(chance.uniform(0.3, 2.0))
        home.program.kill()
    home.start()
    assert home.status()["site"] == "Test site"
    assert pending.waiting(home.data) is None
    assert messages(home, 1) == ["m1"]
    assert phone("desk").register("201", secret(201), home.sip).ok


def test_an_engine_without_a_supervisor_ends_and_is_replaced(box: BoxMaker, file: str, words: str) -> None:
    home: Box = box(site())
    holdfast(home, "backup", file, "--passphrase-file", words)
    rename(home, "Later")
    assert holdfast(home, "restore", file, "--yes", "--passphrase-file", words)["placed"] == "now"
    assert home.program is not None and home.program.wait(5) == 75
    home.start()
    assert home.status()["site"] == "Test site"


def test_after_a_factory_reset_the_box_is_new(box: BoxMaker, phone: PhoneMaker, carrier: Any, file: str, words: str) -> None:
    line: Carrier = carrier(CARRIER)
    home: Box = box(site(line), start=False, supervised=True)
    leave(home, "m1")
    home.start()
    messages(home, 1)
    desk = phone("desk")
    assert desk.register("201", secret(201), home.sip).ok
    emergency(home, line, desk)
    rename(home, "Later")
    holdfast(home, "backup", file, "--passphrase-file", words)
    assert holdfast(home, "factory-reset", "--yes")["placed"] == "restarted"
    status = home.status()
    # HOLDFAST_SITE names a site file for the first start, and this is one.
    assert (status["site"], status["revision"], status["registrations"], status["alarms"]) == ("Test site", 1, 0, [])
    assert holdfast(home, "calls", "--history", "5")["calls"] == []
    assert home.rpc("voicemail.list", mailbox="")["messages"] == []
    assert journal(home) == ["phone-201"]
    wait_until(lambda: not list(home.data.glob("restore.*")), 10, "everything deleted")
    assert not list(home.data.rglob("*.wav")) and not (home.data / pending.OLD).exists()
    assert phone("again").register("201", secret(201), home.sip).ok
    # And the backup brings it all back.
    assert holdfast(home, "restore", file, "--yes", "--passphrase-file", words)["placed"] == "restarted"
    assert home.status()["site"] == "Later"
    assert messages(home, 1) == ["m1"]


def test_a_backup_takes_little_from_calls(box: BoxMaker, file: str, words: str) -> None:
    """The command runs at a lower priority, and takes no lock for longer than it takes to open some files."""
    home: Box = box(site(), start=False)
    folder = home.data / "media"
    folder.mkdir(parents=True)
    for number in range(8):
        (folder / f"{number:064x}.wav").write_bytes(os.urandom(4 << 20))
    home.start()
    done = threading.Event()

    def make() -> None:
        holdfast(home, "backup", file, "--passphrase-file", words)
        done.set()

    worker = threading.Thread(target=make)
    worker.start()
    longest, niced, started = 0.0, False, time.monotonic()
    while not done.is_set():
        began = time.monotonic()
        with files.locked(home.data / "site", "the site folder"):
            pass
        longest = max(longest, time.monotonic() - began)
        niced = niced or any(_is_niced_backup(path) for path in Path("/proc").glob("[0-9]*"))
        done.wait(0.02)
    worker.join()
    assert niced
    # A lock held for as long as the recordings take would show as one long wait.
    assert longest < (time.monotonic() - started) / 2


def _is_niced_backup(process: Path) -> bool:
    with contextlib.suppress(OSError, IndexError):
        if b"\0backup\0" in (process / "cmdline").read_bytes():
            return int((process / "stat").read_text().rpartition(")")[2].split()[16]) >= 10
    return False
