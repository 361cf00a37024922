"""The firewall's service without a kernel: netd is a dictionary here. Bounds, bans that are due, who becomes somebody that is never banned."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.app import firewall as module
from appliance.app.firewall import PATIENT_S, FirewallService
from appliance.errors import HoldfastError
from appliance.network.firewall import Banned, Leg, Loaded
from appliance.network.netd.protocol import NetdError
from appliance.sip.admission import Refused
from appliance.site.model.site import Site
from appliance.types import Address, Transport

LEGS = (Leg("lan", ("10.77.0.1/24",), False), Leg("wan", ("203.0.113.2/24",), True))
STRANGER = "192.0.2.66"


class Netd:
    """Does what the kernel would; `fault` is raised instead."""

    def __init__(self) -> None:
        self.digest, self.bans, self.fault = "", dict[str, Any](), None
        self.done: list[str] = []

    async def call(self, _: Any, verb: str, **args: Any) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        self.done.append(verb)
        match verb:
            case "firewall.read":
                return asdict(Loaded(self.digest, tuple(Banned(key, ban["reason"], ban["seconds"], 50) for key, ban in self.bans.items())))
            case "firewall.apply":
                self.digest = "another" if not args["guarded"] else self.wanted
            case "firewall.remove":
                self.digest, self.bans = "", {}
            case "firewall.ban":
                self.bans |= {ban["key"]: ban for ban in args["bans"]}
            case "firewall.unban":
                self.bans = {key: ban for key, ban in self.bans.items() if key not in args["keys"]}
        return {}

    wanted = ""


class Case:
    """A service with what it needs of a box."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **held: Any) -> None:
        self.now, self.netd, self.ips, self.legs = 0.0, Netd(), list[str](), LEGS
        site = Site.model_validate({"firewall": held, "trunks": {"acme": {"name": "Acme", "host": "198.51.100.10", "networks": ["198.51.100.64/28"]}}})
        registrations = SimpleNamespace(all=lambda: [SimpleNamespace(received=SimpleNamespace(ip=ip)) for ip in self.ips])
        names = SimpleNamespace(find=lambda host, *_: [SimpleNamespace(ip=host)], listeners=[])
        box: Any = SimpleNamespace(
            settings=SimpleNamespace(bind=("10.77.0.1",), netd_socket=None, safe_networks=("100.64.7.0/24",), sip_port=5060, sip_tls_port=5061),
            snapshot=SimpleNamespace(site=site),
            names=names, registrations=registrations, endpoint=SimpleNamespace(config=SimpleNamespace(media=SimpleNamespace(first=20000, count=8000))),
        )  # fmt: skip
        self.box, self.service = box, FirewallService(box, lambda: self.now, lambda: self.legs)
        monkeypatch.setattr(module, "call", self.netd.call)

    def look(self) -> str:
        """One round; the state after it."""

        async def once() -> None:
            self.box.loop = asyncio.get_running_loop()
            made = self.service._make
            self.service._make = lambda guarded: self._noted(made(guarded))  # type: ignore[method-assign]
            try:
                await self.service._once()
            except NetdError as error:
                self.service._failed(error)
            self.service._make = made  # type: ignore[method-assign]

        asyncio.run(once())
        return self.service.whole()["state"]

    def _noted(self, plan: Any) -> Any:
        self.netd.wanted = plan.digest
        return plan

    def fails(self, ip: str, times: int, reason: str = "wrong-password") -> None:
        for _ in range(times):
            self.service.refused(Refused("REGISTER", reason, "201", Address(ip, 5060, Transport.UDP), "", self.now, 403))


def test_ten_wrong_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch)
    assert case.look() == "on"
    case.fails(STRANGER, 9)
    case.fails("192.0.2.67", 30, "too-brief")
    case.look()
    assert case.netd.bans == {}
    case.fails(STRANGER, 1)
    case.look()
    assert case.netd.bans == {STRANGER: {"key": STRANGER, "reason": "password", "seconds": 3600}}
    assert [ban["address"] for ban in case.service.bans()["bans"]] == [STRANGER]


@pytest.mark.parametrize("ip", ["10.77.0.11", "192.168.3.4", "198.51.100.10", "198.51.100.66", "203.0.113.2", "100.64.7.9"])
def test_who_is_never_banned(monkeypatch: pytest.MonkeyPatch, ip: str) -> None:
    case = Case(monkeypatch, safe_networks=["203.0.113.0/29"])
    case.look()
    case.fails(ip, 100)
    case.look()
    assert case.netd.bans == {}
    with pytest.raises(HoldfastError, match="is not banned"):
        asyncio.run(case.service.ban(ip, 0, "test"))


def test_who_becomes_somebody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch)
    case.look()
    for ip in (STRANGER, "192.0.2.67", "2001:db8:1:2:3::4"):
        case.fails(ip, 10)
    case.look()
    assert set(case.netd.bans) == {STRANGER, "192.0.2.67", "2001:db8:1:2::"}
    case.ips.append("2001:db8:1:2::9")
    case.service.seen(STRANGER, signed_in=True)
    case.look()
    assert set(case.netd.bans) == {"192.0.2.67"}
    case.ips.clear()
    case.now += 4000.0
    case.fails(STRANGER, 10)
    case.look()
    assert STRANGER not in case.netd.bans, "the count was made while he was known"
    case.fails(STRANGER, 10)
    case.look()
    assert STRANGER in case.netd.bans, "he was last seen an hour ago"


def test_the_set_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attacker with many addresses drives out who would be let in soonest."""
    case = Case(monkeypatch)
    monkeypatch.setattr(module, "MOST_BANS", 3)
    case.look()
    for i in range(5):
        case.fails(f"192.0.2.{i + 1}", 10)
        case.look()
    case.fails("2001:db8::1", 10)
    case.look()
    assert len(case.netd.bans) == 4 and "2001:db8::" in case.netd.bans and "192.0.2.5" in case.netd.bans


def test_rules_that_are_gone_are_put_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch)
    assert case.look() == case.look() == "on" and case.netd.done.count("firewall.apply") == 1
    case.netd.digest = ""
    assert case.look() == "on" and case.netd.done.count("firewall.apply") == 2


def test_a_way_out_that_loses_its_route_stays_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch)
    case.look()
    case.fails(STRANGER, 10)
    case.look()
    for legs in ((LEGS[0], replace(LEGS[1], leads_out=False)), (LEGS[0], Leg("wan", (), False)), LEGS):
        case.legs = legs
        assert case.look() == "on" and case.service.whole()["interfaces"][0]["outside_only"] and STRANGER in case.netd.bans
    case.legs = (LEGS[0], Leg("wan", ("192.168.7.2/24",), False))
    assert case.look() == "on" and not case.service.whole()["interfaces"][0]["outside_only"], "the cable goes elsewhere now"


def test_a_netd_that_is_not_there_yet_or_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch)
    case.netd.fault = NetdError("netd is not there", "wait", code="netd-away")
    assert case.look() == "starting" and case.service.check().level == "ok"
    case.now = PATIENT_S + 1
    assert case.look() == "failed" and case.service.check().level == "look" and "router" in case.service.check().cure
    case.fails(STRANGER, 100)
    case.netd.fault = None
    assert case.look() == "on" and case.netd.bans == {}
    case = Case(monkeypatch)
    case.netd.fault = NetdError("no right", "be root", code="unable")
    assert case.look() == "failed"


def test_switched_off_or_serving_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, enabled=False)
    case.netd.digest = "of before"
    assert case.look() == "off" and case.netd.digest == "" and case.look() == "off" and case.netd.done.count("firewall.remove") == 1
    with pytest.raises(HoldfastError, match="does not run"):
        asyncio.run(case.service.ban(STRANGER, 0, "test"))
    case.netd.fault = NetdError("no right", "be root", code="unable")
    assert case.look() == "off"
    case = Case(monkeypatch)
    case.look()
    case.netd.fault = NetdError("netd is gone", "wait", code="netd-away")
    case.box.snapshot.site = Site.model_validate({"firewall": {"enabled": False}})
    assert case.look() == "failed", "the rules are still there"
    case = Case(monkeypatch)
    case.box.settings.bind = ("127.0.0.1",)
    assert case.look() == "nothing" and case.netd.done == [], "what is on this machine belongs to others"


def test_what_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch)
    case.look()
    with pytest.raises(HoldfastError, match="is not an IP address"):
        asyncio.run(case.service.ban("carrier.example", 0, "test"))
    with pytest.raises(HoldfastError, match=r"192\.0\.2\.1 is not banned"):
        asyncio.run(case.service.unban("192.0.2.1", "test"))


@pytest.mark.parametrize("network", ["203.0.113.0/24", "192.0.2.66/31", "2001:db8:1:2::/48", "2001:db8:1:2::5/128", "0.0.0.0/0"])
def test_a_network_is_not_taken_for_its_first_address(monkeypatch: pytest.MonkeyPatch, network: str) -> None:
    case = Case(monkeypatch)
    case.look()
    for done in (case.service.ban(network, 0, "test"), case.service.unban(network, "test")):
        with pytest.raises(HoldfastError, match="is a network, and a ban is of one address"):
            asyncio.run(done)
    assert case.netd.bans == {}


@pytest.mark.parametrize(
    ("typed", "listed"), [("192.0.2.66/32", "192.0.2.66"), ("2001:db8:1:2::/64", "2001:db8:1:2::/64"), ("2001:db8:1:2::5", "2001:db8:1:2::/64")]
)
def test_what_is_listed_is_let_in(monkeypatch: pytest.MonkeyPatch, typed: str, listed: str) -> None:
    case = Case(monkeypatch)
    case.look()
    asyncio.run(case.service.ban(typed, 0, "test"))
    assert [ban["address"] for ban in case.service.bans()["bans"]] == [listed]
    assert asyncio.run(case.service.unban(listed, "test")) == {"address": listed} and case.netd.bans == {}
