"""Undo files: what netd changed and the kernel would not take back by itself, on disk before it is changed, and taken back when its time is over.

A netd that is killed and started again goes on with what it finds; after a restart of the machine the kernel has forgotten the changes, and so do we.
A disk that refuses or hangs keeps nobody from a working way out: what could not be written is held in memory, and if netd is killed the part heals.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import StateError
from appliance.site.files import write

log = logging.getLogger(__name__)

RETRY_S = 2.0
DISK_S = 2.0
"""Nobody waits longer for the disk."""


def now_s() -> float:
    """Seconds since the machine started, sleep included; the same clock for every process."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class Entry:
    """`for_s`: how long it holds without being kept again; `until_s`: by `now_s`."""

    part: str
    key: str
    what: dict[str, Any]
    for_s: float
    until_s: float


class UndoFiles:
    """Belongs to the loop. `undoers`: part -> who takes back what was kept for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boot = boot_id()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._undoers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {}
        # One thread: the disk does everything in the order in which it was asked.
        self._disk = ThreadPoolExecutor(1, "undo files")
        self._news = asyncio.Event()

    def register(self, part: str, undo: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._undoers[part] = undo

    async def load(self) -> None:
        """What an earlier netd of this boot left, each for its whole time anew, so that it can be kept again. What is unreadable or of another boot goes."""
        for entry in await asyncio.get_running_loop().run_in_executor(self._disk, self._read):
            self._entries[entry.part, entry.key] = entry

    def _read(self) -> list[Entry]:
        entries: list[Entry] = []
        try:
            self._folder.mkdir(0o700, True, True)
            paths = sorted(self._folder.glob("*.json"))
        except OSError as error:
            log.warning("there is no folder for undo files: %s", error)
            return []
        for path in paths:
            try:
                found = json.loads(path.read_text())
                for_s = float(found["for_s"])
                entry = Entry(str(found["part"]), str(found["key"]), dict(found["what"]), for_s, now_s() + for_s)
                known = found["boot"] == self._boot and entry.part in self._undoers and path == self._path(entry.part, entry.key)
            except (OSError, ValueError, KeyError, TypeError):
                log.warning("%s is no undo file and is removed", path)
                known = False
            if known:
                entries.append(entry)
            else:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        return entries

    async def keep(self, part: str, key: str, what: dict[str, Any], for_s: float) -> None:
        """To be undone in `for_s` seconds unless kept again or dropped; call it before the change. `key` is a word. To keep the same again writes nothing."""
        before = self._entries.get((part, key))
        self._entries[part, key] = Entry(part, key, what, for_s, now_s() + for_s)
        self._news.set()
        if before is None or (before.what, before.for_s) != (what, for_s):
            body = {"part": part, "key": key, "what": what, "for_s": for_s, "boot": self._boot}
            await self._on_disk(f"{part} {key} is held in memory alone", write, self._path(part, key), json.dumps(body).encode())

    def kept(self, part: str) -> dict[str, dict[str, Any]]:
        """Key -> what would be undone for `part`."""
        return {entry.key: entry.what for entry in self._entries.values() if entry.part == part}

    async def undo(self, part: str, key: str) -> None:
        """Take one back now. Raises what the part raises; it is then tried again."""
        entry = self._entries.get((part, key))
        if entry is None:
            return
        await self._undoers[part](entry.what)
        if self._entries.get((part, key)) is entry:  # else it was kept again meanwhile
            del self._entries[part, key]
            await self._on_disk(f"the undo file of {part} {key} stays", self._path(part, key).unlink, True)

    async def _on_disk(self, else_: str, do: Callable[..., object], *args: object) -> None:
        """`else_`: what is so where the disk refuses or hangs, for the log."""
        try:
            async with asyncio.timeout(DISK_S):
                await asyncio.get_running_loop().run_in_executor(self._disk, do, *args)
        except (OSError, StateError) as error:
            log.warning("%s: %s", else_, error if str(error) else "the disk does not answer")

    async def undo_all(self) -> None:
        for part, key in tuple(self._entries):
            try:
                await self.undo(part, key)
            except Exception:
                log.exception("%s %s could not be taken back", part, key)

    async def run(self) -> None:
        """Takes back what is due, as long as netd lives."""
        while True:
            self._news.clear()
            wait_s: float | None = None
            for name in tuple(self._entries):
                if (entry := self._entries.get(name)) is None:
                    continue
                left_s = entry.until_s - now_s()
                if left_s <= 0:
                    log.warning("%s %s was not kept up: taking it back", entry.part, entry.key)
                    try:
                        await self.undo(entry.part, entry.key)
                        continue
                    except Exception:
                        log.exception("%s %s could not be taken back; another try in %.0f s", entry.part, entry.key, RETRY_S)
                        left_s = RETRY_S
                wait_s = left_s if wait_s is None else min(wait_s, left_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()

    def _path(self, part: str, key: str) -> Path:
        return self._folder / f"{part}-{key}.json"
