"""Desk phones of each family from carton to call: they ask as their family does, wait for an owner, are let in, register and call; and who must get nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.support.box import Box
from tests.support.deskphone import DeskPhone, SignIn
from tests.support.net import SiteNet
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sites import make_site
from tests.support.tone import PROOF, tone_fraction

MACS = {"yealink": "805ec0112233", "poly": "0004f2aabbcc", "grandstream": "c074ad445566", "snom": "000413778899"}
WAYS = {"yealink": "pnp", "poly": "tftp", "grandstream": "http", "snom": "pnp"}
HTTP, TFTP = 8081, 69


def running(box: Box) -> None:
    def ready() -> bool:
        children = json.loads((box.data / "run" / "supervisor.json").read_text())["children"]
        return all(children.get(name, {}).get("ready") for name in ("provisioning", "provisioning-http"))

    wait_until(ready, 60, "the servers for phones")


def macs_given(**macs: str) -> dict[str, Any]:
    site = make_site(phones=4)
    for (_, device), mac in zip(sorted(site["devices"].items()), macs.values(), strict=False):
        device["mac"] = ":".join(mac[at : at + 2] for at in range(0, 12, 2)).upper()
    return site


def moved(phone: DeskPhone, ip: str, last: str) -> None:
    """The phone has another IP address in the same network."""
    row = next(words for line in phone.ns.run("ip", "-o", "-4", "address", "show", "dev", "eth").splitlines() if ip in (words := line.split())[3])
    _, _, length = row[3].partition("/")
    gateway = phone.ns.run("ip", "-4", "route", "show", "default").strip()
    phone.ns.ip("address", "flush", "dev", "eth")
    phone.ns.ip("address", "add", f"{ip.rpartition('.')[0]}.{last}/{length}", "dev", "eth")
    if gateway:
        phone.ns.ip("route", "add", *gateway.split())


def status(phone: DeskPhone, url: str, *options: str) -> str:
    """The HTTP status that `phone` gets."""
    command = phone.ns.argv("curl", "-s", "-A", phone.user_agent, "-o", "/dev/null", "-w", "%{http_code}", *options, url)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def registers(peer: RawPeer, found: SignIn) -> int:
    """The answer to a REGISTER with what a phone was told."""
    own = f"sip:{found.user}@{found.domain}"
    return peer.request("REGISTER", f"sip:{found.domain}", found.proxy, user=found.user, secret=found.password, from_uri=own, to_uri=own).status


@pytest.fixture
def desk(box: Callable[..., Box], site_net: Callable[..., SiteNet]) -> Callable[..., tuple[SiteNet, Box]]:
    def make(site: dict[str, Any], phones: int) -> tuple[SiteNet, Box]:
        net = site_net(phones=phones, wan=False)
        env = {"HOLDFAST_PROVISIONING_PORT": str(HTTP), "HOLDFAST_TFTP_PORT": str(TFTP)}
        made = box(site, ns=net.box, bind=(net.box_lan,), supervised=True, env=env)
        running(made)
        return net, made

    return make


def phones_of(net: SiteNet) -> list[DeskPhone]:
    return [DeskPhone(family, ns, mac, net.box_lan, HTTP, TFTP) for (family, mac), ns in zip(MACS.items(), net.phones, strict=False)]


def test_four_families_from_carton_to_call(desk: Callable[..., tuple[SiteNet, Box]], phone: Callable[..., Any], tmp_path: Path) -> None:
    net, box = desk(macs_given(**MACS), 4)
    asking = phones_of(net)
    for each in asking:
        assert each.start(WAYS[each.family]) is None, "nobody has let it in yet"
    listed = {row["mac"]: row for row in box.rpc("phones.list")["phones"]}
    assert set(listed) == set(MACS.values())
    assert {row["reason"] for row in listed.values()} == {"nobody has let this phone in: enrol it"}
    assert listed[MACS["poly"]]["family"] == "poly"
    assert (listed[MACS["grandstream"]]["model"], listed[MACS["grandstream"]]["firmware"]) == ("grandstream-grp2614", "1.0.7.25")

    assert box.rpc("phones.enrol")["open_s"] > 200
    told: dict[str, SignIn] = {}
    for each in asking:
        found = each.start(WAYS[each.family])
        assert found is not None, each.asked
        told[each.family] = found
        wanted = f"/p/{'x' * 32}/"
        tokens = [url for url, there in each.asked if there and "/p/" in url]
        assert tokens and all(len(url.split("/p/")[1].split("/")[0]) == len(wanted) - 4 for url in tokens)
    assert len({found.user for found in told.values()}) == 4
    assert all(row["current"] and row["enrolled"] for row in box.rpc("phones.list")["phones"])

    # What the phones read is all that they sign in and call with.
    made = [phone(each.family, ip=net.phone_ip(index), ns=each.ns) for index, each in enumerate(asking)]
    for each, found in zip(made, told.values(), strict=True):
        assert each.register(found.user, found.password, found.proxy, domain=found.domain).ok
    call = made[0].call(f"sip:204@{net.box_lan}")
    rung = made[3].incoming()
    call.wait("CONFIRMED")
    rung.wait_heard(200)
    call.wait_heard(200)
    rung.hangup()
    assert tone_fraction(rung.recording, seconds=2) >= PROOF

    # The box comes back with what it knew: no phone is let in twice.
    box.kill9()
    wait_until(lambda: asking[0].start("http"), 40, "settings after a restart")


def test_who_gets_nothing(desk: Callable[..., tuple[SiteNet, Box]]) -> None:
    """A stranger, a phone that takes another's name, a guessed and a copied token, a phone that is forgotten; nothing secret leaves the box."""
    net, box = desk(macs_given(yealink=MACS["yealink"]), 2)
    mine, thief = phones_of(net)[0], DeskPhone("yealink", net.phones[1], "805ec0999999", net.box_lan, HTTP, TFTP)
    box.rpc("phones.enrol")
    assert thief.start("http") is None
    assert thief.start("tftp") is None
    assert [row["reason"] for row in box.rpc("phones.list")["phones"]] == ["no phone of the site has this MAC address"]
    assert mine.start("tftp") is not None
    secret = next(url for url, there in mine.asked if "/p/" in url and there)

    base = f"http://{net.box_lan}:{HTTP}/"
    assert thief.fetch(f"{base}{mine.mac}.boot") is None, "the neighbour table says who asks"
    plain = f"tftp://{net.box_lan}:{TFTP}/"
    assert thief.fetch(f"{plain}{mine.mac}.boot") is None, "over TFTP as well"
    for path in ("../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", f"p/{secret.split('/p/')[1]}", f"{mine.mac}.cfg"):
        assert mine.fetch(f"{plain}{path}") is None, path
    assert subprocess.run(mine.ns.argv("curl", "-s", "--max-time", "10", "-T", "/etc/hostname", f"{plain}{mine.mac}.boot"), check=False).returncode == 69
    nonsense = (b"", b"\0" * 4000, b"SUBSCRIBE sip:MAC%3a" + mine.mac.encode(), os.urandom(1400), b"SUBSCRIBE " * 130)
    with thief.ns.entered(), contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as heap:
        for packet in nonsense * 200:
            heap.sendto(packet, ("224.0.1.75", 5060))
    assert mine.start("pnp") is not None, "plug and play beside a thousand packets of nonsense"
    assert thief.fetch(secret) is None, "an address that was overheard is of no use from another phone"
    assert mine.fetch(secret.replace("/p/", "/p/0")) is None
    assert mine.fetch(f"{base}p/{'0' * 32}/settings.cfg") is None
    for path in ("../../etc/passwd", "p/../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "cfg" + mine.mac, "y000000000124.cfg", ""):
        assert status(mine, base + path, "--path-as-is") in {"404", "400"}, path
    assert status(mine, f"{base}{mine.mac}.cfg", "-T", "/etc/hostname") == "404"
    box.cli("phones", "forget", mine.mac)
    assert mine.fetch(secret) is not None, "the window for every phone is still open"
    moved(mine, net.phone_ip(0), "203")
    assert mine.fetch(secret) is None
    (row,) = (row for row in box.rpc("phones.list")["phones"] if row["mac"] == mine.mac)
    assert row["verdict"] == "twice"
    assert mine.mac in {alarm["code"]: alarm["sentence"] for alarm in box.status()["alarms"]}["phone-twice"]
    box.rpc("phones.enrol", mac=mine.mac)
    assert mine.fetch(secret) is not None, "somebody let this very phone in"
    served = box.rpc("phones.list")["networks"]
    assert len(served) == 1 and ip_address(net.box_lan) in ip_network(served[0])
    editor = box.editor("tests")
    editor.set("provisioning.networks", ["192.0.2.0/24"])
    editor.commit("another network")
    box.rpc("site.activate")
    assert mine.fetch(secret) is None
    assert mine.fetch(f"{plain}{mine.mac}.boot") is None
    assert {row["mac"]: row["verdict"] for row in box.rpc("phones.list")["phones"]}[mine.mac] == "elsewhere"
    editor.set("provisioning.networks", ["192.0.2.0/24", served[0]])
    editor.commit("and the one of the phones")
    box.rpc("site.activate")
    token = secret.split("/p/")[1].split("/")[0]
    assert token not in box.log.read_text()
    with contextlib.ExitStack() as stack, thief.ns.entered():
        for _ in range(60):  # connections that begin a request and say no more
            held = stack.enter_context(contextlib.closing(socket.create_connection((net.box_lan, HTTP), 5)))
            held.sendall(b"G")
        wait_until(lambda: mine.fetch(secret), 60, "settings beside connections that hang")


def test_a_password_that_went_out_while_phones_were_let_in_is_replaced(desk: Callable[..., tuple[SiteNet, Box]], opened: contextlib.ExitStack) -> None:
    """By check-sync after the first registration, through a kill; a phone that does not fetch goes on with the one it has."""
    net, box = desk(macs_given(yealink=MACS["yealink"], poly=MACS["poly"]), 2)
    box.rpc("phones.enrol")
    phones, peers, first = phones_of(net)[:2], [], []
    for index, each in enumerate(phones):
        found = each.start("http")
        assert found is not None, each.asked
        peer = opened.enter_context(RawPeer(net.phone_ip(index), ns=each.ns))
        peer.on_request = partial(peer.reply, code=200)
        assert registers(peer, found) == 200
        assert peer.wait_for("NOTIFY").message.header("Event").startswith("check-sync")
        assert registers(peer, found) == 200, "it has not fetched yet"
        peers.append(peer)
        first.append(found)

    second = phones[0].start("http")
    assert second is not None and second.user == first[0].user and second.password != first[0].password
    assert registers(peers[0], first[0]) == 200, "it has not signed in with the new one yet"
    box.wait_back(other_than=box.kill9())
    wait_until(lambda: registers(peers[0], second) == 200, 40, "the new password after a restart")
    wait_until(lambda: registers(peers[0], first[0]) == 403, 20, "the old one is refused")
    assert registers(peers[0], second) == 200
    again = phones[0].start("http")
    assert again is not None and again.password == second.password
    assert {row["mac"]: row["current"] for row in box.rpc("phones.list")["phones"]} == {phones[0].mac: True, phones[1].mac: False}
    assert registers(peers[1], first[1]) == 200, "it never fetched"
    shown = box.cli("sign-in", "201")
    assert second.password in shown and first[0].password not in shown

    # Nobody lets phones in any more, and the phone is signed in: whoever else says it is this phone gets nothing.
    moved(phones[0], net.phone_ip(0), "203")
    assert phones[0].start("http") is None
    (row,) = (row for row in box.rpc("phones.list")["phones"] if row["mac"] == phones[0].mac)
    assert (row["verdict"], row["ip"], row["refused_ip"].rpartition(".")[2]) == ("twice", net.phone_ip(0), "203")
    said = {alarm["code"]: alarm["sentence"] for alarm in box.status()["alarms"]}["phone-twice"]
    assert f"the one at {row['refused_ip']} gets no settings, the one at {row['ip']} has them" in said
    box.rpc("phones.enrol", mac=phones[0].mac)
    assert "phone-twice" not in {alarm["code"] for alarm in box.status()["alarms"]}
    assert phones[0].start("http") is not None, "somebody let this very phone in"


def test_the_engine_is_away(desk: Callable[..., tuple[SiteNet, Box]]) -> None:
    """A phone that asks while the engine is stopped is told to ask again, and gets its settings afterwards."""
    net, box = desk(macs_given(yealink=MACS["yealink"]), 1)
    mine = phones_of(net)[0]
    box.rpc("phones.enrol")
    assert mine.start("http") is not None
    box.kill9()
    assert status(mine, f"http://{net.box_lan}:{HTTP}/{mine.mac}.boot") in {"503", "200"}
    wait_until(lambda: mine.start("http"), 40, "settings again")


def test_a_commit_makes_exactly_the_changed_phones_fetch(desk: Callable[..., tuple[SiteNet, Box]], opened: contextlib.ExitStack) -> None:
    """NOTIFY check-sync, worded for its family, to the one phone whose settings became others."""
    net, box = desk(macs_given(yealink=MACS["yealink"], poly=MACS["poly"]), 2)
    box.rpc("phones.enrol")
    peers: dict[str, RawPeer] = {}
    for index, each in enumerate(phones_of(net)[:2]):
        found = each.start("http")
        assert found is not None, each.asked
        peer = peers[each.family] = opened.enter_context(RawPeer(net.phone_ip(index), ns=each.ns))
        peer.on_request = partial(peer.reply, code=200)
        assert registers(peer, found) == 200
        peer.wait_for("NOTIFY")  # another password, as after every first registration
        peer.received.clear()
        assert each.start("http") is not None
    wait_until(lambda: all(row["current"] for row in box.rpc("phones.list")["phones"]), 20, "both as set")
    editor = box.editor("tests")
    editor.set("users.user-201", {**editor.show("users.user-201").value, "name": "Renamed"})
    editor.commit("another name")
    box.rpc("site.activate")
    notify = peers["yealink"].wait_for("NOTIFY")
    assert notify.message.header("Event") == "check-sync;reboot=false"
    wait_until(lambda: [row["mac"] for row in box.rpc("phones.list")["phones"] if not row["current"]], 20, "one phone has older settings")
    assert not peers["poly"].requests("NOTIFY")
    assert [row["mac"] for row in box.rpc("phones.list")["phones"] if not row["current"]] == [MACS["yealink"]]
    assert "fetches its settings" in box.cli("phones", "sync", MACS["poly"])
    assert peers["poly"].wait_for("NOTIFY").message.header("Event") == "check-sync"
