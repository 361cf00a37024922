"""Voicemail on real disks: what is kept is there, what is dropped is gone, a refusal leaves nothing half, and nobody waits for the disk."""

from __future__ import annotations

import asyncio
import logging
import struct
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import NotFound, SoundError, StateError
from appliance.events.voicemail import VoicemailChanged
from appliance.people.voicemail import Draft, Message, Voicemail
from appliance.site.media import media_path
from appliance.site.model.site import Site
from appliance.sound import Sound, load, save, silence
from appliance.state.database import migrate, open_engine
from appliance.state.voicemail import VoicemailRepository
from appliance.state.writer import StateWriter
from appliance.types import MailboxId, SessionId
from tests.support.disks import ext4, fill, tmpfs

DANA, SALES = MailboxId("dana"), MailboxId("sales")
SECOND = struct.pack("<8000h", *range(-4000, 4000))


def site(**dana: Any) -> Site:
    return Site.model_validate({"mailboxes": {"dana": {"name": "Dana", **dana}, "sales": {"name": "Sales"}}})


class Bench:
    """Voicemail in a data folder, its database in another, and the events it gave."""

    def __init__(self, data: Path, state: Path, document: Site) -> None:
        path = state / "state.db"
        migrate(path)
        self.data = data
        self.folder = data / "voicemail"
        self.engine = open_engine(path)
        self.writer = StateWriter(self.engine)
        self.writer.start()
        self.document = document
        self.events: list[VoicemailChanged] = []
        self.voicemail = Voicemail(data, self.engine, self.writer, lambda: self.document, self.events.append, reserve_bytes=0)

    def close(self) -> None:
        self.writer.close()
        self.engine.dispose()

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def rows(self) -> list[str]:
        return [row.id for row in VoicemailRepository(self.engine).messages()]

    async def draft(self, seconds: int = 0, mailbox: MailboxId = DANA, caller: str = "+15550123") -> Draft:
        draft = await self.voicemail.begin(mailbox, caller, "Zoë", SessionId("s1"))
        for _ in range(seconds):
            draft.write(SECOND)
        return draft

    async def leave(self, seconds: int = 2, mailbox: MailboxId = DANA, caller: str = "+15550123") -> Message:
        return await (await self.draft(seconds, mailbox, caller)).keep()

    async def refused(self, work: Coroutine[Any, Any, Any], code: str = "voicemail-disk") -> StateError:
        with pytest.raises(StateError) as caught:
            await work
        assert caught.value.code == code
        assert caught.value.hint
        return caught.value


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "data", tmp_path / "state", site())
    yield bench
    asyncio.run(bench.voicemail.close())
    bench.close()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


# ---- leaving and hearing -----------------------------------------------------------------------------------------


def test_a_message_is_kept_with_all_that_is_known_of_it(bench: Bench) -> None:
    before = time.time()
    message = run(bench.leave(3))
    assert (message.mailbox, message.caller, message.caller_name, message.session) == (DANA, "+15550123", "Zoë", "s1")
    assert (message.seconds, message.heard_unix_s) == (3.0, None)
    assert before <= message.started_unix_s <= time.time()
    assert bench.files() == [f"dana/{message.id}.json", f"dana/{message.id}.wav"]
    assert run(bench.voicemail.messages(DANA)) == (message,)
    assert run(bench.voicemail.load(message)) == Sound(SECOND * 3, 8000)
    said = subprocess.run(["soxi", "-D", bench.folder / message.file], check=True, capture_output=True, text=True).stdout
    assert float(said) == 3.0
    assert bench.events == [VoicemailChanged(DANA, 1, 0)]


def test_a_message_may_be_cut_but_not_lengthened(bench: Bench) -> None:
    async def work() -> list[float]:
        return [(await (await bench.draft(3)).keep(seconds)).seconds for seconds in (1.25, 60.0, 0.0, None)]

    assert run(work()) == [1.25, 3.0, 0.0, 3.0]


def test_what_is_beyond_the_mailboxs_limit_is_left_out(bench: Bench) -> None:
    bench.document = site(max_message_seconds=5)
    message = run(bench.leave(60))
    assert 5.0 <= message.seconds <= 10.0
    assert run(bench.voicemail.load(message)).pcm == (SECOND * 60)[: round(message.seconds * 16_000)]


def test_a_dropped_message_leaves_nothing(bench: Bench) -> None:
    async def work() -> None:
        draft = await bench.draft(2)
        await draft.drop()
        await draft.drop()
        draft.write(SECOND)
        await bench.refused(draft.keep())

    run(work())
    assert (bench.files(), bench.rows(), bench.events) == ([], [], [])


def test_a_kept_message_stays_whatever_is_done_to_its_draft_later(bench: Bench) -> None:
    async def work() -> Message:
        draft = await bench.draft(2)
        message = await draft.keep()
        draft.write(SECOND)
        await bench.refused(draft.keep())
        await draft.drop()
        return message

    message = run(work())
    assert bench.rows() == [message.id]
    assert load(bench.folder / message.file).seconds == 2.0


def test_messages_are_heard_counted_and_deleted(bench: Bench) -> None:
    async def work() -> None:
        first, second, other = await bench.leave(), await bench.leave(), await bench.leave(mailbox=SALES)
        assert await bench.voicemail.messages(DANA) == (first, second)
        assert [one.id for one in await bench.voicemail.messages()] == [first.id, second.id, other.id]
        await bench.voicemail.mark_heard(first.id)
        await bench.voicemail.mark_heard(first.id)
        await bench.voicemail.mark_heard("nothing")
        assert await bench.voicemail.counts(DANA) == (1, 1)
        assert [one.heard_unix_s is not None for one in await bench.voicemail.messages(DANA)] == [True, False]
        assert await bench.voicemail.all_counts() == {DANA: (1, 1), SALES: (1, 0)}
        await bench.voicemail.mark_new(first.id)
        await bench.voicemail.mark_new(first.id)
        await bench.voicemail.mark_new("nothing")
        assert await bench.voicemail.counts(DANA) == (2, 0)
        await bench.voicemail.mark_heard(first.id)
        await bench.voicemail.delete(first.id)
        assert await bench.voicemail.counts(DANA) == (1, 0)
        with pytest.raises(SoundError):
            await bench.voicemail.load(first)
        with pytest.raises(NotFound):
            await bench.voicemail.delete(first.id)
        assert bench.events == [
            VoicemailChanged(DANA, 1, 0), VoicemailChanged(DANA, 2, 0), VoicemailChanged(SALES, 1, 0),
            VoicemailChanged(DANA, 1, 1), VoicemailChanged(DANA, 2, 0), VoicemailChanged(DANA, 1, 1), VoicemailChanged(DANA, 1, 0),
        ]  # fmt: skip
        assert bench.files() == sorted(f"{one.mailbox}/{one.id}.{end}" for one in (second, other) for end in ("wav", "json"))

    run(work())


def test_messages_at_the_same_time_do_not_mix(bench: Bench) -> None:
    async def work() -> None:
        drafts = [await bench.draft() for _ in range(10)]
        for at in range(50):
            for number, draft in enumerate(drafts):
                draft.write(struct.pack("<80h", *[number * 100 + at] * 80))
        for number, message in enumerate(await asyncio.gather(*(draft.keep() for draft in drafts))):
            wanted = b"".join(struct.pack("<80h", *[number * 100 + at] * 80) for at in range(50))
            assert (await bench.voicemail.load(message)).pcm == wanted

    run(work())


def test_a_mailbox_that_does_not_exist(bench: Bench) -> None:
    async def work() -> None:
        for call in (bench.voicemail.begin(MailboxId("../x"), "1", "", SessionId("")), bench.voicemail.greeting(MailboxId("x")),
                     bench.voicemail.begin_greeting(MailboxId("x")), bench.voicemail.delete_greeting(MailboxId("x"))):  # fmt: skip
            with pytest.raises(NotFound):
                await call

    run(work())
    assert not bench.folder.exists()


def test_a_mailbox_that_left_the_document_keeps_its_messages(bench: Bench) -> None:
    async def work() -> None:
        message = await bench.leave()
        bench.document = Site()
        await bench.voicemail.recover()
        assert await bench.voicemail.messages(DANA) == (message,)
        assert (await bench.voicemail.load(message)).seconds == 2
        bench.document = site()
        assert (await bench.leave()).mailbox == DANA
        assert await bench.voicemail.counts(DANA) == (2, 0)

    run(work())


def test_a_full_mailbox_refuses_and_those_being_left_count(bench: Bench) -> None:
    bench.document = site(max_messages=3)

    async def work() -> None:
        kept = await bench.leave()
        one, two = await bench.draft(1), await bench.draft(1)
        await bench.refused(bench.draft(), "voicemail-full")
        await two.drop()
        await (await bench.draft(1)).keep()
        await one.keep()
        error = await bench.refused(bench.draft(), "voicemail-full")
        assert "3 messages" in error.sentence
        await bench.voicemail.delete(kept.id)
        await bench.leave()

    run(work())
    assert len(bench.rows()) == 3


def test_who_is_cancelled_while_keeping_has_kept(bench: Bench) -> None:
    """A caller who hangs up at the wrong moment."""

    async def work() -> None:
        draft = await bench.draft(2)
        task = asyncio.create_task(draft.keep())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await bench.voicemail.close()

    run(work())
    assert len(bench.rows()) == 1
    assert len(bench.files()) == 2


# ---- greetings ---------------------------------------------------------------------------------------------------


def test_a_greeting_spoken_by_phone(bench: Bench) -> None:
    async def work() -> None:
        assert await bench.voicemail.greeting(DANA) is None
        draft = await bench.voicemail.begin_greeting(DANA)
        draft.write(SECOND)
        assert await bench.voicemail.greeting(DANA) is None
        assert await draft.keep() == 1.0
        assert await bench.voicemail.greeting(DANA) == Sound(SECOND, 8000)
        second, dropped = await bench.voicemail.begin_greeting(DANA), await bench.voicemail.begin_greeting(DANA)
        second.write(SECOND * 2)
        await dropped.drop()
        await second.keep(1.5)
        assert await bench.voicemail.greeting(DANA) == Sound((SECOND * 2)[:24_000], 8000)
        assert await bench.voicemail.greeting(SALES) is None
        await bench.voicemail.delete_greeting(DANA)
        await bench.voicemail.delete_greeting(DANA)
        assert await bench.voicemail.greeting(DANA) is None

    run(work())
    assert bench.files() == []


def test_a_greeting_brought_as_a_file(bench: Bench) -> None:
    sha256 = "cd" * 32
    path = media_path(bench.data, sha256)

    async def work() -> None:
        assert await bench.voicemail.greeting_kind(DANA) == ("spoken", "", 0.0)
        nobody = MailboxId("x")
        for call in (bench.voicemail.greeting_piece(DANA, 0, 10), bench.voicemail.greeting_kind(nobody), bench.voicemail.set_greeting(nobody, sha256)):
            with pytest.raises(NotFound):
                await call
        with pytest.raises(SoundError):
            await bench.voicemail.set_greeting(DANA, sha256)
        path.parent.mkdir(parents=True)
        save(path, silence(181, 16_000))
        with pytest.raises(SoundError, match="181 s long"):
            await bench.voicemail.set_greeting(DANA, sha256)
        save(path, silence(3, 16_000))
        assert await bench.voicemail.set_greeting(DANA, sha256) == 3.0
        path.unlink()
        assert await bench.voicemail.greeting_kind(DANA) == ("own", "", 3.0)
        assert await bench.voicemail.greeting(DANA) == silence(3, 16_000)
        assert await bench.voicemail.greeting_piece(DANA, 44, 4) == (bytes(4), 96_044)
        await bench.voicemail.delete_greeting(DANA)
        assert await bench.voicemail.greeting_kind(DANA) == ("spoken", "", 0.0)

    run(work())


def test_a_greeting_of_the_document_goes_first_and_a_damaged_one_is_none(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    sha256 = "ab" * 32
    raw = {"mailboxes": {"dana": {"name": "Dana", "greeting": "hello"}}, "audio": {"hello": {"name": "Hello", "sha256": sha256}}}
    bench.document = Site.model_validate(raw)
    path = media_path(bench.data, sha256)

    async def work() -> None:
        draft = await bench.voicemail.begin_greeting(DANA)
        draft.write(SECOND)
        await draft.keep()
        path.parent.mkdir()
        save(path, silence(3, 16_000))
        assert await bench.voicemail.greeting(DANA) == silence(3, 16_000)
        assert await bench.voicemail.greeting_kind(DANA) == ("recording", "hello", 3.0)
        path.write_bytes(b"RIFF")
        assert await bench.voicemail.greeting(DANA) is None

    with caplog.at_level(logging.ERROR):
        run(work())
    assert "greeting of the mailbox dana" in caplog.text


# ---- disks that refuse -------------------------------------------------------------------------------------------


def test_a_disk_that_fills_up_in_mid_message(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 1 << 20) as data:
        bench = Bench(data, tmp_path / "state", site())

        async def work() -> None:
            draft = await bench.draft(2)
            await draft.drop()
            draft = await bench.draft(120)
            error = await bench.refused(draft.keep())
            assert "space" in error.sentence or "full" in error.sentence
            assert (bench.files(), bench.rows(), bench.events) == ([], [], [])
            await bench.leave(2)
            fill(data)
            await bench.refused(bench.draft())

        run(work())
        assert len(bench.files()) == 2
        assert len(bench.rows()) == 1
        bench.close()


def test_a_disk_without_room_for_greetings_keeps_the_old_one(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 1 << 20) as data:
        bench = Bench(data, tmp_path / "state", site())

        async def work() -> None:
            draft = await bench.voicemail.begin_greeting(DANA)
            draft.write(SECOND)
            await draft.keep()
            draft = await bench.voicemail.begin_greeting(DANA)
            draft.write(SECOND * 100)
            await bench.refused(draft.keep())
            assert await bench.voicemail.greeting(DANA) == Sound(SECOND, 8000)

        run(work())
        assert bench.files() == ["dana/greeting.wav"]
        bench.close()


def test_messages_leave_the_rest_of_the_box_its_room(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 2 << 20) as data:
        bench = Bench(data, tmp_path / "state", site())
        bench.voicemail = Voicemail(data, bench.engine, bench.writer, site, bench.events.append, reserve_bytes=4 << 20)
        error = run(bench.refused(bench.draft()))
        assert "4 MiB" in error.sentence
        assert bench.files() == []
        bench.close()


def test_a_database_that_refuses_leaves_no_file(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 1 << 20) as state:
        bench = Bench(tmp_path / "data", state, site())

        async def work() -> None:
            draft = await bench.draft(2)
            filler = fill(state)
            for _ in range(100):  # what room the log of the database has left
                try:
                    await (await bench.draft(1)).keep()
                except StateError:
                    break
            await bench.refused(draft.keep())
            kept = len(bench.rows())
            assert len(bench.files()) == 2 * kept
            filler.unlink()
            await bench.leave()
            assert len(bench.files()) == 2 * (kept + 1) == 2 * len(bench.rows())

        run(work())
        bench.close()


def test_without_a_database_everything_says_so(tmp_path: Path) -> None:
    voicemail = Voicemail(tmp_path, None, None, site, lambda event: None)

    async def work() -> None:
        await voicemail.recover()
        calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: voicemail.begin(DANA, "1", "", SessionId("")), lambda: voicemail.messages(DANA), lambda: voicemail.counts(DANA),
            lambda: voicemail.delete("x"), lambda: voicemail.mark_heard("x"),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(StateError, match="state database"):
                await call()
        assert await voicemail.greeting(DANA) is None
        await voicemail.close()

    run(work())


def test_nobody_waits_for_a_disk_that_has_stopped(tmp_path: Path) -> None:
    """Frozen in mid-message: what is said is taken at once, the loop runs on, and when the disk is back nothing is missing."""
    with ext4(tmp_path / "disk") as disk:
        bench = Bench(disk.folder / "data", tmp_path / "state", site())

        async def work() -> Message:
            draft = await bench.draft(1)
            await bench.voicemail._disk.do(lambda: None)
            disk.freeze()
            began = time.monotonic()
            for _ in range(20):
                draft.write(SECOND)
            keeping = asyncio.create_task(draft.keep())
            starting = asyncio.create_task(bench.draft(1))
            done, _ = await asyncio.wait([keeping, starting], timeout=0.3)
            assert not done
            assert time.monotonic() - began < 2.0
            disk.thaw()
            await (await starting).drop()
            return await keeping

        message = run(work())
        assert message.seconds == 21
        assert load(bench.folder / message.file).pcm == SECOND * 21
        bench.close()


def test_at_the_end_what_was_being_said_stays_for_the_next_start(bench: Bench) -> None:
    async def work() -> None:
        draft = await bench.draft(3)
        await bench.voicemail.close()
        draft.write(SECOND)
        await bench.refused(draft.keep())

    run(work())
    assert [Path(name).suffix for name in bench.files()] == [".json", ".part"]
    run(Voicemail(bench.data, bench.engine, bench.writer, site, bench.events.append).recover())
    (message,) = VoicemailRepository(bench.engine).messages()
    assert (message.seconds, message.caller) == (3.0, "+15550123")
