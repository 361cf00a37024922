"""The ladder of one call: its parties as columns, every SIP message an arrow between them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from appliance.cli.output import plain
from appliance.control.client import TraceMessage

NARROWEST, WIDEST = 24, 44
_TIME = 11
"""Columns of the time before the first lane."""
_MARK = 4
"""Columns of the dialog's letter behind the last lane."""


@dataclass(frozen=True, slots=True)
class Ink:
    """The characters of the drawing."""

    lane: str
    dash: str
    left: str
    right: str


UNICODE = Ink("│", "─", "◀", "▶")
ASCII = Ink("|", "-", "<", ">")


def ladder(messages: Sequence[TraceMessage], width: int, ink: Ink = UNICODE) -> list[Text]:
    """The lines of the ladder, oldest message first. Wider than `width` rather than unreadable."""
    if not messages:
        return []
    parties = _parties(messages)
    spacing = max(NARROWEST, min(WIDEST, (width - _TIME - _MARK) // len(parties)))
    lanes = [_TIME + spacing // 2 + at * spacing for at in range(len(parties))]
    letters = {call_id: _letter(at) for at, call_id in enumerate(dict.fromkeys(message["call_id"] for message in messages))}
    first_s = messages[0]["at_s"]
    lines = [_heads(parties, spacing)]
    lines += [_row(message, message["at_s"] - first_s, parties, lanes, letters[message["call_id"]], ink) for message in messages]
    lines.append(Text())
    lines += [Text(f"{letter}  {plain(call_id) or '(no Call-ID)'}", style="dim") for call_id, letter in letters.items()]
    return lines


def _parties(messages: Sequence[TraceMessage]) -> list[str]:
    """The columns: who spoke first, the box, then everybody else as they came."""
    remotes = list(dict.fromkeys(message["remote"] for message in messages))
    return [remotes[0], "", *remotes[1:]]


def _letter(at: int) -> str:
    return _letter(at // 26 - 1) + chr(65 + at % 26) if at >= 26 else chr(65 + at)


def _heads(parties: Sequence[str], spacing: int) -> Text:
    line = " " * _TIME
    for party in parties:
        name = _fit(plain(party.removeprefix("udp:")) if party else "Holdfast", spacing - 1)
        left = (spacing - cell_len(name)) // 2
        line += " " * left + name + " " * (spacing - left - cell_len(name))
    return Text(line.rstrip(), style="bold")


def _fit(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "~"


def _row(message: TraceMessage, offset_s: float, parties: Sequence[str], lanes: Sequence[int], letter: str, ink: Ink) -> Text:
    here, there = lanes[1], lanes[parties.index(message["remote"])]
    start, end = min(here, there), max(here, there)
    rightward = message["sent"] == (there > here)
    room = end - start - 1
    label = _fit(f" {plain(message['label'])} ", room - 2)
    dashes = room - 1 - cell_len(label)
    arrow = ink.dash * (dashes // 2), ink.dash * (dashes - dashes // 2)
    bars = [" "] * (lanes[-1] + 1)
    for lane in lanes:
        bars[lane] = ink.lane
    time = f"{offset_s:+.3f}".rjust(_TIME - 2)
    line = Text(time + "".join(bars[len(time) : start + 1]), style="")
    line.append(arrow[0] if rightward else ink.left + arrow[0])
    line.append(label, style=_style(message))
    line.append(arrow[1] + ink.right if rightward else arrow[1])
    line.append("".join(bars[end:]) + f"  {letter}")
    return line


def _style(message: TraceMessage) -> str:
    status = message["status"]
    if status == 0:
        return "bold"
    if status in (401, 407):
        return "yellow"
    return "red" if status >= 400 else "green" if status >= 200 else "dim"
