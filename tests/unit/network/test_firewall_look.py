"""Interfaces, addresses and ways out, of the kernel's messages."""

from __future__ import annotations

import pytest
from pyroute2 import NetlinkError

from appliance.network.firewall import Leg
from appliance.network.firewall_look import legs, read


class Said(dict):  # type: ignore[type-arg]
    """A message of the kernel."""

    def get_attr(self, name: str) -> object:
        return self.get(name)


def test_both_families_and_all_kinds_of_ways_out() -> None:
    links = [
        Said(index=1, flags=0x49, IFLA_IFNAME="lo"), Said(index=2, flags=0x1003, IFLA_IFNAME="lan"), Said(index=3, flags=0x1003, IFLA_IFNAME="wan"),
        Said(index=4, flags=0x1003, IFLA_IFNAME="wan2"), Said(index=5, flags=0x91, IFLA_IFNAME="vpn"), Said(index=6, flags=0x1003, IFLA_IFNAME="wan3"),
    ]  # fmt: skip
    addresses = [
        Said(index=1, prefixlen=8, IFA_LOCAL="127.0.0.1"), Said(index=2, prefixlen=24, IFA_LOCAL="10.77.0.1", IFA_ADDRESS="10.77.0.1"),
        Said(index=3, prefixlen=64, IFA_ADDRESS="fe80::1"), Said(index=3, prefixlen=24, IFA_LOCAL="203.0.113.2"),
        Said(index=5, prefixlen=32, IFA_LOCAL="10.9.0.1", IFA_ADDRESS="10.9.0.2"),
    ]  # fmt: skip
    routes = [
        Said(dst_len=0, table=254, type=1, RTA_OIF=3), Said(dst_len=1, table=254, type=1, RTA_OIF=5), Said(dst_len=24, table=254, type=1, RTA_OIF=2),
        Said(dst_len=0, table=254, type=1, RTA_MULTIPATH=[{"oif": 4}, {"oif": 3}]), Said(dst_len=0, table=254, type=7),
        Said(dst_len=0, table=99, type=1, RTA_OIF=6),
    ]  # fmt: skip
    assert read(links, addresses, routes) == (
        Leg("lan", ("10.77.0.1/24",), False), Leg("vpn", ("10.9.0.1/32",), True), Leg("wan", ("203.0.113.2/24", "fe80::1/64"), True), Leg("wan2", (), True),
        Leg("wan3", (), False),
    )  # fmt: skip


def test_the_kernel_is_asked() -> None:
    assert "lo" not in {leg.name for leg in legs()}


def test_a_kernel_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NetlinkError(1, "no")

    monkeypatch.setattr("pyroute2.IPRoute", refuse)
    with pytest.raises(OSError, match="no"):
        legs()
