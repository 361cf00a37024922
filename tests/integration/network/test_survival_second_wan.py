"""Two ways to the internet: when the better one dies, netd puts the other first, trunks register again from there, and all of it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.net import SiteNet, privileged, site_net
from tests.support.netd import Netd
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged())
TRUST_S, SILENCE_S = 2, 2
Two = tuple[SiteNet, Netd, Box, Carrier]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    site = make_site(phones=1)
    folder: Path = tmp_path_factory.mktemp("two-ways")
    with (
        site_net(phones=0, second_path=True) as net,
        Carrier(net.carrier_ip, 5060, ns=net.carrier, accounts={"site": "secret-of-the-site"}) as carrier,
        Netd(folder, net.box) as netd,
    ):
        add_trunk(site, "acme", carrier.ip, carrier.port, username="site", secret="secret-of-the-site")
        site["wan"] = {"silence_seconds": SILENCE_S, "trust_seconds": TRUST_S}
        bind = (net.box_lan, net.box_wan, net.box_wan2)
        with Box(folder, site, bind=bind, ns=net.box, env={"HOLDFAST_NETD": str(netd.socket)}) as box:
            yield net, netd, box, carrier


def leaves_by(net: SiteNet) -> str:
    """The interface the kernel takes to the carrier."""
    words = net.box.ip("route", "get", net.carrier_ip).split()
    return words[words.index("dev") + 1]


def contact(carrier: Carrier) -> str:
    """Where the carrier would call the box now."""
    return carrier.registrations[-1].header("contact") if carrier.registrations else ""


def used(box: Box) -> dict[str, str]:
    return {row["interface"]: row["state"] for row in box.rpc("wan")["uplinks"] if row["used"]}


def back(two: Two) -> None:
    net, _, box, carrier = two
    net.restore_wan()
    net.box.ip("route", "replace", "default", "via", "203.0.113.1", "metric", "100")
    wait_until(lambda: leaves_by(net) == "wan" and used(box) == {"wan": "outside"}, 30.0, "the better way in use again")
    wait_until(lambda: net.box_wan in contact(carrier), 30.0, "registered from the better way")


def cable(net: SiteNet) -> None:
    net.cut_wan()


def silence(net: SiteNet) -> None:
    net.drop_wan()


@pytest.mark.parametrize("loss", [cable, silence])
def test_the_second_way_is_taken_and_given_back(two: Two, loss: Callable[[SiteNet], None]) -> None:
    net, _, box, carrier = two
    back(two)
    assert box.rpc("wan")["uplinks_note"] == ""
    loss(net)
    wait_until(lambda: leaves_by(net) == "wan2", 20.0, "the second way put first")
    wait_until(lambda: net.box_wan2 in contact(carrier), 20.0, "a registration from the second way, with its address in Contact")
    wait_until(lambda: used(box) == {"wan2": "outside"}, 10.0, "the second way in use")
    assert box.rpc("wan")["uplinks_note"].startswith("wan2 is used: wan ")
    assert "wan2 is used" in box.cli("wan", "status")
    back(two)
    assert "proto 117" not in net.box.ip("route"), "the machine's routes are as they were"


def test_who_dies_takes_nothing_with_it(two: Two) -> None:
    """netd killed while it holds a way: the one that comes after it goes on; the engine keeps it up."""
    net, netd, _box, _ = two
    back(two)
    net.cut_wan()
    wait_until(lambda: leaves_by(net) == "wan2", 20.0, "the second way put first")
    netd.kill9()
    netd.start()
    assert leaves_by(net) == "wan2" and netd.ok("routes.state")["interface"] == "wan2"
    back(two)


def test_without_netd_it_says_so(two: Two) -> None:
    net, netd, box, _ = two
    back(two)
    netd.kill9()
    net.drop_wan()
    try:
        alarm = wait_until(lambda: next((a for a in box.status()["alarms"] if a["code"] == "uplink"), None), 20.0, "the alarm")
        assert alarm["sentence"].startswith("wan2 would be the better way to the internet, and it cannot be put first: ")
        assert box.rpc("wan")["uplinks_note"] == alarm["sentence"]
    finally:
        netd.start()
    wait_until(lambda: leaves_by(net) == "wan2", 30.0, "the second way put first by the netd that came back")
    back(two)
    assert "uplink" not in [a["code"] for a in box.status()["alarms"]]


def test_what_is_no_way_out_of_the_machine_is_refused(two: Two) -> None:
    net, netd, _, _ = two
    for interface, gateway in (("wan2", "203.0.113.1"), ("no-such", "203.0.113.1"), ("lan", "10.77.0.9")):
        assert netd.refused("routes.prefer", interface=interface, gateway=gateway) == "no-way-out"
    assert netd.refused("routes.prefer", interface="wan2; reboot", gateway="100.64.2.1") == "parameters"
    assert netd.refused("routes.prefer", interface="wan2", gateway="here") == "parameters"
    assert leaves_by(net) == "wan"
