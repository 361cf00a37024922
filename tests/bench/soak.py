"""Ten thousand calls and a hundred thousand registrations: nothing may stay behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.bench.common import MANY_CALLS, Options, bench_box, call_users, extensions, register
from tests.support.box import Box
from tests.support.sipp import Sipp

PAIRS = 100
ROUNDS = 5
CALL_RATE = 40
REGISTER_RATE = 400


def run(options: Options) -> dict[str, Any]:
    """In rounds, so that a slope can be told from a plateau: after each the box is idle, and legs, sockets, handles and memory are read.

    `mb_per_1000_calls_late`: growth per 1,000 calls over the second half; a leak shows there, a pool that fills does not.
    """
    phones = extensions(2 * PAIRS)
    callers, called = phones[:PAIRS], phones[PAIRS:]
    with bench_box(options, phones=2 * PAIRS) as (box, folder), Sipp(folder, "uas") as server:
        register(box, folder, called, contact=f"{server.ip}:{server.port}")
        users = call_users(folder / "calls.csv", callers, called)
        looks = [_look(box)]
        failed_calls = failed_registrations = made = registered = 0
        for _ in range(ROUNDS):
            calls, registrations = options.calls // ROUNDS, options.registrations // ROUNDS
            with Sipp(folder, "uac", box.sip, users=users, rate=CALL_RATE, calls=calls, at_once=MANY_CALLS // 2, hold_ms=300) as client:
                stats = client.finish(120 + calls / CALL_RATE * 3)
            failed_calls += stats.failed
            made += stats.successful
            stats = register(box, folder, callers, rate=REGISTER_RATE, calls=registrations)
            failed_registrations += stats.failed
            registered += stats.successful
            box.wait_idle(40.0)
            looks.append(_look(box))
        middle, last = looks[len(looks) // 2], looks[-1]
        late_calls = options.calls / ROUNDS * (len(looks) - 1 - len(looks) // 2)
        return {
            "calls": made,
            "failed_calls": failed_calls,
            "registrations": registered,
            "failed_registrations": failed_registrations,
            "mb_per_1000_calls_late": (last["uss_mb"] - middle["uss_mb"]) / late_calls * 1000,
            "looks": looks,
        }


def _look(box: Box) -> dict[str, Any]:
    """The box at rest. Sockets that linger for SIP's timers (32 s) are given their time: it waits until handles stop falling."""
    handles, since = box.handles(), time.monotonic()
    deadline = since + 45
    while time.monotonic() < deadline and time.monotonic() - since < 5:
        time.sleep(1.0)
        now = box.handles()
        if now < handles:
            handles, since = now, time.monotonic()
    sockets = sum(1 for entry in Path(f"/proc/{box.pid()}/fd").iterdir() if "socket:" in str(entry.readlink()))
    status = box.status()
    return {"uss_mb": box.memory()["uss"] / 1e6, "handles": handles, "sockets": sockets, "calls": len(box.calls()), "free_legs": status["free_legs"]}
