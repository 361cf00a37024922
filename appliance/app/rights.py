"""What a process gives up once its ports are open."""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


def drop_capabilities(data: Path) -> None:
    """From here on this process and its children can do nothing that an ordinary owner of the data folder cannot (capabilities(7))."""
    if os.geteuid() == 0 and data.stat().st_uid != 0:
        log.warning("%s is not root's: this process keeps root's rights to write there", data)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        log.warning("the capabilities could not be given up: %s", os.strerror(ctypes.get_errno()))
