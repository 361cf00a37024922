"""The internet goes, in every way it can: calls inside never notice, outside and emergency calls take the gateway in the house at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.box import Box
from tests.support.carrier import Call, Carrier
from tests.support.net import SiteNet, privileged, site_net
from tests.support.pjphone import PjCall, PjPhone
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site, secret
from tests.support.tone import longest_gap_ms, tone_seconds

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged())
TRUST_S, SILENCE_S = 2, 2
AT_ONCE_S = 2.0
"""Less than half of what a silent path would cost; the box itself needs some 50 ms."""
CUTS = 50
OUTSIDE = "912125550123"


@dataclass
class World:
    """`acme` is the carrier over the internet, `pri` a gateway on the LAN."""

    net: SiteNet
    box: Box
    acme: Carrier
    pri: Carrier
    phones: list[PjPhone]

    def wan(self) -> dict[str, Any]:
        found: dict[str, Any] = self.box.rpc("wan")
        return found

    def seen(self, state: str, limit_s: float = 20.0) -> None:
        wait_until(lambda: self.wan()["state"] == state, limit_s, f"the internet {state}")

    def order(self, kind: str) -> list[str]:
        return [way["id"] for way in self.wan()["ways"][kind]]

    def back(self) -> None:
        self.net.restore_wan()
        self.seen("up", 30.0)
        wait_until(lambda: self.order("outside") == ["acme", "pri"], 15.0, "both lines working")

    def dial(self, phone: int, number: str) -> PjCall:
        return self.phones[phone].call(self.box.uri(number))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("survival")
    site = make_site(phones=3)
    with (
        site_net(phones=4) as net,
        Carrier(net.carrier_ip, 5060, ns=net.carrier) as acme,
        Carrier(net.phone_ip(3), 5060, ns=net.phones[3]) as pri,
    ):
        add_trunk(site, "acme", acme.ip, acme.port, health_seconds=5)
        add_trunk(site, "pri", pri.ip, pri.port, health_seconds=5)
        site["wan"] = {"silence_seconds": SILENCE_S, "trust_seconds": TRUST_S}
        phones: list[PjPhone] = []
        try:
            with Box(folder, site, bind=(net.box_lan, net.box_wan), ns=net.box) as box:
                for number in range(3):
                    phone = PjPhone(folder / f"phone-{number}", net.phone_ip(number), ns=net.phones[number])
                    phones.append(phone)
                    assert phone.register(str(201 + number), secret(201 + number), box.sip).ok
                yield World(net, box, acme, pri, phones)
        finally:
            for phone in phones:
                phone.kill()


def arrives(carrier: Carrier, before: int, began: float) -> tuple[Call, float]:
    """The call that comes in at the carrier, and how long it took."""
    call = carrier.wait_call(before)
    return call, call.at - began


def cable(net: SiteNet) -> None:
    net.cut_wan()


def silence(net: SiteNet) -> None:
    net.drop_wan()


def one_way(net: SiteNet) -> None:
    """What the box sends arrives; no answer comes back."""
    assert net.internet is not None
    net.internet.nft("table inet cut_site {\n chain forward {\n type filter hook forward priority 0\n oifname site drop\n }\n}")


LOSSES: tuple[Callable[[SiteNet], None], ...] = (cable, silence, one_way)


def at_the_gateway(world: World, number: str, loss: Callable[[SiteNet], None]) -> None:
    """With the internet down a call goes to the gateway at once, and never to the carrier."""
    ways = world.wan()["ways"]
    assert [way["id"] for way in ways["emergency"]] == ["pri", "acme"], "an emergency call tries everything"
    assert [way["id"] for way in ways["emergency_without_internet"]] == ["pri"]
    # A line that answered a moment ago is left out only when it has missed a question, too.
    assert [way["id"] for way in ways["outside"]] in (["pri", "acme"], ["pri"] if loss is cable else [])
    assert ways["emergency"][0]["kind"] == "gateway" and ways["emergency"][0]["reason"] == "Answers; needs no internet"
    there, here = len(world.acme.calls), len(world.pri.calls)
    began = time.monotonic()
    call = world.dial(0, number)
    _, took_s = arrives(world.pri, here, began)
    call.wait("CONFIRMED")
    assert took_s < AT_ONCE_S and len(world.acme.calls) == there
    call.hangup()


def records(world: World) -> list[dict[str, Any]]:
    """Of calls from the third phone."""
    return [row for row in world.box.rpc("calls.history", limit=20)["calls"] if row["from_number"] == "203"]


def test_a_cable_pulled_out_in_mid_call(world: World) -> None:
    """The call to the outside is freed on both ends and its phone is told; meanwhile everybody else calls as ever."""
    world.back()
    outside = world.dial(2, OUTSIDE).wait("CONFIRMED")
    wait_until(lambda: tone_seconds(outside.recording) > 1, 10.0, "the carrier's tone", interval_s=0.2)
    world.net.cut_wan()
    began = time.monotonic()
    world.seen("down")
    assert "PRI" in (shown := world.box.cli("wan", "status")).upper() and "With the internet down a 911 goes: Pri; then" in " ".join(shown.split())
    at_the_gateway(world, OUTSIDE, cable)
    at_the_gateway(world, "911", cable)
    inside, rung = world.dial(0, "202").wait("CONFIRMED"), world.phones[1].incoming()
    inside.hangup()
    rung.wait("DISCONNECTED")
    outside.wait("DISCONNECTED", 60.0)
    assert time.monotonic() - began <= 40, "10 s of silence, looked at every 5 s, on a slow machine"
    # Its log reaches the disk in blocks: the messages of the next call push out those of the last.
    again, rung = world.dial(2, "202").wait("CONFIRMED"), world.phones[1].incoming()
    again.hangup()
    rung.wait("DISCONNECTED")
    told = world.phones[2].folder / "pjsua.log"
    wait_until(lambda: "The internet is gone" in told.read_text(errors="replace"), 10.0, "the reason on the phone")
    world.box.wait_idle()
    ends = wait_until(lambda: [row["path"][-1] for row in records(world)], 10.0, "the record")
    assert ends.count("The internet is gone") == 1, "and the record says why"


@pytest.mark.parametrize(("loss", "number"), [(silence, OUTSIDE), (one_way, "911")])
def test_silence_behind_a_link_that_is_up(world: World, loss: Callable[[SiteNet], None], number: str) -> None:
    world.back()
    loss(world.net)
    world.seen("down")
    at_the_gateway(world, number, loss)
    world.box.wait_idle()


def test_a_call_in_the_moment_of_the_cut_falls_over_by_itself(world: World) -> None:
    """Nothing is known yet: the path stays silent and the next is taken, as ever."""
    world.back()
    silence(world.net)
    here = len(world.pri.calls)
    call = world.dial(0, OUTSIDE).wait("CONFIRMED", 20.0)
    assert len(world.pri.calls) == here + 1
    call.hangup()
    world.box.wait_idle()


def test_fifty_cuts(world: World) -> None:
    """A call inside outlives fifty cuts of three kinds without a gap, while outside calls get through."""
    world.back()
    local = world.dial(0, "202").wait("CONFIRMED")
    other = world.phones[1].incoming().wait("CONFIRMED")
    chance = random.Random(50)
    for cut in range(CUTS):
        chance.choice(LOSSES)(world.net)
        if cut % 10 == 9:
            world.dial(2, OUTSIDE).wait("CONFIRMED", 20.0).hangup()
        world.net.restore_wan()
        assert [row["state"] for row in world.box.calls() if row["to_number"] == "202"] == ["up"], f"cut {cut}"
    heard = local.stats()["rx"]
    local.wait_heard(heard + 50)
    assert local.state == other.state == "CONFIRMED"
    local.hangup()
    other.wait("DISCONNECTED")
    world.box.wait_idle()
    for each in (local, other):
        assert tone_seconds(each.recording) > 5 and longest_gap_ms(each.recording) < 500
