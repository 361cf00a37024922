"""Logging: one line per record on stderr, in journald's form under systemd, and in the data folder's log; with secrets masked."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from appliance.site.logbook import FOLDER

# sd-daemon(3): a line starting with <n> carries its syslog priority.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

# Second line of defence; the first is that nobody hands a secret to a logger.
_SECRETS = (
    re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)[^\r\n|]+"),
    re.compile(r"(?i)\b((?:sip_)?(?:password|passwd|secret|token|ha1)[\"']?\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;)}]+)"),
    re.compile(r"\b(hf_)[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?i)\b((?:c?nonce|response)\s*=\s*)\"[^\"]*\""),
)
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {ord("\n"): " | ", ord("\r"): "", ord("\t"): " "}


def masked(text: str) -> str:
    """`text` with the values of passwords, tokens and digest credentials replaced."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text


class LineFormatter(logging.Formatter):
    """One printable line per record: what a peer sent can neither forge a line nor move the cursor."""

    def __init__(self, journald: bool) -> None:
        super().__init__()
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        # Masked after the traceback was added and before lines are joined, so that "to the end of the line" means what it says.
        line = masked(text).translate(_CONTROL)
        if self._journald:
            return f"<{_PRIORITIES.get(record.levelno, 6)}>{record.name}: {line}"
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{clock}.{int(record.msecs):03d} {record.levelname.lower():7s} {record.name}: {line}"


FULL_BYTES = 1_000_000
"""Of a file; with the one before it each process takes twice that at most."""
LONGEST_LINE = 8000
WAITING = 5000
"""Lines kept in memory while the disk has no time; the oldest go first."""
BATCH_S, FLUSH_S = 0.2, 1.0
_LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "error"}


class FileHandler(logging.Handler):
    """Appends to the log of one process in the data folder, from a thread of its own: who logs never waits for the disk, and loses lines rather than time.

    Outlives a fork: the child gets its own thread, and several processes may write to one file.
    """

    def __init__(self, data: Path, process: str) -> None:
        super().__init__()
        self._path = data / FOLDER / f"{process}.log"
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._pid, self._last, self._writing = 0, 0.0, False
        self._file = -1

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        line = masked(text).translate(_CONTROL)[:LONGEST_LINE]
        # Two lines of one process never share a moment, which is their place in the log.
        at = self._last + 1e-6 if record.created == self._last else record.created
        self._last = at
        self._waiting.append(f"{at:.6f}\t{_LEVELS.get(record.levelno, 'info')}\t{record.name}\t{line}\n".encode(errors="backslashreplace"))
        if self._pid != os.getpid():
            self._begin()
        self._wake.set()

    def flush(self) -> None:
        """Give what waits a moment to be written: no longer than FLUSH_S, for the disk may hang."""
        until = time.monotonic() + FLUSH_S
        while self._pid == os.getpid() and (self._waiting or self._writing) and time.monotonic() < until:
            time.sleep(0.01)

    def _begin(self) -> None:
        self._pid, self._wake, self._writing = os.getpid(), threading.Event(), False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(BATCH_S)
            self._wake.clear()
            # A full or broken disk costs lines, and is told by the health of the machine.
            with contextlib.suppress(OSError):
                self._writing = True
                self._open()
                lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
                os.write(self._file, b"".join(lines))
            self._writing = False

    def _open(self) -> None:
        """Go on in the file that has the name now; begin a new one when it is full."""
        for _ in range(2):
            try:
                there = self._path.stat()
                if self._file < 0 or not os.path.samestat(there, os.fstat(self._file)):
                    self._take(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))
                if there.st_size < FULL_BYTES:
                    return
                fcntl.flock(self._file, fcntl.LOCK_EX)  # of two that find it full one turns the page, and the other finds it turned
                if os.path.samestat(self._path.stat(), os.fstat(self._file)):
                    self._path.replace(f"{self._path}.1")
            except FileNotFoundError:
                pass
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._take(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _take(self, descriptor: int) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = descriptor


def set_up(level: str, env: Mapping[str, str] = os.environ, stream: TextIO | None = None, *, data: Path | None = None, process: str = "") -> None:
    """Send all logging to `stream` (stderr) from `level` (debug, info, warning, error) up; replaces what was set up before.

    `data`, `process`: also to the log of that process in this data folder.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(journald="JOURNAL_STREAM" in env))
    root = logging.getLogger()
    root.handlers[:] = [handler, *([FileHandler(data, process)] if data is not None else [])]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # a closed terminal must not become a storm of tracebacks
    for chatty in ("pyroute2", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
