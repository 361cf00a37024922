"""Which news are told, and when: one message when a matter begins and one when it is over, many at once in one message, none for what flaps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "look", "bad"]
_RANK = {"ok": 0, "look": 1, "bad": 2}


@dataclass(frozen=True, slots=True)
class Matter:
    """How the matter `key` stands: `level` "ok" when it is over. `kind` is what people choose by: a field of `site.model.alerts`."""

    kind: str
    key: str
    level: Level
    sentence: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Matters of one kind that are told together; `over`: all of them ended."""

    kind: str
    over: bool
    matters: tuple[Matter, ...]


class Fold:
    """Holds what is, and what people believe. Times are seconds, monotonic; `told`: key -> what was told of it before a restart and is not over."""

    def __init__(self, told: Iterable[Matter] = ()) -> None:
        self._told = {matter.key: matter for matter in told if matter.level != "ok"}
        self._now: dict[str, Matter] = {}
        self._last: dict[tuple[str, bool], float] = {}

    def note(self, matter: Matter) -> None:
        self._now[matter.key] = matter

    def knows(self, key: str) -> bool:
        """Whether people believe that `key` is not well."""
        return key in self._told

    def take_over(self, other: Fold) -> None:
        """All that `other` noted."""
        self._now.update(other._now)

    def untold(self, bundle: Bundle) -> None:
        """It could not be kept: it is due again as if it had never been."""
        self._last.pop((bundle.kind, bundle.over), None)
        for matter in bundle.matters:
            if bundle.over:
                self._told[matter.key] = matter
                self._now[matter.key] = matter
            else:
                self._told.pop(matter.key, None)

    def unspoken(self) -> tuple[Matter, ...]:
        """What was told before a restart and nobody has spoken of since."""
        return tuple(told for key, told in self._told.items() if key not in self._now)

    def settle(self) -> None:
        """Enough time has passed since the start: what was told before it and nobody has spoken of since is over."""
        for told in self.unspoken():
            self._now[told.key] = Matter(told.kind, told.key, "ok", f"No longer so: {told.sentence}")

    def due(self, now_s: float, repeat_s: float, wanted: Iterable[str], least: Level) -> tuple[Bundle, ...]:
        """What is to be told now: of a kind at most one beginning and one end every `repeat_s`. Counts as told from then on.

        Kinds that are not `wanted`, and levels below `least`, are as good as "ok". A matter that gets worse is told again, one that gets less bad is not.
        """
        kinds = frozenset(wanted)
        changed: dict[tuple[str, bool], list[Matter]] = {}
        for matter in self._now.values():
            told = self._told.get(matter.key)
            level = matter.level if matter.kind in kinds and _RANK[matter.level] >= _RANK[least] else "ok"
            if told is not None and matter.level == "ok":
                changed.setdefault((matter.kind, True), []).append(matter)
            elif _RANK[level] > (_RANK[told.level] if told is not None else 0):
                changed.setdefault((matter.kind, False), []).append(matter)
        found = []
        for (kind, over), matters in changed.items():
            if now_s - self._last.get((kind, over), float("-inf")) < repeat_s:
                continue
            self._last[kind, over] = now_s
            for matter in matters:
                if over:
                    del self._told[matter.key]
                else:
                    self._told[matter.key] = matter
            if not over or kind in kinds:
                found.append(Bundle(kind, over, tuple(matters)))
        for key in [key for key, matter in self._now.items() if matter.level == "ok" and key not in self._told]:
            del self._now[key]
        return tuple(found)
