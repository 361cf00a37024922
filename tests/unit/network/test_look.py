"""What is made of the kernel's messages, and whose MAC addresses are phones'."""

import pytest

from appliance.app.network_look import for_phones
from appliance.network.look import Own, name_servers, read
from appliance.network.makers import maker


class Message(dict):
    """A netlink message."""

    def get_attr(self, name):
        return self.get(name)


def addresses(*rows):
    return [Message(index=index, IFA_LOCAL=ip, prefixlen=prefix) for index, ip, prefix in rows]


def test_the_best_way_out_counts_and_links_that_are_down_do_not():
    links = {1: "lo", 2: "eth0", 3: "wlan0"}
    routes = [
        Message(dst_len=0, RTA_GATEWAY="10.0.0.1", RTA_OIF=3, RTA_PRIORITY=600),
        Message(dst_len=0, RTA_GATEWAY="192.168.1.1", RTA_OIF=2, RTA_PRIORITY=100),
        Message(dst_len=0, RTA_GATEWAY="172.16.0.1", RTA_OIF=9, RTA_PRIORITY=1),
        Message(dst_len=24, RTA_OIF=2),
    ]
    neighbours = [
        Message(ifindex=2, state=2, NDA_DST="192.168.1.1", NDA_LLADDR="02:00:00:00:00:01"),
        Message(ifindex=2, state=4, NDA_DST="192.168.1.20", NDA_LLADDR="80:5e:c0:4a:11:7c"),
        Message(ifindex=2, state=0x20, NDA_DST="192.168.1.30", NDA_LLADDR="80:5e:c0:4a:11:7d"),
        Message(ifindex=2, state=1, NDA_DST="192.168.1.31"),
        Message(ifindex=9, state=2, NDA_DST="172.16.0.9", NDA_LLADDR="80:5e:c0:4a:11:7e"),
    ]
    found = read(links, addresses((1, "127.0.0.1", 8), (2, "192.168.1.5", 24), (9, "172.16.0.5", 16)), routes, neighbours)
    assert found.own == (Own("lo", "127.0.0.1", 8), Own("eth0", "192.168.1.5", 24))
    assert (found.gateway, found.gateway_interface, found.gateway_seen) == ("192.168.1.1", "eth0", True)
    assert [(each.address, each.maker) for each in found.neighbours] == [("192.168.1.1", ""), ("192.168.1.20", "Yealink")]


def test_without_a_way_out():
    found = read({1: "lo"}, addresses((1, "127.0.0.1", 8)), [], [])
    assert (found.gateway, found.gateway_seen, found.neighbours) == ("", False, ())


@pytest.mark.parametrize(
    ("own", "served", "outward", "chosen"),
    [
        ([("lo", "127.0.0.1"), ("eth1", "10.0.0.2"), ("eth0", "192.168.1.5")], {"127.0.0.1", "10.0.0.2", "192.168.1.5"}, "eth0", "192.168.1.5"),
        ([("lo", "127.0.0.1"), ("eth1", "10.0.0.2"), ("eth0", "192.168.1.5")], {"127.0.0.1", "10.0.0.2"}, "eth0", "10.0.0.2"),
        ([("lo", "127.0.0.1"), ("eth0", "192.168.1.5")], {"127.0.0.1"}, "eth0", "127.0.0.1"),
        ([("eth0", "192.168.1.5")], set(), "eth0", ""),
    ],
)
def test_the_address_for_phones(own, served, outward, chosen):
    assert for_phones(own, served, outward) == chosen


@pytest.mark.parametrize(("mac", "name"), [("80:5E:C0:4a:11:7c", "Yealink"), ("00-04-13-a2-6e-10", "Snom"), ("02:00:00:00:00:01", ""), ("", "")])
def test_makers(mac, name):
    assert maker(mac) == name


def test_a_silent_name_server_is_told(monkeypatch):
    monkeypatch.setattr("appliance.network.look.system_servers", lambda: (("127.0.0.1", 9),))
    monkeypatch.setattr("appliance.network.look.NAME_WAIT_S", 0.05)
    [server] = name_servers([])
    assert (server.address, server.answer) == ("127.0.0.1", "")
