"""Calls between registered phones: CPU per 1,000 and post-dial delay at 20/s, and the highest rate without a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.common import FIRST, MANY_CALLS, Meter, Options, bench_box, call_users, extensions, percentile, register, register_one
from tests.support.box import Box
from tests.support.carrier import Carrier, answer
from tests.support.sipp import Sipp
from tests.support.sites import secret

PAIRS = 100
HOLD_MS = 500
PROBING, PROBED = str(FIRST + 2 * PAIRS), str(FIRST + 2 * PAIRS + 1)
STEPS = (40, 60, 80, 100, 130, 160, 200)


def run(options: Options) -> dict[str, Any]:
    """A call: INVITE, challenge, INVITE, ringing, answer, half a second, BYE; through the box to the other phone. Post-dial delay is from the
    authenticated INVITE to the ringing that comes back, measured by calls of our own beside the load (the load generator's clock has 4 ms steps)."""
    phones = extensions(2 * PAIRS)
    callers, called = phones[:PAIRS], phones[PAIRS:]
    with bench_box(options, phones=2 * PAIRS + 2) as (box, folder), Sipp(folder, "uas") as server:
        register(box, folder, called, contact=f"{server.ip}:{server.port}")
        _at(box, folder, callers, called, 10, 5)  # warm
        at_20 = _at(box, folder, callers, called, 20, options.seconds(30), probe=True)
        best = at_20
        for rate in STEPS:
            found = _at(box, folder, callers, called, rate, options.seconds(10))
            if not found["clean"]:
                return {"at_20": at_20, "highest_clean": best, "first_unclean": found}
            best = found
        return {"at_20": at_20, "highest_clean": best}


def _at(box: Box, folder: Path, callers: list[str], called: list[str], rate: int, seconds: float, *, probe: bool = False) -> dict[str, Any]:
    count = int(rate * seconds)
    users = call_users(folder / "calls.csv", callers, called)
    meter = Meter(box)
    with Sipp(folder, "uac", box.sip, users=users, rate=rate, calls=count, at_once=MANY_CALLS // 2, hold_ms=HOLD_MS) as client:
        delays = _delays(box, client) if probe else []
        stats = client.finish(60 + seconds * 2)
    meter.stop()
    box.wait_idle()
    ours = len(delays)
    figures: dict[str, Any] = {
        "rate": rate,
        "calls": stats.successful,
        "clean": stats.failed == 0 and stats.retransmissions == 0 and stats.elapsed_s < seconds + 3,
        "failed": stats.failed,
        "retransmissions": stats.retransmissions,
        "cpu_s_per_1000": 1000 * meter.cpu_s / max(stats.successful + ours, 1),
    }
    if delays:
        figures["post_dial_delay_ms"] = {"p50": percentile(delays, 0.5), "p99": percentile(delays, 0.99), "max": max(delays), "calls": ours}
    return figures


def _delays(box: Box, load: Sipp) -> list[float]:
    """Post-dial delays in ms of calls made one after the other while the load lasts."""
    found = []
    uri = box.uri(PROBED)
    with Carrier() as far, Carrier() as near:
        far.plan = [answer()]
        register_one(box, far, PROBED)
        while load.program.running:
            call = near.call(uri, box.sip, from_uri=box.uri(PROBING), user=PROBING, secret=secret(PROBING))
            call.wait_answer()
            found.append(1000 * (call.reply_at(180) - call.sent_at))
            call.hangup()
            call.close()
    return found
