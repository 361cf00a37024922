"""Logging: one line per record on stderr, in journald's form under systemd, with secrets masked."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from typing import TextIO

# sd-daemon(3): a line starting with <n> carries its syslog priority.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

# Second line of defence; the first is that nobody hands a secret to a logger.
_SECRETS = (
    re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)[^\r\n|]+"),
    re.compile(r"(?i)\b((?:sip_)?(?:password|passwd|secret|token|ha1)[\"']?\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;)}]+)"),
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


def set_up(level: str, env: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> None:
    """Send all logging to `stream` (stderr) from `level` (debug, info, warning, error) up; replaces what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(journald="JOURNAL_STREAM" in env))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # a closed terminal must not become a storm of tracebacks
    for chatty in ("pyroute2", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
