"""Desk phones for tests of provisioning: settings to render, parsers of what was rendered, and phones that start by their family's own sequence."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from provisioning.phone import Line, Phone
from tests.support.net import Namespace


def phone(**fields: Any) -> Phone:
    """A Yealink at extension 201; `fields` replace what it says."""
    line = Line(user="user-201", password='p<&"w 1', display="Zoë <b>", label="201", voicemail="*98")
    given = {
        "mac": "805ec0112233", "model": "yealink-t33g", "domain": "holdfast.local", "address": "192.168.1.2", "port": 5060, "lines": (line,),
        "emergency": ("911", "933"), "zone": "EST5EDT,M3.2.0,M11.1.0", "ntp": "192.168.1.2", "admin_password": "a&dmin",
        "url": "http://192.168.1.2:8081/p/0123456789abcdef/",
    }  # fmt: skip
    return Phone.model_validate({**given, **fields})


def lines(data: bytes) -> dict[str, str]:
    """Yealink: `key = value`, the first line a mark of the version."""
    first, *rest = data.decode().splitlines()
    assert first == "#!version:1.0.0.1"
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in rest if line and not line.startswith("#"))}


def poly(data: bytes) -> dict[str, str]:
    root = etree.fromstring(data)
    assert root.tag == "polycomConfig"
    return dict(root.attrib)


def grandstream(data: bytes) -> dict[str, str]:
    root = etree.fromstring(data)
    assert root.tag == "gs_provision"
    config = root.find("config")
    if config.get("version") == "1":
        return {each.tag: each.text or "" for each in config}
    return {f"{item.get('name')}.{part.get('name')}": part.text or "" for item in config for part in item}


def snom(data: bytes) -> dict[str, str]:
    found = etree.fromstring(data).find("phone-settings")
    return {each.tag + (f".{each.get('idx')}" if each.get("idx") else ""): each.text or "" for each in found}


# ---- phones that start -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignIn:
    """What a phone found in its settings."""

    user: str
    password: str
    domain: str
    proxy: tuple[str, int]


@dataclass
class DeskPhone:
    """A phone of `family` in a namespace: it takes the MAC address, asks `server` as that family does, and follows what it is told.

    `start("tftp")`, `start("http")`, `start("pnp")` -> SignIn, or None when it ended without settings. `asked`: (address, found) of every request.
    """

    family: str
    ns: Namespace
    mac: str
    server: str
    http_port: int
    tftp_port: int
    asked: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        pairs = ":".join(self.mac[at : at + 2] for at in range(0, 12, 2))
        self.ns.ip("link", "set", "dev", "eth", "address", pairs)

    @property
    def user_agent(self) -> str:
        return {
            "yealink": "Yealink SIP-T33G 124.86.0.70 " + ":".join(self.mac[at : at + 2] for at in range(0, 12, 2)),
            "poly": "FileTransport PolycomVVX-VVX_450-UA/5.9.6.2327 Type/Application",
            "grandstream": f"Grandstream Model HW GRP2614 V1.3A SW 1.0.7.25 DevId {self.mac}",
            "snom": f"Mozilla/4.0 (compatible; snomD785-SIP 10.1.54.13 1.1.3-s {self.mac.upper()} SXM:0 UXM:0)",
        }[self.family]

    def fetch(self, url: str) -> bytes | None:
        """By curl, as this phone introduces itself."""
        done = subprocess.run(self.ns.argv("curl", "-s", "-f", "--max-time", "15", "-A", self.user_agent, "-o", "-", url), capture_output=True, check=False)
        found = done.returncode == 0
        self.asked.append((url, found))
        return done.stdout if found else None

    def start(self, way: str) -> SignIn | None:
        base = {
            "tftp": f"tftp://{self.server}:{self.tftp_port}/",
            "http": f"http://{self.server}:{self.http_port}/",
        }.get(way) or self.ask_everybody()
        boot: Callable[[str], SignIn | None] = getattr(self, f"_boot_{self.family}")
        return boot(base)

    def ask_everybody(self) -> str:
        """SIP plug and play: SUBSCRIBE to the group, 200 and NOTIFY back; the address in it."""
        with self.ns.entered():
            asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with asking:
            asking.settimeout(10)
            own = self.ns.run("hostname", "-I").split()[0]
            asking.bind((own, 0))
            port = asking.getsockname()[1]
            vendor, model = {"yealink": ("Yealink", "T33G"), "snom": ("snom", "snomD785")}[self.family]
            event = f'ua-profile;profile-type="device";vendor="{vendor}";model="{model}";version="1"'
            lines = (
                f"SUBSCRIBE sip:MAC%3a{self.mac}@224.0.1.75 SIP/2.0", f"Via: SIP/2.0/UDP {own}:{port};branch=z9hG4bKdesk1;rport",
                f"From: <sip:MAC%3a{self.mac}@224.0.1.75>;tag=1", f"To: <sip:MAC%3a{self.mac}@224.0.1.75>", f"Call-ID: {self.mac}@{own}", "CSeq: 1 SUBSCRIBE",
                f"Contact: <sip:{own}:{port}>", f"Event: {event}", "Accept: application/url", "Expires: 0", "Content-Length: 0", "", "",
            )  # fmt: skip
            asking.sendto("\r\n".join(lines).encode(), ("224.0.1.75", 5060))
            answer = asking.recv(4096).decode()
            assert answer.startswith("SIP/2.0 200 "), answer
            notify, sender = asking.recvfrom(4096)
            head, _, body = notify.decode().partition("\r\n\r\n")
            assert head.startswith("NOTIFY ") and f"Event: {event}" in head and "Content-Type: application/url" in head, head
            kept = [line for line in head.split("\r\n") if line.partition(":")[0] in {"Via", "From", "To", "Call-ID", "CSeq"}]
            asking.sendto("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), sender)
            return body.strip()

    # Each family as `provisioning.md` of the facts has it: names, order, and what ends the search.

    def _boot_yealink(self, base: str) -> SignIn | None:
        boot = self.fetch(f"{base}{self.mac}.boot") or self.fetch(f"{base}y000000000000.boot")
        if boot is None:
            self.fetch(f"{base}y000000000124.cfg")
            self.fetch(f"{base}{self.mac}.cfg")
            return None
        files = re.findall(r'^include:config "([^"]+)"', boot.decode(), re.MULTILINE)
        told: dict[str, str] = {}
        for each in files:
            told.update(lines(self.fetch(each) or b"#!version:1.0.0.1"))
        if "account.1.user_name" not in told:
            return None
        proxy = told["account.1.outbound_proxy.1.address"], int(told["account.1.outbound_proxy.1.port"])
        return SignIn(told["account.1.auth_name"], told["account.1.password"], told["account.1.sip_server.1.address"], proxy)

    def _boot_poly(self, base: str) -> SignIn | None:
        first = self.fetch(f"{base}{self.mac}.cfg") or self.fetch(f"{base}000000000000.cfg")
        if first is None:
            return None
        for name in ("phone.cfg", "web.cfg", "license.cfg", "directory.xml"):
            self.fetch(f"{base}{self.mac}-{name}")
        told: dict[str, str] = {}
        for each in etree.fromstring(first).get("CONFIG_FILES", "").split(","):
            if data := self.fetch(each.strip()):
                told.update(poly(data))
        if "reg.1.address" not in told:
            return None
        proxy = told["reg.1.outboundProxy.address"], int(told["reg.1.outboundProxy.port"])
        return SignIn(told["reg.1.auth.userId"], told["reg.1.auth.password"], told["reg.1.server.1.address"], proxy)

    def _boot_grandstream(self, base: str, again: bool = True) -> SignIn | None:
        if self.fetch(f"{base}cfg{self.mac}") is not None:
            return None  # it takes that for the binary form, and cannot read it
        data = self.fetch(f"{base}cfg{self.mac}.xml") or self.fetch(f"{base}cfggrp2614.xml") or self.fetch(f"{base}cfg.xml")
        if data is None:
            return None
        told = grandstream(data)
        if "account.1.sip.userid" in told:
            host, _, port = told["account.1.sip.outboundProxy.1.address"].rpartition(":")
            user, password = told["account.1.sip.subscriber.userid"], told["account.1.sip.subscriber.password"]
            return SignIn(user, password, told["account.1.sip.server.1.address"], (host, int(port)))
        # Another place for its settings: it starts again and asks there.
        scheme = {"1": "http", "2": "https"}[told["provisioning.config.protocol"]]
        return self._boot_grandstream(f"{scheme}://{told['provisioning.config.serverPath']}/", again=False) if again else None

    def _boot_snom(self, base: str) -> SignIn | None:
        if not base.endswith("/"):
            first = self.fetch(base)
        else:
            self.fetch(f"{base}snomD785.htm")
            first = self.fetch(f"{base}snomD785-{self.mac.upper()}.htm")
        if first is None:
            return None
        told: dict[str, str] = {}
        for each in etree.fromstring(first).iter("file"):
            if data := self.fetch(each.get("url")):
                told.update(snom(data))
        if "user_name.1" not in told:
            return None
        found = re.match(r"sip:([^:;]+):(\d+)", told["user_outbound.1"])
        assert found, told["user_outbound.1"]
        return SignIn(told["user_pname.1"], told["user_pass.1"], told["user_host.1"], (found[1], int(found[2])))
