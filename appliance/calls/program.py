"""What a program sees of the call it runs for: the contract between calls and flows. `calls` runs programs and knows nothing of what they are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.calls.caller import Caller
from appliance.calls.plan import Outcome
from appliance.sip.api import Invite, Sound
from appliance.site.snapshot import Snapshot
from appliance.types import DeviceId, FlowId, GroupId, MailboxId, SessionId, UserId


@dataclass(frozen=True, slots=True)
class RingTarget:
    """Whom a ring reaches, exactly one of: a user's devices, one device, a group, an extension, an outside number (as dialled), or (`dialled`) whatever the
    caller dialled. `delay_s` after the ring began; `ring_s` 0: the target's own time. A user named here rings literally, without forwarding (row K5).
    """

    user: UserId | None = None
    device: DeviceId | None = None
    group: str | None = None
    extension: str = ""
    number: str = ""
    dialled: bool = False
    delay_s: float = 0.0
    ring_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Connected:
    """Somebody answered: the two talk, and the program's work is done."""


@dataclass(frozen=True, slots=True)
class RunsFlow:
    """The target is a flow, or a user who is one (row E12): nobody rang. `user`: whose settings it runs with, None: those of the program as it is."""

    flow: FlowId
    user: UserId | None = None


@dataclass(frozen=True, slots=True)
class IsMailbox:
    """The target is a mailbox's own extension: its messages are to be heard; `leave`: a number of ours that takes messages for it."""

    mailbox: MailboxId
    leave: bool = False


RingResult = Connected | Outcome | RunsFlow | IsMailbox


@dataclass(frozen=True, slots=True)
class Taken:
    """A recording that ended. `why`: "key" (then `key`), "silence", "limit" or "hangup" (the caller left; what was said until then is there)."""

    seconds: float
    why: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Paged:
    """Whom a page is for: a group, devices, or, with neither, every phone of the site."""

    group: GroupId | None = None
    devices: tuple[DeviceId, ...] | None = None


class CallerGone(Exception):
    """The caller hung up, or the call was taken down: raised by whatever the program waits in. A program cleans up and lets it pass."""


class Port(Protocol):
    """One caller, as a program serves it. Used on the loop by one task; every wait may be cancelled, and raises CallerGone when the caller is gone.

    `dialled`: the number as dialled, or for a call from outside the number of ours that was called (E.164). `user`: whose settings count: who dialled, or the
    user the program runs for. `answered`: the caller hears what is played. Nothing here touches a disk or waits for one.
    """

    session: SessionId
    call_id: str
    invite: Invite
    caller: Caller
    dialled: str
    user: UserId | None

    @property
    def answered(self) -> bool: ...

    @property
    def outcome(self) -> Outcome | None:
        """What became of the last ring, None before any: what the caller is told when the program ends without more."""

    def snapshot(self) -> Snapshot:
        """The revision in force now."""

    def callee(self) -> UserId | None:
        """Whom the last ring was for: the user its extension, number or target belongs to."""

    async def answer(self) -> None:
        """Answer the caller and wait until audio flows (at most some seconds)."""

    async def early(self) -> None:
        """Let the caller hear what is played without answering (183), where nobody shall pay for it."""

    async def play(self, sound: Sound) -> None:
        """To its end. Cancelling stops it. Answers first where neither `answer` nor `early` came before."""

    def stop(self) -> None:
        """Stop what plays."""

    async def digit(self, timeout_s: float) -> str | None:
        """The next key pressed, those that wait first; None after `timeout_s`."""

    def forget_digits(self) -> None:
        """Drop keys pressed so far."""

    async def ring(self, targets: Sequence[RingTarget], ring_s: float = 0.0, caller: Caller | None = None) -> RingResult:
        """Ring the targets by their delays; the first answer wins. `ring_s`: longest time in all, 0: until the last target's time is over.

        `caller`: presented instead of `self.caller`. Of several targets that are flows only the first counts, and only before anybody rings.
        """

    async def record(self, write: Callable[[bytes], None], *, max_s: float, silence_s: float = 0.0, keys: str = "#") -> Taken:
        """Hand what the caller says to `write` (8 kHz, 16-bit little-endian mono, pieces of a fraction of a second; must not wait). A key of `keys`,
        `silence_s` of silence (0: never), `max_s`, or the caller's leaving ends it; the last does not raise.
        """

    async def page(self, paged: Paged, limit_s: float) -> int:
        """Have every free phone of `paged` pick up by itself and hear the caller, who is answered first, until # is pressed, nobody listens any more, or
        `limit_s` is over. How many phones heard it; 0 without an answer: none was free.
        """

    async def tone(self, name: str, seconds: float) -> None:
        """A call-progress tone ("congestion", "busy", "beep") for so long."""

    def hang_up(self, outcome: Outcome | None = None) -> None:
        """End the call: the caller is told `outcome` where not answered yet (default: that of the last ring, else 480). The program should return then."""

    def note(self, text: str) -> None:
        """One line for the call's record: "menu: 2 -> sales"."""


Program = Callable[[Port], Awaitable[None]]
"""Serves one caller; returns when it has connected or hung up. Returning without either hangs up with the last outcome. An exception is a fault: it is
logged, the caller hears a tone and the call ends."""


class Programs(Protocol):
    """Where calls get their programs. None of these waits, and none raises for what a person configured."""

    def dialling(self, user: UserId | None) -> Program:
        """What runs when this user dials (row E5); None: a device without owner. A user without flow gets one that says so (row E6)."""

    def extension(self, extension: str) -> Program:
        """What runs when an extension is called directly: from outside, by a transfer's recall."""

    def number(self, number: str) -> Program:
        """What runs for an incoming number of the site."""
