"""What every call coroutine shares: one queue for the news of all its legs, timers, joins, a single change of state, and a clean end."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from appliance.calls.live import CallState, LiveCall, LiveCalls
from appliance.calls.quality import Side
from appliance.errors import SipError
from appliance.sip.api import Answered, Dial, Digit, Ended, Endpoint, Leg, News
from appliance.types import DeviceId, LegId, SessionId, TrunkId

log = logging.getLogger(__name__)

MAX_WAITING_DIGITS = 200
"""A peer that floods INFO must not fill the memory: beyond this many waiting news its digits are dropped, nothing else is."""
DRAIN_S = 40.0
"""Longer than 64*T1 (RFC 3261 section 17.1.1.2): by then every dialog we left has ended, whatever its peer did."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A timer of this call fired."""

    name: str
    serial: int


@dataclass(frozen=True, slots=True)
class Nudge:
    """Something outside changed the call; look at its state again."""


@dataclass(slots=True, eq=False)
class Party:
    """Somebody who is in the call: the leg, whom it reaches, and what has been told to it."""

    leg: Leg
    device: DeviceId | None = None
    trunk: TrunkId | None = None
    number: str = ""
    name: str = ""
    identity: str = ""
    """The URI it was presented by to an emergency centre."""
    confirmed: bool = False
    holds: bool = False
    """It put us on hold."""
    held: bool = False
    """We put it on hold, because the other party holds."""
    digits_by: str = "rfc4733"
    """How it takes DTMF: a phone that sends INFO gets INFO."""
    early: bool = False
    """It got a 183: it listens to us and makes no ringback of its own."""
    tone: bool = False
    """We play a tone to it."""
    codec: str = ""


class CallCore(ABC):
    """Base of the coroutines that run calls. Handlers are plain functions; the only waits are in `run`, so a cancelled call has one place to clean up."""

    emergency: bool = False

    def __init__(self, session: SessionId, call_id: str, endpoint: Endpoint, live: LiveCalls, wall: Callable[[], float]) -> None:
        self.id = session
        self.call_id = call_id
        self.state = CallState.NEW
        self.since = wall()
        self.started = self.since
        self.answered: float | None = None
        self._endpoint = endpoint
        self._live = live
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[tuple[Leg | None, News | Tick | Nudge]] = asyncio.Queue()
        self._open: dict[LegId, Leg] = {}
        self._seen: list[Leg] = []
        self._released: set[LegId] = set()
        self._timers: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._timer_serial = 0
        self._joined: tuple[Leg, Leg] | None = None

    # ---- to be filled in by the kinds of call; the first six are what the registry of calls sees ----

    @abstractmethod
    def row(self) -> LiveCall:
        """The call as displays show it."""

    @abstractmethod
    def devices(self) -> Iterable[DeviceId]:
        """Our devices that take part in it now, ringing ones too."""

    @abstractmethod
    def trunks(self) -> Iterable[TrunkId]:
        """The trunks it occupies now, one entry per channel."""

    @abstractmethod
    def leg_with(self, call_id: str) -> Leg | None:
        """The party whose dialog has this Call-ID."""

    def dialogs(self) -> tuple[str, ...]:
        """Call-IDs of every leg this call has had, for its ladder."""
        return tuple(leg.call_id for leg in self._seen if leg.call_id)

    @abstractmethod
    def audio_leg(self) -> Leg | None:
        """A leg whose counters show how the audio flows; None while there is none."""

    @abstractmethod
    def sides(self) -> tuple[Side, ...]:
        """Who talks now, the caller first; without counters."""

    @abstractmethod
    def drop(self, reason: str, cause: str = "dropped") -> None:
        """End it now: to make room for an emergency call, or because nobody is there any more ("vanished")."""

    def let_go(self, device: DeviceId) -> None:  # noqa: B027 - most calls have nobody who only listens
        """The device is needed for an emergency: release it where it only listens."""

    @abstractmethod
    def _begin(self) -> None:
        """Send the first INVITEs."""

    @abstractmethod
    def _on_news(self, leg: Leg, news: News) -> None:
        """News of a leg of this call."""

    @abstractmethod
    def _on_tick(self, name: str) -> None:
        """A timer fired."""

    @abstractmethod
    def _on_nudge(self) -> None:
        """Something outside changed."""

    @abstractmethod
    async def _last_look(self) -> None:
        """The call is over and its legs still exist: read their counters."""

    @abstractmethod
    def _write_record(self) -> None:
        """Hand over the call detail record."""

    # ---- life ----

    async def run(self) -> None:
        """Live from the first INVITE until every leg has ended. However it ends, no leg stays behind."""
        self._live.add(self)
        try:
            self._begin()
            while self.state is not CallState.ENDED:
                leg, news = await self._inbox.get()
                self._handle(leg, news)
            await self._last_look()
        except Exception:
            log.exception("call %s (%s) failed in state %s", self.id, self.call_id, self.state)
        finally:
            self._close()
        await self._drain()

    def _handle(self, leg: Leg | None, news: News | Tick | Nudge) -> None:
        if leg is None:
            if isinstance(news, Tick) and self._timers.get(news.name, (0,))[0] == news.serial:
                del self._timers[news.name]
                self._on_tick(news.name)
            elif isinstance(news, Nudge):
                self._on_nudge()
            return
        if isinstance(news, Ended):
            self._open.pop(leg.id, None)
        if not isinstance(news, Tick | Nudge):
            self._on_news(leg, news)

    def _close(self) -> None:
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._unjoin()
        self._release_all()
        self._live.remove(self)
        self._change("closed", CallState.ENDED)
        try:
            self._write_record()
        except Exception:
            log.exception("call %s: its record was not taken", self.id)

    async def _drain(self) -> None:
        """Wait for the last news of legs that were told to go; a 200 that crossed our CANCEL is answered with BYE (RFC 3261 section 15)."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while self._open:
                    leg, news = await self._inbox.get()
                    if leg is None:
                        continue
                    if isinstance(news, Ended):
                        self._open.pop(leg.id, None)
                    elif isinstance(news, Answered):
                        leg.hangup()
        except TimeoutError:
            log.warning("call %s: legs %s never reported their end", self.id, ", ".join(self._open))
            for leg in self._open.values():
                leg.hangup()

    def _change(self, event: str, new: CallState) -> None:
        """The only place where a call changes state."""
        if self.state is not new:
            log.info("call %s (%s): %s -> %s -> %s", self.id, self.call_id, self.state, event, new)
            self.state = new
            self.since = self._wall()

    # ---- legs ----

    def _deliver(self, leg: Leg, news: News) -> None:
        if isinstance(news, Digit) and self._inbox.qsize() > MAX_WAITING_DIGITS:
            return
        self._inbox.put_nowait((leg, news))

    def _adopt(self, leg: Leg) -> None:
        self._open[leg.id] = leg
        self._seen.append(leg)
        leg.deliver_to(self._deliver)

    def release(self, leg: Leg, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Reject, CANCEL or BYE a leg, once; its end still comes as news."""
        if leg.id not in self._released:
            self._released.add(leg.id)
            leg.hangup(code, reason, headers)

    def _release_all(self, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        for leg in list(self._open.values()):
            self.release(leg, code, reason, headers)

    def _dial(self, request: Dial) -> Leg | None:
        """A new leg of this call, None when the SIP side has none to give."""
        try:
            leg = self._endpoint.dial(request)
        except SipError as error:
            log.warning("call %s: no leg to %s: %s", self.id, request.target, error)
            return None
        self._adopt(leg)
        return leg

    def _take_news_of(self, leg: Leg) -> list[News]:
        """Remove and return what waits of this leg, for another call that takes it over."""
        waiting = [self._inbox.get_nowait() for _ in range(self._inbox.qsize())]
        for item in waiting:
            if item[0] is not leg:
                self._inbox.put_nowait(item)
        return [news for owner, news in waiting if owner is leg and not isinstance(news, Tick | Nudge)]

    def _nudge(self) -> None:
        self._inbox.put_nowait((None, Nudge()))

    # ---- time ----

    def _now(self) -> float:
        return self._loop.time()

    def _set_timer(self, name: str, at: float | None) -> None:
        """(Re)start a timer of this call at loop time `at`; None stops it."""
        old = self._timers.pop(name, None)
        if old is not None:
            old[1].cancel()
        if at is None:
            return
        self._timer_serial += 1
        tick = Tick(name, self._timer_serial)
        self._timers[name] = (tick.serial, self._loop.call_at(at, self._inbox.put_nowait, (None, tick)))

    # ---- audio ----

    def _join(self, a: Leg, b: Leg) -> None:
        if self._joined in ((a, b), (b, a)):
            return
        self._unjoin()
        self._endpoint.join(a, b)
        self._joined = (a, b)

    def _unjoin(self) -> None:
        if self._joined is not None:
            self._endpoint.part(*self._joined)
            self._joined = None

    @staticmethod
    def _play_tone(party: Party, name: str) -> None:
        party.leg.play_tone(name)
        party.tone = True

    @staticmethod
    def _stop_tone(party: Party) -> None:
        if party.tone:
            party.leg.stop_playing()
            party.tone = False

    @staticmethod
    def _relay_digit(sender: Party, receiver: Party | None, digit: Digit) -> None:
        """Pass a digit on where the joined audio does not carry it: RFC 4733 goes with the packets, INFO has to be sent again."""
        if digit.method != "info":
            return
        sender.digits_by = "info"
        if receiver is not None and receiver.confirmed:
            receiver.leg.send_digits(digit.digit, method=receiver.digits_by, duration_ms=digit.duration_ms)
