"""When a child is started again after it died, and when it must start in rescue (pure; time passed in)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Policy:
    """How one child is kept alive. `crash_limit` crashes within `crash_window_s` switch to rescue.

    `start_limit_s`: longest time to readiness; `silence_limit_s`: longest time without a heartbeat once ready; `stop_limit_s`: from TERM to KILL;
    `longest_delay_s`: where the back-off ends.
    """

    crash_limit: int = 3
    crash_window_s: float = 60.0
    start_limit_s: float = 60.0
    silence_limit_s: float = 10.0
    stop_limit_s: float = 7.0
    longest_delay_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Start again after `delay_s`. `entered_rescue` is True for the crash that tipped it over."""

    delay_s: float
    entered_rescue: bool


@dataclass(slots=True)
class Restarts:
    """The crash history of one child. Rescue lasts until `forget` (a new site revision) or until the supervisor is restarted."""

    policy: Policy
    total: int = 0
    rescue: bool = False
    _recent: deque[float] = field(default_factory=deque)

    def crashed(self, now: float, chance: float) -> Restart:
        """Count a crash at `now` (seconds, monotonic); `chance` in [0, 1) is the back-off's jitter."""
        self.total += 1
        self._recent.append(now)
        while now - self._recent[0] > self.policy.crash_window_s:
            self._recent.popleft()
        entered = not self.rescue and len(self._recent) >= self.policy.crash_limit
        self.rescue = self.rescue or entered
        return Restart(backoff_s(len(self._recent), chance, self.policy.longest_delay_s), entered)

    def forget(self) -> None:
        """Start from a clean sheet: what crashed has been replaced."""
        self.rescue = False
        self._recent.clear()


def backoff_s(crashes: int, chance: float, longest_s: float = 2.0) -> float:
    """Delay after the n-th crash in a row: none for the first two, then 0.25 s doubling to `longest_s`, less up to half by `chance`.

    Two seconds is the most for the engine, so that even a box that keeps crashing is back within 5 s.
    """
    if crashes <= 2:
        return 0.0
    return min(longest_s, 0.25 * 2.0 ** min(crashes - 3, 12)) * (1.0 - 0.5 * chance)
