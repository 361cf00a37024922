"""kill -9 and lost databases: what was kept is a message, what was deleted stays deleted, what was being said is found again."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.events.voicemail import VoicemailChanged
from appliance.people.voicemail import Voicemail
from appliance.site.model.site import Site
from appliance.sound import Sound, header, load, save, silence
from appliance.state.database import migrate, open_engine
from appliance.state.records import VoicemailRecord
from appliance.state.voicemail import VoicemailRepository
from appliance.state.writer import StateWriter
from appliance.types import MailboxId, SessionId

ROOT = Path(__file__).parents[3]
DANA = MailboxId("dana")
SITE = Site.model_validate({"mailboxes": {"dana": {"name": "Dana", "max_messages": 1000}, "sales": {"name": "Sales"}}})


class Start:
    """A start of the box on what the last one left."""

    def __init__(self, folder: Path) -> None:
        path = folder / "state" / "state.db"
        assert migrate(path) is False, "the database was damaged"
        self.folder = folder / "voicemail"
        self.engine = open_engine(path)
        self.writer = StateWriter(self.engine)
        self.writer.start()
        self.events: list[VoicemailChanged] = []
        self.voicemail = Voicemail(folder, self.engine, self.writer, lambda: SITE, self.events.append)

    def recover(self) -> list[VoicemailRecord]:
        asyncio.run(self.voicemail.recover())
        return self.messages()

    def messages(self) -> list[VoicemailRecord]:
        return list(VoicemailRepository(self.engine).messages())

    def close(self) -> None:
        asyncio.run(self.voicemail.close())
        self.writer.close()
        self.engine.dispose()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    def consistent(self) -> None:
        """Every message has its file and its facts, and nothing else is there."""
        assert self.files() == sorted(f"{one.id}.{end}" for one in self.messages() for end in ("wav", "json"))
        for one in self.messages():
            assert load(self.folder / one.file).seconds == pytest.approx(one.seconds)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    start = Start(tmp_path)
    (start.folder / "dana").mkdir(parents=True)
    yield start
    start.close()


def part(start: Start, name: str, seconds: float, facts: str | None = None) -> Path:
    path = start.folder / "dana" / f"{name}.part"
    path.write_bytes(header(8000, 0) + b"\1\2" * round(8000 * seconds))
    if facts is not None:
        path.with_suffix(".json").write_text(facts)
    return path


FACTS = '{"caller": "201", "caller_name": "Dana", "session": "s7", "started_unix_s": 1700000000.5}'


# ---- what a start finds ------------------------------------------------------------------------------------------


def test_an_interrupted_message_is_a_message(start: Start) -> None:
    part(start, "m1", 2.5, FACTS)
    assert start.recover() == [VoicemailRecord("m1", DANA, "201", "Dana", SessionId("s7"), 1700000000.5, 2.5, None, "dana/m1.wav")]
    assert load(start.folder / "dana" / "m1.wav") == Sound(b"\1\2" * 20_000, 8000)
    assert start.events == [VoicemailChanged(DANA, 1, 0)]
    start.consistent()
    assert len(start.recover()) == 1
    assert len(start.events) == 1, "a second start finds nothing to do"


@pytest.mark.parametrize("size", [0, 10, 44, 45, 44 + 15_998])
def test_one_too_short_to_hold_words_is_deleted(start: Start, size: int) -> None:
    path = part(start, "m1", 3, FACTS)
    os.truncate(path, size)
    assert start.recover() == []
    assert start.files() == []


def test_an_odd_number_of_bytes_is_no_reason_to_lose_it(start: Start) -> None:
    os.truncate(part(start, "m1", 3, FACTS), 44 + 40_001)
    assert [one.seconds for one in start.recover()] == [2.5]
    start.consistent()


@pytest.mark.parametrize("facts", [None, "", "{", "[]", '{"caller": "201"}', '{"caller":"","caller_name":"","session":"","started_unix_s":"x"}'])
def test_without_its_facts_it_is_still_heard(start: Start, facts: str | None) -> None:
    path = part(start, "m1", 2, facts)
    os.utime(path, (1.6e9, 1.6e9))
    (found,) = start.recover()
    assert (found.caller, found.seconds, found.heard_unix_s) == ("", 2.0, None)
    assert found.started_unix_s == pytest.approx(time.time(), abs=60) or found.started_unix_s == 1.6e9


def test_a_lost_database_loses_no_message(start: Start) -> None:
    for number in range(3):
        save(start.folder / "dana" / f"m{number}.wav", silence(number + 1))
        (start.folder / "dana" / f"m{number}.json").write_text(FACTS)
    (start.folder / "sales").mkdir()
    save(start.folder / "sales" / "x.wav", silence(1))
    save(start.folder / "dana" / "greeting.wav", silence(1))
    found = start.recover()
    assert {(one.id, one.mailbox, one.caller, one.seconds) for one in found} == {
        ("m0", "dana", "201", 1.0), ("m1", "dana", "201", 2.0), ("m2", "dana", "201", 3.0), ("x", "sales", "", 1.0),
    }  # fmt: skip
    assert {(one.mailbox, one.new) for one in start.events} == {("dana", 3), ("sales", 1)}
    assert "greeting.wav" in start.files()


def test_a_message_without_its_file_leaves_the_list(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    part(start, "m1", 2, FACTS)
    part(start, "m2", 2, FACTS)
    start.recover()
    (start.folder / "dana" / "m1.wav").unlink()
    with caplog.at_level(logging.ERROR):
        assert [one.id for one in start.recover()] == ["m2"]
    assert "m1" in caplog.text
    assert start.events[-1] == VoicemailChanged(DANA, 1, 0)
    start.consistent()


def test_leftovers_go_and_what_is_nobodys_stays(start: Start) -> None:
    folder = start.folder / "dana"
    (folder / "alone.json").write_text(FACTS)
    (folder / ".m9.json.new").write_text("{")
    (folder / "greeting-12ab.part").write_bytes(bytes(100_000))
    (folder / "damaged.wav").write_bytes(b"RIFF")
    (folder / "notes.txt").write_text("of a person")
    (start.folder / "lost+found").mkdir()
    assert start.recover() == []
    assert start.files() == ["damaged.wav", "notes.txt"]


def test_one_file_that_cannot_be_worked_on_does_not_stop_the_others(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    (start.folder / "dana" / "a.part").mkdir()
    part(start, "b", 2, FACTS)
    with caplog.at_level(logging.ERROR):
        assert [one.id for one in start.recover()] == ["b"]
    assert "a.part" in caplog.text


def test_messages_being_left_meanwhile_are_none_of_its_business(start: Start) -> None:
    async def work() -> None:
        draft = await start.voicemail.begin(DANA, "1", "", SessionId("s"))
        draft.write(bytes(40_000))
        await start.voicemail.recover()
        assert start.messages() == []
        draft.write(bytes(8_000))
        assert (await draft.keep()).seconds == 3.0

    asyncio.run(work())
    start.consistent()


# ---- kill -9 -----------------------------------------------------------------------------------------------------

_RECORDER = """
import asyncio, sys
from pathlib import Path
from tests.unit.people.test_voicemail_recovery import DANA, Start

async def work():
    start = Start(Path(sys.argv[1]))
    draft = await start.voicemail.begin(DANA, "201", "Dana", "s7")
    second = 0
    while True:
        draft.write(second.to_bytes(2, "little") * 800)
        second += 1
        await start.voicemail._disk.do(lambda: None)
        print(second, flush=True)

asyncio.run(work())
"""

_CALLER = """
import asyncio, sys
from pathlib import Path
from tests.unit.people.test_voicemail_recovery import DANA, Start

async def work():
    start = Start(Path(sys.argv[1]))
    await start.voicemail.recover()
    kept = []
    while True:
        draft = await start.voicemail.begin(DANA, "201", "Dana", "s7")
        draft.write(bytes(16000) * 2)
        if int(draft.id[-1], 16) % 3 == 0:
            await draft.drop()
            print("dropped", draft.id, flush=True)
            continue
        message = await draft.keep()
        print("kept", message.id, flush=True)
        kept.append(message.id)
        if len(kept) > 3:
            id = kept.pop(0)
            print("deleting", id, flush=True)
            await start.voicemail.delete(id)
            print("deleted", id, flush=True)

asyncio.run(work())
"""


def child(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("pieces", [1, 25, 400])
def test_what_was_said_until_the_kill_is_found(tmp_path: Path, pieces: int) -> None:
    program = child(_RECORDER, tmp_path)
    assert program.stdout is not None
    for _ in range(pieces):
        acknowledged = int(program.stdout.readline())
    program.send_signal(signal.SIGKILL)
    program.wait()
    start = Start(tmp_path)
    found = start.recover()
    if acknowledged < 10 and not found:  # a tenth of a second each: less than one second may go
        assert start.files() == []
    else:
        (message,) = found
        assert (message.caller, message.caller_name, message.session) == ("201", "Dana", "s7")
        assert message.seconds >= acknowledged / 10
        pcm = load(start.folder / message.file).pcm
        assert pcm[: acknowledged * 1600] == b"".join(at.to_bytes(2, "little") * 800 for at in range(acknowledged))
        start.consistent()
    start.close()


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_every_answer_holds(tmp_path: Path, seed: int) -> None:
    """Five lives of a box that takes and deletes messages, each ended at random."""
    chance = random.Random(seed)
    kept: set[str] = set()
    gone: set[str] = set()
    doubtful: set[str] = set()
    for _ in range(5):
        program = child(_CALLER, tmp_path)
        assert program.stdout is not None
        lines = [program.stdout.readline()]
        deadline = time.monotonic() + chance.random() * 0.6
        while time.monotonic() < deadline:
            lines.append(program.stdout.readline())
        program.send_signal(signal.SIGKILL)
        lines += program.stdout.readlines()
        program.wait()
        for line in lines:
            match line.split():
                case ["kept", id]:
                    kept.add(id)
                case ["deleting", id]:
                    kept.discard(id)
                    doubtful.add(id)
                case ["deleted" | "dropped", id]:
                    doubtful.discard(id)
                    gone.add(id)
        start = Start(tmp_path)
        there = {one.id for one in start.recover()}
        assert kept <= there, "a message that was acknowledged is lost"
        assert not gone & there, "a deleted message came back"
        assert len(there - kept - doubtful) <= 1, "more than the one in the making"
        start.consistent()
        kept, doubtful = there, set()
        start.close()
    assert kept
    assert gone
