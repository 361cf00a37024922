"""Which of several ways out to use: the one with the best metric, unless it is dead and another is not (pure; time passed in).

Each way is asked over itself, so that what is not in use is known, too. Away from a dead one at once; back to the better one when it has been well for long.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from appliance.network.wan_state import FAILURES, Path, Times

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Interface and gateway of a way out."""


class Level(IntEnum):
    """How far a way leads: nowhere for want of a link; the gateway is silent; the gateway alone; somebody outside answers."""

    CUT = 0
    SILENT = 1
    GATEWAY = 2
    OUTSIDE = 3


@dataclass(slots=True)
class _Known:
    """`failures`: rounds in a row without the level it has; `good_s`: when it was last shown."""

    carrier: bool
    level: Level | None = None
    failures: int = 0
    good_s: float = 0.0
    well_s: float | None = None


@dataclass(slots=True)
class Uplinks:
    """`paths`, `heard` and `tick` take news. `wanted`: the way to put first, None while the metrics say the same. `why`: the reason, a sentence."""

    times: Times = field(default_factory=Times)
    wanted: Key | None = None
    why: str = ""
    _known: dict[Key, _Known] = field(default_factory=dict)

    def paths(self, now: float, paths: Iterable[Path]) -> None:
        """The default routes in the order of their metrics."""
        before, self._known = self._known, {}
        for path in paths:
            known = before.get((path.interface, path.gateway)) or _Known(path.carrier)
            if path.carrier and not known.carrier:
                known.level, known.failures, known.well_s = None, 0, None
            known.carrier = path.carrier
            self._known[path.interface, path.gateway] = known
        self.tick(now)

    def heard(self, now: float, key: Key, level: Level) -> None:
        """The outcome of one round of questions over this way."""
        known = self._known.get(key)
        if known is None:
            return
        if known.level is None or level >= known.level:
            known.level, known.failures, known.good_s = level, 0, now
        else:
            known.failures += 1
            if known.failures >= FAILURES and now - known.good_s >= self.times.silence_s:
                known.level, known.failures, known.good_s = level, 0, now
        self.tick(now)

    def level(self, key: Key) -> Level | None:
        """None: nothing is known yet."""
        known = self._known.get(key)
        return None if known is None else Level.CUT if not known.carrier else known.level

    def doubted(self) -> bool:
        """The way in use did not show its level at its last round, or has none: all are to be asked at once."""
        used = self._known.get(self.used) if self.used is not None else None
        return used is None or used.failures > 0 or used.level in {None, Level.SILENT}

    @property
    def used(self) -> Key | None:
        return self.wanted if self.wanted is not None else next(iter(self._known), None)

    def tick(self, now: float) -> None:
        """Time has passed."""
        keys = list(self._known)
        if len(keys) < 2:
            return self._to(None, "")
        first = keys[0]
        used = self.used if self.used in self._known else first
        assert used is not None
        here = self._rank(used)
        for key in keys[: keys.index(used)]:
            known = self._known[key]
            if self._rank(key) >= here:
                known.well_s = now if known.well_s is None else known.well_s
                if now - known.well_s >= self.times.trust_s:
                    return self._to(None if key == first else key, f"{key[0]} is well again")
            else:
                known.well_s = None
        # Where both begin to fail, it is something behind both: nothing is gained by moving.
        best = max((key for key in keys if key == used or here is Level.CUT or not self._known[key].failures), key=self._rank)
        if self._rank(best) > here:
            for known in self._known.values():
                known.well_s = None
            return self._to(None if best == first else best, f"{used[0]} {_WORDS[here]}")
        return None

    def _rank(self, key: Key) -> Level:
        level = self.level(key)
        return Level.SILENT if level is None else level

    def _to(self, wanted: Key | None, why: str) -> None:
        """The one place where the choice changes."""
        if wanted != self.wanted:
            log.warning("way out: %s -> %s -> %s", self.wanted or "by metric", why or "there is one way out", wanted or "by metric")
            self.wanted, self.why = wanted, why


_WORDS = {Level.CUT: "has no link", Level.SILENT: "is silent", Level.GATEWAY: "leads to its gateway alone", Level.OUTSIDE: "is well"}
