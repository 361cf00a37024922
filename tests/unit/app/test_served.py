"""Which networks' phones get settings: by default those on the box's LAN interfaces, never those that lead outside only."""

from __future__ import annotations

import asyncio
import threading

import pytest

from appliance.app import served
from appliance.app.served import ServedNetworks
from appliance.network.firewall import Leg
from appliance.site.model.site import Site

LEGS = (Leg("eth0", ("192.168.20.1/24", "fd00:20::1/64", "fe80::1/64"), False), Leg("eth1", ("203.0.113.7/29",), True))


@pytest.fixture
def site() -> dict[str, Site]:
    return {"now": Site()}


def asked(networks: ServedNetworks, *addresses: str) -> list[bool]:
    async def ask() -> list[bool]:
        return [await networks.served(address) for address in addresses]

    return asyncio.run(ask())


def test_by_default_the_lan_alone(site: dict[str, Site]) -> None:
    networks = ServedNetworks(lambda: site["now"], lambda: LEGS)
    assert asked(networks, "192.168.20.57", "fd00:20::57", "203.0.113.3", "192.168.21.1", "198.51.100.1") == [True, True, False, False, False]
    assert networks.now() == ("192.168.20.0/24", "fd00:20::/64")
    site["now"] = Site.model_validate({"provisioning": {"networks": ["192.168.21.0/24"]}})
    assert asked(networks, "192.168.20.57", "192.168.21.1") == [False, True]


def test_a_network_that_came_later_and_a_kernel_that_does_not_say(site: dict[str, Site], monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[tuple[Leg, ...]] = [()]

    def look() -> tuple[Leg, ...]:
        if not there:
            raise OSError("no")
        return there[0]

    networks = ServedNetworks(lambda: site["now"], look)
    assert asked(networks, "192.168.20.57") == [False]
    monkeypatch.setattr(served, "AGAIN_S", 0.0)
    there[0] = LEGS
    assert asked(networks, "192.168.20.57") == [True]
    there.clear()
    assert asked(networks, "10.0.0.1", "192.168.20.57") == [False, True], "what was known stays"


def test_many_phones_ask_at_once_after_a_start(site: dict[str, Site]) -> None:
    looks: list[int] = []

    def look() -> tuple[Leg, ...]:
        looks.append(1)
        assert all_asked.wait(10), "the others ask while the first one's look goes on"
        return LEGS

    async def ask(networks: ServedNetworks, last: int, number: int) -> bool:
        if number == last:
            all_asked.set()
        return await networks.served(f"192.168.20.{number}")

    async def ask_all() -> list[bool]:
        networks = ServedNetworks(lambda: site["now"], look)
        return await asyncio.gather(*(ask(networks, 99, number) for number in range(2, 100)))

    all_asked = threading.Event()
    assert asyncio.run(ask_all()) == [True] * 98
    assert len(looks) == 1
