"""Which of the box's own addresses a trunk leaves from."""

import pytest

from appliance.network.source import choose_local, route_source
from appliance.types import Address

LOOPBACK, LAN, WAN, SIX = (Address(ip, 5060) for ip in ("127.0.0.1", "192.168.1.1", "100.64.0.1", "2001:db8::1"))
ALL = (LOOPBACK, LAN, WAN, SIX)


@pytest.mark.parametrize(
    ("ip", "listening", "wanted", "used", "route", "expected"),
    [
        pytest.param("192.0.2.1", ALL, "192.168.1.1", WAN, "100.64.0.1", LAN, id="the site's word comes first"),
        pytest.param("192.0.2.1", ALL, "", None, "100.64.0.1", WAN, id="the kernel's route"),
        pytest.param("192.0.2.1", ALL, "10.9.9.9", None, "100.64.0.1", WAN, id="a wanted address that is gone"),
        pytest.param("192.0.2.1", ALL, "", LAN, "100.64.0.1", WAN, id="the route moved"),
        pytest.param("192.0.2.1", ALL, "", WAN, None, WAN, id="without a route nothing moves"),
        pytest.param("192.0.2.1", ALL, "", None, None, LAN, id="without a route the first that is not loopback"),
        pytest.param("192.0.2.1", ALL, "", WAN, "10.0.0.1", LAN, id="routed from an address that is not listened on"),
        pytest.param("192.0.2.1", (LOOPBACK,), "", None, "100.64.0.1", LOOPBACK, id="the only one there is"),
        pytest.param("127.0.0.9", ALL, "", None, None, LOOPBACK, id="loopback for loopback"),
        pytest.param("127.0.0.9", (LAN, WAN), "", None, "127.0.0.1", LAN, id="loopback without a loopback address"),
        pytest.param("2001:db8::9", ALL, "", None, None, SIX, id="the family counts"),
        pytest.param("2001:db8::9", (LAN,), "192.168.1.1", LAN, None, None, id="no address of the family"),
    ],
)
def test_choice(ip: str, listening: tuple[Address, ...], wanted: str, used: Address | None, route: str | None, expected: Address | None) -> None:
    assert choose_local(ip, listening, wanted, used, lambda _: route) == expected


def test_the_kernel_is_asked() -> None:
    assert route_source("127.0.0.1") == "127.0.0.1"
    assert route_source("255.255.255.255") is None, "a broadcast cannot be connected to: an answer of None, not an error"
