"""Whether the machine's clock can be trusted: what the kernel says (adjtimex(2)), and what time programs leave in /run. Asks nobody outside."""

from __future__ import annotations

import ctypes
from pathlib import Path

from appliance.health.reading import ClockTrust

_STA_UNSYNC = 0x0040
_MARKS = ("run/systemd/timesync/synchronized",)
"""Made when the clock was set for the first time since the start (systemd-timesyncd.service(8))."""
_libc = ctypes.CDLL(None, use_errno=True)


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
        ("status", ctypes.c_int), ("rest", ctypes.c_byte * 256),
    )  # fmt: skip


def kernel_status() -> int | None:
    """STA_* flags of the kernel's clock; None: this process may not ask. Changes nothing."""
    asked = _Timex()
    return asked.status if _libc.adjtimex(ctypes.byref(asked)) >= 0 else None


def trust(status: int | None, root: Path = Path("/")) -> ClockTrust:
    if status is not None and not status & _STA_UNSYNC:
        return "set"
    if any((root / mark).exists() for mark in _MARKS):
        return "was-set"
    return "unknown" if status is None else "never"
