"""Runs benchmarks and prints their figures as JSON.

    python -m tests.bench [NAME …] [--scale 0.2] [--calls 10000] [--registrations 100000] [--no-pin] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.common import Options, rounded

NAMES = ("start", "idle", "registration", "calls", "media", "memory", "avalanche", "commit", "outage", "soak")
ROOT = Path(__file__).resolve().parents[2]


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "commit": commit, "when": when}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures a box on this machine; JSON on standard output.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)}; all of them when none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="shorten or lengthen every measurement")
    parser.add_argument("--calls", type=int, default=10_000, help="calls of the soak")
    parser.add_argument("--registrations", type=int, default=100_000, help="registrations of the soak")
    parser.add_argument("--no-pin", dest="pin", action="store_false", help="let box and load share all cores")
    parser.add_argument("--keep", type=Path, help="keep logs and the load's files in this folder")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no benchmark of the name {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    options = Options(given.scale, given.calls, given.registrations, given.pin, given.keep)
    results: dict[str, Any] = {"machine": machine()}
    failed = False
    for name in given.names or NAMES:
        print(f"{name} …", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            figures = rounded(importlib.import_module(f"tests.bench.{name}").run(options))
        except AssertionError as error:
            figures, failed = {"error": str(error)}, True
        results[name] = {**figures, "took_s": round(time.monotonic() - started, 1)}
    print(json.dumps(results, indent=1))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
