"""From which value on the machine needs somebody, each with its name; by these the checks are judged (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "look", "bad"]
"""As it should be; somebody should look at it; broken, or about to break."""
DAY_S = 86400.0
GB, MB = 1e9, 1e6


@dataclass(frozen=True, slots=True)
class Limit:
    """High values are worse. Once reached, a level ends `slack` below where it began, so that a value on the edge does not ring twice a minute."""

    look: float
    bad: float = math.inf
    slack: float = 0.0

    def level(self, value: float, before: Level | None) -> Level:
        if value >= self.bad - (self.slack if before == "bad" else 0.0):
            return "bad"
        return "look" if value >= self.look - (self.slack if before in {"look", "bad"} else 0.0) else "ok"


PROCESSOR = Limit(look=0.90, slack=0.10)
"""Share of all cores that was busy; for `PROCESSOR_ENOUGH_S` at least."""
PROCESSOR_ENOUGH_S = 45.0
"""A processor that is busy for less is none to worry about."""
LOAD = Limit(look=3.0, slack=1.0)
"""Tasks that wait for each core, over five minutes."""
MEMORY = Limit(look=0.85, bad=0.94, slack=0.04)
"""Share that is taken."""
SWAP = Limit(look=0.60, slack=0.15)
"""Share that is taken."""
TEMPERATURE_C = Limit(look=75.0, bad=82.0, slack=5.0)
"""A Raspberry Pi slows down from 80, and from 85 more (raspberrypi.com, documentation of the frequency management)."""
HANDLES = Limit(look=0.70, bad=0.90, slack=0.10)
"""Share of the open files that one process may have."""
POWER_CALM_S = 600.0
"""Too low a voltage, and the slow processor that follows, come and go with each burst of work: over after so long without."""
CERTIFICATE_LOOK_S, CERTIFICATE_BAD_S = 30 * DAY_S, 3 * DAY_S
"""So long before its end."""
DISK_SILENT_S = 15.0
"""A disk that answers nothing for so long hangs."""


def disk(total: float) -> Limit:
    """Of free bytes, negated, by the size of the disk within bounds: 2 % of a card is little, of a large disk it is plenty."""
    bad = min(max(100 * MB, 0.02 * total), 1 * GB)
    look = min(max(500 * MB, 0.08 * total), 5 * GB)
    return Limit(look=-look, bad=-bad, slack=0.25 * bad)
