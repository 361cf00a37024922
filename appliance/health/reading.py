"""What is known of the machine at one moment (plain data)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

ClockTrust = Literal["set", "was-set", "never", "unknown"]
"""The clock follows a time server; it did once since the machine started; it never did; nobody says."""


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One of the box's processes. `busy`: its share of one processor core since the reading before. `handles` of at most `most_handles` are open."""

    name: str
    pid: int
    memory_bytes: int
    busy: float
    handles: int
    most_handles: int
    threads: int


@dataclass(frozen=True, slots=True)
class CertificateReading:
    """`file` like `web.crt`. `ends_unix_s` None: it cannot be read."""

    file: str
    ends_unix_s: float | None


@dataclass(frozen=True, slots=True)
class Power:
    """So many seconds ago the supply last gave too little voltage, and the board slowed its processor down for that or for heat; infinite: never seen."""

    low_ago_s: float = math.inf
    slowed_ago_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Reading:
    """Shares are 0 to 1. `busy`: of all processor cores, over the last `busy_s` (at most a minute). `load`: of 1, 5 and 15 minutes. `temperature_c` None:
    there is no sensor.

    `power` None: the board does not say.

    `write_fault`: why the data folder could not be written, "" : it could. `silent_s`: so long the disk has not answered, 0: it does.
    """

    at_unix_s: float
    busy: float
    busy_s: float
    load: tuple[float, float, float]
    cores: int
    memory_total: int
    memory_available: int
    swap_total: int
    swap_used: int
    disk_total: int
    disk_free: int
    temperature_c: float | None
    machine_uptime_s: float
    clock: ClockTrust
    write_fault: str
    processes: tuple[ProcessReading, ...]
    certificates: tuple[CertificateReading, ...]
    silent_s: float = 0.0
    power: Power | None = None
