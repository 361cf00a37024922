"""Contact URIs: taking them apart, comparing them (RFC 3261 section 19.1.4), and where to dial them (pure)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from appliance.types import Address, Transport

MAX_URI_LENGTH = 512
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]+\]")
_MUST_AGREE = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that differ when only one URI has them (RFC 3261 section 19.1.4)."""


@dataclass(frozen=True, slots=True)
class SipUri:
    """A sip/sips URI in parts. `user` is as written (escaped, with password and parameters), `host` in lower case without brackets, `port` 0 when absent.

    `params` in the order written, names in lower case, "" for a parameter without value. `headers` is what follows `?`.
    """

    scheme: str
    user: str
    host: str
    port: int
    params: tuple[tuple[str, str], ...]
    headers: str


@lru_cache(maxsize=4096)
def parse(uri: str) -> SipUri:
    """A sip/sips URI in parts; ValueError (with a short reason) when it is none or could not stand in a header."""
    if len(uri) > MAX_URI_LENGTH:
        raise ValueError("too long")
    if _FORBIDDEN.search(uri) or not uri.isprintable():
        raise ValueError("forbidden character")
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in ("sip", "sips"):
        raise ValueError("not a SIP URI")
    user, _, rest = rest.rpartition("@")
    rest, _, headers = rest.partition("?")
    hostport, *written = rest.split(";")
    host, port = _host_port(hostport)
    params = tuple((name.lower(), value) for name, _, value in (one.partition("=") for one in written if one))
    return SipUri(scheme, user, host, port, params, headers)


def _host_port(text: str) -> tuple[str, int]:
    found = _HOST.match(text)
    if found is None:
        raise ValueError("no host")
    host, tail = found.group().lower(), text[found.end() :]
    if host.startswith("["):
        host = host[1:-1]
        ipaddress.IPv6Address(host)
    if not tail:
        return host, 0
    digits = tail[1:]
    if tail[0] != ":" or not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        raise ValueError("bad port")
    return host, int(digits)


def equal(first: str, second: str) -> bool:
    """Whether two contact URIs name the same place (RFC 3261 section 19.1.4). Both must parse."""
    if first == second:
        return True
    a, b = parse(first), parse(second)
    if a.scheme != b.scheme or a.host != b.host or a.port != b.port or unquote(a.user) != unquote(b.user):
        return False
    if sorted(a.headers.split("&")) != sorted(b.headers.split("&")):
        return False
    mine, theirs = dict(a.params), dict(b.params)
    for name in mine.keys() | theirs.keys():
        if name in mine and name in theirs:
            if unquote(mine[name]).lower() != unquote(theirs[name]).lower():
                return False
        elif name in _MUST_AGREE:
            return False
    return True


def dial_uri(contact: str, received: Address) -> str:
    """The Request-URI that reaches `contact`, which registered from `received`: user and parameters of the contact, host and port that work.

    Behind NAT (another address than the contact's) and on connections (the phone's end of it) the received address is the one. A UDP phone with its own
    address in the contact listens where it says, which need not be where it sends from. `transport` follows the received one; `maddr` and embedded
    headers are dropped: they would send the call elsewhere or change it.
    """
    uri = parse(contact)
    own_port = uri.port or (5061 if uri.scheme == "sips" else 5060)
    port = own_port if received.transport is Transport.UDP and _same_host(uri.host, received.ip) else received.port
    host = f"[{received.ip}]" if ":" in received.ip else received.ip
    scheme = "sip" if received.transport is not Transport.TLS else uri.scheme
    params = "".join(f";{name}={value}" if value else f";{name}" for name, value in uri.params if name not in ("transport", "maddr", "ttl"))
    if received.transport is not Transport.UDP and scheme == "sip":
        params += f";transport={received.transport}"
    return f"{scheme}:{uri.user}@{host}:{port}{params}" if uri.user else f"{scheme}:{host}:{port}{params}"


def _same_host(host: str, ip: str) -> bool:
    if host == ip:
        return True
    if ":" not in host or ":" not in ip:
        return False
    try:
        return ipaddress.IPv6Address(host) == ipaddress.IPv6Address(ip)
    except ValueError:
        return False
