"""Brings one emergency call through: tries every path, in turn and again, until one answers or the caller hangs up (pure state machine)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from appliance.emergency.conveyance import REFUSES_LOCATION

log = logging.getLogger(__name__)

SILENT_S = 4.0
RING_S = 60.0
TOTAL_S = 300.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 4.0


@dataclass(frozen=True, slots=True)
class Path:
    """A way to the emergency services: a trunk, a gateway or a modem. `rank`: how promising it is now, 0 is best. `location`: it can carry a location body.

    `silent_s`: how long it may say nothing while another path can be tried; `alone_s`: while none can.
    """

    id: str
    enabled: bool = True
    rank: int = 0
    location: bool = True
    silent_s: float = SILENT_S
    alone_s: float = SILENT_S


@dataclass(frozen=True, slots=True)
class Send:
    """Send the INVITE of `attempt` on `path`, with the location body and headers or without."""

    attempt: int
    path: str
    with_location: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """End this attempt whatever its state: CANCEL, or BYE where it was answered."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Won:
    """This attempt carries the call; join it with the caller."""

    attempt: int
    path: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Every path failed until the total deadline; `why` is a sentence for the record."""

    why: str


Action = Send | Cancel | Won | GiveUp


class RouteState(StrEnum):
    """IDLE -> CALLING <-> RINGING, CALLING <-> PAUSED; from each of these WON, GIVEN_UP or HUNG_UP, which are final."""

    IDLE = "idle"
    CALLING = "calling"
    RINGING = "ringing"
    PAUSED = "paused"
    WON = "won"
    GIVEN_UP = "given-up"
    HUNG_UP = "hung-up"


_FINAL = frozenset({RouteState.WON, RouteState.GIVEN_UP, RouteState.HUNG_UP})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One INVITE, for journal and notice. `outcome`: "" while it lasts, else "answered", "cancelled", "silent", "unanswered", "refused" or "failed".

    `code`: the last status received, 0 for none. Times are the machine's `now`.
    """

    id: int
    path: str
    with_location: bool
    started: float
    code: int = 0
    outcome: str = ""
    ended: float | None = None


def order(paths: Iterable[Path], last_good: str = "") -> tuple[Path, ...]:
    """All paths, the most promising first: enabled before disabled, then by rank; among equals those that carry the location, the one that worked last first.

    What is known about a path orders it and never excludes it: knowledge can be wrong.
    """
    return tuple(sorted(paths, key=lambda path: (not path.enabled, path.rank, not path.location, path.id != last_good)))


def pause_s(rounds: int, jitter: float) -> float:
    """How long to wait after `rounds` rounds in which every path failed: doubling to four seconds, a quarter more or less by `jitter` (0-1)."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(rounds - 1, 10)) * (0.75 + 0.5 * jitter)


class EmergencyRoute:
    """The way of one call. Every input returns the actions to take, in their order; `next_deadline` says when `on_tick` is due.

    One attempt at a time; the one before is cancelled in the same breath as the next is sent. A provisional answer above 100 (but 199, RFC 6228: a branch
    that ended) shows that a path lives, and it may ring for `ring_s` from then; 100 comes from the next hop only and shows nothing. While no other path can
    be tried any more, a ringing one is left to ring. The first answer wins, even that of a path given up before. `total_s` bounds the starting of attempts.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        call_id: str,
        ring_s: float = RING_S,
        total_s: float = TOTAL_S,
        jitter: float = 0.5,
    ) -> None:
        self._paths = tuple(paths)
        self._call_id = call_id
        self._ring_s, self._total_s, self._jitter = ring_s, total_s, jitter
        self._attempts: dict[int, Attempt] = {}
        self._plain = {path.id for path in paths if not path.location}
        self._live: int | None = None
        self._place = 0
        self._rounds = 0
        self._give_up_at = 0.0
        self._deadline: float | None = None
        self.state = RouteState.IDLE
        self.winner: Attempt | None = None

    @property
    def next_deadline(self) -> float | None:
        """When `on_tick` must be called; None: only news or the caller move this on."""
        return self._deadline

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts so far, in their order."""
        return tuple(self._attempts.values())

    def start(self, now: float) -> tuple[Action, ...]:
        """Begin with the first path."""
        if self.state is not RouteState.IDLE:
            return ()
        self._give_up_at = now + self._total_s
        if not self._paths:
            self._change("start", RouteState.GIVEN_UP)
            return (GiveUp("the site has no path to the emergency services"),)
        return (self._send("start", now),)

    def on_progress(self, attempt: int, code: int, now: float) -> tuple[Action, ...]:
        """A provisional answer."""
        if attempt != self._live or self.state in _FINAL:
            return ()
        self._attempts[attempt] = replace(self._attempts[attempt], code=code)
        if self.state is RouteState.CALLING and 100 < code < 199:
            self._deadline = now + self._ring_s if self._another(now + self._ring_s) else None
            self._change(f"{code} on {self._attempts[attempt].path}", RouteState.RINGING)
        return ()

    def on_answered(self, attempt: int, now: float) -> tuple[Action, ...]:
        """A 2xx. Late ones count as well: somebody is on the line there."""
        found = self._attempts.get(attempt)
        if found is None:
            return ()
        if self.state in _FINAL:
            return () if self.winner is not None and self.winner.id == attempt else (Cancel(attempt),)
        released = self._end_live("cancelled", now) if self._live != attempt else ()
        self.winner = self._attempts[attempt] = replace(found, code=200, outcome="answered", ended=None)
        self._live = self._deadline = None
        self._change(f"200 on {found.path}", RouteState.WON)
        return (Won(attempt, found.path), *released)

    def on_failed(self, attempt: int, code: int, now: float) -> tuple[Action, ...]:
        """A final answer of 300 and above (authentication was tried below), or 0: it could not be sent, or the way broke."""
        found = self._attempts.get(attempt)
        if found is None or attempt != self._live:
            return ()
        if self.state in _FINAL:
            return ()
        refused = found.with_location and code in REFUSES_LOCATION
        self._attempts[attempt] = replace(found, code=code, outcome="refused" if refused else "failed", ended=now)
        self._live = None
        if refused:
            # Without its body from now on: asking the same again would cost the time another path needs.
            self._plain.add(found.path)
            if now < self._give_up_at:
                return (self._send(f"{code} to the location on {found.path}", now),)
        return self._next(f"{code} on {found.path}", now)

    def on_tick(self, now: float) -> tuple[Action, ...]:
        """Time passed; harmless before the deadline."""
        if self._deadline is None or now < self._deadline or self.state in _FINAL:
            return ()
        if self.state is RouteState.PAUSED:
            if now < self._give_up_at:
                return (self._send("pause over", now),)
            return self._next("pause over", now)
        if self.state is RouteState.RINGING:
            if not self._another(now):
                self._deadline = None
                return ()
            return (*self._end_live("unanswered", now), *self._next("rang without answer", now))
        return (*self._end_live("silent", now), *self._next("silence", now))

    def on_hangup(self, now: float) -> tuple[Action, ...]:
        """The caller hung up: everything that is not answered is ended."""
        if self.state in _FINAL:
            return ()
        released = self._end_live("cancelled", now)
        self._deadline = None
        self._change("caller hung up", RouteState.HUNG_UP)
        return released

    def _another(self, at: float) -> bool:
        """Whether there is another path to go to at time `at`."""
        return len(self._paths) > 1 and at < self._give_up_at

    def _end_live(self, outcome: str, now: float) -> tuple[Action, ...]:
        if self._live is None:
            return ()
        attempt, self._live = self._live, None
        self._attempts[attempt] = replace(self._attempts[attempt], outcome=outcome, ended=now)
        return (Cancel(attempt),)

    def _next(self, event: str, now: float) -> tuple[Action, ...]:
        """On to the next path; after the last one a pause, then the first again; past the total deadline the end."""
        if now >= self._give_up_at:
            self._deadline = None
            self._change(event, RouteState.GIVEN_UP)
            return (GiveUp(f"no path answered within {self._total_s:.0f} s: {self._tried()}"),)
        self._place += 1
        if self._place < len(self._paths):
            return (self._send(event, now),)
        self._place = 0
        self._rounds += 1
        self._deadline = min(now + pause_s(self._rounds, self._jitter), self._give_up_at)
        self._change(event, RouteState.PAUSED)
        return ()

    def _send(self, event: str, now: float) -> Send:
        path = self._paths[self._place]
        attempt = Attempt(len(self._attempts) + 1, path.id, path.id not in self._plain, now)
        self._attempts[attempt.id] = attempt
        self._live = attempt.id
        self._deadline = now + (path.silent_s if self._another(now + path.silent_s) else path.alone_s)
        self._change(event, RouteState.CALLING, f" on {path.id}{'' if attempt.with_location else ' without location'}")
        return Send(attempt.id, path.id, attempt.with_location)

    def _tried(self) -> str:
        last = {attempt.path: attempt for attempt in self._attempts.values()}
        return ", ".join(f"{path} {attempt.outcome}{f' {attempt.code}' if attempt.code else ''}" for path, attempt in last.items())

    def _change(self, event: str, new: RouteState, detail: str = "") -> None:
        """The only place where the state changes."""
        log.info("emergency call %s: %s -> %s -> %s%s", self._call_id, self.state, event, new, detail)
        self.state = new
