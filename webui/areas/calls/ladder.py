"""The messages of a call as a ladder: parties as columns, every message an arrow between two of them (pure; appliance/cli/ladder.py draws the same in text)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOX = "Holdfast"


@dataclass(frozen=True, slots=True)
class Rung:
    """One message. `at_s` after the first; `start`, `end`: columns from 0, in the direction it went; `kind`: "ok", "warn", "bad" or "" by its status."""

    number: int
    at_s: float
    label: str
    start: int
    end: int
    kind: str

    @property
    def low(self) -> int:
        return min(self.start, self.end)

    @property
    def span(self) -> int:
        return abs(self.end - self.start) + 1

    @property
    def forward(self) -> bool:
        return self.end > self.start


@dataclass(frozen=True, slots=True)
class Ladder:
    """`parties`: addresses of the columns, who spoke first, the box (BOX), then everybody else as they came."""

    parties: tuple[str, ...]
    rungs: tuple[Rung, ...]


def ladder(messages: Sequence[Mapping[str, Any]]) -> Ladder:
    """Of messages as `trace` gives them (control.shapes.TraceMessage), oldest first."""
    if not messages:
        return Ladder((), ())
    remotes = list(dict.fromkeys(message["remote"] for message in messages))
    parties = [remotes[0], BOX, *remotes[1:]]
    rungs = []
    for number, message in enumerate(messages):
        there = parties.index(message["remote"])
        start, end = (1, there) if message["sent"] else (there, 1)
        rungs.append(Rung(number, message["at_s"] - messages[0]["at_s"], message["label"], start, end, _kind(message["status"])))
    return Ladder(tuple(parties), tuple(rungs))


def talk_after(messages: Sequence[Mapping[str, Any]]) -> int:
    """The number of the message after which people talked: the ACK (else the 200) of the first INVITE answered last; -1 when nobody did."""
    found = [number for number, each in enumerate(messages) if each["status"] == 200 and str(each["cseq"]).upper().endswith("INVITE")]
    if not found:
        return -1
    over = next((number for number, each in enumerate(messages) if each["method"] == "BYE" and not each["status"]), len(messages))
    acks = [number for number, each in enumerate(messages) if each["method"] == "ACK" and not each["status"] and found[0] < number < over]
    return acks[min(1, len(acks) - 1)] if acks else found[0]


def _kind(status: int) -> str:
    if status in {401, 407} or status == 487:  # a challenge, and the end of what somebody cancelled
        return "warn"
    return "bad" if status >= 400 else "ok" if status >= 200 else ""
