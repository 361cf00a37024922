"""Takes readings of the machine. Its calls may block on the disk: never on the loop or the SIP thread."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from collections import deque
from pathlib import Path

import psutil

from appliance.health import certificates, clock, sensors
from appliance.health.reading import CertificateReading, ClockTrust, Power, ProcessReading, Reading

WINDOW_S = 60.0
"""What `busy` is taken over."""
FAMILY_S = 20.0
"""How often it is asked anew which processes are the box's: that looks at every process of the machine."""
WRITE_S = 60.0
"""How often the data folder is written to as a try: a card wears out."""
PROBE = b"\0" * 4096


class Sampler:
    """For one thread at a time. `data`: the box's data folder. `sysfs`: where the board's sensors are."""

    def __init__(self, data: Path, sysfs: Path = sensors.SYSFS) -> None:
        self._data, self._sysfs = data, sysfs
        self._spent: deque[tuple[float, float, float]] = deque([_spent()])
        self._family: dict[int, tuple[str, psutil.Process]] = {}
        self._family_at = self._written_at = float("-inf")
        self._used: dict[int, tuple[float, float]] = {}
        self._write_fault = ""
        self._clock_was_set = False
        self._power = Power()
        self._power_at = time.monotonic()
        self._certificates: dict[Path, tuple[tuple[int, int], CertificateReading]] = {}

    def sample(self) -> Reading:
        memory, swap, disk = psutil.virtual_memory(), psutil.swap_memory(), os.statvfs(self._data)
        busy, busy_s = self._busy()
        return Reading(
            at_unix_s=time.time(),
            busy=busy,
            busy_s=busy_s,
            load=os.getloadavg(),
            cores=os.cpu_count() or 1,
            memory_total=memory.total,
            memory_available=memory.available,
            swap_total=swap.total,
            swap_used=swap.used,
            disk_total=disk.f_blocks * disk.f_frsize,
            disk_free=disk.f_bavail * disk.f_frsize,
            temperature_c=sensors.temperature_c(self._sysfs),
            machine_uptime_s=time.clock_gettime(time.CLOCK_BOOTTIME),
            clock=self._clock(),
            write_fault=self._try_to_write(disk.f_flag),
            processes=self._processes(),
            certificates=tuple(self._ends(path) for path in sorted((self._data / "tls").glob("*.crt"))),
            power=self._supply(),
        )

    def _clock(self) -> ClockTrust:
        """A clock that a time server set once is trusted for as long as the box runs: crystals drift by seconds a week."""
        found = clock.trust(clock.kernel_status())
        self._clock_was_set |= found == "set"
        return "was-set" if self._clock_was_set and found != "set" else found

    def _supply(self) -> Power | None:
        found, now = sensors.power(self._sysfs), time.monotonic()
        if found is None:
            return None
        passed, self._power_at = now - self._power_at, now
        low, slowed = found
        self._power = Power(0.0 if low else self._power.low_ago_s + passed, 0.0 if slowed else self._power.slowed_ago_s + passed)
        return self._power

    def _busy(self) -> tuple[float, float]:
        """(share, over how many seconds)."""
        now = _spent()
        while len(self._spent) > 1 and now[0] - self._spent[1][0] >= WINDOW_S:
            self._spent.popleft()
        began, idle, total = self._spent[0]
        self._spent.append(now)
        passed = now[2] - total
        share = min(1.0, max(0.0, 1.0 - (now[1] - idle) / passed)) if passed > 0 else 0.0
        return share, now[0] - began

    # ---- the data folder -----------------------------------------------------------------------------------------

    def _try_to_write(self, flags: int) -> str:
        if flags & os.ST_RDONLY:
            return "it was switched to read-only"
        if time.monotonic() - self._written_at >= WRITE_S or self._write_fault:
            self._written_at = time.monotonic()
            probe = self._data / "run" / "health-probe"
            try:
                probe.write_bytes(PROBE)
                self._write_fault = ""
            except OSError as error:
                self._write_fault = error.strerror or str(error)
            with contextlib.suppress(OSError):
                probe.unlink()
        return self._write_fault

    def _ends(self, path: Path) -> CertificateReading:
        """Read again when it was replaced."""
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            held = self._certificates.get(path)
            if held is None or held[0] != stamp:
                held = self._certificates[path] = (stamp, certificates.read(path.name, path.read_text(encoding="ascii", errors="replace")))
            return held[1]
        except OSError:
            return CertificateReading(path.name, None)

    # ---- the box's processes -------------------------------------------------------------------------------------

    def _processes(self) -> tuple[ProcessReading, ...]:
        if time.monotonic() - self._family_at >= FAMILY_S:
            self._family_at = time.monotonic()
            self._family = self._relatives()
        found = []
        for pid, (name, process) in list(self._family.items()):
            try:
                with process.oneshot():
                    found.append(self._read(name, process))
            except (psutil.Error, OSError):  # it ended, or is not ours to look into
                del self._family[pid]
                self._family_at = float("-inf")
        return tuple(sorted(found, key=lambda each: -each.memory_bytes))

    def _read(self, name: str, process: psutil.Process) -> ProcessReading:
        now, times = time.monotonic(), process.cpu_times()
        used = times.user + times.system
        at, before = self._used.get(process.pid, (now, used))
        self._used[process.pid] = (now, used)
        most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0]
        busy = (used - before) / (now - at) if now > at else 0.0
        return ProcessReading(name, process.pid, process.memory_info().rss, busy, process.num_fds(), most if most > 0 else 1 << 20, process.num_threads())

    def _relatives(self) -> dict[int, tuple[str, psutil.Process]]:
        """This process, and where a supervisor runs it, that one and all it started."""
        own = psutil.Process()
        found = {own.pid: ("engine", own)}
        with contextlib.suppress(psutil.Error, OSError, ValueError, KeyError, TypeError, AttributeError):
            written = json.loads((self._data / "run" / "supervisor.json").read_text())
            if written["pid"] == own.ppid():
                head = psutil.Process(written["pid"])
                names = {child["pid"]: name for name, child in written["children"].items()}
                found[head.pid] = ("supervisor", head)
                for each in head.children(recursive=True):
                    found[each.pid] = (self._name(each, names), each)
        return found

    @staticmethod
    def _name(process: psutil.Process, names: dict[int, str]) -> str:
        if process.pid in names:
            return names[process.pid]
        above = names.get(process.ppid(), "")
        return f"{above} worker" if above else process.name()


def _spent() -> tuple[float, float, float]:
    """(now, seconds idle, seconds in all) of all cores since the machine started."""
    times = psutil.cpu_times()
    # guest time is in user time already (proc_stat(5)).
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return time.monotonic(), times.idle + getattr(times, "iowait", 0.0), total
