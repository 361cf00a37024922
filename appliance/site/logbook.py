"""The box's own log as it lies in the data folder: a bounded file for each process, which can be read whether the box runs or not.

A line is `UNIX-SECONDS<tab>LEVEL<tab>LOGGER<tab>TEXT`; secrets are masked before it is written. A file that is full becomes NAME.log.1, in place of that.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEVELS = ("debug", "info", "warning", "error")
"""From what is for developers to what is broken."""
FOLDER = "logs"
_BLOCK = 65536
_PROCESS = re.compile(r"([a-z][a-z0-9-]{0,30})\.log(\.1)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `process`: "engine", "web", "supervisor"…; `logger`: the part of it that speaks."""

    at_unix_s: float
    process: str
    level: str
    logger: str
    text: str

    @property
    def key(self) -> str:
        """Its place in the whole log: keys sort as the lines do."""
        return f"{self.at_unix_s:017.6f} {self.process}"

    def as_dict(self) -> dict[str, Any]:
        return {"at_unix_s": self.at_unix_s, "process": self.process, "level": self.level, "logger": self.logger, "text": self.text}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: from `level` up, of `process` ("": all), that hold every word of `search` whatever the case."""

    level: str = "info"
    process: str = ""
    search: str = ""

    def fits(self, entry: Entry) -> bool:
        if LEVELS.index(entry.level) < LEVELS.index(self.level) or (self.process and entry.process != self.process):
            return False
        text = f"{entry.logger} {entry.text}".casefold()
        return all(word in text for word in self.search.casefold().split())


def newest(data: Path, wanted: Wanted, limit: int, before: str = "") -> list[Entry]:
    """The newest lines, newest first; `before`: only those older than the line of that key. What cannot be read is left out."""
    found: list[Entry] = []
    for entry in _backwards(data):
        if (not before or entry.key < before) and wanted.fits(entry):
            found.append(entry)
            if len(found) >= limit:
                break
    return found


def since(data: Path, wanted: Wanted, after: str, limit: int) -> list[Entry]:
    """Lines newer than the one of that key, the oldest first; the newest `limit` of them."""
    found: list[Entry] = []
    for entry in _backwards(data):
        if entry.key <= after or len(found) >= limit:
            break
        if wanted.fits(entry):
            found.append(entry)
    return found[::-1]


def processes(data: Path) -> list[str]:
    """Those that have written something."""
    return sorted(_files(data))


def _backwards(data: Path) -> Iterator[Entry]:
    """Every line of every process, the newest first."""
    return heapq.merge(*(_of(process, paths) for process, paths in _files(data).items()), key=lambda entry: entry.key, reverse=True)


def _files(data: Path) -> dict[str, list[Path]]:
    """process -> its files, the newest first."""
    found: dict[str, list[Path]] = {}
    try:
        for path in sorted((data / FOLDER).iterdir()):
            if match := _PROCESS.fullmatch(path.name):
                found.setdefault(match[1], []).append(path)
    except OSError:
        return {}
    return found


def _of(process: str, paths: list[Path]) -> Iterator[Entry]:
    for path in paths:
        for line in _lines(path):
            entry = _entry(process, line)
            if entry is not None:
                yield entry


def _lines(path: Path) -> Iterator[bytes]:
    """From the last to the first, read in blocks: what is asked for is nearly always at the end."""
    try:
        with path.open("rb") as file:
            at, rest = file.seek(0, os.SEEK_END), b""
            while at > 0:
                size = min(_BLOCK, at)
                at -= size
                file.seek(at)
                first, *whole = (file.read(size) + rest).split(b"\n")
                rest = first
                yield from reversed(whole)
            yield rest
    except OSError:
        return


def _entry(process: str, line: bytes) -> Entry | None:
    """None: a line that a kill cut off, or that is not ours."""
    parts = line.decode(errors="replace").split("\t", 3)
    if len(parts) != 4 or parts[1] not in LEVELS:
        return None
    try:
        return Entry(float(parts[0]), process, parts[1], parts[2], parts[3])
    except ValueError:
        return None
