"""Power comes back: 500 phones register at once while 20 calls are up. None may be lost, no gap be heard."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.common import FIRST, Options, bench_box, extensions, register_users
from tests.bench.standing import standing_calls
from tests.support.sipp import Sipp

PHONES = 500
CALLS = 20


def run(options: Options) -> dict[str, Any]:
    """`longest_gap_ms`: the longest time between two packets at any of the 40 ends; `sender_late_ms`: how much of it may be the bench's own."""
    talking = extensions(2 * CALLS)
    returning = extensions(PHONES, first=FIRST + 2 * CALLS)
    with bench_box(options, phones=2 * CALLS + PHONES) as (box, folder):
        with standing_calls(box, list(zip(talking[:CALLS], talking[CALLS:], strict=True))) as calls:
            time.sleep(2.0)
            calls.flock.lateness_s = 0.0
            for end in calls.ends:
                end.forget_gaps()
            quiet = _worst(calls.ends, options.seconds(3))
            late_quiet, calls.flock.lateness_s = calls.flock.lateness_s, 0.0
            users = register_users(folder / "avalanche.csv", returning)
            begun = time.monotonic()
            load = Sipp(folder, "register", box.sip, users=users, rate=5000, calls=PHONES, at_once=PHONES, keys={"expires": "3600"}, rtt=True)
            with load:
                stats = load.finish(60)
            took = time.monotonic() - begun
            time.sleep(0.5)
            gap = max(end.longest_gap_s for end in calls.ends)
            late = calls.flock.lateness_s
            silent = sum(1 for end in calls.ends if time.monotonic() - end.last_at > 0.2)
            lost = calls.lost()
        return {
            "registered": stats.successful,
            "failed": stats.failed,
            "retransmissions": stats.retransmissions,
            "all_registered_s": took,
            "lost_calls": lost,
            "silent_ends": silent,
            "longest_gap_ms": 1000 * gap,
            "sender_late_ms": 1000 * late,
            "before": {"longest_gap_ms": 1000 * quiet, "sender_late_ms": 1000 * late_quiet},
        }


def _worst(ends: list[Any], seconds: float) -> float:
    """The longest gap in a while without anything else going on."""
    time.sleep(seconds)
    worst = max(end.longest_gap_s for end in ends)
    for end in ends:
        end.forget_gaps()
    return float(worst)
