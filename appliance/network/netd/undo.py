"""Undo files: what netd changed and the kernel would not take back by itself, on disk before it is changed, and taken back when its time is over.

A netd that is killed and started again goes on with what it finds; after a restart of the machine the kernel has forgotten the changes, and so do we.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.site.files import write

log = logging.getLogger(__name__)

RETRY_S = 2.0


def now_s() -> float:
    """Seconds since the machine started, sleep included; the same clock for every process."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class Entry:
    """`until_s`: by `now_s`."""

    part: str
    key: str
    what: dict[str, Any]
    until_s: float


class UndoFiles:
    """Belongs to the loop. `undoers`: part -> who takes back what was kept for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boot = boot_id()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._undoers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {}
        self._one = asyncio.Lock()
        self._news = asyncio.Event()

    def register(self, part: str, undo: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._undoers[part] = undo

    async def load(self) -> None:
        """What an earlier netd of this boot left; what nobody can read, or is of another boot, is removed. Raises OSError where there can be no folder."""
        await asyncio.to_thread(self._folder.mkdir, 0o700, True, True)
        for path in await asyncio.to_thread(lambda: sorted(self._folder.glob("*.json"))):
            try:
                found = json.loads(await asyncio.to_thread(path.read_text))
                entry = Entry(str(found["part"]), str(found["key"]), dict(found["what"]), float(found["until_s"]))
                known = found["boot"] == self._boot and entry.part in self._undoers and path == self._path(entry.part, entry.key)
            except (OSError, ValueError, KeyError, TypeError):
                log.warning("%s is no undo file and is removed", path)
                known = False
            if known:
                self._entries[entry.part, entry.key] = entry
            else:
                path.unlink(missing_ok=True)

    async def keep(self, part: str, key: str, what: dict[str, Any], for_s: float) -> None:
        """To be undone in `for_s` seconds unless kept again or dropped; call it before the change. `key` is a word. Raises StateError."""
        entry = Entry(part, key, what, now_s() + for_s)
        async with self._one:
            body = {"part": part, "key": key, "what": what, "until_s": entry.until_s, "boot": self._boot}
            await asyncio.to_thread(write, self._path(part, key), json.dumps(body).encode())
            self._entries[part, key] = entry
        self._news.set()

    def kept(self, part: str) -> dict[str, dict[str, Any]]:
        """Key -> what would be undone for `part`."""
        return {entry.key: entry.what for entry in self._entries.values() if entry.part == part}

    async def drop(self, part: str, key: str) -> None:
        """Nothing is left to undo."""
        async with self._one:
            self._entries.pop((part, key), None)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._path(part, key).unlink, True)

    async def undo(self, part: str, key: str) -> None:
        """Take one back now. Raises what the part raises; it is then tried again."""
        entry = self._entries.get((part, key))
        if entry is not None:
            await self._undoers[part](entry.what)
            await self.drop(part, key)

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
            for entry in tuple(self._entries.values()):
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
