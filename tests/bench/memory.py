"""Memory per 1,000 registrations."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.common import Options, bench_box, extensions, register

PHONES = 2000


def run(options: Options) -> dict[str, Any]:
    """The site with its devices is loaded before; what grows is bindings (each phone at an address of its own)."""
    count = max(200, round(PHONES * options.scale))
    phones = extensions(count)
    with bench_box(options, phones=count) as (box, folder):
        register(box, folder, phones[:100], rate=100)  # buffers and pools reach their size
        time.sleep(2.0)
        before = box.memory()["uss"]
        stats = register(box, folder, phones, rate=200)
        assert stats.failed == 0, f"{stats.failed} registrations failed"
        time.sleep(2.0)
        after = box.memory()["uss"]
        added = count - 100
        return {"registrations": added, "kb_per_1000": (after - before) / 1000 * 1000 / added, "uss_mb": after / 1e6}
