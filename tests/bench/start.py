"""From starting the engine to the first registration it accepts."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.common import Options
from tests.support.box import Box
from tests.support.rawsip import RawPeer
from tests.support.sites import make_site, secret

RUNS = 5


def run(options: Options) -> dict[str, Any]:
    """`first_s`: on an empty data folder (database and certificate are made); `again_s`: median of later starts; each with its range."""
    with tempfile.TemporaryDirectory(prefix="hf-bench-") as folder, Box(Path(folder), make_site(3, first=1000), start=False) as box, RawPeer() as peer:
        first = _until_registered(box, peer)
        later = []
        for _ in range(max(2, round(RUNS * options.scale))):
            box.stop()
            later.append(_until_registered(box, peer))
        return {"first_s": first, "again_s": statistics.median(later), "again_range_s": [min(later), max(later)]}


def _until_registered(box: Box, peer: RawPeer) -> float:
    """Asks as an impatient phone does: every 5 ms until the box answers, then by digest."""
    begun = time.monotonic()
    box.launch()
    uri = f"sip:{box.sip[0]}:{box.sip[1]}"
    while True:
        probe = peer.transact(peer.request_bytes("OPTIONS", uri), box.sip, timeout_s=0.005)
        if probe is not None:
            break
        assert time.monotonic() - begun < 30, "the box did not come up"
    reply = peer.request("REGISTER", uri, box.sip, user="1000", secret=secret(1000), from_uri=box.uri("1000"), to_uri=box.uri("1000"))
    assert reply.status == 200, reply.start
    return time.monotonic() - begun
