"""Recordings that grow on disk while somebody speaks: writing never waits, a kill leaves what was said until then, and keeping is all or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from appliance import sound
from appliance.errors import StateError
from appliance.site.files import sync_folder

log = logging.getLogger(__name__)

RATE = 8000
BYTES_PER_S = 2 * RATE
T = TypeVar("T")


def disk_error(doing: str, error: object) -> StateError:
    why = (error.strerror if isinstance(error, OSError) else None) or error
    return StateError(f"{doing}: {why}", "check the free space and health of the disk", code="voicemail-disk")


class Disk:
    """The one thread that works on voicemail's files: what is handed over is done in order, and a slow card holds up nobody else."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "voicemail-disk")

    def post(self, job: Callable[[], object]) -> None:
        """Have it done some time. Never waits, never raises; after `close` it is not done: what lies on the disk is found at the next start."""
        with contextlib.suppress(RuntimeError):
            self._thread.submit(job)

    async def do(self, job: Callable[[], T]) -> T:
        """Have it done and wait for it. Raises what `job` raises, or StateError after `close`."""
        try:
            future = self._thread.submit(job)
        except RuntimeError:
            raise StateError("The box is stopping", "try again when it runs", code="voicemail-disk") from None
        return await asyncio.wrap_future(future)

    async def close(self, wait_s: float = 3.0) -> None:
        """Do what waits, for so long at most."""
        self._thread.shutdown(wait=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await asyncio.to_thread(self._thread.shutdown)


class Recording:
    """A WAV file in the making: `part`, that is to be `path`. 8 kHz, 16-bit little-endian mono; what comes after `limit_s` seconds is left out.

    All but `write` and `fault` is for the disk thread.
    """

    def __init__(self, disk: Disk, part: Path, path: Path, limit_s: float) -> None:
        """Makes the part. Raises OSError."""
        self._disk = disk
        self._part, self._path = part, path
        self._room = round(limit_s * RATE) * 2
        self._bytes = 0
        self.fault: OSError | None = None
        """Why what is said cannot be written, None while it can. What was said before cannot be kept then either."""
        self._file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write(self._file, sound.header(RATE, 0))
        except OSError:
            self.discard()
            raise

    def write(self, pcm: bytes) -> None:
        """What was said since the last time. Never waits, never raises."""
        piece = pcm[: self._room]
        if piece and self.fault is None:
            self._room -= len(piece)
            self._disk.post(lambda: self._append(piece))

    def _append(self, piece: bytes) -> None:
        if self._file < 0 or self.fault is not None:
            return
        try:
            _write(self._file, piece)
            self._bytes += len(piece)
        except OSError as error:
            self.fault = error
            log.error("a message being recorded cannot be written: %s", error)

    def finish(self, seconds: float | None = None) -> float:
        """Put the file in its place, on the disk when this returns: its seconds. `seconds`: what is longer is cut. Raises OSError; the part is gone then."""
        try:
            if self.fault is not None:
                raise self.fault
            if self._file < 0:
                raise OSError("it was dropped")
            if seconds is not None:
                self._bytes = min(self._bytes, round(seconds * RATE) * 2)
            _complete(self._file, self._part, self._path, self._bytes)
        except OSError:
            self.discard()
            raise
        self._close()
        return self._bytes / BYTES_PER_S

    def discard(self) -> None:
        """Leave nothing of it; what is finished stays."""
        if self._file >= 0:
            self._close()
            self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            os.close(descriptor)


def adopt(part: Path, path: Path, least_s: float) -> float | None:
    """Put what a killed process recorded in its place: its seconds; None where it is shorter than `least_s` and was deleted. Raises OSError."""
    descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        facts = os.fstat(descriptor)
        data = (facts.st_size - sound.HEADER_BYTES) & ~1 if stat.S_ISREG(facts.st_mode) else 0
        if data < least_s * BYTES_PER_S:
            part.unlink()
            return None
        _complete(descriptor, part, path, data)
    finally:
        os.close(descriptor)
    return data / BYTES_PER_S


def _complete(descriptor: int, part: Path, path: Path, data_bytes: int) -> None:
    os.ftruncate(descriptor, sound.HEADER_BYTES + data_bytes)
    os.pwrite(descriptor, sound.header(RATE, data_bytes), 0)
    os.fsync(descriptor)
    part.replace(path)
    sync_folder(path.parent)


def _write(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError("the disk is full")
