"""The headers and body parts that carry a location in an INVITE: Geolocation, Call-Info and their parts (RFC 6442, RFC 7852; pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

PIDF_TYPE = "application/pidf+xml"
PROVIDER_TYPE = "application/EmergencyCallData.ProviderInfo+xml"
PROVIDER_PURPOSE = "EmergencyCallData.ProviderInfo"
PRIORITY = (("Priority", "emergency"),)
"""On every emergency INVITE, with location or without (RFC 3261 section 20.26)."""
REFUSES_LOCATION = frozenset({400, 415, 424, 488, 513})
"""Answers by which a trunk shows that it does not take the multipart body or its size; the same call without it may pass."""

_DISPOSITION = ("Content-Disposition", "by-reference;handling=optional")
"""RFC 7852 section 6.4: read through its cid; whoever cannot, ignores it."""
_LOCATION_SOURCE = re.compile(r';\s*loc-src\s*=\s*(?:"[^"]*"|[^\s;,]+)', re.IGNORECASE)
_VALUE = re.compile(r"<[^<>\s]+>[^,<>]*")
_CID = re.compile(r"<cid:([^<>\s]+)>", re.IGNORECASE)
_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Part:
    """A body part beside the SDP: content type, body, its MIME headers."""

    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PhoneLocation:
    """What the phone itself said: its Geolocation header ("" for none) and its PIDF-LO body (b"" for none)."""

    geolocation: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Conveyance:
    """What goes into the INVITE. Empty on both sides when no location is known."""

    headers: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()


def geolocation_headers(
    content_id_host: str,
    call: str,
    pidf: bytes,
    *,
    phone: PhoneLocation | None = None,
    provider: bytes = b"",
) -> Conveyance:
    """The headers and parts for our PIDF-LO `pidf` (b"": none), what the phone brought along, and a ProviderInfo block (b"": none).

    `content_id_host`: the host part of Content-IDs, the box's address or domain; `call`: unique per call, letters, digits and hyphens. What the phone said
    is never changed but for the `loc-src` parameter, which only a trusted network may set (RFC 8787 section 4); ours is appended last (RFC 6442 section 4.1).
    """
    phone = phone or PhoneLocation()
    # A cid: without its body would point nowhere, and a carrier may refuse the call for it.
    values = [value for value in _phone_values(phone.geolocation) if phone.body or not _CID.search(value)]
    parts: list[Part] = []
    if phone.body:
        named = next((found[1] for value in values if (found := _CID.search(value))), "")
        if not named:
            named = f"phone-{call}@{content_id_host}"
            values.append(f"<cid:{named}>")
        parts.append(_part(PIDF_TYPE, phone.body, named))
    if pidf:
        ours = f"place-{call}@{content_id_host}"
        values.append(f"<cid:{ours}>")
        parts.append(_part(PIDF_TYPE, pidf, ours))
    headers: list[tuple[str, str]] = []
    if values:
        headers += [("Geolocation", ", ".join(values)), ("Geolocation-Routing", "yes")]
    if provider:
        name = f"provider-{call}@{content_id_host}"
        headers.append(("Call-Info", f"<cid:{name}>;purpose={PROVIDER_PURPOSE}"))
        parts.append(_part(PROVIDER_TYPE, provider, name))
    return Conveyance(tuple(headers), tuple(parts))


def _phone_values(header: str) -> list[str]:
    """The locationValues of a Geolocation header, each as it came; what does not look like one is dropped, for it would spoil ours behind it."""
    plain = _LOCATION_SOURCE.sub("", _BREAKS.sub(" ", header))
    return [value.strip() for value in _VALUE.findall(plain)]


def _part(content_type: str, body: bytes, content_id: str) -> Part:
    # The brackets belong to Content-ID and not to the cid: URL (RFC 2392 section 2).
    return Part(content_type, body, (("Content-ID", f"<{content_id}>"), _DISPOSITION))
