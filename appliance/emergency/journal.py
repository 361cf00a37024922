"""The emergency journal: an append-only file made in advance, written by its own thread, that never holds up a call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import queue
import random
import struct
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

SIZE = 1 << 20
BUDGET_S = 0.03
MAX_PENDING = 10_000
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 5.0

_MAGIC = b"\xe9HFJ"
_HEAD = struct.Struct(">4sIQI")
"""Magic, length of the text, serial, CRC-32 over length, serial and text."""
_ZEROS = bytes(1 << 16)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an entry within its budget. `durable`: it is on the disk; else `fault` says why not, and it will be written when the disk recovers."""

    durable: bool
    fault: str = ""


@dataclass(slots=True)
class _Waiting:
    text: bytes
    result: Future[Written]


class Journal:
    """Appends entries to `path`; when it is full it becomes `path.<first serial>`, kept for ever, and the spare file made in advance takes its place.

    Both files are filled with zeros beforehand, so that a full disk finds their blocks already there. `on_fault` gets a sentence when writing fails or is
    late, and "" when everything that waited is on the disk again; it is called from the journal's thread or the caller's and must only hand over.
    The folder must exist: one that is missing is a disk that is not mounted, and the journal waits for it.
    """

    def __init__(self, path: Path, size: int = SIZE, *, on_fault: Callable[[str], None] | None = None) -> None:
        self._path, self._size = path, size
        self._on_fault = on_fault
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting: list[_Waiting] = []
        self._file = -1
        self._offset = 0
        self._serial = 0
        self._written = 0
        self._lock = threading.Lock()
        self._fault = ""
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="emergency-journal", daemon=True)

    def start(self) -> None:
        """Start the thread; it opens the file, so that a dead disk does not hold up the start of the box."""
        self._thread.start()

    def close(self, timeout_s: float = 1.0) -> bool:
        """Write what waits, at most for `timeout_s`; whether everything is on the disk."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self._waiting

    @property
    def fault(self) -> str:
        """Why entries are not on the disk now, "" when they are."""
        return self._fault

    @property
    def pending(self) -> int:
        """Entries that are not on the disk yet."""
        return self._queue.qsize() + len(self._waiting)

    @property
    def written(self) -> int:
        """Entries this process brought to the disk."""
        return self._written

    def append(self, entry: dict[str, Any]) -> Future[Written]:
        """Hand over an entry (JSON; what JSON does not know is written as its repr). Returns at once, from any thread, and never raises.

        The future tells the first attempt's result: durable, or the fault for which it is tried again.
        """
        result: Future[Written] = Future()
        result.set_running_or_notify_cancel()  # whoever stops waiting must not cancel it under the thread
        if self.pending >= MAX_PENDING:
            fault = f"{MAX_PENDING} journal entries wait for the disk already; this one is lost"
            self._report(fault)
            result.set_result(Written(False, fault))
            return result
        self._queue.put(_Waiting(_encode(entry), result))
        return result

    async def write(self, entry: dict[str, Any], budget_s: float = BUDGET_S) -> Written:
        """Hand over an entry and wait for the disk, `budget_s` at most: the call goes on then, and the entry is still written as soon as it can be."""
        result = self.append(entry)
        done, _ = await asyncio.wait({asyncio.wrap_future(result)}, timeout=budget_s)
        if done:
            return result.result()
        fault = f"the disk has not taken the journal entry within {budget_s * 1000:.0f} ms"
        if not result.done():
            self._report(fault)
            if result.done() and result.result().durable:
                self._report("")  # it came in between, and nobody else would take the alarm back
        return Written(False, fault)

    # ---- the thread ----

    def _run(self) -> None:
        stopping = False
        self._attempt()
        while not stopping or (self._waiting and self._failures == 0):
            try:
                item = self._queue.get(timeout=self._retry_s() if self._failures else None)
            except queue.Empty:
                item = None
            else:
                stopping = stopping or item is None
            while item is not None:
                self._waiting.append(item)
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                stopping = stopping or item is None
            self._attempt()
        self._close_file()

    def _retry_s(self) -> float:
        """Seconds to the next attempt: doubling to five, of which a half is chance. A new entry starts one at once."""
        whole = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 10))
        return whole * (0.5 + 0.5 * random.random())  # noqa: S311 - jitter, no secret

    def _attempt(self) -> None:
        """Write all that waits with one flush. On a fault nothing is taken off, and the file is opened anew next time."""
        try:
            if self._file < 0:
                self._open()
            self._flush()
        except OSError as error:
            self._failures += 1
            fault = f"the emergency journal cannot be written: {error.strerror or error}"
            for item in self._waiting:
                if not item.result.done():
                    item.result.set_result(Written(False, fault))
            self._report(fault)
            self._close_file()
        except Exception:
            # The last line of defence of a thread nobody restarts: entries stay waiting.
            self._failures += 1
            log.exception("the emergency journal's thread met a bug")
            self._close_file()
        else:
            self._prepare_spare()

    def _flush(self) -> None:
        while self._waiting:
            batch = self._waiting
            frames: list[bytes] = []
            end = self._offset
            for item in batch:
                frame = _frame(self._serial + len(frames) + 1, item.text)
                if end + len(frame) > self._size and end > 0:
                    break
                frames.append(frame)
                end += len(frame)
            if frames:
                _write_all(self._file, b"".join(frames), self._offset)
                os.fdatasync(self._file)
                self._offset = end
                self._serial += len(frames)
                self._written += len(frames)
                self._waiting = batch[len(frames) :]
                for item in batch[: len(frames)]:
                    if not item.result.done():
                        item.result.set_result(Written(True))
            else:
                self._rotate()

    def _open(self) -> None:
        """Open the current file where the last whole entry ends; everything behind it is the rest of a torn one."""
        if not self._path.exists():
            if not self._spare.exists():
                self._make(self._spare)
            self._spare.rename(self._path)
            _sync_folder(self._path.parent)
        self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        frames = _frames(self._path.read_bytes())
        self._offset = frames[-1].end if frames else 0
        for _, archive in _archives(self._path)[-1:]:
            frames = frames or _frames(archive.read_bytes())
        self._serial = frames[-1].serial if frames else 0

    def _rotate(self) -> None:
        first = next(iter(_frames(self._path.read_bytes())), None)
        if not self._spare.exists():
            self._make(self._spare)
        self._close_file()
        self._path.rename(self._path.with_name(f"{self._path.name}.{first.serial if first else 0:012d}"))
        self._spare.rename(self._path)
        _sync_folder(self._path.parent)
        self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        self._offset = 0

    def _prepare_spare(self) -> None:
        """Make the next file while there is time; without it the journal goes on until the current one is full."""
        try:
            if not self._spare.exists():
                self._make(self._spare)
        except OSError as error:
            self._failures += 1
            self._report(f"no room for the next emergency journal file: {error.strerror or error}")
        else:
            self._failures = 0
            self._report("")

    def _make(self, path: Path) -> None:
        """A file of zeros, complete or not there at all: blocks that are only reserved would still ask the disk for room when written."""
        made = path.with_name(path.name + ".new")
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for offset in range(0, self._size, len(_ZEROS)):
                _write_all(file, _ZEROS[: self._size - offset], offset)
            os.fsync(file)
        except OSError:
            made.unlink()
            raise
        finally:
            os.close(file)
        made.rename(path)
        _sync_folder(path.parent)

    @property
    def _spare(self) -> Path:
        return self._path.with_name(self._path.name + ".spare")

    def _close_file(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.close(file)
            except OSError as error:
                log.warning("closing the emergency journal: %s", error)

    def _report(self, fault: str) -> None:
        with self._lock:
            if fault == self._fault:
                return
            self._fault = fault
        if fault:
            log.error("%s", fault)
        else:
            log.info("the emergency journal is written again")
        if self._on_fault is not None:
            try:
                self._on_fault(fault)
            except Exception:
                # Neither the thread nor a call may end because an alarm found nobody (a loop that is closing).
                log.exception("the alarm about the emergency journal was not taken")


# ---- the file ----


@dataclass(frozen=True, slots=True)
class _Frame:
    serial: int
    text: bytes
    end: int


def read(path: Path) -> list[dict[str, Any]]:
    """All entries, the oldest first, from the archived files and the current one; torn ones are left out. Raises OSError when a file cannot be read."""
    files = [archive for _, archive in _archives(path)]
    if path.exists():
        files.append(path)
    return [json.loads(frame.text) for file in files for frame in _frames(file.read_bytes())]


def _archives(path: Path) -> list[tuple[int, Path]]:
    """Archived files with their first serial, in order."""
    found = [(file.name.removeprefix(path.name + "."), file) for file in path.parent.glob(f"{path.name}.*")]
    return sorted((int(serial), file) for serial, file in found if serial.isdigit())


def _frames(data: bytes) -> list[_Frame]:
    """The whole entries of a file. Behind a damaged one the search goes on; serials only rise, so remains of an older use are not taken for entries."""
    frames: list[_Frame] = []
    at = data.find(_MAGIC)
    while at >= 0:
        frame = _parse(data, at)
        if frame is not None and (not frames or frame.serial > frames[-1].serial):
            frames.append(frame)
            at = data.find(_MAGIC, frame.end)
        else:
            at = data.find(_MAGIC, at + 1)
    return frames


def _parse(data: bytes, at: int) -> _Frame | None:
    if at + _HEAD.size > len(data):
        return None
    _, length, serial, crc = _HEAD.unpack_from(data, at)
    end = at + _HEAD.size + length
    if end > len(data):
        return None
    text = data[at + _HEAD.size : end]
    return _Frame(serial, text, end) if crc == _crc(serial, text) else None


def _frame(serial: int, text: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, len(text), serial, _crc(serial, text)) + text


def _crc(serial: int, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(struct.pack(">IQ", len(text), serial)))


def _encode(entry: dict[str, Any]) -> bytes:
    try:
        return json.dumps(entry, default=repr, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps({"unreadable": repr(entry)}).encode()


def _write_all(file: int, data: bytes, offset: int) -> None:
    while data:
        done = os.pwrite(file, data, offset)
        data, offset = data[done:], offset + done


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
