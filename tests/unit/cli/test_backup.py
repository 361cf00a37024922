"""holdfast backup, restore and factory-reset on a data folder without a box, and with one that refuses or does not answer."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.cli import backup
from appliance.cli.main import main
from appliance.errors import HoldfastError
from appliance.site import pending, restoring
from appliance.site.install import install
from appliance.site.sample import sample_site
from appliance.site.sealing import Cost, seal
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from appliance.state.database import migrate
from tests.support.disks import fill, tmpfs
from tests.support.terminal import Terminal
from tests.unit.cli.conftest import FakeBox
from tests.unit.site.datafolder import tree, write_journal

WORDS = "seven brave herons"
OLDER_STATE = """
from pathlib import Path
import sys
from alembic import command
from alembic.config import Config
from appliance.state.database import open_engine
import appliance.state
config = Config()
config.set_main_option("script_location", str(Path(appliance.state.__file__).parent / "migrations"))
engine = open_engine(Path(sys.argv[1]))
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    connection.exec_driver_sql("INSERT INTO call_records (session, direction, caller, caller_name, caller_device, called, answered_device, trunk, location, "
        "started_unix_s, ended_unix_s, talk_s, outcome, code) VALUES ('s-1', 'out', '201', '', '', '202', '', '', '', 1, 2, 0, 'busy', 486)")
engine.dispose()
"""


class Desk:
    """The command on a data folder; no box runs on it unless `control` names one."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.data = folder, folder / name
        self.file, self.words = folder / "box.hfb", folder / "passphrase"
        if not self.words.exists():
            self.words.write_text(WORDS + "\nmore\n")
        self.control = self.data / "run" / "control.sock"

    def fill(self, name: str, journal: tuple[str, ...] = ("ours",)) -> Desk:
        install(SiteStore(self.data / "site"), Vault(self.data), sample_site().model_copy(update={"name": name}), {}, author="test", comment="")
        migrate(self.data / "state" / "state.db")
        write_journal(self.data, *journal)
        (self.data / "voicemail" / "dana").mkdir(parents=True)
        (self.data / "voicemail" / "dana" / "1.wav").write_bytes(b"said" * 10_000)
        return self

    @property
    def environment(self) -> dict[str, str]:
        return {"HOLDFAST_CONTROL": str(self.control), "HOLDFAST_DATA": str(self.data), "COLUMNS": "160", "TZ": "UTC", "USER": "dana", "SUDO_USER": ""}

    def run(self, *words: object, typed: str = "") -> Result:
        return CliRunner(env=self.environment).invoke(main, [str(word) for word in words], input=typed)

    def backup(self, *words: object) -> Result:
        return self.run("backup", self.file, "--passphrase-file", self.words, *words)

    def restore(self, *words: object) -> Result:
        return self.run("restore", self.file, "--passphrase-file", self.words, *words)

    @property
    def site(self) -> str:
        return SiteStore(self.data / "site").current()[1].name


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, "data").fill("Harbour office")


@pytest.fixture
def other(tmp_path: Path) -> Desk:
    """Another box, which has the backup file of `desk` at hand."""
    return Desk(tmp_path, "other").fill("Hill office", ("theirs",))


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases are tried out by nobody here, and the tests that follow these are as urgent as ever."""
    monkeypatch.setattr(backup, "back_up", functools.partial(backup.back_up, cost=Cost(log2_n=4, r=1, p=1)))
    monkeypatch.setattr(os, "nice", lambda _: 0)


def error_of(done: Result) -> dict[str, Any]:
    assert done.exit_code == 1, done.output
    error: dict[str, Any] = json.loads(done.stdout)
    assert error["sentence"]
    return error


# ---- backup ------------------------------------------------------------------------------------------------------


def test_a_backup_says_what_it_is_and_is_for_its_owner_alone(desk: Desk) -> None:
    done = desk.backup()
    assert done.exit_code == 0, done.output
    assert "Harbour office, revision 1" in done.output and "passphrase" in done.output
    assert desk.file.stat().st_mode & 0o777 == 0o600
    assert WORDS.encode() not in desk.file.read_bytes() and WORDS not in done.output
    assert not desk.file.with_name("box.hfb.part").exists()
    told = json.loads(desk.backup("--overwrite", "--json").stdout)
    assert (told["site"], told["revision"], told["bytes"]) == ("Harbour office", 1, desk.file.stat().st_size)


def test_a_file_that_is_there_is_not_replaced_unasked(desk: Desk) -> None:
    desk.file.write_text("holiday pictures")
    assert error_of(desk.backup("--json"))["code"] == "exists"
    assert desk.file.read_text() == "holiday pictures"
    assert desk.backup("--overwrite").exit_code == 0
    assert desk.restore("--dry-run").exit_code == 0


@pytest.mark.parametrize("words", ["short", "aaaaaaaaaaaaaaaaaa", "123456789012"])
def test_a_weak_passphrase_is_refused(desk: Desk, words: str) -> None:
    desk.words.write_text(words + "\n")
    assert error_of(desk.backup("--json"))["code"] == "passphrase"
    assert not desk.file.exists()


def test_without_a_passphrase_there_is_nobody_to_ask(desk: Desk) -> None:
    assert error_of(desk.run("backup", desk.file, "--json"))["code"] == "passphrase"
    assert error_of(desk.run("backup", desk.file, "--passphrase-file", desk.folder / "none", "--json"))["code"] == "passphrase"
    assert desk.run("backup", desk.file, "--passphrase-file", "-", typed=WORDS + "\n").exit_code == 0
    assert desk.run("restore", desk.file, "--dry-run", "--passphrase-file", "-", typed=WORDS + "\n").exit_code == 0


def test_where_it_cannot_be_written(desk: Desk) -> None:
    desk.file = desk.folder / "nowhere" / "box.hfb"
    assert error_of(desk.backup("--json"))["code"] == "write"
    desk.file = desk.data
    assert error_of(desk.backup("--json"))["code"] == "exists"


def test_a_full_disk_leaves_the_old_backup_and_no_half_one(desk: Desk) -> None:
    with tmpfs(desk.folder / "stick", 1 << 20) as stick:
        desk.file = stick / "box.hfb"
        assert desk.backup().exit_code == 0
        before = desk.file.read_bytes()
        fill(stick)
        error = error_of(desk.backup("--overwrite", "--json"))
        assert error["code"] == "write" and "space" in error["hint"]
        assert desk.file.read_bytes() == before
        assert sorted(path.name for path in stick.iterdir()) == ["box.hfb", "filler"]


def test_nothing_to_back_up(tmp_path: Path) -> None:
    empty = Desk(tmp_path, "empty")
    assert error_of(empty.backup("--json"))["code"] == "nothing-to-back-up"
    assert not empty.data.exists() and not empty.file.exists()


# ---- dry run -----------------------------------------------------------------------------------------------------


def test_a_dry_run_says_all_and_changes_nothing(desk: Desk, other: Desk) -> None:
    desk.backup()
    before = tree(other.folder)
    done = other.restore("--dry-run")
    assert done.exit_code == 0, done.output
    assert "Harbour office, revision 1" in done.output and "Nothing was changed" in done.output
    told = json.loads(other.restore("--dry-run", "--json").stdout)
    sample = sample_site()
    assert (told["users"], told["devices"], told["messages"], told["problems"]) == (len(sample.users), len(sample.devices), 0, [])
    assert told["product"] and told["made_unix_s"] and told["dry_run"]
    assert tree(other.folder) == before
    fresh = Desk(other.folder, "fresh")
    assert fresh.restore("--dry-run").exit_code == 0
    assert not fresh.data.exists()


# ---- restore -----------------------------------------------------------------------------------------------------


def test_a_restore_onto_a_stopped_box_and_back(desk: Desk, other: Desk) -> None:
    desk.backup()
    secrets = Vault(desk.data).values(1)
    before = tree(other.data, "state", "lock", "site/lock")
    done = other.restore("--yes")
    assert done.exit_code == 0, done.output
    assert "does not run" in done.output
    assert other.site == "Harbour office" and Vault(other.data).values(1) == secrets
    assert not list(other.data.glob("restore.*"))
    told = json.loads(other.run("restore", "--undo", "--yes", "--json").stdout)
    assert told == {"placed": "now"}
    assert other.site == "Hill office"
    assert tree(other.data, "state", "lock", "site/lock", pending.OLD) == before


def test_a_restore_onto_a_fresh_folder(desk: Desk) -> None:
    desk.backup()
    fresh = Desk(desk.folder, "fresh")
    assert json.loads(fresh.restore("--yes", "--json").stdout)["placed"] == "now"
    assert fresh.site == "Harbour office"
    assert tree(fresh.data)["voicemail/dana/1.wav"] == b"said" * 10_000


def test_a_backup_of_an_older_version(desk: Desk, other: Desk) -> None:
    shutil.rmtree(desk.data / "state")
    (desk.data / "state").mkdir()
    subprocess.run([sys.executable, "-c", OLDER_STATE, desk.data / "state" / "state.db"], check=True)
    revision = desk.data / "site" / "revisions" / "000001.json"
    raw = json.loads(revision.read_bytes())
    name = next(iter(raw["site"]["devices"]))
    raw["site"]["devices"][name]["secret"] = "in-the-clear-then"  # as revisions were before there was a vault
    revision.write_text(json.dumps(raw))
    (desk.data / "site" / "clean").unlink(missing_ok=True)
    shutil.rmtree(desk.data / "vault")
    desk.backup()
    done = other.restore("--yes")
    assert done.exit_code == 0, done.output
    assert "in-the-clear-then" not in (other.data / "site" / "revisions" / "000001.json").read_text()
    assert Vault(other.data).values(1)[f"devices.{name}.secret"] == "in-the-clear-then"
    assert migrate(other.data / "state" / "state.db") is False
    with closing(sqlite3.connect(other.data / "state" / "state.db")) as connection:
        assert connection.execute("SELECT session FROM call_records").fetchall() == [("s-1",)]
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() > ("0001",)


def test_nobody_says_yes(desk: Desk, other: Desk) -> None:
    desk.backup()
    before = tree(other.data)
    assert "not confirmed" in other.restore().output
    assert error_of(other.restore("--json"))["code"] == "not-confirmed"
    assert error_of(other.run("restore", "--undo", "--json"))["code"] == "not-confirmed"
    assert tree(other.data) == before


@pytest.mark.parametrize("words", [(), ("x.hfb", "--undo"), ("--undo", "--dry-run"), ("--dry-run",)])
def test_what_cannot_be_meant(desk: Desk, words: tuple[str, ...]) -> None:
    assert error_of(desk.run("restore", *words, "--json"))["code"] == "usage"


def test_nothing_to_undo(desk: Desk) -> None:
    assert error_of(desk.run("restore", "--undo", "--yes", "--json"))["code"] == "nothing-to-undo"


# ---- bad files ---------------------------------------------------------------------------------------------------


def _state(desk: Desk, *statements: str) -> None:
    with closing(sqlite3.connect(desk.data / "state" / "state.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def _newer_state(desk: Desk) -> None:
    _state(desk, "UPDATE alembic_version SET version_num = '9999'")


def _damaged_state(desk: Desk) -> None:
    """Damage that a copy carries along: a row that breaks an index's promise."""
    _state(desk, "PRAGMA writable_schema=ON", "UPDATE sqlite_master SET rootpage = 3 WHERE name = 'call_records_started'")


def _newer_document(desk: Desk) -> None:
    revision = desk.data / "site" / "revisions" / "000001.json"
    raw = json.loads(revision.read_bytes())
    raw["site"]["of_a_later_version"] = True
    revision.write_text(json.dumps(raw))


def _another_boxs_key(desk: Desk) -> None:
    (desk.data / "vault" / "key").write_bytes(os.urandom(32))


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    return data[:-100] + bytes((data[-100] ^ 1,)) + data[-99:]


BEFORE_IT_IS_MADE = {
    "state of a newer version": (_newer_state, "newer-format"),
    "damaged state": (_damaged_state, "damaged"),
    "document of a newer version": (_newer_document, "document"),
    "vault with another key": (_another_boxs_key, "vault"),
}
AFTER_IT_IS_MADE = {
    "cut off": (_cut, "damaged"),
    "a bit flipped": (_flipped, "damaged"),
    "empty": (lambda _: b"", "not-ours"),
    "only the start": (lambda data: data[:20], "damaged"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(1000), "not-ours"),
    "a site file": (lambda _: b'name = "Harbour"\n', "not-ours"),
    "another sealed file": (lambda _: seal(b"{}", WORDS, "site-export"), "not-ours"),
    "something behind the end": (lambda data: data + b"x", "damaged"),
    "two in one": (lambda data: data + data, "damaged"),
    "a newer format": (lambda data: data[:8] + b"\xff" + data[9:], "damaged"),
}


def assert_refused(other: Desk, code: str) -> None:
    before = tree(other.data)
    for words in (("--yes",), ("--dry-run",)):
        assert error_of(other.restore(*words, "--json"))["code"] == code
        assert tree(other.data) == before
        assert not list(other.data.glob("restore.*"))
    fresh = Desk(other.folder, "fresh")
    assert error_of(fresh.restore("--yes", "--json"))["code"] == code
    assert not fresh.data.exists()


@pytest.mark.parametrize("kind", AFTER_IT_IS_MADE)
def test_a_file_that_is_wrong_changes_nothing(desk: Desk, other: Desk, kind: str) -> None:
    spoil, code = AFTER_IT_IS_MADE[kind]
    desk.backup()
    desk.file.write_bytes(spoil(desk.file.read_bytes()))
    assert_refused(other, code)


@pytest.mark.parametrize("kind", BEFORE_IT_IS_MADE)
def test_content_that_cannot_be_used_changes_nothing(desk: Desk, other: Desk, kind: str) -> None:
    spoil, code = BEFORE_IT_IS_MADE[kind]
    spoil(desk)
    assert desk.backup().exit_code == 0
    assert_refused(other, code)


def test_the_wrong_passphrase_changes_nothing(desk: Desk, other: Desk) -> None:
    desk.backup()
    other.words.write_text("eight brave herons\n")
    assert_refused(other, "wrong-passphrase")


def test_a_file_that_cannot_be_read(desk: Desk, other: Desk) -> None:
    assert_refused(other, "read")
    other.file = desk.folder
    assert_refused(other, "read")


def test_a_backup_of_a_newer_version_is_refused(desk: Desk, other: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.backup()
    monkeypatch.setattr(restoring, "version", lambda _: "0.0.9")
    assert_refused(other, "newer-format")


def test_no_room_is_said_before_anything_is_unpacked(desk: Desk) -> None:
    (desk.data / "media").mkdir()
    (desk.data / "media" / "big.wav").write_bytes(bytes(8 << 20))
    desk.backup()
    with tmpfs(desk.folder / "small", 8 << 20) as small:
        box = Desk(small, "data").fill("Small")
        box.file, box.words = desk.file, desk.words
        before = tree(box.data)
        error = error_of(box.restore("--yes", "--json"))
        assert error["code"] == "no-room" and "needs 8.5 MB" in error["sentence"]
        assert tree(box.data) == before


def test_mistakes_by_todays_rules_are_told_and_do_not_stop_it(desk: Desk, other: Desk) -> None:
    revision = desk.data / "site" / "revisions" / "000001.json"
    raw = json.loads(revision.read_bytes())
    next(iter(raw["site"]["devices"].values()))["owner"] = "nobody-of-that-name"
    revision.write_text(json.dumps(raw))
    desk.backup()
    told = json.loads(other.restore("--dry-run", "--json").stdout)
    assert [problem["path"] for problem in told["problems"]]
    done = other.restore("--yes")
    assert done.exit_code == 0 and "mistakes by this version's rules" in done.output


# ---- factory reset -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
def test_a_factory_reset(desk: Desk, keep: bool) -> None:
    desk.backup()
    desk.restore("--yes")  # so that there is an older generation, too
    told = json.loads(desk.run("factory-reset", "--yes", "--json", *(() if keep else ("--no-keep-journal",))).stdout)
    assert told == {"site": "Harbour office", "journal_kept": keep, "placed": "now"}
    journal = {"state/emergency.journal", "state/emergency.journal.spare"}
    assert set(tree(desk.data)) == {"lock"} | (journal if keep else set())


def test_a_factory_reset_asks(desk: Desk) -> None:
    before = tree(desk.data)
    assert error_of(desk.run("factory-reset", "--json"))["code"] == "not-confirmed"
    assert tree(desk.data) == before
    assert error_of(Desk(desk.folder, "nowhere").run("factory-reset", "--yes", "--json"))["sentence"].startswith("There is no data folder")


# ---- a box that runs ---------------------------------------------------------------------------------------------


def test_a_box_that_refuses_the_restart_keeps_what_it_has(desk: Desk, other: Desk, box: FakeBox) -> None:
    desk.backup()
    before = tree(other.data, "lock")
    other.control = box.path
    box.answers |= {"status": {"pid": 1}, "box.restart": HoldfastError("An emergency call is in progress", "wait", code="emergency-in-progress")}
    with pending.stopped(other.data):
        assert error_of(other.restore("--yes", "--json"))["code"] == "emergency-in-progress"
        assert error_of(other.run("factory-reset", "--yes", "--json"))["code"] == "emergency-in-progress"
    assert tree(other.data, "lock") == before
    assert not list(other.data.glob("restore.*"))
    reasons = [params for name, params in box.asked if name == "box.restart"]
    assert [params["force"] for params in reasons] == [False, False] and "Harbour office" in reasons[0]["reason"]


def test_a_box_that_does_not_answer_takes_it_at_its_next_start(desk: Desk, other: Desk) -> None:
    desk.backup()
    with pending.stopped(other.data):
        done = other.restore("--yes", "--json")
        assert json.loads(done.stdout)["placed"] == "at-next-start"
        assert other.site == "Hill office"
    pending.apply(other.data)
    assert other.site == "Harbour office"


# ---- at a terminal -----------------------------------------------------------------------------------------------


def at_terminal(desk: Desk, *words: object, says: tuple[tuple[str, str], ...]) -> tuple[int, str]:
    """Run the command as a person does, answering what it asks; its exit code and all it showed."""
    environment = {**desk.environment, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    argv = [sys.executable, "-m", "appliance.cli.main", *map(str, words)]
    with Terminal(sys.executable, argv, environment, cwd=Path(__file__).parents[3]) as terminal:
        for question, answer in says:
            terminal.wait_for(question, 30.0)
            terminal.type(answer + "\r")
        return terminal.wait_end(30.0), terminal.text


def test_the_passphrase_is_asked_for_twice_and_never_shown(desk: Desk) -> None:
    twice = (("Passphrase.*:", WORDS), ("Repeat.*:", WORDS + "x"), ("Passphrase.*:", WORDS), ("Repeat.*:", WORDS))
    code, shown = at_terminal(desk, "backup", desk.file, says=twice)
    assert code == 0 and "do not match" in shown and WORDS not in shown
    code, shown = at_terminal(desk, "restore", desk.file, says=(("Passphrase.*:", WORDS), ("'yes' to go on.*:", "no")))
    assert code == 1 and "not confirmed" in shown and WORDS not in shown
    code, _ = at_terminal(desk, "restore", desk.file, says=(("Passphrase.*:", WORDS), ("'yes' to go on.*:", "yes")))
    assert code == 0 and (desk.data / pending.OLD).exists()


def test_a_reset_wants_the_sites_name(desk: Desk) -> None:
    code, shown = at_terminal(desk, "factory-reset", says=(("'Harbour office' to go on.*:", "Harbour"),))
    assert code == 1 and "not confirmed" in shown and desk.site == "Harbour office"
    code, _ = at_terminal(desk, "factory-reset", says=(("'Harbour office' to go on.*:", "Harbour office"),))
    assert code == 0 and not (desk.data / "site").exists()
