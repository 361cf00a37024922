"""One caller as its program sees it: what the program asks for, done with the legs of a session, and what the caller does, told to the program."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from appliance.calls.caller import Caller
from appliance.calls.core import Party
from appliance.calls.plan import Branch, Outcome
from appliance.calls.program import CallerGone, Connected, Paged, Program, RingResult, RingTarget, Taken
from appliance.calls.ring import Nobody, Ringing, Rings
from appliance.calls.route import ToEmergency
from appliance.sip.api import Digit, Invite, MediaChanged, News, PlaybackEnded, Recorded, Sound
from appliance.site.snapshot import Snapshot
from appliance.types import SessionId, UserId

log = logging.getLogger(__name__)

MEDIA_WAIT_S = 5.0
"""Audio of an answered caller runs within a round trip; without it the program goes on all the same."""
OVERTIME_S = 5.0
"""How much longer than its length a sound may take, should its end never be told."""
GRACE_S = 20.0
"""What a program whose caller is gone may still take to put away what it has."""
SORRY_S = 3.0
MAX_DIGITS = 200
SILENT_LEVEL = 200
"""RMS below this is silence: some -44 dB of full scale, above the noise of a quiet office over G.711."""
FAULT = Outcome(500, "A Step Of The Flow Failed", "error", 41)


Headers = tuple[tuple[str, str], ...]


class Host(Protocol):
    """The session that a port works in."""

    id: SessionId
    call_id: str

    def plan_ring(self, port: CallPort, targets: Sequence[RingTarget], ring_s: float, shown: Caller) -> Ringing: ...

    def begin_ring(self, port: CallPort, rings: Rings) -> None: ...

    def stop_ring(self) -> None: ...

    def take_by_box(self, waiting: Party) -> None:
        """The box itself answers the waiting party (or takes an answered one over from a transfer)."""

    def to_emergency(self, port: CallPort, target: ToEmergency) -> None: ...

    def plan_page(self, port: CallPort, paged: Paged) -> tuple[Branch, ...]:
        """The phones that a page would reach now."""

    def begin_page(self, port: CallPort, wanted: tuple[Branch, ...], limit_s: float) -> None: ...

    def end_page(self) -> None: ...

    def end_by_program(self, port: CallPort, outcome: Outcome | None) -> None: ...

    def snapshot(self) -> Snapshot: ...

    def add_note(self, text: str) -> None: ...


class CallPort:
    """Implements `program.Port` for `waiting`, a party of a session. The session tells it everything about that party, and what became of rings.

    `who`: whom the dial plan sees dialling, where that is another than the caller shown (a transfer). `headers` go along with every INVITE.
    """

    _running: set[asyncio.Task[None]] = set()  # noqa: RUF012 - what is only awaited by itself needs somebody who holds it

    def __init__(
        self, host: Host, waiting: Party, invite: Invite, caller: Caller, *, user: UserId | None, dialled: str, who: Caller | None = None, headers: Headers = ()
    ) -> None:
        self.call_id = host.call_id
        self.session = host.id
        self.waiting = waiting
        self.invite = invite
        self.caller = caller
        self.user = user
        self.dialled = dialled
        self.connected = False
        self._host = host
        self.who = who or caller
        self.headers = headers
        self._origin = caller
        self._outcome: Outcome | None = None
        self._callee: UserId | None = None
        self._gone = False
        self._hung_up = False
        self._audible = waiting.confirmed
        self._changed = asyncio.Event()
        self._digits: deque[str] = deque()
        self._playback = 0
        self._played = 0
        self._ring: RingResult | None = None
        self._ringing = False
        self._recorded: deque[Recorded] = deque()
        self._recording = False
        self._paged: int | None = None
        self._task: asyncio.Task[None] | None = None

    # ---- for the session ----

    def start(self, program: Program) -> None:
        """Let the program run."""
        self._task = asyncio.get_running_loop().create_task(self._run(program), name=f"program of call {self.call_id}")
        self._running.add(self._task)
        self._task.add_done_callback(self._running.discard)

    def take(self, news: News) -> None:
        """News of the waiting party."""
        match news:
            case Digit():
                if len(self._digits) < MAX_DIGITS:
                    self._digits.append(news.digit)
            case PlaybackEnded():
                self._played = max(self._played, news.playback)
            case MediaChanged():
                self._audible = news.active
            case Recorded():
                if self._recording:
                    self._recorded.append(news)
            case _:
                return
        self._changed.set()

    def won(self) -> None:
        """Somebody answered a ring."""
        self.connected = True
        self._ring, self._ringing = Connected(), False
        self._changed.set()

    def missed(self, outcome: Outcome) -> None:
        """A ring is over, and nobody answered."""
        self._outcome = outcome
        self._ring, self._ringing = outcome, False
        self._changed.set()

    def page_over(self, reached: int) -> None:
        """A page has ended that `reached` phones have heard."""
        self._paged = reached
        self._changed.set()

    def gone(self) -> None:
        """The waiting party left, or the call was ended: whatever the program waits for raises CallerGone."""
        if self._gone:
            return
        self._gone = True
        self._changed.set()
        if self._task is not None and not self._task.done():
            asyncio.get_running_loop().call_later(GRACE_S, self._task.cancel)

    async def _run(self, program: Program) -> None:
        try:
            await program(self)
        except CallerGone:
            pass
        except Exception:
            log.exception("call %s: its program failed", self.call_id)
            self.note("a step failed: see the log of the box")
            with contextlib.suppress(CallerGone):
                await self._apologise()
        finally:
            if not self.connected and not self._hung_up:
                self._host.end_by_program(self, self._outcome)

    async def _apologise(self) -> None:
        """A caller never sits in silence: a tone says that it is over."""
        if self.connected or self._hung_up:
            return
        self._host.stop_ring()
        if self.answered:
            await self.tone("congestion", SORRY_S)
        self.hang_up(FAULT)

    # ---- program.Port ----

    @property
    def answered(self) -> bool:
        return self.waiting.confirmed

    @property
    def outcome(self) -> Outcome | None:
        return self._outcome

    def snapshot(self) -> Snapshot:
        return self._host.snapshot()

    def callee(self) -> UserId | None:
        return self._callee

    async def answer(self) -> None:
        self._check()
        # Also for one who is answered long since: whoever transferred this caller to a flow that speaks is done with it.
        self._host.take_by_box(self.waiting)
        await self._until_audible()

    async def early(self) -> None:
        self._check()
        if not self.waiting.confirmed and not self.waiting.early:
            self.waiting.leg.ring(183)
            self.waiting.early = True
        await self._until_audible()

    async def play(self, sound: Sound) -> None:
        self._check()
        if self.waiting.confirmed or not self.waiting.early:
            await self.answer()
        self._playback = self.waiting.leg.play(sound)
        try:
            await self._wait(lambda: self._played >= self._playback, sound.seconds + OVERTIME_S)
        finally:
            self.stop()

    def stop(self) -> None:
        if self._played < self._playback and not self._gone:
            self._played = self._playback
            self.waiting.leg.stop_playing()

    async def digit(self, timeout_s: float) -> str | None:
        await self._wait(lambda: bool(self._digits), timeout_s)
        return self._digits.popleft() if self._digits else None

    def forget_digits(self) -> None:
        self._digits.clear()

    async def ring(self, targets: Sequence[RingTarget], ring_s: float = 0.0, caller: Caller | None = None) -> RingResult:
        self._check()
        self.stop()
        shown = caller or self.caller
        found = self._host.plan_ring(self, targets, ring_s, replace(shown, chosen=shown.number != self._origin.number))
        if isinstance(found, ToEmergency):
            self.note(f"{found.number}: an emergency call")
            self._hung_up = True
            self._host.to_emergency(self, found)
            raise CallerGone
        if isinstance(found, Nobody):
            self._callee = found.user
            self._outcome = found.outcome
            return found.outcome
        if not isinstance(found, Rings):
            return found
        self._callee = found.user
        self._ring, self._ringing = None, True
        self._host.begin_ring(self, found)
        try:
            await self._wait(lambda: self._ring is not None, None)
        finally:
            if self._ringing:  # the program was cancelled, or the caller left
                self._ringing = False
                self._host.stop_ring()
        assert self._ring is not None
        return self._ring

    async def record(self, write: Callable[[bytes], None], *, max_s: float, silence_s: float = 0.0, keys: str = "#") -> Taken:
        if not self._gone:
            await self.answer()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max_s
        seconds = quiet_s = 0.0
        why, key = "limit", ""
        self._recording = True
        self.waiting.leg.record()
        try:
            while not self._gone:
                while self._recorded:
                    piece = self._recorded.popleft()
                    write(piece.pcm)
                    seconds += len(piece.pcm) / 16000
                    quiet_s = quiet_s + len(piece.pcm) / 16000 if piece.level < SILENT_LEVEL else 0.0
                    if piece.last:
                        return Taken(seconds, "hangup")
                while self._digits and not key:
                    pressed = self._digits.popleft()
                    key = pressed if pressed in keys else ""
                if key:
                    why = "key"
                    break
                if silence_s and quiet_s >= silence_s:
                    why = "silence"
                    break
                if seconds >= max_s or loop.time() >= deadline:
                    break
                with contextlib.suppress(CallerGone):
                    await self._wait(lambda: bool(self._recorded or self._digits), deadline - loop.time())
            else:
                why = "hangup"
            while self._recorded:
                piece = self._recorded.popleft()
                write(piece.pcm)
                seconds += len(piece.pcm) / 16000
            return Taken(seconds, why, key)
        finally:
            self._recording = False
            self._recorded.clear()
            self.waiting.leg.stop_recording()

    async def page(self, paged: Paged, limit_s: float) -> int:
        self._check()
        self.stop()
        wanted = self._host.plan_page(self, paged)
        if not wanted:
            return 0
        await self.answer()
        self.forget_digits()
        self._paged = None
        self._host.begin_page(self, wanted, limit_s)
        try:
            await self._wait(lambda: self._paged is not None or "#" in self._digits, None)
        finally:
            self._host.end_page()
            self.forget_digits()
        return self._paged or 0

    async def tone(self, name: str, seconds: float) -> None:
        self._check()
        self.waiting.leg.play_tone(name)
        try:
            await self._wait(lambda: False, seconds)
        finally:
            if not self._gone:
                self.waiting.leg.stop_playing()

    def hang_up(self, outcome: Outcome | None = None) -> None:
        if not self.connected and not self._hung_up:
            self._hung_up = True
            self._host.end_by_program(self, outcome or self._outcome)

    def note(self, text: str) -> None:
        self._host.add_note(text)

    # ---- waiting ----

    def _check(self) -> None:
        if self._gone or self._hung_up:
            raise CallerGone

    async def _until_audible(self) -> None:
        if not self._audible:
            await self._wait(lambda: self._audible, MEDIA_WAIT_S)

    async def _wait(self, done: Callable[[], bool], timeout_s: float | None) -> None:
        """Until `done`, or for `timeout_s`. Raises CallerGone."""
        self._check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not done():
                    self._changed.clear()
                    await self._changed.wait()
                    self._check()

