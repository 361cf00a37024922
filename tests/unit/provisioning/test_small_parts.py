"""The table of neighbours, and how often one address may ask."""

from __future__ import annotations

from pathlib import Path

from provisioning.limits import BURST, Limit
from provisioning.neighbours import neighbour

TABLE = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.20     0x1         0x2         80:5E:C0:11:22:33     *        eth0
192.168.1.21     0x1         0x0         00:00:00:00:00:00     *        eth0
192.168.1.22     0x1         0x6         00:04:f2:aa:bb:cc     *        eth0
broken
"""


def test_neighbours(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(TABLE)
    assert neighbour("192.168.1.20", table) == "805ec0112233"
    assert neighbour("192.168.1.22", table) == "0004f2aabbcc"
    for nobody in ("192.168.1.21", "192.168.1.2", "broken", ""):
        assert neighbour(nobody, table) == ""
    assert neighbour("192.168.1.20", tmp_path / "missing") == ""


def test_an_address_may_ask_so_often() -> None:
    limit = Limit()
    assert sum(limit.allows("a", 0.0) for _ in range(100)) == BURST
    assert limit.allows("b", 0.0)
    assert sum(limit.allows("a", 1.0) for _ in range(100)) == 10
    for number in range(5000):
        limit.allows(str(number), 1.0)
    assert limit.allows("a", 1.0)
