"""Dial plans: the emergency numbers leave at once, everything else waits for more digits; and a simulator that proves it.

The plan names every number that is not an emergency number by where it departs from one, so that nothing else can still match once
an emergency number is complete. A phone then has no reason to wait, whatever its maker's rule about ambiguous patterns is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

DIGITS = "0123456789"
WAIT_S = 3
"""How long a phone waits for another digit."""


@dataclass(frozen=True, slots=True)
class Other:
    """Numbers that begin with `prefix`, go on with one of `digits` and then with anything; "" digits: the prefix and no more."""

    prefix: str
    digits: str


def at_once(emergency: Iterable[str]) -> list[str]:
    """The numbers, shortest first; one that begins with a shorter one can never be dialled and is left out."""
    kept: list[str] = []
    for number in sorted(set(emergency), key=lambda each: (len(each), each)):
        if not any(number.startswith(short) for short in kept):
            kept.append(number)
    return kept


def others(emergency: Iterable[str]) -> list[Other]:
    """Every number of digits that neither is nor begins with one of `emergency`."""
    numbers = at_once(emergency)
    prefixes = sorted({number[:length] for number in numbers for length in range(len(number))} | {""})
    found = []
    for prefix in prefixes:
        taken = {number[len(prefix)] for number in numbers if number.startswith(prefix)}
        if prefix:
            found.append(Other(prefix, ""))
        found.append(Other(prefix, "".join(digit for digit in DIGITS if digit not in taken)))
    return [each for each in found if each.prefix or each.digits]


def _class(digits: str) -> str:
    return "x" if digits == DIGITS else f"[{digits}]"


def digitmap(emergency: Iterable[str]) -> str:
    """Poly's digit map (RFC 3435, section 2.1.5): T waits, `.` repeats the one before none or more times."""
    rest = [f"{each.prefix}T" if not each.digits else f"{each.prefix}{_class(each.digits)}x.T" for each in others(emergency)]
    return "|".join([*at_once(emergency), *rest, "*x.T", "+x.T"])


def braces(emergency: Iterable[str]) -> str:
    """Grandstream's dial plan. A lone beginning of an emergency number is not in it: some firmware would dial it at once."""
    rest = [f"{each.prefix}{_class(each.digits)}x." for each in others(emergency) if each.digits]
    return "{ " + " | ".join([*at_once(emergency), *rest, "*x.", "*x.*x.", r"\+x."]) + " }"


def templates(emergency: Iterable[str]) -> list[tuple[str, int]]:
    """Snom's templates as (match, timeout in seconds): `.` is any key, `*` any number of them."""
    first = [(number, 0) for number in at_once(emergency)]
    rest = [each.prefix if not each.digits else f"{each.prefix}[{each.digits}]*" for each in others(emergency)]
    return [*first, *((match, WAIT_S) for match in [*rest, r"\**", r"\+*"])]


# ---- the simulator ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as a regular expression piece by piece, so that "can this still grow" has an answer; `wait_s` once it is complete."""

    pieces: tuple[tuple[str, bool], ...]
    """(class of keys as a regular expression, whether it may repeat none or more times)."""
    wait_s: float

    def _ends(self, dialled: str) -> set[int]:
        """How many pieces may have been used up after `dialled`; empty: it does not fit."""
        places = self._skip({0})
        for key in dialled:
            places = self._skip({at if self.pieces[at][1] else at + 1 for at in places if at < len(self.pieces) and re.fullmatch(self.pieces[at][0], key)})
        return places

    def _skip(self, places: set[int]) -> set[int]:
        reached = set(places)
        for at in sorted(places):
            end = at
            while end < len(self.pieces) and self.pieces[end][1]:
                end += 1
                reached.add(end)
        return reached

    def complete(self, dialled: str) -> bool:
        return len(self.pieces) in self._ends(dialled)

    def can_grow(self, dialled: str) -> bool:
        return any(at < len(self.pieces) for at in self._ends(dialled))


@dataclass(frozen=True, slots=True)
class Sent:
    """What a phone did with the keys: which digits it dialled, and how long it waited after the last of them (seconds)."""

    number: str
    after_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What one phone was given. `open_s`: numbers no pattern knows are dialled too, after so many seconds; None: they are refused."""

    patterns: tuple[Pattern, ...]
    open_s: float | None = None

    def press(self, keys: str) -> Sent | None:
        """Press the keys one after the other, then nothing. None: the phone refuses the number.

        A phone dials as soon as a pattern is complete and none can grow. Where one is complete and another may grow it waits, which is the careful
        reading of every maker's text: some dial earlier.
        """
        for count in range(1, len(keys) + 1):
            dialled = keys[:count]
            whole = [pattern for pattern in self.patterns if pattern.complete(dialled)]
            growing = any(pattern.can_grow(dialled) for pattern in self.patterns)
            if whole and not growing:
                return Sent(dialled, min(pattern.wait_s for pattern in whole))
            if not whole and not growing and self.open_s is None:
                return None
        if not keys:
            return None
        waits = [pattern.wait_s for pattern in self.patterns if pattern.complete(keys)]
        if waits:
            return Sent(keys, max(WAIT_S, *waits))
        return None if self.open_s is None else Sent(keys, self.open_s)


def _pieces(text: str, *, any_key: str, repeats: str = "", any_run: str = "") -> tuple[tuple[str, bool], ...]:
    """Read a pattern: `x` or `any_key` a key, [..] a class, `\\` quotes, `repeats` after a piece repeats it, `any_run` any keys."""
    found: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "[":
            end = text.index("]", at)
            found.append((text[at : end + 1], False))
            at = end
        elif char == "\\":
            at += 1
            found.append((re.escape(text[at]), False))
        elif any_run and char == any_run:
            found.append((r"[0-9*#+]", True))
        elif repeats and char == repeats:
            found[-1] = (found[-1][0], True)
        elif char == any_key:
            found.append((r"[0-9]" if any_key == "x" else r"[0-9*#+]", False))
        else:
            found.append((re.escape(char), False))
        at += 1
    return tuple(found)


def read_digitmap(text: str, wait_s: float = WAIT_S) -> Plan:
    """Poly's digit map. `x` is a digit, a final T waits, without it a complete pattern is dialled."""
    return Plan(tuple(Pattern(_pieces(each.removesuffix("T"), any_key="x", repeats="."), wait_s if each.endswith("T") else 0) for each in text.split("|")))


def read_braces(text: str, wait_s: float = 4) -> Plan:
    """Grandstream's dial plan. `x.` is none or more digits, `x+` one or more; a pattern of open length waits."""
    words = [re.sub(r"(x|\[[^]]*\])\+", r"\1\1.", each.strip()) for each in text.strip().removeprefix("{").removesuffix("}").split("|")]
    return Plan(tuple(Pattern(_pieces(word, any_key="x", repeats="."), wait_s if word.endswith(".") else 0) for word in words))


def read_rules(rules: Iterable[str], wait_s: float, other_s: float) -> Plan:
    """Yealink's dial-now rules, sent `wait_s` after they fit; other numbers go after the phone's time between digits."""
    return Plan(tuple(Pattern(_pieces(each, any_key="x", any_run="."), wait_s) for each in rules), other_s)


def read_templates(rows: Iterable[tuple[str, float]]) -> Plan:
    """Snom's templates as (match, timeout in seconds): `.` one key, `*` any keys, [..] a class, `\\` quotes."""
    return Plan(tuple(Pattern(_pieces(match, any_key=".", any_run="*"), wait_s) for match, wait_s in rows))
