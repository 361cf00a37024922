"""The firewall of a running box: strangers outside, the carrier, the LAN; bans of those who guess passwords, and of nobody else; netd killed, rules flushed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.box import Box, BoxError
from tests.support.carrier import Carrier
from tests.support.net import SiteNet, privileged, site_net
from tests.support.netd import Netd
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sites import add_trunk, secret
from tests.support.strangers import scan
from tests.support.web import PASSWORD, Visitor, office

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged())
LIMIT_S = 30.0
"""The engine looks every 10 s."""
STRANGER, HOME, OTHER = "198.51.100.20", "198.51.100.21", "198.51.100.22"
"""All outside, in one namespace."""
Place = tuple[SiteNet, Box, Carrier]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    site = office(phones=2)
    with ExitStack() as opened:
        net = opened.enter_context(site_net(phones=1, second_carrier=True))
        assert net.carrier2 is not None
        for address in (HOME, OTHER):
            net.carrier2.ip("addr", "add", f"{address}/24", "dev", "eth")
        carrier = opened.enter_context(Carrier(net.carrier_ip, 5060, ns=net.carrier))
        add_trunk(site, "acme", carrier.ip, carrier.port, health_seconds=10)
        folder: Path = tmp_path_factory.mktemp("firewall")
        box = opened.enter_context(Box(folder, site, bind=(net.box_lan, net.box_wan), ns=net.box, supervised=True))
        wait_until(lambda: firewall(box)["state"] == "on", 60.0, "the firewall up", interval_s=0.1)
        yield net, box, carrier


def firewall(box: Box) -> dict[str, Any]:
    found: dict[str, Any] = box.rpc("firewall")
    return found


def banned(box: Box) -> dict[str, str]:
    return {ban["address"]: ban["reason"] for ban in box.rpc("firewall.bans")["bans"]}


def opened_to(box: Box) -> dict[str, list[str]]:
    return {row["what"]: row["sources"] for row in firewall(box)["open"]}


def settings(box: Box, **fields: Any) -> None:
    """The firewall's settings, put into force and seen in the kernel."""
    box.editor().set("firewall", fields)
    if box.editor().pending():
        box.editor().commit("by a test")
    box.activate()
    safe, sip_open = fields.get("safe_networks", []), fields.get("sip_open", False)

    def held() -> bool:
        found = opened_to(box)
        return firewall(box)["state"] == "on" and found.get("safe", []) == safe and ("everybody" in found) == sip_open

    wait_until(held, LIMIT_S, "the rules", interval_s=0.1)


def health(box: Box) -> tuple[str, str]:
    """Level and sentence of the firewall's check."""
    return next(((check["level"], check["sentence"]) for check in box.rpc("health")["checks"] if check["name"] == "firewall"), ("", ""))


def ports(box: Box) -> dict[str, int]:
    return {"sip": box.sip_port, "tls": box.tls_port, "web": int(box.env["HOLDFAST_HTTP_PORT"]), "settings": int(box.env["HOLDFAST_PROVISIONING_PORT"])}


def register(peer: RawPeer, box: Box, password: str, agent: str = "") -> int:
    """The status of the final answer; 0: silence."""
    own = f"sip:201@{box.bind[1]}"
    try:
        return peer.request(
            "REGISTER", own, (box.bind[1], box.sip_port), user="201", secret=password, from_uri=own, to_uri=own, timeout_s=1.0,
            headers=[("User-Agent", agent)] if agent else [],
        ).status  # fmt: skip
    except AssertionError:
        return 0


def test_a_stranger_finds_nothing_the_carrier_sip_and_the_lan_everything(there: Place) -> None:
    net, box, _ = there
    assert net.carrier is not None and net.carrier2 is not None
    all_of_them = set(ports(box).values())
    wait_until(lambda: scan(net.phones[0], net.box_lan, all_of_them) == all_of_them, LIMIT_S, "everything serves the LAN", interval_s=0.1)
    assert scan(net.carrier2, net.box_wan, {*all_of_them, 22}) == set()
    assert scan(net.carrier, net.box_wan, all_of_them) == {box.sip_port, box.tls_port}
    found = firewall(box)
    assert [(each["name"], each["outside_only"]) for each in found["interfaces"]] == [("wan", True)]
    assert opened_to(box)["trunks"] == [net.carrier_ip]
    wait_until(lambda: health(box) == ("ok", "The firewall guards wan"), LIMIT_S, "it in the machine's health", interval_s=0.2)


def test_who_guesses_passwords_is_banned_until_somebody_lets_him_in(there: Place) -> None:
    net, box, _ = there
    settings(box, sip_open=True)
    with RawPeer(STRANGER, ns=net.carrier2) as attacker:
        assert register(attacker, box, "wrong") == 403
        wait_until(lambda: register(attacker, box, "wrong") == 0, LIMIT_S, "silence")
        wait_until(lambda: banned(box) == {STRANGER: "password"}, LIMIT_S, "the ban told")
        assert scan(net.carrier2, net.box_wan, {box.sip_port}) == set()
        assert STRANGER in box.cli("firewall", "bans") and "banned" in box.cli("firewall", "status")
        box.cli("firewall", "unban", STRANGER)
        assert banned(box) == {} and register(attacker, box, secret(201)) == 200


def test_a_scanner_is_banned_sooner(there: Place) -> None:
    net, box, _ = there
    settings(box, sip_open=True)
    with RawPeer(HOME, ns=net.carrier2) as scanner:
        for _ in range(2):
            scanner.send(scanner.request_bytes("OPTIONS", f"sip:100@{net.box_wan}", headers=[("User-Agent", "friendly-scanner")]), (net.box_wan, box.sip_port))
        wait_until(lambda: banned(box) == {HOME: "scanner"}, LIMIT_S, "the ban")
    box.rpc("firewall.unban", address=HOME)


def test_a_phone_at_an_administrators_home_is_not_banned(there: Place) -> None:
    """Who fails so often that it would be, while somebody is signed in from the same address; and a ban that was there already is lifted."""
    net, box, _ = there
    settings(box, sip_open=True, safe_networks=[HOME])
    visitor = Visitor(None, HOME, to=(net.box_wan, ports(box)["web"]), ns=net.carrier2)
    assert visitor.sign_in("dana", PASSWORD).status == 303
    settings(box, sip_open=True)
    with RawPeer(HOME, ns=net.carrier2) as phone, RawPeer(OTHER, ns=net.carrier2) as other:
        for _ in range(15):
            assert register(phone, box, "wrong") == 403
        wait_until(lambda: register(other, box, "wrong") == 0, LIMIT_S, "another one is banned for the same")
        assert register(phone, box, "wrong") == 403 and set(banned(box)) == {OTHER}
        with pytest.raises(BoxError) as refused:
            box.rpc("firewall.ban", address=HOME)
        assert refused.value.code == "kept" and "administrator" in str(refused.value)
        box.rpc("firewall.seen", address=OTHER, signed_in=True)
        wait_until(lambda: banned(box) == {}, LIMIT_S, "the ban lifted")
        assert register(other, box, "wrong") == 403


def test_guessing_at_the_pages_is_counted(there: Place) -> None:
    _, box, _ = there
    address = "203.0.113.77"
    for _ in range(10):
        box.rpc("firewall.seen", address=address, signed_in=False)
    wait_until(lambda: banned(box).get(address) == "sign-in", LIMIT_S, "the ban")
    box.rpc("firewall.unban", address=address)


@pytest.mark.parametrize("address", ["10.77.0.11", "192.168.1.1", "198.51.100.10", "127.0.0.1", "fe80::1"])
def test_lan_and_carriers_are_never_banned(there: Place, address: str) -> None:
    _, box, _ = there
    with pytest.raises(BoxError) as refused:
        box.rpc("firewall.ban", address=address)
    assert refused.value.code == "kept"


def test_a_registered_phone_outside_gets_in_and_stays(there: Place) -> None:
    """SIP is closed to strangers again: who is registered is none."""
    net, box, _ = there
    settings(box, sip_open=True)
    with RawPeer(HOME, ns=net.carrier2) as phone:
        assert register(phone, box, secret(201)) == 200
        settings(box)
        wait_until(lambda: HOME in opened_to(box).get("phones", []), LIMIT_S, "the phone's address in the rules")
        assert register(phone, box, secret(201)) == 200
        with pytest.raises(BoxError) as refused:
            box.rpc("firewall.ban", address=HOME)
        assert "phone" in str(refused.value)


def test_a_call_goes_on_through_new_rules_a_killed_netd_and_a_flush(there: Place, tmp_path: Path) -> None:
    net, box, carrier = there
    with PjPhone(tmp_path / "phone", net.phone_ip(0), ns=net.phones[0]) as phone:
        assert phone.register("202", secret(202), box.sip).ok
        call = phone.call(box.uri("2025550199"))
        call.wait("CONFIRMED")
        far = carrier.wait_call(-1)
        wait_until(lambda: far.rtp.heard() > 20, LIMIT_S, "sound")
        since = far.rtp.heard()
        box.rpc("firewall.ban", address="192.0.2.66", minutes=5)
        settings(box, safe_networks=["192.0.2.128/25"])
        settings(box)
        before = netd_pid(box)
        os.kill(before, signal.SIGKILL)
        assert "@banned4" in net.box.run("nft", "list", "table", "inet", "holdfast"), "the kernel keeps the rules"
        wait_until(lambda: netd_pid(box) not in {0, before}, LIMIT_S, "netd back", interval_s=0.1)
        assert "192.0.2.66" in banned(box)
        net.box.run("nft", "flush", "ruleset")
        wait_until(lambda: "jump outside" in net.box.run("nft", "list", "ruleset"), LIMIT_S, "the rules put up again", interval_s=0.2)
        heard = far.rtp.heard()
        wait_until(lambda: far.rtp.heard() > heard + 20 and heard > since, LIMIT_S, "sound after it all")
        assert far.rtp.longest_silence_ms(since) < 500
        call.hangup()
        far.wait("BYE")


def netd_pid(box: Box) -> int:
    """0: it is not there."""
    child = json.loads((box.data / "run" / "supervisor.json").read_text())["children"]["netd"]
    return int(child["pid"] or 0) if child["ready"] else 0


def test_switched_off_and_on(there: Place) -> None:
    net, box, _ = there
    assert net.carrier2 is not None
    box.editor().set("firewall", {"enabled": False})
    box.editor().commit("by a test")
    box.activate()
    wait_until(lambda: firewall(box)["state"] == "off", LIMIT_S, "the firewall off")
    web = {ports(box)["web"]}
    assert "holdfast" not in net.box.run("nft", "list", "ruleset") and scan(net.carrier2, net.box_wan, web) == web
    with pytest.raises(BoxError) as refused:
        box.rpc("firewall.ban", address="192.0.2.66")
    assert refused.value.code == "firewall-off"
    settings(box)
    assert scan(net.carrier2, net.box_wan, web) == set()


def test_the_pages_and_the_api(there: Place) -> None:
    net, box, _ = there
    box.rpc("firewall.ban", address="192.0.2.67")
    visitor = Visitor(None, net.phone_ip(0), to=(net.box_lan, ports(box)["web"]), ns=net.phones[0])
    assert visitor.sign_in("dana", PASSWORD).status == 303
    page = visitor.get("/lines/firewall?wait=1").text
    assert net.carrier_ip in page and "192.0.2.67" in page
    assert visitor.post("/lines/firewall", {"form": "unban", "address": "192.0.2.67"}).status == 303
    assert banned(box) == {} and json.loads(visitor.get("/api/v1/firewall/bans").text) == {"bans": []}
    assert json.loads(visitor.get("/api/v1/firewall/status").text)["state"] == "on"


def test_a_box_that_is_stopped_leaves_nothing_behind(there: Place) -> None:
    net, box, _ = there
    box.stop()
    assert net.box.run("nft", "list", "ruleset") == ""


def test_one_leg_first_without_the_right_to_guard_it(tmp_path: Path) -> None:
    """The usual box: the router is on the LAN, and what comes from the internet comes in by the same cable. Its netd may do nothing at first."""
    powerless = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"]
    with site_net(phones=2, wan=False) as net, Netd(tmp_path, net.box, before=powerless) as netd:
        router, stranger = net.phones[0], "198.51.100.77"
        net.box.ip("route", "add", "default", "via", net.phone_ip(0))
        router.ip("addr", "add", f"{stranger}/32", "dev", "lo")
        with Box(tmp_path, office(1), bind=(net.box_lan,), ns=net.box, env={"HOLDFAST_NETD": str(netd.socket)}) as box:
            found = wait_until(lambda: (now := firewall(box))["state"] == "failed" and now, LIMIT_S, "the firewall given up", interval_s=0.1)
            assert "CAP_NET_ADMIN" in found["why"] and "router" in found["cure"]
            wait_until(lambda: health(box) == ("look", found["why"]), LIMIT_S, "it in the machine's health", interval_s=0.2)
            with pytest.raises(AssertionError, match="There is no firewall"):
                box.cli("firewall", "status")
            netd.kill9()
            able = Netd(tmp_path / "able", net.box)
            able.socket = netd.socket
            with able:
                wait_until(lambda: firewall(box)["state"] == "on", LIMIT_S, "the firewall up", interval_s=0.1)
                assert [(each["name"], each["outside_only"]) for each in firewall(box)["interfaces"]] == [("lan", False)]
                sip = {box.sip_port, box.tls_port}
                assert scan(net.phones[1], net.box_lan, sip) == scan(router, net.box_lan, sip) == sip
                assert scan(router, net.box_lan, sip, stranger) == set()
                with pytest.raises(BoxError) as refused:
                    box.rpc("firewall.ban", address=net.phone_ip(1))
                assert refused.value.code == "kept"
                for address in (net.phone_ip(1), net.phone_ip(0)):
                    assert able.refused("firewall.ban", bans=[{"key": address, "reason": "by-hand", "seconds": 60}]) == "kept"
