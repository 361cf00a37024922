"""What the benchmarks share: options, a box on a core of its own, its CPU and memory, phones by the hundred."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.box import Box
from tests.support.rawsip import RawPeer
from tests.support.sipp import Sipp, Stats, auth, write_users
from tests.support.sites import Document, make_site, secret

FIRST = 2000
"""The first extension; 1000 would run into 112x, which the box keeps for emergencies."""
MANY_CALLS = 480
"""RTP ports are no limit below this many calls."""


@dataclass(frozen=True)
class Options:
    """`scale` shortens (below 1) or lengthens every measurement; `calls` and `registrations` are the soak's; `pin`: box on one core, load on the others."""

    scale: float = 1.0
    calls: int = 10_000
    registrations: int = 100_000
    pin: bool = True
    keep: Path | None = None

    def seconds(self, wanted: float) -> float:
        return max(1.0, wanted * self.scale)


@contextlib.contextmanager
def bench_box(options: Options, site: Document | None = None, *, phones: int = 3) -> Iterator[tuple[Box, Path]]:
    """A box that logs little, pinned to the first core (the load takes the others); and a folder for the load's files."""
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-bench-")))
        box = stack.enter_context(Box(folder, site or make_site(phones, first=FIRST), env={"HOLDFAST_LOG": "warning"}))
        cores = sorted(os.sched_getaffinity(0))
        if options.pin and len(cores) > 1:
            for task in Path(f"/proc/{box.pid()}/task").iterdir():
                os.sched_setaffinity(int(task.name), cores[:1])
            os.sched_setaffinity(0, cores[1:])
            stack.callback(os.sched_setaffinity, 0, cores)
        yield box, folder


class Meter:
    """CPU seconds and wall seconds of the box between `Meter(box)` and `stop()`."""

    def __init__(self, box: Box) -> None:
        self._box, self._cpu, self._at = box, box.cpu_s(), time.monotonic()
        self.cpu_s = self.wall_s = 0.0

    def stop(self) -> Meter:
        self.cpu_s, self.wall_s = self._box.cpu_s() - self._cpu, time.monotonic() - self._at
        return self

    @property
    def share(self) -> float:
        """Per cent of one core."""
        return 100 * self.cpu_s / self.wall_s


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share (0..1) of the values lies; 0 without values."""
    if not values:
        return 0.0
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=1000, method="inclusive")[min(int(share * 1000), 999) - 1]


def extensions(count: int, first: int = FIRST) -> list[str]:
    return [str(first + index) for index in range(count)]


def register_users(path: Path, phones: Sequence[str], contact: str = "") -> Path:
    """Users file of the register scenario; without `contact` each phone has an address of its own."""
    rows = [(phone, auth(phone, secret(phone)), contact or f"127.0.0.1:{30000 + index % 2000}") for index, phone in enumerate(phones)]
    return write_users(path, rows)


def register(box: Box, folder: Path, phones: Sequence[str], *, contact: str = "", rate: float = 200.0, calls: int = 0, expires_s: int = 3600) -> Stats:
    """Register phones (round and round for `calls`) at a rate; sipp's figures."""
    users = register_users(folder / f"register-{time.monotonic_ns()}.csv", phones, contact)
    count = calls or len(phones)
    load = Sipp(
        folder, "register", box.sip, users=users, rate=rate, calls=count, at_once=5000, keys={"expires": str(expires_s)}, rtt=count <= 20_000,
        more=["-recv_timeout", "5000"],
    )  # fmt: skip
    with load:
        return load.finish(60 + count / rate * 3)


def register_one(box: Box, peer: RawPeer, phone: str) -> None:
    """Register a phone at a peer's own address."""
    aor = box.uri(phone)
    reply = peer.request(
        "REGISTER", f"sip:{box.sip[0]}:{box.sip[1]}", box.sip, user=phone, secret=secret(phone), from_uri=aor, to_uri=aor,
        contact=f"<sip:{phone}@{peer.ip}:{peer.port}>", headers=[("Expires", "3600")],
    )  # fmt: skip
    assert reply.status == 200, reply.start


def call_users(path: Path, callers: Sequence[str], called: Sequence[str]) -> Path:
    """Users file of the uac scenarios: each caller calls the one beside it."""
    return write_users(path, [(a, auth(a, secret(a)), b) for a, b in zip(callers, called, strict=True)])


def rounded(value: Any) -> Any:
    """Figures as people read them: three significant places below 100."""
    if isinstance(value, float):
        return round(value, 3 if abs(value) < 10 else 1)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value
