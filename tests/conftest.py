"""What holds for all tests: they start from the signals of a terminal, however they were started; their folders are in memory where that has room."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes: several times what a whole run leaves."""


def pytest_configure() -> None:
    """A shell starts what it puts into the background deaf to Ctrl-C, and its children stay so."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if _has_room(MEMORY):  # a box waits for its disk all the time, which is most of what a test of it takes; where disks matter, tests make their own
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _has_room(folder: Path) -> bool:
    """Whether programs run there, too."""
    if not folder.is_dir() or not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(folder).free > ROOM and psutil.virtual_memory().available > 2 * ROOM
