"""Commits of a large site (500 users, 700 devices, 200 flows) with 20 calls up: how long they take, and what calls and SIP notice of them.

`python -m tests.bench.commit DATA CONTROL ROUND` is one commit in a process of its own, as the command line makes it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from appliance.control.client import Client
from appliance.site.editing import Editor
from tests.bench.common import Options, bench_box, extensions, percentile
from tests.bench.standing import standing_calls
from tests.support.box import ROOT, Box
from tests.support.rawsip import RawPeer
from tests.support.sites import add_trunk, make_large_site

CALLS = 20
COMMITS = 10
APART_S = 0.5
PAUSE_S = 0.1
"""One source that asks more often meets the box's limits."""


def run(options: Options) -> dict[str, Any]:
    """`commit_s`: Editor.commit, from a changed candidate to the new revision on the disk. `in_force_s`: until the engine runs it, told by whoever committed.

    `cpu_s`: what a commit costs, with its worker. `options_ms`: how long SIP OPTIONS waited for their answer, one after the other all the time; `control_ms`:
    the same for a question on the control socket.
    """
    site = add_trunk(make_large_site(), "out", "192.0.2.9", 5060, health_seconds=0, emergency_armed=True)
    phones = extensions(2 * CALLS)
    with bench_box(options, site) as (box, _), standing_calls(box, list(zip(phones[:CALLS], phones[CALLS:], strict=True))) as calls:
        quiet = _watched(box, calls, lambda: time.sleep(options.seconds(10)))
        took: list[dict[str, float]] = []
        count = max(2, round(COMMITS * options.scale))
        busy = _watched(box, calls, lambda: took.extend(_commit(box, number) for number in range(count)))
        memory = box.memory()
        return {
            "commits": count,
            "commit_s": _spread([each["commit_s"] for each in took]),
            "in_force_s": _spread([each["in_force_s"] for each in took]),
            "cpu_s": _spread([each["cpu_s"] for each in took]),
            "revision": box.status()["revision"],
            "quiet": quiet,
            "during_commits": busy,
            "lost_calls": calls.lost(),
            "pss_mb": memory["pss"] / 1e6,
        }


def _commit(box: Box, number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.commit", str(box.data), str(box.control), str(number)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    time.sleep(APART_S)  # not one on the heels of the other
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _watched(box: Box, calls: Any, work: Any) -> dict[str, Any]:
    """The longest gap in any call's audio, and how long SIP and the control socket waited, while `work` runs."""
    stop = threading.Event()
    answers: list[float] = []
    replies: list[float] = []

    def ask_sip() -> None:
        with RawPeer("127.0.0.1") as peer:
            while not stop.wait(PAUSE_S):
                began = time.monotonic()
                peer.request("OPTIONS", f"sip:{box.sip[0]}:{box.sip[1]}", box.sip)
                answers.append(1000 * (time.monotonic() - began))

    def ask_control() -> None:
        with Client(box.control) as client:
            while not stop.wait(PAUSE_S):
                began = time.monotonic()
                client.call("emergency.notices", limit=1)
                replies.append(1000 * (time.monotonic() - began))

    threads = [threading.Thread(target=ask, daemon=True) for ask in (ask_sip, ask_control)]
    for end in calls.ends:
        end.forget_gaps()
    calls.flock.lateness_s = 0.0
    for thread in threads:
        thread.start()
    work()
    stop.set()
    for thread in threads:
        thread.join(10.0)
    return {
        "longest_gap_ms": 1000 * max(end.longest_gap_s for end in calls.ends),
        "own_lateness_ms": 1000 * calls.flock.lateness_s,
        "options_ms": {"p50": percentile(answers, 0.5), "p99": percentile(answers, 0.99), "max": max(answers), "count": len(answers)},
        "control_ms": {"p50": percentile(replies, 0.5), "p99": percentile(replies, 0.99), "max": max(replies), "count": len(replies)},
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": percentile(values, 0.5), "max": max(values)}


def _one(data: Path, control: Path, number: int) -> dict[str, float]:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # whoever commits has no core of its own: the box's is shared, too
    editor = Editor(data, "bench")
    editor.set("users.user-2499.name", f"Round {number}")
    editor.set("flows.menu-0.steps.menu.settings.text", f"Round {number}")
    before, began = _cpu_s(), time.monotonic()
    editor.commit(f"round {number}")
    committed, spent = time.monotonic(), _cpu_s() - before
    with Client(control, timeout_s=30.0) as client:
        client.call("site.activate")
    return {"commit_s": committed - began, "in_force_s": time.monotonic() - began, "cpu_s": spent}


def _cpu_s() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


if __name__ == "__main__":
    print(json.dumps(_one(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
