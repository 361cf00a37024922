"""A program on a real pseudo-terminal, as a person has it in front of them: what it shows, and keys typed to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Za-z0-9]|[=>78McD])")


class Terminal:
    """`path` started as `argv` (argv[0] may differ from the path, as login programs do it) with exactly `env`. `.text`: all it has shown, without escapes."""

    def __init__(self, path: str | Path, argv: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None, columns: int = 120) -> None:
        self.raw = ""
        self._seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if cwd is not None:
                    os.chdir(cwd)
                os.execve(path, list(argv), {"TERM": "xterm", **env})
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    @property
    def text(self) -> str:
        return _ESCAPES.sub("", self.raw).replace("\r", "")

    def type(self, keys: str) -> None:
        """Keys as typed; \\r is Enter, \\x03 Ctrl-C."""
        os.write(self.fd, keys.encode())

    def wait_for(self, pattern: str, timeout_s: float = 15.0) -> re.Match[str]:
        """The first match in what it has shown since the last match (re.search, MULTILINE)."""
        wanted, deadline = re.compile(pattern, re.MULTILINE), time.monotonic() + timeout_s
        while True:
            found = wanted.search(self.text, self._seen)
            if found:
                self._seen = found.end()
                return found
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"/{pattern}/ is not in what it shows:\n{self.text[self._seen :]}")

    def wait_end(self, timeout_s: float = 15.0) -> int:
        """Its exit code, minus the signal's number where one ended it."""
        deadline = time.monotonic() + timeout_s
        while self._read(deadline - time.monotonic()):
            pass
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError(f"it has not ended:\n{self.text}")

    @property
    def running(self) -> bool:
        if self.pid and os.waitpid(self.pid, os.WNOHANG) != (0, 0):
            self.pid = 0
        return self.pid != 0

    def _read(self, wait_s: float) -> bool:
        """Take in what it shows; False when it shows nothing more, or not in time."""
        if wait_s <= 0 or not select.select([self.fd], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def close(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
