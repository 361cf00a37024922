"""The rules in a real kernel, with real packets: who gets in, who does not, what a ban cuts and what it leaves."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from appliance.network import firewall
from appliance.network.firewall import Guarded, Plan
from tests.support.net import Namespace, SiteNet, privileged, site_net
from tests.support.strangers import SILENT_S, datagrams, pings, scan

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged())
SERVED = (22, 80, 443, 5060, 5061, 8080)
RTP = 20100
V6_BOX, V6_OUT, V6_OTHER = "2001:db8:1::2", "2001:db8:1::1", "2001:db8:1::ffff"


@pytest.fixture(scope="module")
def net() -> Iterator[SiteNet]:
    with site_net(phones=1, second_carrier=True) as made:
        assert made.internet is not None
        made.box.ip("addr", "add", f"{V6_BOX}/48", "dev", "wan", "nodad")
        for address in (V6_OUT, V6_OTHER):
            made.internet.ip("addr", "add", f"{address}/48", "dev", "site", "nodad")
        yield made


@pytest.fixture(autouse=True)
def clean(net: SiteNet) -> Iterator[None]:
    yield
    nft(net, firewall.removal())


def nft(net: SiteNet, commands: Iterable[Any]) -> None:
    net.box.run("nft", "-j", "-f", "-", stdin=json.dumps({"nftables": list(commands)}))


def loaded(net: SiteNet) -> firewall.Loaded:
    return firewall.read(json.loads(net.box.run("nft", "-j", "list", "table", "inet", "holdfast"))["nftables"])


def plan(net: SiteNet, **given: Any) -> Plan:
    usual = {"guarded": (Guarded("wan", ()),), "sip_port": 5060, "sip_tls_port": 5061, "rtp": (20000, 27999), "trunks": (net.carrier_ip,)}
    return Plan(**{**usual, **given})


class Served:
    """Something listens in the box: TCP on SERVED, UDP that answers on 5060 and the RTP port."""

    def __init__(self, box: Namespace) -> None:
        with box.entered():
            self.tcp = [socket.create_server(("", port)) for port in SERVED]
            self.udp = {port: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for port in (68, 5060, RTP, 9999)}
            self.six = socket.create_server(("::", 7000), family=socket.AF_INET6)
        for port, sock in self.udp.items():
            sock.bind(("0.0.0.0", port))
            sock.settimeout(SILENT_S)

    def hears(self, sender: socket.socket, port: int, to: str) -> bool:
        """Whether a datagram to `port` arrives; it is answered."""
        sender.sendto(b"x", (to, port))
        try:
            _, source = self.udp[port].recvfrom(100)
        except TimeoutError:
            return False
        self.udp[port].sendto(b"y", source)
        return True

    def close(self) -> None:
        for sock in (*self.tcp, *self.udp.values(), self.six):
            sock.close()


@pytest.fixture
def served(net: SiteNet) -> Iterator[Served]:
    made = Served(net.box)
    yield made
    made.close()


def opens(ns: Namespace, to: str, port: int, source: str = "") -> bool:
    with ns.entered():
        sock = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(SILENT_S)
    with sock:
        if source:
            sock.bind((source, 0))
        try:
            sock.connect((to, port))
        except TimeoutError:
            return False
    return True


def test_a_stranger_finds_nothing_open_and_the_lan_everything(net: SiteNet, served: Served) -> None:
    assert net.carrier is not None and net.carrier2 is not None
    assert scan(net.carrier2, net.box_wan, SERVED) == set(SERVED), "without the rules all of it is open"
    nft(net, firewall.commands(plan(net)))
    assert scan(net.carrier2, net.box_wan, SERVED) == set()
    assert scan(net.phones[0], net.box_lan, SERVED) == set(SERVED)
    assert scan(net.carrier, net.box_wan, SERVED) == {5060, 5061}, "a carrier gets to SIP and to nothing else"
    with datagrams(net.carrier2) as stranger, datagrams(net.carrier) as carrier:
        assert not served.hears(stranger, 5060, net.box_wan) and served.hears(carrier, 5060, net.box_wan)
        assert served.hears(stranger, RTP, net.box_wan), "sound comes from anywhere"
        assert not served.hears(stranger, 9999, net.box_wan)
        with datagrams(net.carrier2) as dhcp:
            dhcp.bind(("", 67))
            assert served.hears(dhcp, 68, net.box_wan) and not served.hears(stranger, 68, net.box_wan), "only a DHCP server talks to a DHCP client"
    assert pings(net.carrier2, net.box_wan)
    assert loaded(net).turned_away >= len(SERVED)


def test_safe_networks_and_registered_phones(net: SiteNet, served: Served) -> None:
    assert net.carrier2 is not None
    nft(net, firewall.commands(plan(net, phones=(net.carrier2_ip,))))
    assert scan(net.carrier2, net.box_wan, SERVED) == {5060, 5061}
    nft(net, firewall.commands(plan(net, safe=("198.51.100.16/28",))))
    assert scan(net.carrier2, net.box_wan, SERVED) == set(SERVED)
    nft(net, firewall.commands(plan(net, sip_open=True)))
    assert scan(net.carrier2, net.box_wan, SERVED) == {5060, 5061}


def test_the_lan_on_the_same_leg_stays_open(net: SiteNet, served: Served) -> None:
    """As seen from the phone's side the one interface is both."""
    nft(net, firewall.commands(plan(net, guarded=(Guarded("lan", ("10.0.0.0/8",)),))))
    assert scan(net.phones[0], net.box_lan, SERVED) == set(SERVED)
    nft(net, firewall.ban("10.77.0.11", "scanner", 60))
    assert scan(net.phones[0], net.box_lan, SERVED) == set(SERVED), "even a ban that should not be cuts off nobody on the LAN"


def test_a_ban_cuts_what_they_began_and_nothing_of_ours(net: SiteNet, served: Served) -> None:
    assert net.carrier2 is not None
    nft(net, firewall.commands(plan(net, sip_open=True)))
    with datagrams(net.carrier2) as attacker, net.carrier2.entered():
        attacker.bind((net.carrier2_ip, 0))
        asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asked.bind((net.carrier2_ip, 4000))
        asked.settimeout(SILENT_S)
        assert served.hears(attacker, 5060, net.box_wan) and served.hears(attacker, 5060, net.box_wan)
        nft(net, firewall.ban(net.carrier2_ip, "password", 60))
        assert not served.hears(attacker, 5060, net.box_wan), "a conversation that goes on is cut, too"
        assert served.hears(attacker, RTP, net.box_wan)
        # The box asks somebody who is banned (under a forged address, say): the answer comes in.
        ours = served.udp[9999]
        ours.sendto(b"question", (net.carrier2_ip, 4000))
        _, box = asked.recvfrom(100)
        asked.sendto(b"answer", box)
        assert ours.recvfrom(100)[0] == b"answer"
        asked.close()
        nft(net, firewall.unban([net.carrier2_ip]))
        assert served.hears(attacker, 5060, net.box_wan)


def test_bans_end_by_themselves_and_are_kept_over_a_new_plan(net: SiteNet) -> None:
    nft(net, firewall.commands(plan(net)))
    nft(net, firewall.ban("192.0.2.66", "password", 1) + firewall.ban("192.0.2.67", "scanner", 600) + firewall.ban("2001:db8:9::", "sign-in", 600))
    nft(net, firewall.ban("192.0.2.67", "by-hand", 900))
    nft(net, firewall.commands(plan(net, sip_open=True)))
    found = {each.key: (each.reason, each.seconds) for each in loaded(net).banned if each.seconds > 1}
    assert found == {"192.0.2.67": ("by-hand", 900), "2001:db8:9::": ("sign-in", 600)} and loaded(net).digest == plan(net, sip_open=True).digest
    nft(net, firewall.unban(["192.0.2.67", "192.0.2.99"]))
    assert {each.key for each in loaded(net).banned} <= {"2001:db8:9::", "192.0.2.66"}


def test_a_ban_of_ipv6_is_one_of_the_whole_64(net: SiteNet, served: Served) -> None:
    assert net.internet is not None
    nft(net, firewall.commands(plan(net, sip_open=True, safe=(V6_OUT, V6_OTHER))))
    assert opens(net.internet, V6_BOX, 7000, V6_OUT)
    nft(net, firewall.commands(plan(net)))
    assert not opens(net.internet, V6_BOX, 7000, V6_OUT)
    nft(net, firewall.ban(firewall.key_of(V6_OUT), "password", 60))
    before = loaded(net).of_banned
    assert not opens(net.internet, V6_BOX, 7000, V6_OTHER) and loaded(net).of_banned > before


def test_other_tables_are_left_alone(net: SiteNet) -> None:
    net.box.nft("table inet theirs {\n chain input {\n type filter hook input priority 0\n tcp dport 9 drop\n }\n}")
    theirs = net.box.run("nft", "list", "table", "inet", "theirs")
    nft(net, firewall.commands(plan(net)))
    nft(net, firewall.removal())
    assert net.box.run("nft", "list", "ruleset") == theirs
    nft(net, firewall.removal())
