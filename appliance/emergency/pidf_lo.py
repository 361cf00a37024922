"""Writes the location of an emergency caller as a PIDF-LO document, and who vouches for it as a ProviderInfo block (pure)."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lxml import etree  # type: ignore[import-untyped]

from appliance.emergency.location import Method, Resolved
from appliance.site.model.places import Civic

PIDF = "urn:ietf:params:xml:ns:pidf"
DATA_MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
GEOPRIV = "urn:ietf:params:xml:ns:pidf:geopriv10"
POLICY = "urn:ietf:params:xml:ns:pidf:geopriv10:basicPolicy"
CIVIC = "urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr"
CALL_DATA = "urn:ietf:params:xml:ns:EmergencyCallData"
PROVIDER = "urn:ietf:params:xml:ns:EmergencyCallData:ProviderInfo"

CIVIC_ORDER = (
    *("country", "A1", "A2", "A3", "A4", "PRD", "RD", "STS", "POD", "HNO", "HNS", "LMK", "LOC", "FLR", "NAM", "PC", "BLD", "UNIT", "ROOM", "PLC"),
)
"""The sequence of the civicAddress schema (RFC 5139 section 4); the fields a site can fill."""

METHODS: dict[Method, str] = {"pin": "Manual", "subnet": "Wiremap", "default": "Default"}
"""How the place was found, in words of the RFC 4119 method registry where it has one; a site default is called that, so that nobody takes it for a finding."""

RETENTION = timedelta(hours=24)
"""RFC 4119 section 2.2.2 recommends a day."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAC = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Provider:
    """Who supplies the location (RFC 7852 section 4.1). `contact`: a tel or sip URI a dispatch centre may call about the data; `language`: its speech, `en`.

    `domain`: the site's, used as the provider's id. `kind`: a token of the provider type registry.
    """

    name: str
    contact: str
    domain: str
    language: str = "en"
    kind: str = "Access Network Provider"


def device_urn(device: str, domain: str, mac: str = "") -> str:
    """An identifier of the phone for `deviceID` (RFC 4479 section 3.4): its MAC where known, else a URN that stays the same for `device` at this site."""
    plain = re.sub(r"[^0-9a-f]", "", mac.lower())
    if _MAC.fullmatch(plain):
        return f"mac:{plain}"
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"{device}.{domain}").urn


def build(
    resolved: Resolved,
    *,
    entity: str,
    device_id: str,
    timestamp: float,
    method: str = "",
    provided_by: Provider | None = None,
) -> bytes:
    """The PIDF-LO (RFC 4119, 5139, 5491) of the device `device_id` (a URN) at `resolved`; b"" when there is no location to tell.

    `entity`: the caller's URI (callback number). `timestamp`: Unix seconds, when the place was established. `method` overrides the word for how.
    Civic only, and never converted to coordinates. The location stands in a `device` element, for it is the phone's and not its user's (RFC 5491 rule 3).
    """
    if resolved.location is None:
        return b""
    presence = etree.Element(
        f"{{{PIDF}}}presence", {"entity": _text(entity)}, nsmap={None: PIDF, "dm": DATA_MODEL, "gp": GEOPRIV, "gbp": POLICY, "ca": CIVIC}
    )
    device = etree.SubElement(presence, f"{{{DATA_MODEL}}}device", {"id": "caller"})
    geopriv = etree.SubElement(device, f"{{{GEOPRIV}}}geopriv")
    info = etree.SubElement(geopriv, f"{{{GEOPRIV}}}location-info")
    _civic(info, resolved.location.civic)
    made = datetime.fromtimestamp(timestamp, UTC).replace(microsecond=0)
    rules = etree.SubElement(geopriv, f"{{{GEOPRIV}}}usage-rules")
    # A dispatch centre must be able to hand the place on to whoever drives there.
    _leaf(rules, POLICY, "retransmission-allowed", "true")
    _leaf(rules, POLICY, "retention-expiry", _stamp(made + RETENTION))
    _leaf(geopriv, GEOPRIV, "method", method or METHODS[resolved.method])
    if provided_by is not None:
        by = etree.SubElement(geopriv, f"{{{GEOPRIV}}}provided-by")
        _provider(etree.SubElement(by, f"{{{CALL_DATA}}}EmergencyCallDataValue", nsmap={"ad": CALL_DATA}), provided_by, entity)
    _leaf(device, DATA_MODEL, "deviceID", device_id)
    _leaf(device, DATA_MODEL, "timestamp", _stamp(made))
    return _bytes(presence)


def provider_info(provider: Provider, reference: str) -> bytes:
    """The EmergencyCallData.ProviderInfo block (RFC 7852 section 4.1). `reference` ties blocks of one call together (section 4.1.1)."""
    return _bytes(_provider(None, provider, reference))


def _civic(parent: etree._Element, civic: Civic) -> None:
    address = etree.SubElement(parent, f"{{{CIVIC}}}civicAddress")
    for name in CIVIC_ORDER:
        value = _text(getattr(civic, name)).strip()
        if value:
            _leaf(address, CIVIC, name, value)


def _provider(parent: etree._Element | None, provider: Provider, reference: str) -> etree._Element:
    tag, names = f"{{{PROVIDER}}}EmergencyCallData.ProviderInfo", {"pi": PROVIDER}
    block = etree.Element(tag, nsmap=names) if parent is None else etree.SubElement(parent, tag, nsmap=names)
    for name, value in (
        ("DataProviderReference", reference),
        ("DataProviderString", provider.name),
        ("ProviderID", provider.domain),
        ("ProviderIDSeries", "domain"),
        ("TypeOfProvider", provider.kind),
        ("ContactURI", provider.contact),
        ("Language", provider.language),
    ):
        _leaf(block, PROVIDER, name, value)
    return block


def _leaf(parent: etree._Element, namespace: str, name: str, value: str) -> None:
    etree.SubElement(parent, f"{{{namespace}}}{name}").text = _text(value)


def _text(value: str) -> str:
    """Without what XML 1.0 cannot hold: one odd character in an address must not cost the caller the whole location."""
    return _NOT_XML.sub("", value)


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _bytes(root: etree._Element) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
