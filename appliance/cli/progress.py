"""How far a long piece of work has come, on stderr, once it has taken more than two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import click

from appliance.site.wording import size

PATIENCE_S = 2.0
TERMINAL_STEP_S = 0.5
LOG_STEP_S = 15.0
"""Where nobody watches a line change (a log, a pipe) it is said anew, less often."""


class Progress:
    """Call it with (bytes done, bytes in all), as often as you like."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._live = sys.stderr.isatty()
        self._due = time.monotonic() + PATIENCE_S
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (TERMINAL_STEP_S if self._live else LOG_STEP_S)
        self._shown = True
        line = f"{self._what}: {min(99, 100 * done // max(1, total))} % ({size(done)})"
        click.echo(f"\r{line:60s}" if self._live else line, err=True, nl=not self._live)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live and self._shown:
            click.echo("\r" + " " * 60 + "\r", err=True, nl=False)
