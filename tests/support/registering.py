"""REGISTER requests as the SIP port hands them over, and a digest client written apart from the product's."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

from appliance.sip.messages import Contact, Credentials, Request
from appliance.types import Address, DeviceId, Transport

BOX = Address("192.0.2.1", 5060)
PHONE = Address("192.0.2.20", 5060)
DOMAIN = "pbx.example"


@dataclass(frozen=True, slots=True)
class Device:
    """A device's entry, as far as signing in and registering need it."""

    sip_user: str = "dana"
    secret: str | None = "correct horse"
    extension: str = "4000"
    max_contacts: int = 4

    @property
    def id(self) -> DeviceId:
        return DeviceId(f"{self.sip_user}-phone")


def register(*contacts: Contact, user: str = "dana", cseq: int = 1, branch: str = "", call_id: str = "call-1", source: Address = PHONE, **more: Any) -> Request:
    """A REGISTER of `user`; a branch of its own for every CSeq unless given."""
    uri, own = f"sip:{DOMAIN}", f"sip:{user}@{DOMAIN}"
    plain = Request(
        method="REGISTER",
        uri=uri,
        uri_scheme="sip",
        uri_user="",
        uri_host=DOMAIN,
        from_uri=own,
        from_user=user,
        from_host=DOMAIN,
        from_tag="tag",
        to_uri=own,
        to_user=user,
        to_host=DOMAIN,
        call_id=call_id,
        cseq=cseq,
        branch=branch or f"z9hG4bK-{call_id}-{cseq}",
        source=source,
        local=BOX,
        contacts=contacts,
        user_agent="Phone 1.0",
    )
    return replace(plain, **more)


def contact(port: int = 5060, ip: str = "192.0.2.20", user: str = "dana", expires: int | None = None, q: float | None = None, params: str = "") -> Contact:
    """A plain contact URI at an address; `params` are URI parameters (";transport=tcp")."""
    return Contact(f"sip:{user}@{ip}:{port}{params}", q, expires)


def address(ip: str = "192.0.2.20", port: int = 5060, transport: str = "udp") -> Address:
    return Address(ip, port, Transport(transport))


def challenges(headers: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """The parameters of each WWW-Authenticate header."""
    found = []
    for name, value in headers:
        assert name == "WWW-Authenticate"
        assert value.startswith("Digest ")
        found.append({key: quoted or bare for key, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', value)})
    return found


def signed(request: Request, challenge: dict[str, str], password: str, username: str = "dana", nc: int = 1, qop: bool = True) -> Request:
    """`request` with the Authorization a client would make of a challenge (RFC 7616 section 3.4; without `qop` RFC 2617 section 3.2.2.1)."""
    algorithm, cnonce = challenge.get("algorithm", "MD5"), "c0ffee"
    name = algorithm.replace("-", "").lower()

    def hashed(*parts: str) -> str:
        return hashlib.new(name, ":".join(parts).encode()).hexdigest()

    secret = hashed(username, challenge["realm"], password)
    what = hashed(request.method, request.uri)
    if qop:
        count = f"{nc:08x}"
        response = hashed(secret, challenge["nonce"], count, cnonce, "auth", what)
        given = Credentials(username, challenge["realm"], challenge["nonce"], request.uri, response, algorithm, cnonce, count, "auth")
    else:
        given = Credentials(username, challenge["realm"], challenge["nonce"], request.uri, hashed(secret, challenge["nonce"], what), algorithm)
    return replace(request, credentials=(given,))
