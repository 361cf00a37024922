"""Registrations with digest: CPU per 1,000 at 200/s, and the highest rate without a retransmission or a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.common import Meter, Options, bench_box, extensions, percentile, register
from tests.support.box import Box

PHONES = 500
STEPS = (400, 600, 800, 1000, 1300, 1600, 2000, 2500, 3000, 3500, 4000, 5000, 6000)


def run(options: Options) -> dict[str, Any]:
    """A registration is two transactions: the challenge and the answer. `cpu_s_per_1000` of the engine alone."""
    with bench_box(options, phones=PHONES) as (box, folder):
        register(box, folder, extensions(PHONES), rate=100)  # warm
        at_200 = _at(box, folder, 200, options.seconds(10))
        best: dict[str, Any] = at_200
        for rate in STEPS:
            found = _at(box, folder, rate, options.seconds(5))
            if not found["clean"]:
                return {"at_200": at_200, "highest_clean": best, "first_unclean": found}
            best = found
        return {"at_200": at_200, "highest_clean": best}


def _at(box: Box, folder: Path, rate: int, seconds: float) -> dict[str, Any]:
    count = int(rate * seconds)
    meter = Meter(box)
    stats = register(box, folder, extensions(PHONES), rate=rate, calls=count)
    meter.stop()
    times = stats.response_ms.get("1", [])
    # The load generator falling behind is not the box being clean at that rate.
    clean = stats.failed == 0 and stats.retransmissions == 0 and stats.rate > 0.9 * rate
    return {
        "rate": rate,
        "achieved": stats.rate,
        "clean": clean,
        "failed": stats.failed,
        "retransmissions": stats.retransmissions,
        "cpu_s_per_1000": 1000 * meter.cpu_s / max(stats.successful, 1),
        "p50_ms": percentile(times, 0.5),
        "p99_ms": percentile(times, 0.99),
    }
