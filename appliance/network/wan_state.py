"""Whether the internet is there, from all that is heard of it: one state with hysteresis, and how it is known (pure; time passed in)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

log = logging.getLogger(__name__)

FAILURES = 2
"""One lost packet says nothing."""
KEPT = 200
"""Changes remembered."""


class State(StrEnum):
    """`POOR`: somebody outside answers, and somebody does not, or names are not resolved."""

    UNKNOWN = "unknown"
    UP = "up"
    POOR = "poor"
    DOWN = "down"


class Kind(StrEnum):
    """Who was asked. The gateway and a name server on the site's own wire are near: that they answer does not show that anybody outside does."""

    GATEWAY = "gateway"
    NEAR_NAMES = "near-names"
    NAMES = "names"
    TRUNK = "trunk"
    PROBE = "probe"

    @property
    def outside(self) -> bool:
        return self in {Kind.NAMES, Kind.TRUNK, Kind.PROBE}


class Answer(StrEnum):
    """`NONSENSE`: something came back, but not what a working network gives (NXDOMAIN for a carrier, garbage)."""

    GOOD = "good"
    SILENT = "silent"
    NONSENSE = "nonsense"


@dataclass(frozen=True, slots=True)
class Times:
    """The settings, in seconds (site/model/wan.py)."""

    link_s: float = 0.5
    silence_s: float = 4.0
    trust_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Path:
    """A default route, the preferred one first. `carrier`: its interface is up and has a cable in it."""

    interface: str
    gateway: str
    carrier: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Somebody who is asked; `name` for people."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One piece of evidence. `state`: "ok", "bad", or "unknown" while nothing was heard. `since_s` None: never."""

    source: str
    state: str
    text: str
    since_s: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """The state became another."""

    at_s: float
    before: State
    state: State
    why: str


@dataclass(slots=True)
class _Heard:
    """What is known of one source. `begun_s`: when the answers became good, or bad."""

    answer: Answer | None = None
    said: str = ""
    failures: int = 0
    good_s: float | None = None
    failed_s: float = 0.0
    begun_s: float | None = None
    bad: bool = False


@dataclass(slots=True)
class Wan:
    """`paths`, `sources`, `heard` and `tick` take news; the state is `state` since `since_s`, because of `why`. Times are `now` (seconds, monotonic)."""

    times: Times = field(default_factory=Times)
    state: State = State.UNKNOWN
    since_s: float = 0.0
    why: str = "nothing was heard yet"
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=KEPT))
    _paths: tuple[Path, ...] | None = None
    _cut_s: float | None = None
    _better_s: float | None = None
    _sources: dict[Source, _Heard] = field(default_factory=dict)

    # ---- what is heard -------------------------------------------------------------------------------------------

    def paths(self, now: float, paths: Iterable[Path]) -> Change | None:
        """The default routes as they are now."""
        self._paths = tuple(paths)
        if any(path.carrier for path in self._paths):
            self._cut_s = None
        elif self._cut_s is None:
            self._cut_s = now
        return self.tick(now)

    def sources(self, now: float, sources: Iterable[Source]) -> Change | None:
        """Who is asked from now on; those that stay keep what was heard of them."""
        self._sources = {source: self._sources.get(source) or _Heard() for source in sources}
        return self.tick(now)

    def heard(self, now: float, source: Source, answer: Answer, said: str = "") -> Change | None:
        """The outcome of one question. Of a source that is no longer asked it says nothing."""
        known = self._sources.get(source)
        if known is None:
            return None
        known.answer, known.said = answer, said
        if answer is Answer.GOOD:
            if known.bad or known.begun_s is None:
                known.begun_s = now
            known.failures, known.good_s, known.bad = 0, now, False
        else:
            if known.failures == 0:
                known.failed_s = now
            known.failures += 1
        return self.tick(now)

    def tick(self, now: float) -> Change | None:
        """Time has passed; the change of state this brings, if any."""
        for known in self._sources.values():
            # The last good answer counts where there was one: from it on there is silence.
            quiet_s = now - (known.failed_s if known.good_s is None else known.good_s)
            if not known.bad and known.failures >= FAILURES and quiet_s >= self.times.silence_s:
                known.bad, known.begun_s = True, now
        seen, why = self._judged()
        if seen is State.UNKNOWN:
            return None
        if self.state is State.UNKNOWN:
            # A cable that is out at the start may be a link that comes up with the box.
            return None if self._cut_s is not None and now - self._cut_s < self.times.link_s else self._to(now, seen, why)
        if _RANK[seen] > _RANK[self.state]:
            self._better_s = None
            if self._cut_s is not None and now - self._cut_s < self.times.link_s:
                return None
            return self._to(now, seen, why)
        if seen is self.state:
            # Whatever was better for a while was not stable.
            self._better_s = None
            return None
        if self._better_s is None:
            self._better_s = now
        return self._to(now, seen, why) if now - self._better_s >= self.times.trust_s else None

    def next_s(self, now: float) -> float:
        """When `tick` may bring a change though nothing is heard."""
        later = [now + 1.0]
        if self._cut_s is not None and self.state is not State.DOWN:
            later.append(self._cut_s + self.times.link_s)
        if self._better_s is not None:
            later.append(self._better_s + self.times.trust_s)
        later += [k.good_s + self.times.silence_s for k in self._sources.values() if k.failures >= FAILURES and not k.bad and k.good_s is not None]
        return max(now, min(later))

    # ---- what is thought of it -----------------------------------------------------------------------------------

    @property
    def way(self) -> Path | None:
        """The way out in use: the first default route whose interface has a cable in it."""
        return next((path for path in self._paths or () if path.carrier), None)

    @property
    def trusted_in_s(self) -> float | None:
        """How long it has to stay better until it is believed, counted from `better since`; None: nothing is better."""
        return None if self._better_s is None else self._better_s + self.times.trust_s

    def bad(self, source: Source) -> bool:
        known = self._sources.get(source)
        return known is not None and known.bad

    def doubted(self, source: Source) -> bool:
        """Its last answer was missing or nonsense; that may be chance."""
        known = self._sources.get(source)
        return known is not None and known.failures > 0

    def evidence(self) -> list[Sentence]:
        """How it is known, in words: the ways out first, then who was asked."""
        found = []
        for path in self._paths or ():
            text = f"{path.interface} is connected; the way out is {path.gateway or 'the link itself'}" if path.carrier else f"{path.interface} has no link"
            found.append(Sentence(path.interface, "ok" if path.carrier else "bad", text, None))
        if self._paths is not None and not self._paths:
            found.append(Sentence("route", "bad", "There is no way out: no gateway is set", None))
        found += [Sentence(source.name, _level(known), _said(source, known), known.begun_s) for source, known in self._sources.items()]
        return found

    def _judged(self) -> tuple[State, str]:
        """What all of it says this moment, and in one sentence why."""
        if self._paths is not None and self.way is None:
            return State.DOWN, f"{_listed([p.interface for p in self._paths])} lost the link" if self._paths else "there is no way out: no gateway is set"
        near = {s: k for s, k in self._sources.items() if not s.kind.outside}
        outside = {s: k for s, k in self._sources.items() if s.kind.outside}
        gateway_bad = any(k.bad for s, k in near.items() if s.kind is Kind.GATEWAY)
        good = [s for s, k in outside.items() if k.good_s is not None and not k.bad]
        bad = [s for s, k in outside.items() if k.bad]
        if outside and len(bad) == len(outside):
            where = "and the gateway is silent" if gateway_bad else "the link is up"
            return State.DOWN, f"{_listed([s.name for s in bad])} {_verb(bad, outside)}, {where}"
        if good:
            worse = [s for s, k in self._sources.items() if k.bad and s.kind is not Kind.GATEWAY]
            if worse:
                return State.POOR, f"{_listed([s.name for s in worse])} {_verb(worse, self._sources)}; {_listed([s.name for s in good])} answers"
            cut = [path.interface for path in self._paths or () if not path.carrier]
            if cut and self._paths and not self._paths[0].carrier:
                return State.POOR, f"{_listed(cut)} lost the link, another way out is in use"
            return State.UP, f"{_listed([s.name for s in good])} answers"
        if not outside and gateway_bad:
            return State.DOWN, "the gateway is silent"
        return State.UNKNOWN, "nobody outside has answered yet"

    def _to(self, now: float, state: State, why: str) -> Change | None:
        """The one place where the state changes."""
        if state is self.state:
            return None
        change = Change(now, self.state, state, why)
        log.log(logging.WARNING if state is State.DOWN else logging.INFO, "internet: %s -> %s -> %s", self.state, why, state)
        self.state, self.since_s, self.why, self._better_s = state, now, why, None
        self.changes.append(change)
        return change


_RANK = {State.UNKNOWN: -1, State.UP: 0, State.POOR: 1, State.DOWN: 2}


def _level(known: _Heard) -> str:
    return "bad" if known.bad else "ok" if known.good_s is not None else "unknown"


def _said(source: Source, known: _Heard) -> str:
    if known.bad:
        return f"{source.name} answers nonsense: {known.said}" if known.answer is Answer.NONSENSE else f"{source.name} is silent"
    if known.good_s is None:
        return f"{source.name} has not answered yet"
    return f"{source.name} answers{f' ({known.said})' if known.said else ''}"


def _verb(bad: Iterable[Source], known: dict[Source, _Heard]) -> str:
    nonsense = all(known[source].answer is Answer.NONSENSE for source in bad)
    many = len(list(bad)) > 1
    return ("answer nonsense" if many else "answers nonsense") if nonsense else ("are silent" if many else "is silent")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
