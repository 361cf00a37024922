"""Which interfaces lead outside, what the rules say, and what is read back from the kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.network import firewall
from appliance.network.firewall import Banned, Guarded, Leg, Plan, Role, distinct, guard, key_of, merged, on_link

LAN = Leg("lan", ("10.77.0.1/24",), False)
PUBLIC = Leg("wan", ("203.0.113.2/24",), True)
BEHIND_NAT = Leg("wan", ("192.168.50.2/24", "fe80::1/64"), True)
ONE = Leg("eth0", ("192.168.1.5/24", "2001:db8:7::5/64"), True)
LTE = Leg("wwan0", ("100.72.3.4/30",), True)


def ways(*legs: Leg, roles: dict[str, Role | None] | None = None, outside: tuple[str, ...] = ()) -> dict[str, bool]:
    """Each guarded interface, and whether it leads outside only."""
    return {each.interface: not each.near for each in guard(legs, roles or {}, outside)}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ways(LAN), {}),
        (ways(ONE), {"eth0": False}),
        (ways(LAN, PUBLIC), {"wan": True}),
        (ways(LAN, BEHIND_NAT), {"wan": False}),
        (ways(LAN, BEHIND_NAT, outside=("w*",)), {"wan": True}),
        (ways(LAN, BEHIND_NAT, roles={"wan": "wan", "lan": "lan"}), {"wan": True}),
        (ways(LAN, LTE), {"wwan0": True}),
        (ways(ONE, LTE), {"eth0": False, "wwan0": True}),
        # The only leg is open to the LAN, whatever anybody says; software's interfaces are no second one.
        (ways(ONE, outside=("eth0",)), {"eth0": False}),
        (ways(ONE, Leg("docker0", ("172.17.0.1/16",), False), outside=("eth0",)), {"eth0": False}),
        (ways(Leg("wlan0", ("192.168.1.9/24",), True), Leg("eth0", (), False), roles={"wlan0": "wan", "eth0": "lan"}), {"wlan0": False}),
        (ways(PUBLIC), {"wan": False}),
        # IPv6 from the LAN's own router makes the LAN no outside.
        (ways(Leg("lan", ("10.77.0.1/24", "fd00::1/64"), True), PUBLIC), {"lan": False, "wan": True}),
        (ways(), {}),
    ],
)
def test_which_way_is_outside(found: dict[str, bool], expected: dict[str, bool]) -> None:
    assert found == expected


def test_the_lan_of_the_only_leg_is_near() -> None:
    (found,) = guard((ONE,), {}, ())
    assert {"192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "fe80::/10", "2001:db8:7::/64"} <= set(found.near)
    assert not any(each.startswith(("127.", "100.64", "0.")) for each in found.near)


def test_networks_on_the_wires() -> None:
    legs = (LAN, PUBLIC)
    assert on_link(legs, guard(legs, {}, ())) == ("10.77.0.0/24",), "who shares the wire outside is a stranger"
    assert on_link((PUBLIC,), guard((PUBLIC,), {}, ())) == ("203.0.113.0/24",)


def test_addresses_are_merged() -> None:
    assert merged(["10.0.0.7/8", "10.1.2.3", "192.0.2.1/32", "2001:db8::1", "192.0.2.1"]) == ("10.0.0.0/8", "192.0.2.1", "2001:db8::1")


def test_addresses_are_listed_as_they_are() -> None:
    assert distinct(["192.0.2.2", "192.0.2.3/32", "192.0.2.2", "2001:db8::1", "192.0.2.0/31"]) == ("192.0.2.0/31", "192.0.2.2", "192.0.2.3", "2001:db8::1")


def plan(**given: Any) -> Plan:
    return Plan(**{"guarded": (Guarded("wan", ()),), "sip_port": 5060, "sip_tls_port": 5061, "rtp": (20000, 27999), **given})


def rules(made: Plan, chain: str = "outside") -> list[list[dict[str, Any]]]:
    return [c["add"]["rule"]["expr"] for c in firewall.commands(made) if c.get("add", {}).get("rule", {}).get("chain") == chain]


def index(made: Plan, *words: str) -> int:
    """The place of the one rule that says all of `words`."""
    (found,) = [i for i, rule in enumerate(rules(made)) if all(word in json.dumps(rule) for word in words)]
    return found


def test_the_order_is_what_keeps_calls_alive() -> None:
    made = plan(
        guarded=(Guarded("eth0", ("192.168.0.0/16",)),), trunks=("198.51.100.10",), phones=("192.0.2.9", "2001:db8::9"), safe=("192.0.2.64/26",), sip_open=True
    )
    sound, near, safe = index(made, "20000"), index(made, "192.168.0.0", "eth0"), index(made, "192.0.2.64")
    known = index(made, "198.51.100.10", "192.0.2.9"), index(made, "2001:db8::9")
    banned, established = index(made, "@banned4"), index(made, "established")
    assert max(sound, near, safe, *known) < banned < established, "neither a ban nor a stranger's nonsense reaches calls, LAN, carriers and phones"
    everybody = max(i for i, rule in enumerate(rules(made)) if "5061" in json.dumps(rule))
    assert everybody > established and rules(made)[-1] == [{"counter": "closed"}, {"drop": None}]


def test_only_what_a_banned_source_began_is_dropped() -> None:
    made = plan()
    for name in ("@banned4", "@banned6"):
        first = rules(made)[index(made, name)][0]
        assert first["match"]["left"] == {"ct": {"key": "direction"}} and first["match"]["right"] == "original"


def test_nothing_but_sip_is_ever_open_by_a_switch() -> None:
    def ports(made: Plan) -> set[str]:
        found = [each["match"] for rule in rules(made) for each in rule if each.get("match", {}).get("left", {}).get("payload", {}).get("field") == "dport"]
        return {json.dumps(each["right"]) for each in found}

    shut = {json.dumps({"range": [20000, 27999]}), "68", "546"}
    assert ports(plan()) == shut and ports(plan(sip_open=True)) == shut | {json.dumps({"set": [5060, 5061]})}


def test_without_a_way_outside_nothing_is_dropped() -> None:
    made = plan(guarded=())
    assert not rules(made) and rules(made, "input") == [[{"counter": "closed"}, {"accept": None}]]


def test_the_table_is_ours_alone() -> None:
    for command in (
        *firewall.commands(plan(trunks=("192.0.2.1",))),
        *firewall.removal(),
        *firewall.ban("192.0.2.1", "scanner", 60),
        *firewall.unban(["2001:db8::"]),
    ):
        ((_, what),) = command.items()
        ((kind, named),) = what.items()
        assert named["family"] == "inet" and (named["name"] if kind == "table" else named["table"]) == "holdfast"


def test_a_plan_is_told_from_another() -> None:
    assert plan().digest == plan().digest != plan(sip_open=True).digest


def test_ban_keys() -> None:
    assert key_of("192.0.2.7") == "192.0.2.7" == key_of("::ffff:192.0.2.7")
    assert key_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::"
    with pytest.raises(ValueError, match="nobody"):
        key_of("nobody")


def test_what_the_kernel_says_is_read() -> None:
    listing = {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"counter": {"name": "closed", "packets": 7, "bytes": 1}},
            {"counter": {"name": "banned", "packets": 3, "bytes": 1}},
            {"set": {"name": "banned4", "elem": [{"elem": {"val": "192.0.2.66", "timeout": 3600, "expires": 3599, "comment": "scanner"}}, "192.0.2.1"]}},
            {"set": {"name": "banned6"}},
            {"rule": {"chain": "outside", "expr": []}},
            {"rule": {"chain": "outside", "comment": "abc", "expr": []}},
        ]
    }
    found = firewall.read(listing["nftables"])
    assert found == firewall.Loaded("abc", (Banned("192.0.2.66", "scanner", 3600, 3599),), 7, 3)
    assert firewall.read([]) == firewall.Loaded()
