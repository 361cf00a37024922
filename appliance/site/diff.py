"""The difference of two site documents: changes by path that can be applied, each with a sentence for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from appliance.site.wording import path_of

Loc: TypeAlias = tuple[str, ...]
Document: TypeAlias = Mapping[str, Any]


class _Absent:
    """Stands for a value where there is none; None is a value."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
HIDDEN: Final = "hidden"
"""Stands for a secret's value."""


@dataclass(frozen=True, slots=True)
class Change:
    """At `loc`, `before` became `after` (ABSENT: nothing there; both JSON values). `sentence` like "extension of Front desk: 1001 -> 1010".

    `hidden`: a secret was made or changed; its values are in no change. `order`: the entries of a kind were put in another order (lists of ids).
    """

    loc: Loc
    before: Any
    after: Any
    sentence: str = field(default="", compare=False)
    hidden: bool = False
    order: bool = False

    @property
    def path(self) -> str:
        return path_of(self.loc)

    def as_dict(self) -> dict[str, Any]:
        """JSON shape {path, sentence, hidden} and, where they exist, {before, after}."""
        shape: dict[str, Any] = {"path": self.path, "sentence": self.sentence, "hidden": self.hidden}
        if not self.hidden:
            shape |= {name: value for name, value in (("before", self.before), ("after", self.after)) if value is not ABSENT}
        return shape
