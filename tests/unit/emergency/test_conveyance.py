"""Geolocation, Call-Info and the body parts of an emergency INVITE."""

import re

import pytest

from appliance.emergency.conveyance import PhoneLocation, geolocation_headers

OURS = b"<presence/>"


def test_our_location_alone():
    found = geolocation_headers("192.0.2.1", "7", OURS)
    assert dict(found.headers) == {"Geolocation": "<cid:place-7@192.0.2.1>", "Geolocation-Routing": "yes"}
    (part,) = found.parts
    assert (part.content_type, part.body) == ("application/pidf+xml", OURS)
    assert dict(part.headers) == {"Content-ID": "<place-7@192.0.2.1>", "Content-Disposition": "by-reference;handling=optional"}


def test_the_phones_own_location_is_kept_and_ours_comes_last():
    phone = PhoneLocation('<cid:abc@phone.example>;inserted-by="x", <https://lis.example/1>', b"<phone/>")
    found = geolocation_headers("h", "7", OURS, phone=phone)
    assert dict(found.headers)["Geolocation"] == '<cid:abc@phone.example>;inserted-by="x", <https://lis.example/1>, <cid:place-7@h>'
    assert [(part.body, dict(part.headers)["Content-ID"]) for part in found.parts] == [(b"<phone/>", "<abc@phone.example>"), (OURS, "<place-7@h>")]


def test_a_phones_body_without_reference_gets_one():
    found = geolocation_headers("h", "7", OURS, phone=PhoneLocation("", b"<phone/>"))
    assert dict(found.headers)["Geolocation"] == "<cid:phone-7@h>, <cid:place-7@h>"
    assert [dict(part.headers)["Content-ID"] for part in found.parts] == ["<phone-7@h>", "<place-7@h>"]


def test_a_phones_reference_without_body_is_not_left_dangling():
    found = geolocation_headers("h", "7", OURS, phone=PhoneLocation("<CID:gone@h>, <sips:loc@lis.example>"))
    assert dict(found.headers)["Geolocation"] == "<sips:loc@lis.example>, <cid:place-7@h>"


@pytest.mark.parametrize("value", ["<sip:l@h>;loc-src=evil.example", '<sip:l@h>; LOC-SRC = "evil.example"', "<sip:l@h>;loc-src=evil.example ;x=1"])
def test_a_phone_may_not_say_who_vouches(value):
    sent = dict(geolocation_headers("h", "7", OURS, phone=PhoneLocation(value)).headers)["Geolocation"]
    assert "evil" not in sent
    assert sent.startswith("<sip:l@h>")


@pytest.mark.parametrize("value", ["garbage", "<", ">", ",,,", "cid:x", "<cid:a@b\r\nX-Evil: 1>", "\x00"])
def test_what_a_phone_writes_cannot_spoil_ours(value):
    sent = dict(geolocation_headers("h", "7", OURS, phone=PhoneLocation(value)).headers)["Geolocation"]
    assert sent.endswith("<cid:place-7@h>")
    assert not re.search(r"[\x00-\x1f]", sent)


def test_the_provider_block_is_referenced_by_call_info():
    found = geolocation_headers("h", "7", OURS, provider=b"<info/>")
    assert ("Call-Info", "<cid:provider-7@h>;purpose=EmergencyCallData.ProviderInfo") in found.headers
    assert found.parts[-1].content_type == "application/EmergencyCallData.ProviderInfo+xml"
    assert dict(found.parts[-1].headers)["Content-ID"] == "<provider-7@h>"


def test_nothing_known_adds_nothing():
    found = geolocation_headers("h", "7", b"")
    assert (found.headers, found.parts) == ((), ())
