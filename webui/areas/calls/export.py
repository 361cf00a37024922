"""Call records as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

_FIGURES = ("sent_lost_percent", "sent_jitter_ms", "got_lost_percent", "got_jitter_ms", "rtt_ms")
SOUND = ("score", "bad_sound", *(f"{side}_{what}" for side in ("caller", "called") for what in _FIGURES), "sound_findings")
HEAD = ("began", "direction", "from", "from_name", "to", "dialled", "user", "outcome", "code", "talk_s", "line", "way", "call", *SOUND)
_FORMULA = re.compile(r"[\s\x00-\x1f\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"\+[0-9]{1,20}")


def cell(text: str) -> str:
    """`text` as no spreadsheet takes it for a formula: callers choose their names, and `=HYPERLINK(…)` is one (OWASP: CSV injection).

    A telephone number with its + does nothing and stays as it is.
    """
    plain = text.replace("\x00", "")
    return f"'{plain}" if plain[:1] in {"\t", "\r", "\n"} or (_FORMULA.match(plain) and not _NUMBER.fullmatch(plain)) else plain


def lines(chunks: Iterable[Iterable[Mapping[str, Any]]], zone: str) -> Iterator[bytes]:
    """The file in pieces, with the mark by which spreadsheets know UTF-8. `zone`: of the times."""
    where = ZoneInfo(zone)
    yield "\ufeff".encode() + _write([HEAD])
    for rows in chunks:
        yield _write(_row(row, where) for row in rows)


def _row(row: Mapping[str, Any], zone: ZoneInfo) -> list[str]:
    began = datetime.fromtimestamp(row["started_unix_s"], zone).isoformat(timespec="seconds")
    told = [row[name] for name in ("direction", "from_number", "from_name", "to_number", "dialled", "user", "outcome")]
    told += [str(row["code"] or ""), f"{row['talk_s']:.1f}", row["trunk"], "; ".join(row["path"]), row["id"]]
    return [began, *(cell(each) for each in told), *_sound(row["sound"])]


def _sound(sound: Mapping[str, Any] | None) -> list[str]:
    """Empty where nothing was measured."""
    if sound is None:
        return [""] * len(SOUND)
    sides = {side["side"]: side for side in sound["sides"]}
    figures: list[float | None] = []
    for name in ("caller", "called"):
        side = sides.get(name)
        figures += [*(side[way][what] for way in ("sends", "gets") for what in ("lost_percent", "jitter_ms")), side["rtt_ms"]] if side else [None] * 5
    causes = "; ".join(finding["cause"] for finding in sound["findings"])
    return [_figure(sound["score"]), "yes" if sound["bad"] else "no", *map(_figure, figures), cell(causes)]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _write(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
