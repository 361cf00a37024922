"""Spoken texts on disk: what was made once is not made again, and the folder stays within its bounds."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from pathlib import Path

from appliance import sound
from appliance.errors import SoundError
from appliance.sound import Sound

log = logging.getLogger(__name__)

_TOUCH_S = 86_400.0
"""A use is noted at most once a day: a card wears out by writing."""


class Cache:
    """Files `<key>.wav` in `folder`, together at most `limit_bytes`: the one not used for longest goes first. Waits for the disk; any thread may use it."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None

    @staticmethod
    def key(*parts: str) -> str:
        """The name of what is made of `parts`."""
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def get(self, key: str) -> Sound | None:
        """What was put, None when it is not there or the file is damaged."""
        path = self._path(key)
        try:
            found = sound.load(path)
            if time.time() - path.stat().st_mtime > _TOUCH_S:
                path.touch()
        except SoundError as error:
            if error.code != "sound-missing":
                log.warning("%s; it is made anew", error.sentence)
            return None
        except OSError as error:
            log.warning("the use of %s could not be noted: %s", path, error)
        return found

    def put(self, key: str, made: Sound) -> None:
        """Keep `made`. Raises OSError."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._path(key)
            before = path.stat().st_size if path.exists() else 0
            sound.save(path, made)
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in self._files())
            else:
                self._bytes += path.stat().st_size - before
            if self._bytes > self._limit_bytes:
                self._prune(path)

    def _prune(self, newest: Path) -> None:
        """Down to nine tenths, so that not every sound made from now on costs a look at the whole folder."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self._limit_bytes * 0.9:
                break
            if path != newest:
                path.unlink(missing_ok=True)
                total -= size
        self._bytes = total

    def _files(self) -> list[tuple[float, int, Path]]:
        """(last use, bytes, path) of everything in the folder, half-written files of a killed process included."""
        found = []
        for path in self._folder.iterdir():
            facts = path.stat()
            found.append((facts.st_mtime, facts.st_size, path))
        return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.wav"
