"""The INVITE of an emergency call as one trunk wants it (RFC 6442, RFC 6881 section 9, RFC 3261); pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.calls.caller import sip_uri
from appliance.calls.dials import trunk_host, trunk_parameters
from appliance.sip.api import BodyPart, Dial
from appliance.sip.trunks.numbers import to_trunk
from appliance.site.model.lines import Trunk
from appliance.site.snapshot import Snapshot
from appliance.types import TrunkId

G711 = ("pcmu", "pcma")
PIDF_TYPE = "application/pidf+xml"

_REFERENCE = re.compile(r"<([^<>\s]+)>")


@dataclass(frozen=True, slots=True)
class Told:
    """What the dispatcher is told, as far as it is known; every field may be empty, and the call goes out all the same.

    `service`: the number dialled or the service URN. `callback`: E.164. `pidf`: our PIDF-LO and `content_id` its `id@host` without brackets.
    `phone_pidf` and `phone_geolocation`: body part and Geolocation header of the phone itself.
    """

    service: str
    test: bool = False
    callback: str = ""
    name: str = ""
    pidf: bytes = b""
    content_id: str = ""
    phone_pidf: bytes = b""
    phone_geolocation: str = ""
    codecs: tuple[str, ...] = ()


def emergency_dial(told: Told, trunk_id: TrunkId, trunk: Trunk, snapshot: Snapshot, *, with_location: bool) -> Dial | None:
    """The INVITE for this trunk; `with_location` False leaves the body parts out (the plain retry). None: this trunk cannot carry a test call."""
    host = trunk_host(trunk)
    number = emergency_number(told.service, snapshot, test=told.test)
    by_urn = trunk.emergency_uri == "urn"
    if not by_urn and not number:
        return None
    there = sip_uri(number, host) + trunk_parameters(trunk) if number else f"sip:{host}{trunk_parameters(trunk)}"
    called = service_urn(told) if by_urn else sip_uri(number, host)
    shown = told.callback or snapshot.site.main_number or trunk.caller_id or ""
    identity = sip_uri(to_trunk(shown, trunk.number_format, snapshot.country.code), host) if shown else ""
    headers = [("Priority", "emergency")]
    if identity:
        headers.append(("P-Asserted-Identity", f"<{identity}>"))
    location, parts = _location(told) if with_location else ([], ())
    return Dial(
        target=called if by_urn else there,
        destination=f"sip:{host}{trunk_parameters(trunk)};lr" if by_urn else "",
        account=trunk_id,
        from_uri=identity or sip_uri(trunk.username or "emergency", host),
        from_display=told.name,
        to_uri=called,
        headers=(*headers, *location),
        codecs=_codecs(told.codecs, trunk.codecs),
        parts=parts,
        emergency=True,
    )


def emergency_number(service: str, snapshot: Snapshot, *, test: bool) -> str:
    """The number an ordinary trunk is called by: what was dialled where the country knows it, else its principal one ("" for a test no number exists for).

    112 comes from everywhere with people and phones; North American carriers route 911.
    """
    country = snapshot.country
    if test:
        known = service in snapshot.test_numbers
        return service if known else next(iter(country.test), "")
    if service in country.emergency and not (country.nanp and service == "112"):
        return service
    return country.emergency[0]


def service_urn(told: Told) -> str:
    """The URN an NG carrier is called by: the phone's own where it sent one (RFC 5031), else the general service."""
    if told.service.lower().startswith("urn:service:"):
        return told.service
    return "urn:service:test.sos" if told.test else "urn:service:sos"


def _location(told: Told) -> tuple[list[tuple[str, str]], tuple[BodyPart, ...]]:
    """Geolocation headers and body parts. The phone's own location stays first and untouched, ours comes last (RFC 6442 section 4.1)."""
    references = [found for found in _REFERENCE.findall(told.phone_geolocation) if not found.lower().startswith("cid:") or told.phone_pidf]
    parts: list[BodyPart] = []
    if told.phone_pidf:
        ids = [reference[4:] for reference in references if reference.lower().startswith("cid:")]
        if not ids:
            ids = ["phone@holdfast.invalid"]
            references.append(f"cid:{ids[0]}")
        parts.append(_part(told.phone_pidf, ids[0]))
    if told.pidf and told.content_id:
        references.append(f"cid:{told.content_id}")
        parts.append(_part(told.pidf, told.content_id))
    if not references:
        return [], ()
    return [("Geolocation", ", ".join(f"<{reference}>" for reference in references)), ("Geolocation-Routing", "yes")], tuple(parts)


def _part(body: bytes, content_id: str) -> BodyPart:
    return BodyPart(PIDF_TYPE, body, (("Content-ID", f"<{content_id}>"), ("Content-Disposition", "by-reference;handling=optional")))


def _codecs(wanted: tuple[str, ...], trunk: tuple[str, ...]) -> tuple[str, ...]:
    """G.711 before everything, in the caller's order; then what the trunk may carry besides."""
    first = [codec for codec in wanted if codec in G711]
    return tuple(dict.fromkeys((*first, *G711, *trunk)))


def phone_location(headers: Mapping[str, str], body: bytes) -> tuple[str, bytes]:
    """What of a phone's own location is carried: its Geolocation header without `loc-src` and other parameters, and its PIDF-LO."""
    references = _REFERENCE.findall(headers.get("Geolocation", ""))
    return ", ".join(f"<{reference}>" for reference in references), body
