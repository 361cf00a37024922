"""The box sees what becomes of its WAN: a cable pulled out, silence behind a gateway that is well, one direction lost, and the return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.net import SiteNet, privileged, site_net
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged())
TRUST_S, SILENCE_S = 2, 3


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SiteNet, Box]]:
    site = make_site(phones=1)
    with site_net(phones=0) as net, Carrier(net.carrier_ip, 5060, ns=net.carrier) as carrier:
        add_trunk(site, "acme", carrier.ip, carrier.port)
        site["wan"] = {"silence_seconds": SILENCE_S, "trust_seconds": TRUST_S}
        folder: Path = tmp_path_factory.mktemp("wan")
        with Box(folder, site, bind=(net.box_lan, net.box_wan), ns=net.box) as box:
            yield net, box


def wan(box: Box) -> dict[str, Any]:
    found: dict[str, Any] = box.rpc("wan")
    return found


def seen(box: Box, state: str, limit_s: float) -> dict[str, Any]:
    """The WAN once it is `state`; `limit_s`: what the settings promise, three times over for a slow machine."""
    return wait_until(lambda: (found := wan(box))["state"] == state and found, limit_s * 3, f"the internet {state}")


def back(net: SiteNet, box: Box) -> None:
    net.restore_wan()
    net.box.ip("route", "replace", "default", "via", "203.0.113.1", "metric", "100")
    seen(box, "up", TRUST_S + SILENCE_S)


def test_a_cable_pulled_out(there: tuple[SiteNet, Box]) -> None:
    net, box = there
    assert seen(box, "up", 5.0)["interface"] == "wan"
    net.cut_wan()
    found = seen(box, "down", 1.0)
    assert found["why"] == "wan lost the link" and ("bad", "wan has no link") in [(e["state"], e["sentence"]) for e in found["evidence"]]
    status = box.status()
    assert status["wan"]["state"] == "down" and "wan-down" in [alarm["code"] for alarm in status["alarms"]]
    assert "Internet" in box.cli("status") and "wan lost the link" in box.cli("wan", "status")
    back(net, box)
    assert "wan-down" not in [alarm["code"] for alarm in box.status()["alarms"]]
    down, up = (next(c["at_unix_s"] for c in wan(box)["changes"] if c["state"] == state) for state in ("down", "up"))
    assert up - down >= TRUST_S, "it was watched before it was trusted"


def silent(net: SiteNet) -> None:
    net.drop_wan()


def one_way(net: SiteNet) -> None:
    """What the box sends arrives; no answer comes back."""
    assert net.internet is not None
    net.internet.nft("table inet cut_site {\n chain forward {\n type filter hook forward priority 0\n oifname site drop\n }\n}")


@pytest.mark.parametrize("loss", [silent, one_way])
def test_silence_behind_a_link_that_is_up(there: tuple[SiteNet, Box], loss: Callable[[SiteNet], None]) -> None:
    net, box = there
    back(net, box)
    loss(net)
    found = seen(box, "down", SILENCE_S + 1.0)
    assert "silent" in found["why"] and "lost the link" not in found["why"]
    said = {e["sentence"]: e["state"] for e in found["evidence"]}
    assert said["wan is connected; the way out is 203.0.113.1"] == "ok" and "bad" in said.values()
    back(net, box)


def test_a_dead_name_server_is_poor_and_no_outage(there: tuple[SiteNet, Box]) -> None:
    net, box = there
    back(net, box)
    net.dead_dns()
    try:
        found = seen(box, "poor", SILENCE_S + 5.0)
        assert found["why"] == f"The name server {net.dead_dns_ip} is silent; Acme answers"
    finally:
        net.box.resolv_conf("")
    seen(box, "up", TRUST_S + 5.0)
