"""netd as a process: who may speak to it, what it refuses, the drill's cut by the real kernel, and that nothing is left of it whoever is killed."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.net import Namespace, SiteNet, privileged, site_net
from tests.support.netd import Netd
from tests.support.proc import wait_until

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged())
HOLD_S = 5.0
"""After so long the kernel heals alone."""


@pytest.fixture(scope="module")
def net() -> Iterator[SiteNet]:
    with site_net(phones=1) as made:
        yield made


@pytest.fixture
def netd(net: SiteNet, tmp_path: Path) -> Iterator[Netd]:
    """One of the test's own: it may be killed."""
    with Netd(tmp_path, net.box) as running:
        yield running


@pytest.fixture(scope="module")
def common(net: SiteNet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Netd]:
    with Netd(tmp_path_factory.mktemp("netd"), net.box) as running:
        yield running


@pytest.fixture
def steady(net: SiteNet, common: Netd) -> Iterator[Netd]:
    """One that lives as long as this file, without a drill before and after."""
    yield common
    common.ok("drill.end")
    wait_until(lambda: "drill" not in tables(net), 5.0, "no table left")


def reaches(ns: Namespace, address: str) -> bool:
    """One datagram to a port nobody has: the far kernel's refusal comes back, or nothing does. To send it works either way, as in an outage."""
    with ns.entered():
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with probe:
        probe.settimeout(0.3)
        try:
            probe.connect((address, 9))
            probe.send(b"x")
            probe.recv(1)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            pass
    return False


def outside(net: SiteNet) -> bool:
    return reaches(net.box, net.carrier_ip)


def inside(net: SiteNet) -> bool:
    return reaches(net.box, net.phone_ip(0)) and reaches(net.phones[0], net.box_lan)


def healed(net: SiteNet, limit_s: float = HOLD_S * 3) -> None:
    wait_until(lambda: outside(net), limit_s, "the internet back")


def tables(net: SiteNet) -> str:
    return net.box.run("nft", "list", "tables")


def test_the_cut_cuts_the_wan_alone_and_ends_by_itself(net: SiteNet, steady: Netd) -> None:
    assert outside(net) and inside(net)
    line = steady.connect()
    found = line.ok("drill.cut", seconds=3)
    assert found["interfaces"] == ["wan"] and found["routers"] == ["203.0.113.1"] and "10.77.0.0/24" in found["near"]
    assert not outside(net) and inside(net)
    assert not reaches(net.carrier, net.box_wan) if net.carrier else False, "nothing comes in either"
    assert steady.ok("drill.state")["cut"] is True
    assert steady.refused("drill.cut", seconds=3) == "drill-runs"
    wait_until(lambda: outside(net), 12.0, "the end of the drill")
    assert inside(net)
    wait_until(lambda: "drill" not in tables(net), 5.0, "no table left")
    line.close()


def test_it_ends_when_it_is_said_and_when_who_asked_is_gone(net: SiteNet, steady: Netd) -> None:
    for leave in (False, True):
        line = steady.connect()
        line.ok("drill.cut", seconds=60)
        assert not outside(net)
        if not leave:
            assert steady.ok("drill.end") == {"was": True}
            assert outside(net), "at once"
        line.close()
        healed(net, 3.0)
        wait_until(lambda: steady.ok("drill.end") == {"was": False}, 5.0, "netd without a drill")


def test_killed_it_heals_without_anybody(net: SiteNet, netd: Netd) -> None:
    line = netd.connect()
    line.ok("drill.cut", seconds=600)
    assert not outside(net) and inside(net)
    netd.kill9()
    healed(net)
    assert inside(net)
    line.close()


def test_killed_at_any_moment_and_started_again_it_heals(net: SiteNet, netd: Netd) -> None:
    chance = random.Random(7)
    for _ in range(4):
        line = netd.connect()
        line.tell("drill.cut", seconds=600)
        looks = chance.randrange(6)
        for _ in range(looks):
            tables(net)  # what takes a few milliseconds
        netd.kill9()
        line.close()
        netd.start()
        assert outside(net) and inside(net)
        assert "drill" not in tables(net)


def test_stopped_in_order_it_leaves_nothing(net: SiteNet, netd: Netd) -> None:
    line = netd.connect()
    line.ok("drill.cut", seconds=600)
    assert netd.stop() == 0
    assert outside(net) and "drill" not in tables(net)
    line.close()


def test_the_rules_of_a_killed_netd_are_renewed_before_anybody_is_banned(net: SiteNet, netd: Netd) -> None:
    """Who is never banned is known by the plan alone, and the one that comes after it has none."""
    plan = {"guarded": [{"interface": "wan", "near": []}], "sip_port": 5060, "sip_tls_port": 5061, "rtp": [20000, 20999], "trunks": [net.carrier_ip]}
    carrier = [{"key": net.carrier_ip, "reason": "by-hand", "seconds": 60}]
    digest = netd.ok("firewall.apply", **plan)["digest"]
    assert netd.ok("firewall.read")["digest"] == digest and netd.refused("firewall.ban", bans=carrier) == "kept"
    netd.kill9()
    netd.start()
    assert netd.ok("firewall.read")["digest"] not in {"", digest}, "the rules are there, and to be renewed or taken away"
    assert netd.refused("firewall.ban", bans=carrier) == "no-rules"
    assert netd.ok("firewall.apply", **plan) == {"digest": digest} == {"digest": netd.ok("firewall.read")["digest"]}
    assert netd.refused("firewall.ban", bans=carrier) == "kept"
    said = [line for line in netd.log.read_text().splitlines() if "firewall.apply by uid" in line]
    assert len(said) == 2 and not any(net.carrier_ip in line for line in said), "the log is no place for whole plans"
    assert netd.stop() == 0
    assert "table inet holdfast\n" not in f"{tables(net)}\n"


def test_name_service_of_the_router_is_cut_and_the_router_is_not(net: SiteNet, steady: Netd) -> None:
    assert net.internet is not None
    with net.internet.entered():
        servers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    with net.box.entered():
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with servers[0], servers[1], asker:
        for server, port in zip(servers, (53, 5353), strict=True):
            server.bind(("203.0.113.1", port))
            server.settimeout(0.5)
        line = steady.connect()
        line.ok("drill.cut", seconds=60)
        for port in (53, 5353):
            asker.sendto(b"?", ("203.0.113.1", port))
        assert servers[1].recv(9) == b"?"
        with pytest.raises(TimeoutError):
            servers[0].recv(9)
        line.close()


def test_what_the_engine_names_is_spared_if_it_is_private(net: SiteNet, steady: Netd) -> None:
    """Phones behind another router of the site are reached by the default route, too."""
    assert net.internet is not None
    net.internet.ip("addr", "replace", "10.99.0.1/32", "dev", "lo")
    assert steady.refused("drill.cut", seconds=9, spare=["198.51.100.10"]) == "parameters"
    assert steady.refused("drill.cut", seconds=9, spare=["0.0.0.0/0"]) == "parameters"
    assert steady.refused("drill.cut", seconds=9, spare=["lan"]) == "parameters"
    line = steady.connect()
    line.ok("drill.cut", seconds=60, spare=["10.99.0.0/16"])
    assert reaches(net.box, "10.99.0.1") and not outside(net)
    line.close()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "protocol"),
        (b"[]", "protocol"),
        (b'{"verb": "drill.cut", "args": {"seconds": ' + b"[" * 100_000, "protocol"),
        (b"\xff\xfe", "protocol"),
        (b'{"verb": "shell", "args": {"command": "reboot"}}', "unknown-verb"),
        (b'{"verb": "drill.cut"}', "parameters"),
        (b'{"verb": "drill.cut", "args": {"seconds": "5"}}', "parameters"),
        (b'{"verb": "drill.cut", "args": {"seconds": 601}}', "parameters"),
        (b'{"verb": "drill.cut", "args": {"seconds": 5, "interface": "lan"}}', "parameters"),
    ],
)
def test_bad_requests_are_refused_and_change_nothing(net: SiteNet, steady: Netd, line: bytes, code: str) -> None:
    connection = steady.connect()
    assert connection.raw(line)["error"]["code"] == code
    assert connection.ok("netd.about")["unable"] == "", "the same connection goes on"
    connection.close()
    assert "drill" not in tables(net)


def test_a_line_without_end_is_hung_up_on(steady: Netd) -> None:
    connection = steady.connect()
    assert connection.raw(b"x" * (2 << 20)) == {}
    connection.close()
    assert steady.ok("netd.about")["unable"] == ""


def test_others_are_not_listened_to(steady: Netd) -> None:
    """Even where the socket's mode would let them."""
    steady.socket.chmod(0o777)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        try:
            code = 0 if steady.connect().raw(b'{"verb": "netd.about"}') == {} else 1
        except OSError:
            code = 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_without_the_right_it_runs_and_says_so(net: SiteNet, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    netd = Netd(tmp_path, net.box, before=["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"])
    with netd:
        assert "CAP_NET_ADMIN" in netd.ok("netd.about")["unable"]
        assert netd.refused("drill.cut", seconds=5) == "unable"
        assert outside(net)


def test_it_keeps_one_right_of_roots(steady: Netd) -> None:
    pid = steady.ok("netd.about")["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    rights = {line.split()[0]: line.split()[1] for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs"))}
    assert int(rights["CapEff:"], 16) == int(rights["CapPrm:"], 16) == int(rights["CapBnd:"], 16) == 1 << 12 and rights["NoNewPrivs:"] == "1"
