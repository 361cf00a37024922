"""What a process gives up once its ports are open."""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_NET_ADMIN = 12
_LAST_CAP = Path("/proc/sys/kernel/cap_last_cap")


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


def has_net_admin() -> bool:
    """Whether this process may change the network."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> _CAP_NET_ADMIN & 1)


def keep_net_admin(data: Path) -> None:
    """From here on this process and its children may change the network, where it could before, and nothing else of what root may."""
    if os.geteuid() == 0 and data.stat().st_uid != 0:
        log.warning("%s is not root's: this process keeps root's rights to write there", data)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(int(_LAST_CAP.read_text()) + 1):
        if number != _CAP_NET_ADMIN:  # what root's children get at exec; who is not root has nothing to lose there and may not ask
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    mask = 1 << _CAP_NET_ADMIN if has_net_admin() else 0
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)) != 0:
        log.warning("the capabilities could not be given up: %s", os.strerror(ctypes.get_errno()))
