"""200 random kill -9, of the engine and of processes that commit: the site is one revision or the other, and everything acknowledged is there."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from appliance.site.editing import Editor
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.integration.conftest import BoxMaker
from tests.support.box import ROOT, Box
from tests.support.committer import PHONE, USER, marked, secret_of
from tests.support.proc import Program, wait_until

KILLS, ENGINE_KILLS = 200, 15


class Committer:
    """One process at a time that edits and commits, and what it was told."""

    def __init__(self, data: Path) -> None:
        self._program = Program([sys.executable, "-m", "tests.support.committer", str(data)], cwd=ROOT)
        self._read = 0
        self.named = self.committed = self.revision = 0
        self._step_s = 0.2
        """How long the last commit took with all that led to it."""

    def live_and_die(self, start: int, whole: bool, dice: random.Random) -> None:
        """Begin at `start`; killed at a random moment of one of the first commits."""
        self._program.send(f"{start} {int(whole)}")
        pid = wait_until(lambda: next((int(word) for kind, word in self._lines() if kind == "born"), 0), 20.0, "a process", interval_s=0.001)
        began, before, lives = time.monotonic(), self.committed, dice.choice([0, 0, 1, 2])
        wait_until(lambda: self._lines() is not None and self.committed - before >= lives, 30.0, "some commits", interval_s=0.001)
        if lives and not whole:
            self._step_s = (time.monotonic() - began) / lives
        # A random moment is what is wanted, nothing that could be waited for.
        time.sleep(dice.uniform(0.0, 1.2 if whole else self._step_s))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: ("dead", str(pid)) in self._lines(), 10.0, "the process being gone", interval_s=0.001)

    def _lines(self) -> list[tuple[str, str]]:
        lines = self._program.lines[self._read :]
        self._read += len(lines)
        found = []
        for line in lines:
            kind, _, rest = line.partition(" ")
            assert kind in {"born", "named", "committed", "dead"}, line
            if kind == "named":
                self.named = int(rest)
            elif kind == "committed":
                self.committed, self.revision = map(int, rest.split())
            found.append((kind, rest))
        return found

    def close(self) -> None:
        self._program.kill()


def look(data: Path) -> tuple[int, int]:
    """(number in force, its revision), after everything was seen to be of one number."""
    store = SiteStore(data / "site")
    # The engine takes nothing back here, so no other process changes what is in force while this looks.
    revision, site = store.current()
    assert revision.number == store.current_number()
    number = int(site.name)
    assert site.users[USER].name == site.name
    assert len(site.users) == 40
    assert Vault(data).values(revision.number)[f"devices.{PHONE}.secret"] == secret_of(number)
    editor = Editor(data, "looker")
    candidate = editor.show().value
    pending = {change.path for change in editor.pending()}
    # What was typed next is there as far as it was typed, and nothing else.
    assert pending in (
        set(),
        {"name"},
        {"name", f"users.{USER}.name"},
        {"name", f"users.{USER}.name", f"devices.{PHONE}.secret"},
    )
    assert int(candidate["name"]) == (number + 1 if pending else number)
    waiting = editor.waiting()
    assert (waiting is not None) == (number % 3 == 0 and number > 0)
    assert waiting is None or waiting.revision == revision.number
    return number, revision.number


class EngineKiller(threading.Thread):
    """Kills the engine again and again, each time a moment after it was ready. Without its supervisor, which would begin to wait and go to rescue."""

    def __init__(self, box: Box, times: int, dice: random.Random) -> None:
        super().__init__(name="engine killer", daemon=True)
        self._box, self._times, self._dice = box, times, dice
        self.kills = 0
        self.error: BaseException | None = None
        self._end = threading.Event()

    def run(self) -> None:
        try:
            while self.kills < self._times and not self._end.wait(self._dice.uniform(0.0, 1.0)):
                self._box.kill9()
                self.kills += 1
                self._box.start()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self.error = error

    def finish(self) -> None:
        self._end.set()
        self.join(60.0)
        if self.error is not None:
            raise self.error


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_kills(box: BoxMaker, opened: contextlib.ExitStack) -> None:
    running: Box = box(marked(0))
    committer = Committer(running.data)
    opened.callback(committer.close)
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    began = time.monotonic()
    engines = EngineKiller(running, ENGINE_KILLS, random.Random(seed))
    opened.callback(engines.finish)
    engines.start()
    number, deaths, commits = 0, 0, 0
    while deaths < KILLS - ENGINE_KILLS or (engines.kills < ENGINE_KILLS and engines.error is None):
        committer.live_and_die(number, dice.random() < 0.1, dice)
        deaths += 1
        before = number
        number, revision = look(running.data)
        commits += number - before
        # What was acknowledged is there; what was on the way when the kill came may be.
        known = max(before, committer.committed)
        assert number in (known, known + 1), seed
        assert committer.named <= int(Editor(running.data, "looker").show("name").value) <= number + 1, seed
        assert revision >= committer.revision, seed
    engines.finish()
    assert deaths + engines.kills >= KILLS
    assert commits >= deaths / 4, (seed, "hardly a commit came through: the kills did not hit commits")
    print(f"{deaths} committing processes and {engines.kills} engines killed in {time.monotonic() - began:.0f} s, {number} commits, seed {seed}")
    # The engine comes round to the last one by itself, and with it the new password.
    wait_until(lambda: running.status()["revision"] == revision, 20.0, "the last revision in force")
    assert running.status()["site"] == str(number)
    shown = running.rpc("devices.sign-in", extension="201")["devices"][0]["secret"]
    assert shown == secret_of(number)
    text = running.log.read_text(errors="replace")
    assert not re.search(r"Traceback|revision \d+ (cannot be read|cannot be used)", text), re.findall(r".*(?:Traceback|cannot be).*", text)[:5]
