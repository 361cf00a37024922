"""PIDF-LO documents: valid against the schemas' rules whatever a site holds, and saying exactly what the site says."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from appliance.emergency.location import Method, Resolved
from appliance.emergency.pidf_lo import CIVIC, CIVIC_ORDER, DATA_MODEL, GEOPRIV, PIDF, POLICY, PROVIDER, Provider, build, device_urn, provider_info
from appliance.site.model.places import Civic, Location
from appliance.types import LocationId
from tests import support

SCHEMAS = Path(next(iter(support.__path__))) / "schemas"
NAMES = {"p": PIDF, "dm": DATA_MODEL, "gp": GEOPRIV, "gbp": POLICY, "ca": CIVIC, "pi": PROVIDER}
PLACE: dict[str, Any] = {
    **{"country": "US", "A1": "NY", "A2": "Kings County", "A3": "New York", "A4": "Brooklyn", "PRD": "N", "RD": "Main", "STS": "Street", "POD": "SW"},
    **{"HNO": "123", "HNS": "A", "LMK": "Town Hall", "LOC": "Rear wing", "NAM": "Acme", "PC": "10001"},
    **{"BLD": "B", "UNIT": "7", "FLR": "2", "ROOM": "214", "PLC": "office"},
}
WHEN = datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC).timestamp()
PROVIDER_BLOCK = Provider("Acme & Söhne <telecom>", "tel:+12125550100", "acme.example")


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / "pidf.xsd"))


def resolved(civic: dict[str, Any] = PLACE, method: Method = "pin") -> Resolved:
    return Resolved(LocationId("x"), Location(name="Office", civic=Civic.model_validate(civic)), method)


def document(place: Resolved, **changes: Any) -> etree._Element:
    arguments = {"entity": "sip:+12125550100@acme.example", "device_id": device_urn("desk-1", "acme.example"), "timestamp": WHEN, "provided_by": PROVIDER_BLOCK}
    return etree.fromstring(build(place, **{**arguments, **changes}))


@pytest.mark.row("E13")
def test_a_full_address_validates_and_says_what_the_site_says(schema):
    root = document(resolved())
    schema.assertValid(root)
    address = root.find(".//ca:civicAddress", NAMES)
    assert {etree.QName(child).localname: child.text for child in address} == PLACE
    assert root.get("entity") == "sip:+12125550100@acme.example"
    assert root.findtext("dm:device/gp:geopriv/gp:usage-rules/gbp:retransmission-allowed", namespaces=NAMES) == "true"
    assert root.findtext("dm:device/gp:geopriv/gp:usage-rules/gbp:retention-expiry", namespaces=NAMES) == "2026-03-02T12:00:00Z"
    assert root.findtext("dm:device/dm:timestamp", namespaces=NAMES) == "2026-03-01T12:00:00Z"
    assert root.findtext("dm:device/dm:deviceID", namespaces=NAMES).startswith("urn:uuid:")
    assert root.find(".//dm:person", NAMES) is None
    assert root.find(".//ca:A6", NAMES) is None
    assert "gml" not in etree.tostring(root).decode()


def test_the_order_of_civic_fields_is_the_schemas():
    rules = etree.parse(SCHEMAS / "civic-addr.xsd")
    order = [element.get("name") for element in rules.iter("{http://www.w3.org/2001/XMLSchema}element")][1:]
    assert [name for name in order if name in CIVIC_ORDER] == list(CIVIC_ORDER)
    assert set(CIVIC_ORDER) == set(Civic.model_fields), "a field of the site's civic address is not carried"


@pytest.mark.parametrize(("how", "word"), [("pin", "Manual"), ("subnet", "Wiremap"), ("default", "Default")])
def test_how_the_place_was_found_is_said(schema, how, word):
    root = document(resolved(method=how))
    schema.assertValid(root)
    assert root.findtext(".//gp:method", namespaces=NAMES) == word
    assert document(resolved(method=how), method="DHCP").findtext(".//gp:method", namespaces=NAMES) == "DHCP"


def test_no_location_is_no_document():
    assert build(Resolved(None, None, "none"), entity="sip:a@b", device_id="urn:x", timestamp=WHEN) == b""


def test_without_a_provider_the_element_is_left_out(schema):
    root = document(resolved(), provided_by=None)
    schema.assertValid(root)
    assert root.find(".//gp:provided-by", NAMES) is None


def test_the_provider_block_stands_alone_and_in_provided_by(schema):
    alone = etree.fromstring(provider_info(PROVIDER_BLOCK, "call-7@acme.example"))
    etree.XMLSchema(etree.parse(SCHEMAS / "provider-info.xsd")).assertValid(alone)
    assert alone.findtext("pi:DataProviderString", namespaces=NAMES) == "Acme & Söhne <telecom>"
    assert alone.findtext("pi:DataProviderReference", namespaces=NAMES) == "call-7@acme.example"
    inside = document(resolved()).find(".//pi:EmergencyCallData.ProviderInfo", NAMES)
    assert inside.findtext("pi:ContactURI", namespaces=NAMES) == "tel:+12125550100"


def test_the_device_is_named_by_mac_or_by_a_name_that_stays():
    assert device_urn("desk-1", "acme.example", "00:15:65:AA:bb:01") == "mac:001565aabb01"
    assert device_urn("desk-1", "acme.example") == device_urn("desk-1", "acme.example", "junk")
    assert device_urn("desk-1", "acme.example") != device_urn("desk-2", "acme.example")


ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=30)


@given(st.dictionaries(st.sampled_from(sorted(set(CIVIC_ORDER) - {"country"})), ANY_TEXT), ANY_TEXT, ANY_TEXT)
def test_whatever_text_a_site_holds_the_document_is_valid(fields, name, user):
    # Built past the model's checks: an emergency call must not depend on them.
    place = Resolved(LocationId("x"), Location.model_construct(name=name, civic=Civic.model_construct(country="US", **fields)), "pin")
    entity = f"sip:{user.encode('utf-8', 'ignore').hex()}@h"
    root = document(place, provided_by=Provider(name, "tel:+1", "acme.example"), device_id="urn:x-dev:1", entity=entity)
    etree.XMLSchema(etree.parse(SCHEMAS / "pidf.xsd")).assertValid(root)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: root.attrib.pop("entity"),
        lambda root: root.find("dm:device", NAMES).attrib.pop("id"),
        lambda root: root.find("dm:device", NAMES).remove(root.find("dm:device/dm:deviceID", NAMES)),
        lambda root: root.find("dm:device", NAMES).append(root.find("dm:device/dm:deviceID", NAMES)),
        lambda root: root.find(".//ca:civicAddress", NAMES).append(root.find(".//ca:country", NAMES)),
        lambda root: root.find(".//gp:geopriv", NAMES).insert(0, root.find(".//gp:usage-rules", NAMES)),
        lambda root: setattr(root.find(".//gbp:retention-expiry", NAMES), "text", "tomorrow"),
        lambda root: setattr(root.find(".//gbp:retention-expiry", NAMES), "tag", f"{{{GEOPRIV}}}retention-expiry"),
        lambda root: setattr(root.find(".//ca:RD", NAMES), "tag", f"{{{CIVIC}}}STREET"),
        lambda root: setattr(root.find(".//ca:country", NAMES), "text", "usa"),
    ],
)
def test_the_schemas_used_here_do_refuse(schema, spoil):
    root = document(resolved())
    spoil(root)
    assert not schema.validate(root)
