"""Calls between registered phones: CPU per 1,000 and post-dial delay at 20/s, and the highest rate without a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.common import MANY_CALLS, Meter, Options, bench_box, call_users, extensions, percentile, register
from tests.support.box import Box
from tests.support.sipp import Sipp

PAIRS = 100
HOLD_MS = 500
STEPS = (40, 60, 80, 100, 130, 160, 200)


def run(options: Options) -> dict[str, Any]:
    """A call: INVITE, challenge, INVITE, ringing, answer, half a second, BYE; through the box to the other phone. Post-dial delay is from the
    authenticated INVITE to the ringing that comes back; `first_invite_to_answer` includes the challenge."""
    phones = extensions(2 * PAIRS)
    callers, called = phones[:PAIRS], phones[PAIRS:]
    with bench_box(options, phones=2 * PAIRS) as (box, folder), Sipp(folder, "uas") as server:
        register(box, folder, called, contact=f"{server.ip}:{server.port}")
        _at(box, folder, callers, called, 10, 5)  # warm
        at_20 = _at(box, folder, callers, called, 20, options.seconds(30))
        best = at_20
        for rate in STEPS:
            found = _at(box, folder, callers, called, rate, options.seconds(10))
            if not found["clean"]:
                return {"at_20": at_20, "highest_clean": best, "first_unclean": found}
            best = found
        return {"at_20": at_20, "highest_clean": best}


def _at(box: Box, folder: Path, callers: list[str], called: list[str], rate: int, seconds: float) -> dict[str, Any]:
    count = int(rate * seconds)
    users = call_users(folder / "calls.csv", callers, called)
    meter = Meter(box)
    with Sipp(folder, "uac", box.sip, users=users, rate=rate, calls=count, at_once=MANY_CALLS // 2, hold_ms=HOLD_MS, rtt=True) as client:
        stats = client.finish(60 + seconds * 2)
    box.wait_idle()
    meter.stop()
    ringing, answer = stats.response_ms.get("1", []), stats.response_ms.get("3", [])
    return {
        "rate": rate,
        "calls": stats.successful,
        "clean": stats.failed == 0 and stats.retransmissions == 0 and stats.elapsed_s < seconds + 3,
        "failed": stats.failed,
        "retransmissions": stats.retransmissions,
        "cpu_s_per_1000": 1000 * meter.cpu_s / max(stats.successful, 1),
        "post_dial_delay_ms": {"p50": percentile(ringing, 0.5), "p99": percentile(ringing, 0.99), "max": max(ringing, default=0.0)},
        "first_invite_to_answer_ms": {"p50": percentile(answer, 0.5), "p99": percentile(answer, 0.99)},
    }
