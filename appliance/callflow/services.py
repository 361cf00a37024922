"""What flows need of the rest of the box; `app` hands it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from appliance.callflow.pins import PinGuard
from appliance.sound import Sound
from appliance.state.records import VoicemailRecord
from appliance.types import MailboxId, SessionId


class Speaker(Protocol):
    """Text to speech."""

    async def speech(self, text: str, language: str) -> Sound:
        """`text` spoken in `language` (a voice of espeak-ng)."""


class Draft(Protocol):
    """A recording that is being made."""

    def write(self, pcm: bytes) -> None:
        """Take a piece (8 kHz, 16-bit little-endian mono); never waits."""

    async def keep(self, seconds: float) -> object:
        """It is whole, on disk and known, when this returns; what is longer than `seconds` is cut. Raises HoldfastError."""

    async def drop(self) -> None:
        """Forget it."""


class Voicemail(Protocol):
    """The store of voicemail (people/voicemail.py). Its methods raise HoldfastError where mailbox, message or disk do not do their part."""

    async def begin(self, mailbox: MailboxId, caller: str, caller_name: str, session: SessionId) -> Draft: ...
    async def messages(self, mailbox: MailboxId) -> tuple[VoicemailRecord, ...]: ...
    async def load(self, message: VoicemailRecord) -> Sound: ...
    async def mark_heard(self, id: str) -> None: ...
    async def delete(self, id: str) -> None: ...
    async def greeting(self, mailbox: MailboxId) -> Sound | None: ...
    async def begin_greeting(self, mailbox: MailboxId) -> Draft: ...
    async def counts(self, mailbox: MailboxId) -> tuple[int, int]:
        """(new, old)."""


@dataclass(frozen=True, slots=True)
class Services:
    """`audio(sha256)` loads a recording of the site (raises HoldfastError); `pin(mailbox)` is its PIN, "" where it has none; `now` is an aware time."""

    speaker: Speaker
    audio: Callable[[str], Awaitable[Sound]]
    voicemail: Voicemail
    pin: Callable[[MailboxId], str]
    now: Callable[[], datetime]
    pins: PinGuard = field(default_factory=PinGuard)
