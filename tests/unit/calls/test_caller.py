"""Identities: who calls, what is shown, how URIs are written."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.calls.caller import Caller, caller_of, presented, sip_uri
from appliance.calls.dials import offer, outbound_identity, trunk_host
from appliance.types import DeviceId, TrunkId, UserId
from tests.unit.calls.fakes import snapshot_of
from tests.unit.calls.test_route import from_trunk, invite

SITE = snapshot_of()


@pytest.mark.row("T1")
def test_a_device_is_who_it_signed_in_as_whatever_its_from_says() -> None:
    caller = caller_of(invite("101", from_user="911", from_display="The Boss"), SITE)
    assert caller == Caller("103", "Carol Ito", DeviceId("carol-desk"), UserId("carol"))


@pytest.mark.row("K2")
def test_a_device_without_owner_shows_its_own_name() -> None:
    assert caller_of(invite("101", device="door"), SITE) == Caller("190", "Front door", DeviceId("door"))


@pytest.mark.parametrize(
    ("identity", "number", "name"),
    [
        ('"Max Roe" <sip:+13015550177@carrier>', "+13015550177", "Max Roe"),
        ("Max Roe <sip:+13015550177@carrier;user=phone>", "+13015550177", "Max Roe"),
        ("<tel:+13015550177>", "+13015550177", ""),
        ("tel:+13015550177", "+13015550177", ""),
        ("<sip:13015550177@carrier>", "+13015550177", ""),
        ("sip:+13015550177@carrier;user=phone", "+13015550177", ""),
        ("rubbish", "+13015550199", "From Name"),
        ("", "+13015550199", "From Name"),
    ],
)
def test_a_trunks_asserted_identity_goes_before_its_from(identity: str, number: str, name: str) -> None:
    headers: dict[str, Any] = {"P-Asserted-Identity": identity} if identity else {}
    caller = caller_of(from_trunk("+12125550101", from_user="+13015550199", from_display="From Name", headers=headers), SITE)
    assert caller == Caller(number, name, trunk=TrunkId("acme"))


def test_hostile_names_are_made_harmless() -> None:
    caller = caller_of(from_trunk("+12125550101", from_user="+13015550199", from_display="x\r\nVia: y" + "z" * 500), SITE)
    assert caller.name.isprintable()
    assert len(caller.name) <= 80


def test_privacy_hides_from_phones() -> None:
    caller = caller_of(from_trunk("+12125550101", from_user="+13015550199", headers={"Privacy": "user;id"}), SITE)
    assert caller.private
    assert presented(caller, "office.example") == ("sip:anonymous@anonymous.invalid", "Anonymous")
    assert not caller_of(from_trunk("+12125550101", headers={"Privacy": "none"}), SITE).private


def test_uris_are_escaped() -> None:
    assert sip_uri("+1212", "host") == "sip:+1212@host"
    assert sip_uri('a b"<>@;x', "host") == "sip:a%20b%22%3C%3E%40%3Bx@host"
    assert sip_uri("x", "2001:db8::1") == "sip:x@[2001:db8::1]"
    assert sip_uri("x", "host:5070", ";user=phone") == "sip:x@host:5070;user=phone"


def test_the_callers_codec_order_comes_first_and_only_allowed_ones() -> None:
    assert offer(("PCMA/8000", "g729", "opus"), ("g722", "pcmu", "pcma")) == ("pcma", "g722", "pcmu")
    assert offer((), ("g722", "pcmu")) == ("g722", "pcmu")


@pytest.mark.row("T2")
def test_the_number_shown_outside() -> None:
    trunk = SITE.trunks[TrunkId("acme")].model_copy(update={"caller_id": "+13125550000"})
    assert outbound_identity(Caller("101", user=UserId("dana")), trunk, SITE) == "+12125550101"
    assert outbound_identity(Caller("103", user=UserId("carol")), trunk, SITE) == "+12125550100"
    bare = snapshot_of(main_number=None)
    assert outbound_identity(Caller("103", user=UserId("carol")), trunk, bare) == "+13125550000"
    assert outbound_identity(Caller("+13015550177"), trunk, SITE) == "+13015550177"
    assert outbound_identity(Caller("190"), SITE.trunks[TrunkId("acme")], bare) == ""


def test_trunk_hosts() -> None:
    trunk = SITE.trunks[TrunkId("acme")]
    assert trunk_host(trunk) == "198.51.100.1"
    assert trunk_host(trunk.model_copy(update={"port": 5080})) == "198.51.100.1:5080"
    assert trunk_host(trunk.model_copy(update={"transport": "tls", "port": 5061})) == "198.51.100.1"
    assert trunk_host(trunk.model_copy(update={"host": "2001:db8::5"})) == "[2001:db8::5]"
