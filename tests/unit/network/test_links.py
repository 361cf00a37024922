"""Which of the machine's addresses are private, and which ways out it has."""

import asyncio
import threading

import pytest

from appliance.network.links import LinkWatch, Network, choose_private, is_private, network_of, private_addresses
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
