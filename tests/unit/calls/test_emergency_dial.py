"""The emergency INVITE per trunk: URIs, identity, location parts, and the order of the paths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.calls.emergency_dial import MODEM_ALONE_S, MODEM_SILENT_S, Told, emergency_dial, emergency_paths, service_of
from appliance.cellular.at import HURRY_S, RESYNC_S, Command
from appliance.cellular.voice import DIAL_S
from appliance.emergency.conveyance import PhoneLocation, geolocation_headers
from appliance.emergency.recognise import EmergencyService, Recogniser
from appliance.sip.api import Dial
from appliance.types import MODEM, TrunkId
from tests.unit.calls.fakes import snapshot_of
from tests.unit.calls.test_route import invite

SERVICE = EmergencyService("emergency", "911", "urn:service:sos", "911")
PLACE = geolocation_headers("box.example", "c1", b"<presence/>")
TOLD = Told(SERVICE, callback="+12125550155", name="Dana Fox", location=PLACE)


def dial(told: Told = TOLD, trunk: str = "acme", with_location: bool = True, **site: Any) -> Dial:
    snapshot = snapshot_of(**site)
    return emergency_dial(told, TrunkId(trunk), snapshot.site.trunks[trunk], snapshot, with_location=with_location)


def test_an_ordinary_trunk() -> None:
    found = dial()
    assert found.target == "sip:911@198.51.100.1"
    assert found.to_uri == "sip:911@198.51.100.1"
    assert found.from_uri == "sip:+12125550155@198.51.100.1"
    headers = dict(found.headers)
    assert headers["P-Asserted-Identity"] == "<sip:+12125550155@198.51.100.1>"
    assert headers["Priority"] == "emergency"
    assert headers["Geolocation"] == "<cid:place-c1@box.example>"
    (part,) = found.parts
    assert (part.content_type, part.body) == ("application/pidf+xml", b"<presence/>")
    assert dict(part.headers)["Content-ID"] == "<place-c1@box.example>"
    assert found.codecs[:2] == ("pcmu", "pcma")
    assert found.emergency


def test_the_trunks_own_form_of_number_and_transport() -> None:
    found = dial(trunk="backup")
    assert found.target == "sip:911@203.0.113.9;transport=tcp"
    assert found.from_uri == "sip:2125550155@203.0.113.9"
    assert found.codecs == ("pcmu", "pcma"), "G.711 is offered even where the trunk lists one of them only"


def test_an_ng911_trunk_gets_the_urn() -> None:
    found = dial(trunks={"acme": {"emergency_uri": "urn"}})
    assert (found.target, found.to_uri) == ("urn:service:sos", "urn:service:sos")
    assert found.destination == "sip:198.51.100.1;lr"
    fire = dial(replace(TOLD, service=replace(SERVICE, urn="urn:service:sos.fire")), trunks={"acme": {"emergency_uri": "urn"}})
    assert fire.target == "urn:service:sos.fire"


def test_the_plain_retry_carries_no_body_and_no_geolocation() -> None:
    found = dial(with_location=False)
    assert found.parts == ()
    assert {name for name, _ in found.headers} == {"Priority", "P-Asserted-Identity"}


def test_nothing_known_still_makes_an_invite() -> None:
    found = dial(Told(SERVICE), main_number=None)
    assert found.target == "sip:911@198.51.100.1"
    assert found.from_uri == "sip:acct1@198.51.100.1"
    assert found.headers == (("Priority", "emergency"),)
    assert found.parts == ()
    assert dial(Told(SERVICE)).from_uri == "sip:+12125550100@198.51.100.1"


def test_the_phones_own_location_goes_along() -> None:
    both = geolocation_headers("box.example", "c1", b"<presence/>", phone=PhoneLocation("<cid:p@phone>;loc-src=evil", b"<mine/>"))
    found = dial(replace(TOLD, location=both))
    assert [part.body for part in found.parts] == [b"<mine/>", b"<presence/>"]
    assert "loc-src" not in dict(found.headers)["Geolocation"]


def test_g711_in_the_callers_order() -> None:
    assert dial(replace(TOLD, codecs=("opus", "pcma", "pcmu"))).codecs[:2] == ("pcma", "pcmu")


@pytest.mark.parametrize(
    ("service", "test", "number", "urn"),
    [
        ("911", False, "911", "urn:service:sos"),
        ("112", False, "911", "urn:service:sos"),
        ("urn:service:sos.fire", False, "911", "urn:service:sos.fire"),
        ("933", True, "933", "urn:service:test.sos"),
        ("urn:service:test.sos", True, "933", "urn:service:test.sos"),
        ("a number of yesterday", False, "911", "urn:service:sos"),
        ("a number of yesterday", True, "", "urn:service:test.sos"),
        ("911", True, "911", "urn:service:sos"),
    ],
)
def test_what_the_invite_asks_for(service: str, test: bool, number: str, urn: str) -> None:
    found = service_of(invite("x", service=service, test_call=test), Recogniser.of(snapshot_of()))
    assert (found.kind, found.number, found.urn) == ("test" if "test" in urn else "emergency", number, urn)


def test_the_order_of_paths_excludes_nothing() -> None:
    site = snapshot_of(trunks={"acme": {"enabled": False}, "third": {"name": "Third", "host": "192.0.2.7"}})
    paths = emergency_paths(SERVICE, site, lambda trunk: 2 if trunk == "backup" else 0, "")
    assert [path.id for path in paths] == ["third", "backup", "acme"]
    good = snapshot_of()
    assert [path.id for path in emergency_paths(SERVICE, good, lambda trunk: 0, "backup")] == ["backup", "acme"]


def test_the_modem_has_the_time_it_needs_for_what_it_is_at() -> None:
    paths = emergency_paths(SERVICE, snapshot_of(), lambda trunk: 0, "", modem=True)
    times = [(path.id, path.silent_s, path.alone_s) for path in paths]
    assert times == [("acme", 4.0, 4.0), ("backup", 4.0, 4.0), (MODEM, MODEM_SILENT_S, MODEM_ALONE_S)]
    assert MODEM_SILENT_S > 2 * HURRY_S, "a text on its way, and the hang-up of a call"
    assert HURRY_S + DIAL_S + 2 * Command("AT+CHUP").timeout_s + 2 * RESYNC_S < MODEM_ALONE_S, "everything it can be at"


def test_a_test_call_never_becomes_a_real_one() -> None:
    nowhere = EmergencyService("test", "", "urn:service:test.sos", "urn:service:test.sos")
    mixed = snapshot_of(trunks={"backup": {"emergency_uri": "urn"}})
    assert [path.id for path in emergency_paths(nowhere, mixed, lambda trunk: 0, "")] == ["backup"]
