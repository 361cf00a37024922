"""What flows need of the rest of the box; `app` hands it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from appliance.callflow.pins import PinGuard
from appliance.sound import Sound
from appliance.types import MailboxId


class Speaker(Protocol):
    """Text to speech."""

    async def speech(self, text: str, language: str) -> Sound:
        """`text` spoken in `language` (a voice of espeak-ng)."""


class Draft(Protocol):
    """A recording that is being made."""

    def write(self, pcm: bytes) -> None:
        """Take a piece (8 kHz, 16-bit little-endian mono); never waits."""

    async def keep(self, seconds: float) -> None:
        """It is whole: on disk, and known, before this returns. Raises HoldfastError."""

    async def drop(self) -> None:
        """Forget it."""


class Message(Protocol):
    """One message of a mailbox, as the store lists it."""

    @property
    def id(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def caller_name(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def heard(self) -> bool: ...


class Voicemail(Protocol):
    """The store of voicemail. Its methods may raise HoldfastError where the disk does not do its part."""

    async def begin(self, mailbox: MailboxId, caller: str, caller_name: str, session: str) -> Draft: ...
    async def messages(self, mailbox: MailboxId) -> tuple[Message, ...]: ...
    async def load(self, message: Message) -> Sound: ...
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
