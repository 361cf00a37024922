"""Voicemail: messages and greetings, kept as WAV files with a row each, so that no kill and no lost database loses what somebody said."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from appliance import sound
from appliance.errors import NotFound, SoundError, StateError
from appliance.events.voicemail import VoicemailChanged
from appliance.people.recording import Disk, Recording, disk_error
from appliance.people.voicemail_recovery import Facts, Recovery
from appliance.site import files
from appliance.site.media import media_path
from appliance.site.model.people import Mailbox
from appliance.site.model.site import Site
from appliance.sound import Sound
from appliance.state.records import VoicemailRecord
from appliance.state.voicemail import VoicemailRepository
from appliance.state.writer import StateWriter
from appliance.types import MailboxId, SessionId

log = logging.getLogger(__name__)

Message = VoicemailRecord
T = TypeVar("T")

MAX_GREETING_S = 180.0
RESERVE_BYTES = 64 << 20
"""Left free for what matters more than messages: the state database, the site, the logs."""
_GREETING = "greeting.wav"
_SLACK_S = 5.0
"""A recorder stops at the mailbox's limit by its own clock; only one that does not is cut off here."""


class Voicemail:
    """The messages of all mailboxes. Belongs to the loop and never holds it: files are worked on by a thread of their own, the database by the state writer.

    `data`: the box's data folder. In `voicemail/<mailbox>/` lie `<id>.wav` with `<id>.json`, what was known of the caller, and `greeting.wav`. `site()`: the
    document in force. `publish` gets VoicemailChanged. `kept` adds to the transaction of a new message's row (writer's thread). A mailbox that leaves the
    document keeps its messages until a factory reset, and has them again when it comes back. Without a database (`engine` None) every method says so.

    Every method raises StateError `voicemail-disk` when the disk or the database refuses.
    """

    def __init__(
        self,
        data: Path,
        engine: Engine | None,
        writer: StateWriter | None,
        site: Callable[[], Site],
        publish: Callable[[VoicemailChanged], None],
        kept: Callable[[Connection, VoicemailRecord], None] = lambda connection, message: None,
        *,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._data = data
        self._folder = data / "voicemail"
        self._rows = None if engine is None else VoicemailRepository(engine)
        self._writer = writer
        self._site = site
        self._publish = publish
        self._also = kept
        self._reserve_bytes = reserve_bytes
        self._disk = Disk()
        self._live: dict[str, MailboxId] = {}
        """Messages between `begin` and their row."""
        self._keeping: set[asyncio.Task[Any]] = set()

    # ---- leaving a message ---------------------------------------------------------------------------------------

    async def begin(self, mailbox: MailboxId, caller: str, caller_name: str, session: SessionId) -> Draft:
        """A new message, to be spoken now. Raises NotFound, StateError (`voicemail-full`: of messages; `voicemail-disk`)."""
        box = self._mailbox(mailbox)
        id = f"{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(4)}"
        self._live[id] = mailbox
        try:
            new, old = await self.counts(mailbox)
            if new + old + sum(1 for each in self._live.values() if each == mailbox) > box.max_messages:
                raise StateError(f"The mailbox {mailbox} is full: it holds {new + old} messages", "delete some, or allow it more", code="voicemail-full")
            facts = Facts(caller, caller_name, session, time.time())
            recording = await self._disk.do(partial(self._begin, mailbox, f"{id}.wav", box.max_message_seconds + _SLACK_S, facts))
        except BaseException:
            del self._live[id]
            raise
        return Draft(self, recording, id, mailbox, facts)

    async def begin_greeting(self, mailbox: MailboxId) -> GreetingDraft:
        """A new greeting, to be spoken now; the old one plays until it is kept. Raises NotFound, StateError."""
        self._mailbox(mailbox)
        recording = await self._disk.do(partial(self._begin, mailbox, _GREETING, MAX_GREETING_S, None))
        return GreetingDraft(self, recording)

    def _begin(self, mailbox: MailboxId, name: str, limit_s: float, facts: Facts | None) -> Recording:
        folder = self._folder / mailbox
        path = folder / name
        sidecar = path.with_suffix(".json")
        # Of greetings two may be spoken at a time: the one kept last counts.
        part = path.with_suffix(".part") if facts else folder / f"greeting-{secrets.token_hex(4)}.part"
        try:
            files.make_folder(folder)
            space = os.statvfs(folder)
            if space.f_bavail * space.f_frsize < self._reserve_bytes:
                raise OSError(f"less than {self._reserve_bytes >> 20} MiB are left")
            if facts:
                files.write(sidecar, json.dumps(facts.as_dict()).encode())
            return Recording(self._disk, part, path, limit_s)
        except (OSError, StateError) as error:
            with contextlib.suppress(OSError):
                if facts:
                    sidecar.unlink(missing_ok=True)
            raise disk_error(f"No message can be recorded for the mailbox {mailbox}", error) from error

    async def keep(self, draft: Draft, seconds: float | None) -> Message:
        """See `Draft.keep`."""
        path = self._folder / draft.mailbox / f"{draft.id}.wav"
        f = draft.facts
        try:
            length_s = await self._disk.do(partial(draft.recording.finish, seconds))
            file = f"{draft.mailbox}/{path.name}"
            message = Message(draft.id, draft.mailbox, f.caller, f.caller_name, SessionId(f.session), f.started_unix_s, length_s, None, file)
            await self._write(partial(self._add, message=message))
        except (OSError, StateError) as error:
            with contextlib.suppress(OSError):
                await self._disk.do(partial(_delete, path))
            raise disk_error(f"The message for the mailbox {draft.mailbox} could not be kept", error) from error
        finally:
            self._live.pop(draft.id, None)
        await self._changed(draft.mailbox)
        return message

    def _add(self, connection: Connection, message: Message) -> None:
        VoicemailRepository.add(connection, message)
        self._also(connection, message)

    async def drop(self, draft: Draft) -> None:
        """See `Draft.drop`."""
        try:
            await self._disk.do(draft.recording.discard)
            await self._disk.do(partial(_delete, self._folder / draft.mailbox / f"{draft.id}.wav"))
        except OSError as error:
            raise disk_error("A dropped message could not be deleted", error) from error
        finally:
            self._live.pop(draft.id, None)

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` to its end, even where who waits for it is cancelled."""
        task = asyncio.get_running_loop().create_task(work, name="voicemail")
        self._keeping.add(task)
        task.add_done_callback(self._kept)
        return await asyncio.shield(task)

    def _kept(self, task: asyncio.Task[Any]) -> None:
        self._keeping.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("voicemail: %s", error)

    async def finish_greeting(self, recording: Recording, seconds: float | None) -> float:
        """See `GreetingDraft.keep`."""
        try:
            return await self._disk.do(partial(recording.finish, seconds))
        except OSError as error:
            raise disk_error("The greeting could not be kept", error) from error

    async def drop_greeting(self, recording: Recording) -> None:
        await self._disk.do(recording.discard)

    # ---- hearing them --------------------------------------------------------------------------------------------

    async def messages(self, mailbox: MailboxId | None = None) -> tuple[Message, ...]:
        """Those of a mailbox, or of all, the oldest first."""
        return await self._read(lambda rows: rows.messages(mailbox))

    async def message(self, id: str) -> Message:
        """Raises NotFound, StateError."""
        found = await self._read(lambda rows: rows.get(id))
        if found is None:
            raise NotFound(f"There is no message {id}", "`holdfast voicemail list` lists them with their ids")
        return found

    async def load(self, message: Message) -> Sound:
        """What was said. Raises SoundError."""
        return await asyncio.to_thread(sound.load, self._folder / message.file)

    async def piece(self, message: Message, offset: int, size: int) -> tuple[bytes, int]:
        """At most `size` bytes of its WAV file from `offset` on, and how many the file has. Raises StateError."""

        return await self._piece(self._folder / message.file, offset, size, f"The message {message.id}")

    async def mark_heard(self, id: str) -> None:
        """From now on it is an old one. One that is gone meanwhile, or was heard, is no mistake. Raises StateError."""
        message = await self._read(lambda rows: rows.get(id))
        if message is not None and await self._write(lambda connection: VoicemailRepository.heard(connection, id, time.time())):
            await self._changed(message.mailbox)

    async def mark_new(self, id: str) -> None:
        """As if nobody had heard it, as `mark_heard`."""
        message = await self._read(lambda rows: rows.get(id))
        if message is not None and await self._write(lambda connection: VoicemailRepository.unheard(connection, id)):
            await self._changed(message.mailbox)

    async def delete(self, id: str) -> None:
        """For good, on the disk when this returns. Raises NotFound, StateError."""
        message = await self.message(id)

        async def work() -> None:
            # The file first: what a kill leaves is a row without file, which recovery drops. The other way round the message would come back.
            try:
                await self._disk.do(partial(_delete, self._folder / message.file))
            except OSError as error:
                raise disk_error(f"The message {id} could not be deleted", error) from error
            if await self._write(lambda connection: VoicemailRepository.remove(connection, id)):
                await self._changed(message.mailbox)

        await self.whole(work())

    async def counts(self, mailbox: MailboxId) -> tuple[int, int]:
        """(new, old) messages."""
        return await self._read(lambda rows: rows.counts(mailbox))

    async def all_counts(self) -> dict[MailboxId, tuple[int, int]]:
        """(new, old) messages of every mailbox in force, and of those that are no more and have some."""
        found = await self._read(lambda rows: rows.all_counts())
        return {**dict.fromkeys(map(MailboxId, self._site().mailboxes), (0, 0)), **found}

    # ---- greetings -----------------------------------------------------------------------------------------------

    async def greeting(self, mailbox: MailboxId) -> Sound | None:
        """The recording its document names, else the one spoken by phone; None: there is none that can be played. Raises NotFound."""
        recording, path = self._greeting(mailbox)
        try:
            return await asyncio.to_thread(sound.load, path)
        except SoundError as error:
            if error.code != "sound-missing" or recording:
                log.error("the greeting of the mailbox %s cannot be played: %s", mailbox, error.sentence)
            return None

    async def greeting_kind(self, mailbox: MailboxId) -> tuple[Literal["own", "recording", "spoken"], str, float]:
        """Which greeting callers hear, the recording's id where it is one of the site, its seconds (0: the box speaks). Raises NotFound."""
        recording, _ = self._greeting(mailbox)
        found = await self.greeting(mailbox)
        if found is None:
            return "spoken", "", 0.0
        return "recording" if recording else "own", recording, found.seconds

    async def greeting_piece(self, mailbox: MailboxId, offset: int, size: int) -> tuple[bytes, int]:
        """As `piece`, of the greeting. Raises NotFound (also where the box speaks it), StateError."""
        _, path = self._greeting(mailbox)
        if await self.greeting(mailbox) is None:
            raise NotFound(f"The mailbox {mailbox} has no greeting of its own", "the box speaks one; set another: holdfast voicemail greeting set")
        return await self._piece(path, offset, size, f"The greeting of the mailbox {mailbox}")

    async def set_greeting(self, mailbox: MailboxId, sha256: str) -> float:
        """Make the recording in the box's store (site/media.py) the mailbox's own greeting; its seconds. Raises NotFound, SoundError, StateError."""
        self._mailbox(mailbox)
        found = await asyncio.to_thread(sound.load, media_path(self._data, sha256))
        if found.seconds > MAX_GREETING_S:
            raise SoundError(f"This greeting is {found.seconds:.0f} s long", f"use one of at most {MAX_GREETING_S:.0f} s", code="sound-long")
        path = self._folder / mailbox / _GREETING

        def keep() -> None:
            files.make_folder(path.parent)
            files.write(path, sound.header(found.rate, len(found.pcm)) + found.pcm)

        try:
            await self.whole(self._disk.do(keep))
        except StateError as error:
            raise disk_error(f"The greeting of the mailbox {mailbox} could not be kept", error) from error
        return found.seconds

    async def delete_greeting(self, mailbox: MailboxId) -> None:
        """Forget the mailbox's own. Raises NotFound, StateError."""
        self._mailbox(mailbox)
        try:
            await self._disk.do(partial(_delete, self._folder / mailbox / _GREETING))
        except OSError as error:
            raise disk_error(f"The greeting of the mailbox {mailbox} could not be deleted", error) from error

    # ---- start and stop ------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """At start: what a kill left half done is brought to an end (see Recovery). May run while messages are left. Never raises."""
        if self._rows is None or self._writer is None:
            return
        recovery = Recovery(self._folder, self._rows, self._writer, self._live, self._also)
        try:
            changed = await self._disk.do(recovery.run)
            for mailbox in changed:
                await self._changed(mailbox)
        except (OSError, SQLAlchemyError, StateError):
            log.exception("voicemail could not be looked through; messages from before a crash may be missing until the next start")

    async def close(self) -> None:
        """Finish what is being kept. A message still being spoken is found at the next start."""
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=3.0)
        await self._disk.close()

    # ---- inside --------------------------------------------------------------------------------------------------

    async def _piece(self, path: Path, offset: int, size: int, what: str) -> tuple[bytes, int]:
        def read() -> tuple[bytes, int]:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(size), os.fstat(file.fileno()).st_size

        try:
            return await asyncio.to_thread(read)
        except OSError as error:
            raise disk_error(f"{what} cannot be read", error) from error

    def _greeting(self, mailbox: MailboxId) -> tuple[str, Path]:
        """The id of the recording that is played, "" for the mailbox's own, and where it lies. Raises NotFound."""
        box, site = self._mailbox(mailbox), self._site()
        if box.greeting and box.greeting in site.audio:
            return box.greeting, media_path(self._data, site.audio[box.greeting].sha256)
        return "", self._folder / mailbox / _GREETING

    def _mailbox(self, mailbox: MailboxId) -> Mailbox:
        found = self._site().mailboxes.get(mailbox)
        if found is None:
            raise NotFound(f"There is no mailbox {mailbox}", "see `holdfast site show mailboxes`")
        return found

    async def _changed(self, mailbox: MailboxId) -> None:
        """Tell whom it concerns. What was done is done: a count that cannot be read costs the news only."""
        try:
            new, old = await self.counts(mailbox)
        except StateError as error:
            log.warning("the messages of %s cannot be counted: %s", mailbox, error)
        else:
            self._publish(VoicemailChanged(mailbox, new, old))

    async def _read(self, question: Callable[[VoicemailRepository], T]) -> T:
        if self._rows is None:
            raise disk_error("There is no voicemail", "the state database cannot be used")
        try:
            return await asyncio.to_thread(question, self._rows)
        except SQLAlchemyError as error:
            raise disk_error("The messages cannot be listed", error) from error

    async def _write(self, job: Callable[[Connection], T]) -> T:
        if self._writer is None:
            raise disk_error("There is no voicemail", "the state database cannot be used")
        future: Future[T] = self._writer.run(job)
        try:
            return await asyncio.wrap_future(future)
        except SQLAlchemyError as error:
            raise disk_error("The messages cannot be written", error) from error


class Draft:
    """A message being spoken. Ends with `keep` or `drop`; one that ends with neither is found at the next start."""

    def __init__(self, voicemail: Voicemail, recording: Recording, id: str, mailbox: MailboxId, facts: Facts) -> None:
        self._voicemail = voicemail
        self.recording = recording
        self.id = id
        self.mailbox = mailbox
        self.facts = facts
        self._over = False

    def write(self, pcm: bytes) -> None:
        """What was said since the last time: 8 kHz, 16-bit little-endian mono. Never waits, never raises; a disk that refuses fails `keep`."""
        self.recording.write(pcm)

    async def keep(self, seconds: float | None = None) -> Message:
        """Make it a message; file and row are on the disk when this returns, also where the caller is cancelled. `seconds`: what is longer is cut.

        Raises StateError `voicemail-disk`: nothing of it is left.
        """
        if self._over:
            raise disk_error("This message cannot be kept", "it was kept or dropped before")
        self._over = True
        return await self._voicemail.whole(self._voicemail.keep(self, seconds))

    async def drop(self) -> None:
        """Leave nothing of it; once kept it stays."""
        if not self._over:
            self._over = True
            await self._voicemail.whole(self._voicemail.drop(self))


class GreetingDraft:
    """A greeting being spoken, like a Draft."""

    def __init__(self, voicemail: Voicemail, recording: Recording) -> None:
        self._voicemail = voicemail
        self.recording = recording

    def write(self, pcm: bytes) -> None:
        """As `Draft.write`."""
        self.recording.write(pcm)

    async def keep(self, seconds: float | None = None) -> float:
        """Make it the mailbox's greeting; its seconds. Raises StateError `voicemail-disk`; the old one stays then."""
        return await self._voicemail.whole(self._voicemail.finish_greeting(self.recording, seconds))

    async def drop(self) -> None:
        await self._voicemail.whole(self._voicemail.drop_greeting(self.recording))


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)
    if path.parent.is_dir():
        files.sync_folder(path.parent)
