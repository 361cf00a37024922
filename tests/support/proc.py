"""Programs under test as child processes: start, follow their output, wait for what can be observed, end them for certain."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self, TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T | None], timeout_s: float = 10.0, what: str = "", interval_s: float = 0.02) -> T:
    """Look again and again until `look()` gives something true, and return that; AssertionError naming `what` when it never does."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"not seen within {timeout_s:g} s: {what or look}")
        time.sleep(interval_s)


class Program:
    """A child process whose output lines (stdout and stderr together) are kept and can be waited for; also written to `log`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.lines: list[str] = []
        self._on_line = on_line
        self._log: IO[str] | None = log.open("a", encoding="utf-8") if log else None
        self.log = log
        # A session of its own: ending the program then also ends what it started (`ip netns exec`, a supervisor's children).
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            start_new_session=True,
            pass_fds=pass_fds,
        )
        self._reader = threading.Thread(target=self._read, name=f"read-{self.process.pid}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            text = line.rstrip("\n")
            self.lines.append(text)
            if self._log:
                self._log.write(line)
                self._log.flush()
            if self._on_line:
                self._on_line(text)
        if self._log:
            self._log.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def send(self, line: str) -> None:
        """One line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_for_line(self, pattern: str, timeout_s: float = 10.0, start: int = 0) -> re.Match[str]:
        """The first output line from index `start` on that matches `pattern` (re.search); fails at once when the program has ended without it."""
        wanted = re.compile(pattern)
        position = start

        def look() -> re.Match[str] | None:
            nonlocal position
            ended = not self.running and not self._reader.is_alive()
            while position < len(self.lines):
                match = wanted.search(self.lines[position])
                position += 1
                if match:
                    return match
            if ended:
                raise AssertionError(f"{self.argv[0]} ended with {self.process.returncode} before /{pattern}/:\n{self.tail()}")
            return None

        try:
            return wait_until(look, timeout_s, f"/{pattern}/ from {' '.join(self.argv[:6])}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.lines[-lines:])

    def wait(self, timeout_s: float = 10.0) -> int:
        """Its exit code; AssertionError with its last lines when it does not end."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{' '.join(self.argv[:6])} still runs after {timeout_s:g} s\n{self.tail()}") from None
        self._reader.join(5.0)
        return code

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def stop(self, timeout_s: float = 5.0) -> int:
        """SIGTERM, then SIGKILL after `timeout_s`; never raises for a program already gone."""
        self._signal_group(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to the program and everything in its session's process group."""
        self._signal_group(signal.SIGKILL)
        code = self.process.wait(10.0)
        self._reader.join(5.0)
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
