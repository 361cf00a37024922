"""holdfast site against a real box, up and down; two people editing at once; an editor on a real terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from appliance.cli.main import main
from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import Box
from tests.support.proc import Program, wait_until
from tests.support.sites import make_site, secret
from tests.support.terminal import Terminal

HOLDFAST = str(Path(sys.executable).with_name("holdfast"))


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def holdfast(box: Box, *words: str, **more: str) -> Done:
    """The command, in this process: it starts in no time."""
    result = CliRunner(env={**box.env, "USER": "engineer", "SUDO_USER": "", **more}).invoke(main, list(words))
    return Done(result.exit_code, result.stdout, result.stderr + ("" if result.exc_info is None or result.exc_info[0] is SystemExit else "Traceback"))


def process(box: Box, *words: str) -> Done:
    """The command as a process of its own: several at once."""
    env = {**os.environ, **box.env, "USER": "engineer", "SUDO_USER": ""}
    done = subprocess.run([HOLDFAST, *words], env=env, capture_output=True, text=True, timeout=90, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def good(done: Done) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def value(box: Box, path: str) -> object:
    return json.loads(good(holdfast(box, "site", "show", path, "--json")))["value"]


# ---- the box up and down -----------------------------------------------------------------------------------------


def test_a_commit_is_in_force_at_once_and_no_call_or_phone_notices(box: BoxMaker, phone: PhoneMaker) -> None:
    one = box(make_site(2))
    caller, called = phone("caller", ip="127.0.0.11"), phone("called", ip="127.0.0.12")
    for who, name in ((caller, "201"), (called, "202")):
        assert who.register(name, secret(name), one.sip, domain="holdfast.test").ok
    call = caller.call(one.uri("202"))
    called.incoming().wait("CONFIRMED")
    call.wait("CONFIRMED")
    good(holdfast(one, "site", "set", "users.user-202.extension", "222"))
    out = good(holdfast(one, "site", "commit", "-m", "renumbered"))
    assert "extension of User 202: 202 -> 222" in out
    assert "is in force." in out
    assert one.status()["revision"] == int(out.partition("Revision ")[2].split()[0])
    assert len(one.calls()) == 1
    call.hangup()
    again = caller.call(one.uri("222"))
    called.incoming().wait("CONFIRMED")
    again.wait("CONFIRMED")
    assert len(one.registrations()) >= 2, "nobody had to register again"


def test_the_engine_notices_what_it_was_not_told(box: BoxMaker) -> None:
    """A commit whose teller died right after it: the box looks by itself."""
    one = box(make_site(1))
    before = one.status()["revision"]
    good(holdfast(one, "site", "set", "name", "Renamed"))
    out = good(holdfast(one, "site", "commit", HOLDFAST_CONTROL=str(one.folder / "nobody.sock")))
    assert "The box is not running" in out
    wait_until(lambda: one.status()["revision"] > before, 6.0, "the new revision in force")
    assert one.status()["site"] == "Renamed"


def test_a_stopped_box_starts_with_what_was_committed(box: BoxMaker) -> None:
    one = box(make_site(1))
    one.stop()
    good(holdfast(one, "site", "set", "name", "While it slept"))
    assert "it will start with it" in good(holdfast(one, "site", "commit"))
    one.start()
    assert one.status()["site"] == "While it slept"


def test_an_unconfirmed_commit_goes_back_by_undo_and_by_its_deadline_is_told(box: BoxMaker) -> None:
    one = box(make_site(1))
    good(holdfast(one, "site", "set", "name", "On trial"))
    out = good(holdfast(one, "site", "commit", "--confirm", "5"))
    assert "goes back to revision" in out
    assert one.status()["site"] == "On trial"
    assert "is in force" in good(holdfast(one, "site", "undo"))
    assert one.status()["site"] == "Test site"
    assert "On trial" in good(holdfast(one, "site", "diff"))


def test_a_mistake_never_reaches_a_running_box(box: BoxMaker) -> None:
    one = box(make_site(1))
    before = one.status()["revision"]
    good(holdfast(one, "site", "set", "users.user-201.extension", "911"))
    done = holdfast(one, "site", "commit")
    assert done.returncode == 1
    assert "911 is an emergency number" in done.stderr
    assert one.status()["revision"] == before


def test_what_takes_long_says_so(box: BoxMaker) -> None:
    """A box that is stopped in its tracks for some seconds."""
    one = box(make_site(1))
    good(holdfast(one, "site", "set", "name", "Slowly"))
    engine = psutil.Process(one.pid())
    engine.suspend()
    try:
        with Program([HOLDFAST, "site", "commit"], env={**one.env, "USER": "engineer"}) as commit:
            commit.wait_for_line(r"The box puts it into force …", 30.0)
            engine.resume()
            assert commit.wait(30.0) == 0
            assert commit.wait_for_line(r"is in force")
    finally:
        engine.resume()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["show", "users.nobody"], 1), (["show", "nonsense"], 1), (["set"], 2), (["set", "nonsense", "1"], 1), (["unset", "users.nobody"], 1),
        (["edit", "nonsense"], 1), (["import", "/no/such.toml"], 1), (["import", "/etc/passwd"], 1), (["export", "/no/such/folder/x.toml"], 1),
        (["diff", "99999"], 1), (["diff", "one"], 2), (["check", "/no/such.toml"], 1), (["commit"], 1), (["commit", "--confirm", "0"], 2), (["confirm"], 1),
        (["undo"], 1), (["rollback", "99999"], 1), (["rollback"], 2), (["history", "--limit", "0"], 2), (["discard", "users.nobody"], 1), (["load", "x"], 2),
        (["show", "a\x1b[2Jb"], 1), (["set", "name", "\x07"], 0), (["nonsense"], 2),
    ],
)  # fmt: skip
def test_ill_words_get_a_sentence_from_every_verb(box_once: Box, words: list[str], code: int) -> None:
    done = holdfast(box_once, "site", *words, EDITOR="true")
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr, "nothing acts on the terminal"
    assert (done.stdout + done.stderr).strip()


@pytest.fixture(scope="module")
def box_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("box"), make_site(1)) as one:
        yield one


# ---- two at once -------------------------------------------------------------------------------------------------


def test_many_write_different_things_at_once_and_all_of_it_stays(box: BoxMaker) -> None:
    one = box(make_site(8))
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: process(one, "site", "set", f"users.user-{n}.name", f"Name {n}"), range(201, 209)))
    for each in done:
        good(each)
    good(holdfast(one, "site", "commit"))
    assert [value(one, f"users.user-{n}.name") for n in range(201, 209)] == [f"Name {n}" for n in range(201, 209)]


@pytest.mark.parametrize("order", [("ann", "bob"), ("bob", "ann")])
def test_two_who_read_the_same_both_orders_one_wins_and_the_other_is_shown_both(box_once: Box, order: tuple[str, str]) -> None:
    seen = json.loads(good(holdfast(box_once, "site", "show", "users.user-201", "--json")))["version"]
    first, second = order
    good(holdfast(box_once, "site", "set", "users.user-201.name", f"By {first}", "--expect", str(seen), USER=first))
    done = holdfast(box_once, "site", "set", "users.user-201.name", f"By {second}", "--expect", str(seen), USER=second)
    assert done.returncode == 1
    for words in ("was changed meanwhile", f"By {first}", f"By {second}"):
        assert words in done.stderr
    assert value(box_once, "users.user-201.name") == f"By {first}"


def test_of_many_who_write_the_same_at_once_exactly_one_wins(box: BoxMaker) -> None:
    one = box(make_site(1))
    seen = json.loads(good(holdfast(one, "site", "show", "users.user-201", "--json")))["version"]
    start = threading.Barrier(6)

    def write(number: int) -> int:
        start.wait()
        return process(one, "site", "set", "users.user-201.name", f"Writer {number}", "--expect", str(seen)).returncode

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(write, range(6)))
    assert sorted(codes) == [0, 1, 1, 1, 1, 1]
    assert value(one, "users.user-201.name") == f"Writer {codes.index(0)}"


def test_two_commits_at_once_are_one_revision_or_two_and_lose_nothing(box: BoxMaker) -> None:
    one = box(make_site(2))
    good(holdfast(one, "site", "set", "users.user-201.name", "One"))
    good(holdfast(one, "site", "set", "users.user-202.name", "Two"))
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: process(one, "site", "commit"), range(2)))
    assert 0 in {each.returncode for each in done}
    assert all(each.returncode == 0 or "nothing to commit" in each.stderr for each in done)
    assert [value(one, f"users.user-{n}.name") for n in (201, 202)] == ["One", "Two"]
    assert good(holdfast(one, "site", "diff")) == "Nothing is changed.\n"


# ---- an editor on a terminal -------------------------------------------------------------------------------------


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(box: Box, *words: str, **more: str) -> Terminal:
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "engineer", **box.env, **more}
        opened.append(Terminal(HOLDFAST, ["holdfast", *words], env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def editor(folder: Path, name: str, code: str) -> str:
    program = folder / name
    program.write_text(f"#!{sys.executable}\nimport pathlib, sys\nfile = pathlib.Path(sys.argv[-1])\ntext = file.read_text()\n{code}\nfile.write_text(text)\n")
    program.chmod(0o755)
    return str(program)


def test_a_slip_is_edited_again_until_it_is_right(box_once: Box, terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    good(holdfast(box_once, "site", "discard"))
    program = editor(tmp_path, "slip", "text = text.replace('[[', '') if '[[' in text else text.replace('User 201', 'User Two') + '[['")
    at = terminal(box_once, "site", "edit", "users.user-201", EDITOR=program)
    at.wait_for(r"not valid TOML")
    at.wait_for(r"Edit it again\?")
    at.type("\r")
    at.wait_for(r"not in force yet")
    assert at.wait_end() == 0
    assert value(box_once, "users.user-201.name") == "User Two"
    good(holdfast(box_once, "site", "discard"))


@pytest.mark.parametrize(("answer", "winner"), [("put", "Mine"), ("stop", "Theirs"), ("edit", "Mine")])
def test_a_conflict_is_settled_by_who_sees_both(box_once: Box, terminal: Callable[..., Terminal], tmp_path: Path, answer: str, winner: str) -> None:
    other = f"import os, subprocess\nmark = pathlib.Path({str(tmp_path / 'mark')!r})\nif not mark.exists():\n    mark.write_text('')\n"
    other += f"    subprocess.run([{HOLDFAST!r}, 'site', 'set', 'users.user-201.name', 'Theirs'], check=True, capture_output=True)\n"
    other += "text = text.replace('User 201', 'Mine')\n"
    at = terminal(box_once, "site", "edit", "users.user-201", EDITOR=editor(tmp_path, "other", other))
    at.wait_for(r"was changed meanwhile", 30.0)
    at.wait_for(r"It is now")
    at.wait_for(r"Theirs")
    at.wait_for(r"You wrote")
    at.wait_for(r"Mine")
    at.type(f"{answer}\r")
    code = at.wait_end()
    assert code == (1 if answer == "stop" else 0), at.text
    if answer == "stop":
        kept = Path(at.text.partition("kept in ")[2].split()[0])
        assert "Mine" in kept.read_text()
    assert value(box_once, "users.user-201.name") == winner
    good(holdfast(box_once, "site", "discard"))


@pytest.mark.skipif(not Path("/usr/bin/nano").exists(), reason="nano is not installed (image/packages-run.txt lists it)")
def test_the_login_shell_edits_in_a_nano_that_opens_nothing_else(box_once: Box, tmp_path: Path) -> None:
    good(holdfast(box_once, "site", "show"))
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "engineer", "EDITOR": "/bin/sh", "SHELL": HOLDFAST, **box_once.env}
    (tmp_path / ".nanorc").write_text("set operatingdir /\n")
    with Terminal(HOLDFAST, ["-holdfast"], env) as at:
        at.wait_for(r"^holdfast> ")
        at.type("site edit users.user-201\r")
        at.wait_for(r"GNU nano")
        at.type("\x12")  # Ctrl-R: insert a file
        at.wait_for(r"restricted mode")
        at.type("\x14")  # Ctrl-T: run a program
        at.type("\x1a")  # Ctrl-Z: away from it
        at.type("\x17User 201\r")  # find the name
        at.type("\x0b")  # cut that line
        at.type('name = "By nano"\r')
        at.type("\x18")  # leave
        at.wait_for(r"Save modified buffer")
        at.type("y")
        at.wait_for(r"File Name|Write")
        at.type("\r")
        at.wait_for(r"not in force yet", 30.0)
        at.wait_for(r"^holdfast> ")
        at.type("exit\r")
        at.wait_end()
        assert not re.search("to execute|to insert|Command", at.text)
    assert value(box_once, "users.user-201.name") == "By nano"
    good(holdfast(box_once, "site", "discard"))


def test_commands_answer_while_somebody_commits(box: BoxMaker) -> None:
    """A commit of a large site holds nobody up who only looks."""
    site = make_site(300)
    one = box(site)
    good(holdfast(one, "site", "set", "name", "Large"))
    with Program([HOLDFAST, "site", "commit"], env={**one.env, "USER": "engineer"}) as commit:
        began = time.monotonic()
        good(holdfast(one, "site", "show", "name"))
        assert time.monotonic() - began < 10
        assert commit.wait(60.0) == 0
