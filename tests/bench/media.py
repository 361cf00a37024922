"""What an anchored G.711 call costs: per cent of a core per call with 50 and 100 calls up."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.common import Meter, Options, bench_box, extensions
from tests.bench.standing import standing_calls

COUNTS = (50, 100)


def run(options: Options) -> dict[str, Any]:
    """Each call is two legs, 20 ms packets both ways, audio passing through the box. The idle share is not taken off."""
    results: dict[str, Any] = {}
    for count in COUNTS:
        phones = extensions(2 * count)
        with bench_box(options, phones=2 * count) as (box, _), standing_calls(box, list(zip(phones[:count], phones[count:], strict=True))) as calls:
            time.sleep(2.0)  # set-up work is over
            before = sum(end.received for end in calls.ends)
            sent = sum(end.sent for end in calls.ends)
            meter = Meter(box)
            time.sleep(options.seconds(15))
            meter.stop()
            heard = sum(end.received for end in calls.ends) - before
            sent = sum(end.sent for end in calls.ends) - sent
            results[f"{count}_calls"] = {
                "cpu_percent_per_call": meter.share / count,
                "cpu_percent": meter.share,
                "packets_per_s": heard / meter.wall_s,
                "lost_percent": 100 * max(0.0, 1 - heard / max(sent, 1)),
                "lost_calls": calls.lost(),
            }
    return results
