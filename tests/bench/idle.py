"""What a box costs that does nothing: memory after start, and the processor at rest."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.common import Meter, Options, bench_box


def run(options: Options) -> dict[str, Any]:
    """Sizes in MB (10^6 bytes): `rss_mb`, `pss_mb`, `uss_mb`; `cpu_percent` of a core at rest."""
    with bench_box(options) as (box, _):
        time.sleep(2.0)  # the collector and late imports settle
        meter = Meter(box)
        time.sleep(options.seconds(20))
        meter.stop()
        sizes = {f"{name}_mb": size / 1e6 for name, size in box.memory().items()}
        return {**sizes, "cpu_percent": meter.share, "handles": box.handles(), "threads": box.process().num_threads()}
