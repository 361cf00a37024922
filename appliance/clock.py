"""Time that no wall clock disturbs: CLOCK_BOOTTIME with the kernel's boot id."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in one boot of the machine: `at_s` is CLOCK_BOOTTIME in seconds, comparable only between moments of the same `boot_id`."""

    boot_id: str
    at_s: float

    @classmethod
    def now(cls) -> Moment:
        return cls(boot_id(), boottime_s())


@lru_cache(maxsize=1)
def boot_id() -> str:
    """The kernel's id of this boot."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def boottime_s() -> float:
    """Seconds since the machine started, suspends included; no wall clock is involved."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
