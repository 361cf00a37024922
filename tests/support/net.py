"""Networks made of kernel namespaces: a box, its phones on a LAN, a WAN with a carrier, a NAT router, a second path, a dead name server.

    with site_net(phones=2, nat=True) as net:
        net.box, net.phones[0], net.carrier        # Namespace: .popen-able through .argv(...), sockets through `with ns.entered():`
        net.cut_wan(); net.drop_wan(); net.restore_wan()

Names are `hf-<pid>-<serial>-<label>`; what a killed test process left behind is swept by `sweep()` at the next session's start.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PREFIX = "hf"
_RUN = Path("/run/netns")
_ETC = Path("/etc/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count(1)


class NetError(AssertionError):
    """A network command failed."""


def run(*argv: str, stdin: str = "") -> str:
    """Run a command to its end and return its output; NetError with what it said when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise NetError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@cache
def privileged() -> str:
    """Empty when namespaces can be made here, else why not (a skip reason)."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft"):
        if not shutil.which(program):
            return f"network namespaces need the program {program}"
    name = f"{PREFIX}-{os.getpid()}-0-try"
    try:
        run("ip", "netns", "add", name)
        try:
            run("ip", "-n", name, "link", "add", "name", "t0", "type", "veth", "peer", "name", "t1")
        finally:
            run("ip", "netns", "del", name)
    except (NetError, subprocess.TimeoutExpired) as error:
        return f"no network namespaces here: {error}"
    return ""


@dataclass(frozen=True)
class Namespace:
    """One network namespace, loopback up."""

    name: str
    label: str

    def argv(self, *command: str | Path) -> list[str]:
        """The command line that runs `command` inside."""
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command: str | Path, stdin: str = "") -> str:
        """Run a command inside to its end; its output."""
        return run(*self.argv(*command), stdin=stdin)

    def ip(self, *words: str) -> str:
        """`ip -n <name> …`."""
        return run("ip", "-n", self.name, *words)

    def nft(self, rules: str) -> None:
        """Load an nftables script."""
        self.run("nft", "-f", "-", stdin=rules + "\n")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in the namespace inside the block: a socket made there stays there for its life."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            inside = os.open(_RUN / self.name, os.O_RDONLY)
            try:
                _setns(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def pids(self) -> list[int]:
        """Processes living inside."""
        return [int(word) for word in run("ip", "netns", "pids", self.name).split()]

    def resolv_conf(self, text: str) -> None:
        """What /etc/resolv.conf says to programs started inside from now on."""
        folder = _ETC / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "resolv.conf").write_text(text, encoding="ascii")


def _setns(handle: int) -> None:
    if _libc.setns(handle, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _remove(name: str) -> None:
    """End what still runs inside a namespace of ours and delete it; the kernel takes its links down with it."""
    for word in run("ip", "netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(word), signal.SIGKILL)
    run("ip", "netns", "del", name)
    shutil.rmtree(_ETC / name, ignore_errors=True)


def sweep() -> list[str]:
    """Remove namespaces whose test process is gone; returns their names. Called once at session start."""
    gone = []
    for entry in sorted(_RUN.glob(f"{PREFIX}-*")) if _RUN.is_dir() else []:
        match = re.fullmatch(rf"{PREFIX}-(\d+)-\d+-\w+", entry.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            with contextlib.suppress(NetError):
                _remove(entry.name)
                gone.append(entry.name)
    for folder in _ETC.glob(f"{PREFIX}-*") if _ETC.is_dir() else []:
        if not (_RUN / folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)
    return gone


class Net:
    """Makes namespaces and joins them; `close()` removes everything it made."""

    def __init__(self) -> None:
        self._tag = f"{PREFIX}-{os.getpid()}-{next(_serial)}"
        self._made: list[Namespace] = []

    def namespace(self, label: str, *, forward: bool = False) -> Namespace:
        """A new namespace; `forward`: it routes IPv4."""
        ns = Namespace(f"{self._tag}-{label}", label)
        run("ip", "netns", "add", ns.name)
        self._made.append(ns)
        ns.ip("link", "set", "dev", "lo", "up")
        # Without an own file the machine's resolv.conf would show through: no test may ask a real name server.
        ns.resolv_conf("")
        if forward:
            ns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        return ns

    def switch(self, label: str) -> Namespace:
        """A namespace that is only an Ethernet switch (bridge `br`)."""
        ns = self.namespace(label)
        ns.ip("link", "add", "name", "br", "type", "bridge")
        ns.ip("link", "set", "dev", "br", "up")
        return ns

    def plug(self, ns: Namespace, device: str, cidr: str, switch: Namespace, *, gateway: str = "") -> None:
        """A cable from `ns` (its interface `device`, address `cidr`) to a switch."""
        port = f"{ns.label}-{device}"[:15]
        ns.ip("link", "add", "name", device, "type", "veth", "peer", "name", port, "netns", switch.name)
        switch.ip("link", "set", "dev", port, "master", "br", "up")
        self._address(ns, device, cidr, gateway)

    def cable(self, one: tuple[Namespace, str, str], other: tuple[Namespace, str, str]) -> None:
        """A cable straight between two namespaces; each end is (namespace, device, address/length)."""
        (a, a_device, a_cidr), (b, b_device, b_cidr) = one, other
        a.ip("link", "add", "name", a_device, "type", "veth", "peer", "name", b_device, "netns", b.name)
        self._address(a, a_device, a_cidr, "")
        self._address(b, b_device, b_cidr, "")

    def _address(self, ns: Namespace, device: str, cidr: str, gateway: str) -> None:
        ns.ip("addr", "add", cidr, "dev", device)
        ns.ip("link", "set", "dev", device, "up")
        if gateway:
            ns.ip("route", "add", "default", "via", gateway)

    def close(self) -> None:
        for ns in reversed(self._made):
            with contextlib.suppress(NetError):
                _remove(ns.name)
        self._made.clear()


@dataclass
class SiteNet:
    """A site and the world outside it. Addresses are the same in every test; the namespaces keep them apart.

    box: LAN 10.77.0.1; WAN 203.0.113.2 (or 192.168.50.2 behind `nat`, whose outside is 203.0.113.2); second path 100.64.2.2.
    phones: 10.77.0.11, .12, … on the LAN, default route to the box. carriers: 198.51.100.10 and .20. Dead name server: 198.51.100.53.
    """

    box: Namespace
    phones: list[Namespace]
    lan: Namespace
    internet: Namespace | None = None
    nat: Namespace | None = None
    carrier: Namespace | None = None
    carrier2: Namespace | None = None
    second_path: bool = False
    box_lan: str = "10.77.0.1"
    box_wan: str = ""
    box_wan2: str = ""
    public: str = "203.0.113.2"
    """What the carrier sees the box as."""
    carrier_ip: str = "198.51.100.10"
    carrier2_ip: str = "198.51.100.20"
    dead_dns_ip: str = "198.51.100.53"
    _net: Net = field(default_factory=Net)

    def phone_ip(self, index: int) -> str:
        return f"10.77.0.{11 + index}"

    def _edge(self) -> Namespace:
        assert self.internet is not None, "this network was made without a WAN"
        return self.internet

    def cut_wan(self) -> None:
        """Pull the WAN cable out of the box: its interface loses carrier. Its routes stay, marked linkdown, as the kernel leaves them."""
        (self.nat or self._edge()).ip("link", "set", "dev", "inside" if self.nat else "site", "down")

    def drop_wan(self, path: str = "site") -> None:
        """The quiet failure: every link stays up, every packet over the WAN path ("site", or "site2" for the second) vanishes."""
        self._edge().nft(
            f"table inet cut_{path} {{\n chain forward {{\n type filter hook forward priority 0\n"
            f" iifname {path} drop\n oifname {path} drop\n }}\n"
            f" chain input {{\n type filter hook input priority 0\n iifname {path} drop\n }}\n}}"
        )

    def restore_wan(self) -> None:
        """Undo `cut_wan` and `drop_wan`."""
        edge = self._edge()
        for path in ("site", "site2"):
            edge.nft(f"table inet cut_{path}\ndelete table inet cut_{path}")
        (self.nat or edge).ip("link", "set", "dev", "inside" if self.nat else "site", "up")
        # An address asked for in vain during the cut is asked again only a second later; tests need not wait for that.
        self.box.ip("neigh", "flush", "dev", "wan")

    def forget_nat(self) -> None:
        """Drop the NAT router's port mappings, as a router restart does."""
        assert self.nat is not None
        self.nat.nft("flush ruleset")
        self.nat.nft(_MASQUERADE)

    def dead_dns(self, *namespaces: Namespace) -> None:
        """Point namespaces (the box by default) at a name server whose packets vanish: a look-up hangs until its own time-out."""
        for ns in namespaces or (self.box,):
            ns.resolv_conf(f"nameserver {self.dead_dns_ip}\n")

    def close(self) -> None:
        self._net.close()


_MASQUERADE = 'table ip nat {\n chain post {\n type nat hook postrouting priority 100\n oifname "outside" masquerade\n }\n}'


@contextlib.contextmanager
def site_net(
    phones: int = 2, *, wan: bool = True, nat: bool = False, second_path: bool = False, second_carrier: bool = False, dead_dns: bool = False
) -> Iterator[SiteNet]:
    """Build the topology of SiteNet and take it down again, whatever happens inside."""
    net = Net()
    try:
        lan = net.switch("lan")
        box = net.namespace("box")
        net.plug(box, "lan", "10.77.0.1/24", lan)
        site = SiteNet(box=box, phones=[], lan=lan, _net=net)
        for index in range(phones):
            phone = net.namespace(f"phone{index}")
            net.plug(phone, "eth", f"{site.phone_ip(index)}/24", lan, gateway="10.77.0.1")
            site.phones.append(phone)
        if wan:
            _build_wan(net, site, nat=nat, second_path=second_path, second_carrier=second_carrier)
        if dead_dns:
            site.dead_dns()
        yield site
    finally:
        net.close()


def _build_wan(net: Net, site: SiteNet, *, nat: bool, second_path: bool, second_carrier: bool) -> None:
    internet = site.internet = net.namespace("inet", forward=True)
    if nat:
        router = site.nat = net.namespace("nat", forward=True)
        net.cable((site.box, "wan", "192.168.50.2/24"), (router, "inside", "192.168.50.1/24"))
        net.cable((router, "outside", "203.0.113.2/24"), (internet, "site", "203.0.113.1/24"))
        router.ip("route", "add", "default", "via", "203.0.113.1")
        router.nft(_MASQUERADE)
        site.box_wan = "192.168.50.2"
        site.box.ip("route", "add", "default", "via", "192.168.50.1", "metric", "100")
    else:
        net.cable((site.box, "wan", "203.0.113.2/24"), (internet, "site", "203.0.113.1/24"))
        site.box_wan = "203.0.113.2"
        site.box.ip("route", "add", "default", "via", "203.0.113.1", "metric", "100")
    if second_path:
        net.cable((site.box, "wan2", "100.64.2.2/24"), (internet, "site2", "100.64.2.1/24"))
        site.box.ip("route", "add", "default", "via", "100.64.2.1", "metric", "200")
        site.box_wan2 = "100.64.2.2"
        site.second_path = True
    # The carriers' side: one switch, so that the dead name server's address exists on it only as silence.
    core = net.switch("core")
    net.plug(internet, "core", "198.51.100.1/24", core)
    site.carrier = net.namespace("carrier")
    net.plug(site.carrier, "eth", f"{site.carrier_ip}/24", core, gateway="198.51.100.1")
    if second_carrier:
        site.carrier2 = net.namespace("carrier2")
        net.plug(site.carrier2, "eth", f"{site.carrier2_ip}/24", core, gateway="198.51.100.1")
    # Dropped before it can be answered "host unreachable": a dead name server says nothing at all.
    internet.nft(f"table inet dead {{\n chain forward {{\n type filter hook forward priority -10\n ip daddr {site.dead_dns_ip} drop\n }}\n}}")


def command_in(namespace: Namespace | None, argv: Sequence[str | Path]) -> list[str]:
    """`argv` as it must be started: inside `namespace`, or as it is."""
    return namespace.argv(*argv) if namespace else [str(word) for word in argv]
