"""Time that survives a kill and notices a reboot: CLOCK_BOOTTIME with the kernel's boot id."""

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


def remaining_s(stored_s: float, stored: Moment, now: Moment, *, lived_until_s: float, grace_s: float) -> float:
    """How much of a lifetime of `stored_s`, written at `stored`, is left at `now`; 0 or less: it is over.

    Same boot: what passed is known and is subtracted. Another boot: how long the box was off is not known, so only the time it is known to have run
    (until `lived_until_s`, the latest moment of that boot found on disk) counts; what had not ended by then goes on, for `grace_s` at least.
    """
    if stored.boot_id == now.boot_id:
        return stored_s - max(0.0, now.at_s - stored.at_s)
    left_s = stored_s - max(0.0, lived_until_s - stored.at_s)
    return max(left_s, grace_s) if left_s > 0 else left_s
