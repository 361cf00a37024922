"""How fast somebody may guess passwords and codes: pauses that grow and end (pure; time passed in). Nobody is ever shut out for good.

Failures count per address, or per browser where it has signed in before (OWASP's device cookies): strangers who guess do not slow down the people who
live here. An account that many addresses guess at is answered later, by `delay_s`, and never refused.
"""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass

FREE = 5
"""Failures before the first pause."""
LONGEST_S = 60.0
FORGET_S = 900.0
"""Without another failure the count begins anew."""
MOST = 10_000


@dataclass(slots=True)
class _Count:
    failures: int
    last: float


class Limits:
    """Counts of failures by who failed, in memory alone; for several threads. `now`: seconds, monotonic."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    def wait_s(self, who: str, now: float) -> float:
        """How long `who` must wait before the next try; 0: not at all."""
        with self._lock:
            count = self._counts.get(who)
            if count is None or now - count.last > FORGET_S:
                return 0.0
            return max(0.0, count.last + pause_s(count.failures) - now)

    def left(self, who: str, now: float) -> int:
        """Tries before the first pause."""
        with self._lock:
            count = self._counts.get(who)
            return FREE if count is None or now - count.last > FORGET_S else max(0, FREE - count.failures)

    def failed(self, who: str, now: float) -> None:
        with self._lock:
            count = self._counts.pop(who, None)
            if count is None or now - count.last > FORGET_S:
                count = _Count(0, now)
            count.failures, count.last = count.failures + 1, now
            self._counts[who] = count  # at the end: the oldest are dropped first
            while len(self._counts) > MOST:
                del self._counts[next(iter(self._counts))]

    def succeeded(self, who: str) -> None:
        with self._lock:
            self._counts.pop(who, None)

    def delay_s(self, account: str, now: float) -> float:
        """How much later an answer about `account` is given, wherever it is asked from."""
        with self._lock:
            count = self._counts.get(account)
            return 0.0 if count is None or now - count.last > FORGET_S else min(2.0, max(0, count.failures - 2 * FREE) * 0.1)


class Pace:
    """At most `most` in `within_s` for each who does something, in memory alone; for several threads. `now`: seconds, monotonic."""

    def __init__(self, most: int, within_s: float) -> None:
        self._most, self._within_s = most, within_s
        self._done: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, who: str, now: float) -> float:
        """0: it may be done, and counts; else how long `who` must wait."""
        with self._lock:
            done = [at for at in self._done.pop(who, ()) if now - at < self._within_s]
            self._done[who] = done  # at the end: the oldest are dropped first
            while len(self._done) > MOST:
                del self._done[next(iter(self._done))]
            if len(done) >= self._most:
                return done[0] + self._within_s - now
            done.append(now)
            return 0.0


def pause_s(failures: int) -> float:
    """None for the first four, then 2 s doubling to a minute."""
    return 0.0 if failures < FREE else float(min(LONGEST_S, 2.0 ** min(failures - FREE + 1, 8)))


def source(address: str) -> str:
    """Whose tries count together: an IPv4 address, an IPv6 network of /64."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
