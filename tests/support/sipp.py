"""Runs sipp with the scenarios beside this file and reads its figures.

    users = write_users(tmp_path / "users.csv", [("u1", auth("u1", "secret"), "127.0.0.1:5080"), …])
    stats = Sipp(tmp_path, "register", server, users=users, rate=200, calls=1000).finish()
    assert stats.failed == 0
"""

from __future__ import annotations

import csv
import itertools
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support.net import Namespace, command_in
from tests.support.ports import free_run
from tests.support.proc import Program, wait_until
from tests.support.rtp import encode
from tests.support.tone import tone

SCENARIOS = Path(__file__).with_name("scenarios")
_serial = itertools.count(1)


@dataclass
class Stats:
    """The last line of sipp's statistics. `response_ms`: each response time, by the scenario's timer (uac: 1 ringing, 3 answer), in 4 ms steps."""

    created: int = 0
    successful: int = 0
    failed: int = 0
    current: int = 0
    retransmissions: int = 0
    elapsed_s: float = 0.0
    response_ms: dict[str, list[float]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def rate(self) -> float:
        """Successful calls per second."""
        return self.successful / self.elapsed_s if self.elapsed_s else 0.0


def auth(user: str, secret: str) -> str:
    """What a users file holds where the scenario puts its Authorization header."""
    return f"[authentication username={user} password={secret}]"


def write_users(path: Path, rows: Iterable[Sequence[str]], order: str = "SEQUENTIAL") -> Path:
    """An injection file (fields are used as [field0] …)."""
    path.write_text("\n".join([order, *(";".join(row) for row in rows)]) + "\n", encoding="ascii")
    return path


class Sipp:
    """One sipp process. Clients end after `calls`; a server (no `remote`) runs until stopped. `keys` fill [name] keywords of the scenario."""

    def __init__(
        self,
        folder: Path,
        scenario: str,
        remote: tuple[str, int] | None = None,
        *,
        ip: str = "127.0.0.1",
        port: int = 0,
        ns: Namespace | None = None,
        users: Path | None = None,
        rate: float = 10.0,
        calls: int = 0,
        at_once: int = 0,
        hold_ms: int = 0,
        keys: Mapping[str, str] | None = None,
        transport: str = "u1",
        rtt: bool = False,
        more: Sequence[str] = (),
    ) -> None:
        self.folder = folder / f"sipp-{next(_serial)}-{scenario}"
        self.folder.mkdir(parents=True)
        self.ip, self.port = ip, port or free_run(1, ip)
        # sipp writes its files beside the scenario.
        script = Path(shutil.copy(SCENARIOS / f"{scenario}.xml", self.folder / "scenario.xml"))
        # A whole number of periods: the loop has no seam.
        (self.folder / "tone.ulaw").write_bytes(encode(tone(1000.0, 1.0)))
        self._stats_file = self.folder / "stats.csv"
        argv = ["sipp", *([f"{remote[0]}:{remote[1]}"] if remote else []), "-sf", str(script), "-i", ip, "-mi", ip, "-p", str(self.port), "-nostdin"]
        argv += ["-trace_stat", "-stf", str(self._stats_file), "-fd", "1", "-trace_err", "-error_file", str(self.folder / "errors.log")]
        argv += ["-t", transport, "-cp", str(free_run(1)), "-mp", "40000" if ns else str(free_run(4)), "-buff_size", "4194304", "-timer_resol", "1"]
        if users:
            argv += ["-inf", str(users)]
        if remote:
            argv += ["-r", f"{rate:g}"]
        if calls:
            argv += ["-m", str(calls)]
        if at_once:
            argv += ["-l", str(at_once)]
        if hold_ms:
            argv += ["-d", str(hold_ms)]
        if rtt:
            argv += ["-trace_rtt", "-rtt_freq", "1"]
        for name, value in (keys or {}).items():
            argv += ["-key", name, value]
        argv += more
        self.program = Program(command_in(ns, argv), cwd=self.folder, log=self.folder / "sipp.out", env={"TERM": "dumb"})
        if remote is None:
            self._wait_listening(ns)

    def _wait_listening(self, ns: Namespace | None) -> None:
        """Until the server's socket is bound, as the kernel's table shows."""
        wanted = f":{self.port:04X} "

        def bound() -> bool:
            if not self.program.running:
                raise AssertionError(f"sipp ended:\n{self.program.tail()}\n{self.errors()}")
            return any(wanted in Path(f"/proc/{pid}/net/udp").read_text(encoding="ascii") for pid in [self.program.pid] if Path(f"/proc/{pid}").exists())

        wait_until(bound, 5.0, f"sipp listening on {self.ip}:{self.port}")

    def stats(self) -> Stats:
        """The figures so far (sipp writes them once a second and at its end)."""
        if not self._stats_file.exists():
            return Stats()
        with self._stats_file.open(encoding="ascii", newline="") as handle:
            rows = [row for row in csv.DictReader(handle, delimiter=";") if row.get("TotalCallCreated")]
        if not rows:
            return Stats()
        last = rows[-1]
        begun, now = (float(last[name].split("\t")[-1]) for name in ("StartTime", "CurrentTime"))
        return Stats(
            created=int(last["TotalCallCreated"]),
            successful=int(last["SuccessfulCall(C)"]),
            failed=int(last["FailedCall(C)"]),
            current=int(last["CurrentCall"]),
            retransmissions=int(last["Retransmissions(C)"]),
            elapsed_s=now - begun,
            response_ms=self._response_times(),
            columns=last,
        )

    def _response_times(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for path in self.folder.glob("*_rtt.csv"):
            with path.open(encoding="ascii", newline="") as handle:
                for row in csv.reader(handle, delimiter=";"):
                    if len(row) >= 3 and row[0] and row[0][0].isdigit():
                        found.setdefault(row[2], []).append(float(row[1]))
        return found

    def errors(self) -> str:
        """Unexpected messages and the like, the first 2,000 characters."""
        path = self.folder / "errors.log"
        return path.read_text(errors="replace")[:2000] if path.exists() else ""

    def finish(self, timeout_s: float = 60.0) -> Stats:
        """Wait for the last call and return the figures. Failed calls are in the figures, not raised."""
        code = self.program.wait(timeout_s)
        assert code in (0, 1, 99), f"sipp ended with {code}:\n{self.program.tail(15)}\n{self.errors()}"
        stats = self.stats()
        assert stats.created, f"sipp made no call:\n{self.program.tail(15)}\n{self.errors()}"
        return stats

    def stop(self) -> Stats:
        """End it (a server, or a client early) and return its last figures."""
        self.program.stop(1.0)
        return self.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.stop(1.0)
