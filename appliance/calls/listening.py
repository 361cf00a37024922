"""The sound of the calls that are up, looked at every few seconds: live scores, and how loss and jitter went, for these and the latest calls."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.calls.live import LiveCalls
from appliance.calls.quality import Quality, Side, got_lost, judge
from appliance.calls.stranded import Stranded
from appliance.sip.api import MediaStats
from appliance.types import LegId, SessionId

log = logging.getLogger(__name__)

LOOK_S = 5.0
POINTS = 120
"""Ten minutes at five seconds; from then on two points become one, over and over."""
CALLS = 300
"""Calls whose course is kept: those that are up and the latest."""
Look = Callable[[], Awaitable[Mapping[LegId, MediaStats]]]
Value = float | None


@dataclass(slots=True)
class Course:
    """How one side's ways went: per cent lost and jitter in ms, of one step each. None: nothing was sent, or is known."""

    side: str
    sent_lost: list[Value] = field(default_factory=list)
    sent_jitter: list[Value] = field(default_factory=list)
    got_lost: list[Value] = field(default_factory=list)
    got_jitter: list[Value] = field(default_factory=list)

    @property
    def rows(self) -> tuple[list[Value], ...]:
        return (self.sent_lost, self.sent_jitter, self.got_lost, self.got_jitter)


@dataclass(slots=True)
class _Track:
    step_s: float = LOOK_S
    skip: int = 0
    every: int = 1
    courses: dict[str, Course] = field(default_factory=dict)
    last: dict[str, tuple[LegId, MediaStats]] = field(default_factory=dict)
    quality: Quality | None = None


class Listening:
    """`look`: the counters of all answered legs. Everything is on the loop; a look costs the SIP thread one command."""

    def __init__(self, live: LiveCalls, look: Look, stranded: Stranded | None = None) -> None:
        self._live, self._look, self._stranded = live, look, stranded
        self._tracks: OrderedDict[SessionId, _Track] = OrderedDict()

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if len(self._live):
                    counters = await self._look()
                    self.take(counters)
                    if self._stranded is not None:
                        self._stranded.take(counters, asyncio.get_running_loop().time())
            except Exception:
                log.exception("the sound of the calls could not be looked at")

    def take(self, counters: Mapping[LegId, MediaStats]) -> None:
        """One look."""
        for call in self._live.up():
            sides = [side.with_stats(counters[side.leg]) for side in call.sides() if side.leg in counters]
            if sides:
                self._note(call.id, sides)
        while len(self._tracks) > CALLS:
            self._tracks.popitem(last=False)

    def live(self, session: SessionId) -> Quality | None:
        """As of the last look."""
        track = self._tracks.get(session)
        return track.quality if track is not None else None

    def course(self, session: SessionId) -> tuple[float, Sequence[Course]]:
        """Seconds of a step, and each side's; (0, ()) where it is no longer known."""
        track = self._tracks.get(session)
        return (track.step_s, tuple(track.courses.values())) if track is not None else (0.0, ())

    def _note(self, session: SessionId, sides: Sequence[Side]) -> None:
        track = self._tracks.setdefault(session, _Track())
        self._tracks.move_to_end(session)
        track.quality = judge(sides)
        track.skip += 1
        if track.skip < track.every:
            return
        track.skip = 0
        for side in sides:
            course = track.courses.setdefault(side.side, Course(side.side))
            before = track.last.get(side.side)
            values = _step(before[1] if before is not None and before[0] == side.leg else None, side.stats)
            for row, value in zip(course.rows, values, strict=True):
                row.append(value)
            track.last[side.side] = (side.leg, side.stats)
        if max(len(course.sent_lost) for course in track.courses.values()) >= POINTS:
            _halve(track)


def _step(before: MediaStats | None, now: MediaStats) -> tuple[Value, Value, Value, Value]:
    """What happened since the last look."""
    came = now.rx_packets - (before.rx_packets if before else 0)
    missing = max(0, now.rx_lost - (before.rx_lost if before else 0))
    sent_lost = 100.0 * missing / (came + missing) if came + missing > 0 else None
    lost: Value = None
    if now.reported and (before is None or now.tx_of > before.tx_of):
        of = now.tx_of - (before.tx_of if before else 0)
        lost = 100.0 * min(1.0, max(0, now.tx_lost - (before.tx_lost if before else 0)) / of) if of > 0 else None
    elif before is not None and got_lost(now) is not None:
        lost = 0.0 if now.tx_lost == 0 else None  # its reports come more rarely than we look
    return sent_lost, now.rx_jitter_ms if came > 0 else None, lost, now.tx_jitter_ms if now.reported else None


def _halve(track: _Track) -> None:
    for course in track.courses.values():
        for row in course.rows:
            row[:] = [_mean(row[at : at + 2]) for at in range(0, len(row), 2)]
    track.step_s *= 2
    track.every *= 2


def _mean(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
