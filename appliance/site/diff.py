"""The difference of two site documents: changes by path that can be applied, each with a sentence for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from appliance.site.paths import find, has, parse_path, put, remove
from appliance.site.sentences import Names, order_of, sentence_of
from appliance.site.wording import path_of

Document: TypeAlias = Mapping[str, Any]

ORDERED = ("trunks", "mailboxes")
"""Kinds whose entries stand in an order that means something: emergency paths; the mailbox where a user's forwarding ends."""
_WHOLE = frozenset({"destination"})
"""Groups of fields that say one thing together."""


class _Absent:
    """Stands for a value where there is none; None is a value."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Change:
    """At `loc`, `before` became `after` (ABSENT: nothing there; both JSON values). `sentence` like "extension of Front desk: 1001 -> 1010".

    `hidden`: a secret was made or changed, whose values are in no change. `order`: the entries of a kind stand in another order (lists of ids).
    `behind`: of an entry that is gone, where order counts: the one it stood behind ("": it was the first); known to who made the difference, and not sent on.
    """

    loc: tuple[str, ...]
    before: Any
    after: Any
    sentence: str = field(default="", compare=False)
    hidden: bool = False
    order: bool = False
    behind: str | None = field(default=None, compare=False)

    @property
    def path(self) -> str:
        return path_of(self.loc)

    def as_dict(self) -> dict[str, Any]:
        """JSON shape {path, loc, sentence, hidden, order} and, where they exist, {before, after}."""
        shape: dict[str, Any] = {"path": self.path, "loc": list(self.loc), "sentence": self.sentence, "hidden": self.hidden, "order": self.order}
        return shape | {name: value for name, value in (("before", self.before), ("after", self.after)) if value is not ABSENT}

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> Change:
        before, after = shape.get("before", ABSENT), shape.get("after", ABSENT)
        return cls(tuple(shape["loc"]), before, after, shape["sentence"], shape["hidden"], shape["order"])


def diff(a: Document, b: Document) -> tuple[Change, ...]:
    """What turns `a` into `b`, in the order of the documents; `apply(diff(a, b), a) == b`. Lists change as a whole, objects come and go as a whole."""
    before, after = Names(a), Names(b)
    return tuple(replace(change, sentence=_told(change, before, after)) for change in _differences((), a, b))


def apply(changes: Iterable[Change], document: Document) -> dict[str, Any]:
    """`document` with the changes made; hidden ones are not the document's."""
    made = dict(document)
    for change in changes:
        if change.order:
            kind: Mapping[str, Any] = made[change.loc[0]]
            made[change.loc[0]] = {key: kind[key] for key in change.after}
        elif change.after is ABSENT:
            made = remove(made, change.loc)
        elif change.behind is not None and not has(made, change.loc):
            made[change.loc[0]] = _inserted(made.get(change.loc[0], {}), change)
        elif not change.hidden:
            made = put(made, change.loc, change.after)
    return made


def _inserted(kind: Document, change: Change) -> dict[str, Any]:
    """The entries with one more, behind the one it stood behind; at the end where that one is gone."""
    entries = list(kind.items())
    place = 0 if change.behind == "" else next((at for at, (key, _) in enumerate(entries, 1) if key == change.behind), len(entries))
    return dict([*entries[:place], (change.loc[1], change.after), *entries[place:]])


def undo(changes: Iterable[Change], document: Document) -> dict[str, Any]:
    """`document` with the changes taken back, as far as they are still there to take back."""
    back = [Change(c.loc, c.after, c.before, hidden=c.hidden, order=c.order, behind=c.behind) for c in changes if not c.hidden]
    made = apply((c for c in back if not c.order and (c.after is not ABSENT or has(document, c.loc))), document)
    for change in back:
        kind = find(made, change.loc, {})
        if change.order:
            made[change.loc[0]] = {key: kind[key] for key in (*(k for k in change.after if k in kind), *(k for k in kind if k not in change.after))}
    return made


def hidden_changes(document: Document, **names: Iterable[str]) -> tuple[Change, ...]:
    """Changes that stand for secrets; their values stay in the vault. `names`: "made", "changed", "removed" -> names like `devices.dana-desk.secret`."""
    known = Names(document)
    return tuple(
        Change(loc, ABSENT, ABSENT, f"{known.subject(loc)}: {what}" + ("" if what == "removed" else ", hidden"), hidden=True)
        for what, which in names.items()
        for loc in (tuple(map(str, parse_path(name))) for name in which)
    )


def _differences(loc: tuple[str, ...], a: Document, b: Document) -> Iterator[Change]:
    last = ""
    for key in (*a, *(key for key in b if key not in a)):
        here, behind, last = (*loc, key), last, key
        before, after = a.get(key, ABSENT), b.get(key, ABSENT)
        if isinstance(before, dict) and isinstance(after, dict) and key not in _WHOLE:
            # The text of equal values is equal as a rule, and found out much faster.
            if repr(before) != repr(after):
                yield from _differences(here, before, after)
                if here[0] in ORDERED and len(here) == 1:
                    yield from _order(here, before, after)
        elif not _same(before, after):
            gone = after is ABSENT and len(loc) == 1 and loc[0] in ORDERED
            yield Change(here, before, after, behind=behind if gone else None)


def _order(loc: tuple[str, ...], a: Document, b: Document) -> Iterator[Change]:
    appended = [*(key for key in a if key in b), *(key for key in b if key not in a)]
    if appended != list(b):
        yield Change(loc, list(a), list(b), order=True)


def _same(a: Any, b: Any) -> bool:
    """Equal and of one type all the way down: in JSON 1, 1.0 and true are three things."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and bool(a == b)


def _told(change: Change, old: Names, now: Names) -> str:
    if change.order:
        return order_of(change.loc[0], change.before, change.after, old, now)
    before, after = (None if value is ABSENT else value for value in (change.before, change.after))
    return sentence_of(change.loc, before, after, old, now)
