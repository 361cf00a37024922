"""Which of the machine's addresses are private, and which ways out it has."""

import asyncio
import threading

import pytest

from appliance.network.links import PREFERRED, LinkWatch, Network, Over, Reach, choose_private, is_private, network_of, private_addresses
from appliance.network.wan_state import Path


@pytest.mark.parametrize("address", ["10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1", "100.127.255.254"])
def test_private(address):
    assert is_private(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.1.1", "172.32.0.1", "172.15.0.1", "192.0.2.1", "100.63.0.1", "100.128.0.1", "8.8.8.8", "fd00::1", "None", ""]
)
def test_not_private(address):
    assert not is_private(address)


def test_each_once_in_numeric_order():
    assert choose_private(["192.168.1.20", "8.8.8.8", "192.168.1.3", "10.0.0.1", "192.168.1.3"]) == ("10.0.0.1", "192.168.1.3", "192.168.1.20")


def test_the_kernel_is_asked():
    assert all(is_private(address) for address in private_addresses())


class Said(dict):
    """A message of the kernel."""

    def get_attr(self, name: str) -> object:
        return self.get(name)


def test_ways_out_stand_in_the_order_of_their_metrics_with_their_cables() -> None:
    links = [Said(index=2, flags=0x11043, IFLA_IFNAME="wan"), Said(index=3, flags=0x1003, IFLA_IFNAME="wan2")]
    addresses = [Said(index=2, prefixlen=24, IFA_LOCAL="203.0.113.2")]
    routes = [
        Said(dst_len=0, table=254, RTA_OIF=3, RTA_GATEWAY="100.64.2.1", RTA_PRIORITY=200),
        Said(dst_len=0, table=254, RTA_OIF=2, RTA_GATEWAY="203.0.113.1", RTA_PRIORITY=100),
        Said(dst_len=24, table=254, RTA_OIF=2),
        Said(dst_len=0, table=100, RTA_OIF=3, RTA_GATEWAY="10.0.0.1"),
    ]
    found = network_of(links, addresses, routes)
    assert found.paths == (Path("wan", "203.0.113.1", True), Path("wan2", "100.64.2.1", False))
    assert [found.is_near(ip) for ip in ("203.0.113.9", "127.0.0.1", "198.51.100.10", "no address")] == [True, True, False, False]


def test_a_route_that_shares_the_load_is_as_many_ways_out_as_it_has_hops() -> None:
    links = [Said(index=2, flags=0x1003, IFLA_IFNAME="wan"), Said(index=3, flags=0x11043, IFLA_IFNAME="wan2")]
    hops = [Said(oif=2, RTA_GATEWAY="203.0.113.1"), Said(oif=3, RTA_GATEWAY="100.64.2.1"), Said(oif=9, RTA_GATEWAY="192.0.2.1")]
    routes = [
        Said(dst_len=0, table=254, RTA_MULTIPATH=hops, RTA_PRIORITY=100),
        Said(dst_len=16, table=254, RTA_DST="10.9.0.0", RTA_MULTIPATH=[Said(oif=3), Said(oif=2)]),
    ]
    found = network_of(links, [], routes)
    assert found.paths == (Path("wan", "203.0.113.1", False), Path("wan2", "100.64.2.1", True)), "the third hop's interface is gone"
    assert found.reach("198.51.100.10") == Reach(Over.INTERNET, "wan2", True)
    assert found.reach("10.9.0.1") == Reach(Over.LAN, "wan2", True), "one of its ways has a cable"


def test_what_the_kernel_routes_inside_the_site_is_no_internet() -> None:
    links = [Said(index=2, flags=0x11043, IFLA_IFNAME="wan"), Said(index=3, flags=0x1003, IFLA_IFNAME="lan"), Said(index=4, flags=0x11043, IFLA_IFNAME="vpn")]
    addresses = [Said(index=2, prefixlen=24, IFA_LOCAL="203.0.113.2"), Said(index=3, prefixlen=24, IFA_LOCAL="10.77.0.1")]
    routes = [
        Said(dst_len=0, table=254, RTA_OIF=2, RTA_GATEWAY="203.0.113.1", proto=3),
        Said(dst_len=24, table=254, RTA_OIF=3, RTA_DST="10.77.0.0", proto=2),
        Said(dst_len=8, table=254, RTA_OIF=3, RTA_DST="10.0.0.0", proto=3),
        Said(dst_len=16, table=254, RTA_OIF=4, RTA_DST="10.99.0.0", proto=3),
    ]
    found = network_of(links, addresses, routes)
    assert found.reach("198.51.100.10") == Reach(Over.INTERNET, "wan", True)
    assert found.reach("10.77.0.5") == found.reach("10.5.0.1") == Reach(Over.LAN, "lan", False)
    assert found.reach("10.99.0.1") == Reach(Over.LAN, "vpn", True), "the longest prefix"
    assert found.reach("127.0.0.1").over is Over.BOX and found.reach("a name").over is Over.INTERNET and found.reach("2001:db8::1").over is Over.INTERNET
    assert found.is_near("10.5.0.1") and not found.is_near("198.51.100.10")


def test_the_way_out_that_was_put_first_stands_first_once() -> None:
    links = [Said(index=2, flags=0x11043, IFLA_IFNAME="wan"), Said(index=3, flags=0x11043, IFLA_IFNAME="wan2")]
    own = [
        Said(dst_len=0, table=254, RTA_OIF=2, RTA_GATEWAY="203.0.113.1", RTA_PRIORITY=100, proto=3),
        Said(dst_len=0, table=254, RTA_OIF=3, RTA_GATEWAY="100.64.2.1", RTA_PRIORITY=200, proto=3),
    ]
    put_first = Said(dst_len=1, table=254, RTA_OIF=3, RTA_GATEWAY="100.64.2.1", RTA_PRIORITY=1, proto=PREFERRED)
    one, two = Path("wan", "203.0.113.1", True), Path("wan2", "100.64.2.1", True)
    assert (network_of(links, [], own).paths, network_of(links, [], own).preferred) == ((one, two), None)
    assert (network_of(links, [], [put_first, *own]).paths, network_of(links, [], [put_first, *own]).preferred) == ((two, one), two)
    assert network_of(links, [], [put_first, own[0]]).preferred is None, "its own route is gone, and it is no way out any more"


def test_the_kernel_is_listened_to_and_left_again() -> None:
    """The real kernel of this machine."""

    async def first() -> Network:
        found: asyncio.Future[Network] = asyncio.get_running_loop().create_future()
        watch = LinkWatch(lambda network: None if found.done() else found.set_result(network))
        watch.start()
        try:
            return await asyncio.wait_for(found, 20.0)
        finally:
            await watch.stop()

    assert "lo" in dict(asyncio.run(first()).indexes)
    assert not any(thread.name == "links" for thread in threading.enumerate())
