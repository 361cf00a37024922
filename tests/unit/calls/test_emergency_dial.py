"""The emergency INVITE per trunk: URIs, identity, location parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.calls.emergency_dial import Told, emergency_dial, emergency_number, phone_location, service_urn
from appliance.sip.api import Dial
from appliance.types import TrunkId
from tests.unit.calls.fakes import snapshot_of

TOLD = Told("911", callback="+12125550155", name="Dana Fox", pidf=b"<presence/>", content_id="abc@box.example")


def dial(told: Told = TOLD, trunk: str = "acme", with_location: bool = True, **site: Any) -> Dial:
    snapshot = snapshot_of(**site)
    found = emergency_dial(told, TrunkId(trunk), snapshot.site.trunks[trunk], snapshot, with_location=with_location)
    assert found is not None
    return found


def test_an_ordinary_trunk() -> None:
    found = dial()
    assert found.target == "sip:911@198.51.100.1"
    assert found.to_uri == "sip:911@198.51.100.1"
    assert found.from_uri == "sip:+12125550155@198.51.100.1"
    headers = dict(found.headers)
    assert headers["P-Asserted-Identity"] == "<sip:+12125550155@198.51.100.1>"
    assert headers["Priority"] == "emergency"
    assert headers["Geolocation"] == "<cid:abc@box.example>"
    assert headers["Geolocation-Routing"] == "yes"
    (part,) = found.parts
    assert part.content_type == "application/pidf+xml"
    assert dict(part.headers) == {"Content-ID": "<abc@box.example>", "Content-Disposition": "by-reference;handling=optional"}
    assert found.codecs[:2] == ("pcmu", "pcma")
    assert found.emergency


def test_the_trunks_own_form_of_number_and_transport() -> None:
    found = dial(trunk="backup")
    assert found.target == "sip:911@203.0.113.9;transport=tcp"
    assert found.from_uri == "sip:2125550155@203.0.113.9"
    assert found.codecs == ("pcmu", "pcma")


def test_an_ng911_trunk_gets_the_urn() -> None:
    found = dial(trunks={"acme": {"emergency_uri": "urn"}})
    assert (found.target, found.to_uri) == ("urn:service:sos", "urn:service:sos")
    assert found.destination == "sip:198.51.100.1;lr"
    fire = dial(replace(TOLD, service="urn:service:sos.fire"), trunks={"acme": {"emergency_uri": "urn"}})
    assert fire.target == "urn:service:sos.fire"
    assert service_urn(Told("933", test=True)) == "urn:service:test.sos"


def test_the_plain_retry_carries_no_body_and_no_geolocation() -> None:
    found = dial(with_location=False)
    assert found.parts == ()
    assert {name for name, _ in found.headers} == {"Priority", "P-Asserted-Identity"}


def test_nothing_known_still_makes_an_invite() -> None:
    found = dial(Told("911"), main_number=None)
    assert found.target == "sip:911@198.51.100.1"
    assert found.from_uri == "sip:acct1@198.51.100.1"
    assert found.headers == (("Priority", "emergency"),)
    assert found.parts == ()
    assert dial(Told("911")).from_uri == "sip:+12125550100@198.51.100.1"


def test_the_phones_own_location_comes_first_and_both_go() -> None:
    told = replace(TOLD, phone_pidf=b"<mine/>", phone_geolocation="<cid:p@phone>, <https://lis.example/x>")
    found = dial(told)
    assert dict(found.headers)["Geolocation"] == "<cid:p@phone>, <https://lis.example/x>, <cid:abc@box.example>"
    assert [part.body for part in found.parts] == [b"<mine/>", b"<presence/>"]
    assert dict(found.parts[0].headers)["Content-ID"] == "<p@phone>"


def test_a_phones_body_without_a_reference_gets_one_and_a_reference_without_body_goes() -> None:
    found = dial(replace(TOLD, phone_pidf=b"<mine/>"))
    assert dict(found.headers)["Geolocation"].count("cid:") == 2
    dangling = dial(replace(TOLD, phone_geolocation="<cid:p@phone>"))
    assert dict(dangling.headers)["Geolocation"] == "<cid:abc@box.example>"


def test_loc_src_is_stripped() -> None:
    assert phone_location({"Geolocation": "<cid:p@phone>;loc-src=evil.example"}, b"x") == ("<cid:p@phone>", b"x")
    assert phone_location({}, b"") == ("", b"")


@pytest.mark.parametrize(
    ("service", "country", "test", "number"),
    [
        ("911", "US", False, "911"),
        ("112", "US", False, "911"),
        ("urn:service:sos", "US", False, "911"),
        ("555", "US", False, "911"),
        ("933", "US", True, "933"),
        ("urn:service:test.sos", "US", True, "933"),
        ("112", "GB", False, "112"),
        ("999", "GB", False, "999"),
        ("15", "FR", False, "15"),
        ("urn:service:sos", "FR", False, "112"),
        ("urn:service:test.sos", "FR", True, ""),
    ],
)
def test_the_number_dialled_on_ordinary_trunks(service: str, country: str, test: bool, number: str) -> None:
    assert emergency_number(service, snapshot_of(country=country), test=test) == number


def test_a_test_call_never_becomes_a_real_one() -> None:
    snapshot = snapshot_of(country="FR")
    assert emergency_dial(Told("urn:service:test.sos", test=True), TrunkId("acme"), snapshot.site.trunks["acme"], snapshot, with_location=True) is None


def test_g711_in_the_callers_order() -> None:
    assert dial(replace(TOLD, codecs=("opus", "pcma", "pcmu"))).codecs[:2] == ("pcma", "pcmu")
