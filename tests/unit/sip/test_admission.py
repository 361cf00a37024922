"""Admission: emergency first, then trunks by address, then digest; what a source may cost."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from appliance.emergency.recognise import Recogniser
from appliance.sip.admission import Admission, Admitted, Rules
from appliance.sip.api import Origin
from appliance.sip.digest import DigestAuth
from appliance.sip.messages import Contact, Credentials, Reply, Request
from appliance.sip.registrar.bindings import Bindings
from appliance.sip.registrar.register import Registrar
from appliance.site.document import parse
from appliance.site.snapshot import compile as compiled
from appliance.types import Address, TrunkId
from tests.support.sites import make_site, secret

BOX, PHONE, CARRIER = Address("10.0.0.1", 5060), Address("10.0.0.20", 5060), Address("203.0.113.5", 5060)


class Port:
    """An admission with a site of two phones and one trunk; `legs` and `crowded` are what the SIP side says."""

    def __init__(self) -> None:
        site = make_site(2)
        site["trunks"] = {"acme": {"name": "Acme", "host": "sip.acme.example", "networks": ["203.0.113.0/29"]}}
        snapshot = compiled(parse(site)[0], 1, parse(site)[1])
        self.legs, self.crowded, self.refusals = 100, False, []
        self.registrar = Registrar(Bindings())
        self.digest = DigestAuth(snapshot.realm, b"k" * 32)
        self.admission = Admission(
            Rules(snapshot, Recogniser.of(snapshot).match), self.digest, self.registrar, lambda: self.legs, lambda ip: self.crowded, self.refusals.append
        )

    def ask(self, method: str = "INVITE", user: str = "202", source: Address = PHONE, now: float = 1.0, **more) -> Admitted | Reply | None:
        return self.admission.decide(request(method, user, source, **more), now)


def request(method: str, user: str, source: Address = PHONE, *, cseq: int = 1, credentials=(), from_user: str = "201", user_agent: str = "") -> Request:
    return Request(
        method=method, uri=f"sip:{user}@box", uri_scheme="sip", uri_user=user, uri_host="box", from_uri=f"sip:{from_user}@box", from_user=from_user,
        from_host="box",
        from_tag="t", to_uri=f"sip:{user}@box", to_user=user, to_host="box", call_id="c1", cseq=cseq, branch="z9hG4bK1", source=source, local=BOX,
        contacts=(Contact("sip:201@10.0.0.20:5060"),), credentials=credentials, user_agent=user_agent,
    )  # fmt: skip


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.mark.parametrize("user", ["911", "9911", "112"])
def test_an_emergency_is_let_on_whatever_is_wrong(port, user):
    port.legs = 0
    for n in range(2000):
        port.ask("REGISTER", credentials=(Credentials("201", "holdfast.test", "forged", "sip:box", "0" * 32),), cseq=n)
    assert port.ask(user="202", cseq=7) is None, "the source is over every limit"
    found = port.ask(user=user, cseq=7, credentials=(Credentials("201", "x", "y", "z", "w"),))
    assert isinstance(found, Admitted)
    assert found.emergency
    assert found.device == "phone-201", "what it calls itself serves to find its place"


def test_a_fault_while_finding_out_who_calls_does_not_cost_the_call(port):
    port.admission.digest = None
    found = port.ask(user="911", credentials=(Credentials("201", "x", "y", "z", "w"),))
    assert isinstance(found, Admitted)
    assert found.emergency


def test_strangers_who_hold_the_last_legs_get_no_more_and_phones_of_the_site_do(port):
    port.crowded = True
    stranger = Address("10.0.0.66", 5060)
    refused = port.ask(user="911", source=stranger, from_user="nobody")
    assert isinstance(refused, Reply)
    assert refused.code == 503
    assert isinstance(port.ask(user="911", source=PHONE, from_user="201"), Admitted)
    port.crowded = False
    assert isinstance(port.ask(user="911", source=stranger, from_user="nobody"), Admitted)


def test_a_trunk_is_known_by_its_address_and_a_stranger_is_challenged(port):
    assert port.ask(source=CARRIER, from_user="+15550001111") == Admitted(Origin.TRUNK, trunk=TrunkId("acme"))
    challenged = port.ask(source=Address("198.51.100.7", 5060), from_user="+15550001111")
    assert isinstance(challenged, Reply)
    assert challenged.code == 401


@pytest.mark.row("E14")
def test_a_wrong_password_is_refused_and_noted_for_the_diagnosis(port):
    nonce = dict(part.split("=", 1) for part in port.digest.challenge(1.0, PHONE)[0][1].removeprefix("Digest ").split(", "))["nonce"].strip('"')
    wrong = Credentials("201", "holdfast.test", nonce, "sip:202@box", "0" * 64, "SHA-256", "c", "00000001", "auth")
    found = port.ask(credentials=(wrong,))
    assert isinstance(found, Reply)
    assert found.code == 403
    assert [r.reason for r in port.refusals] == ["wrong-password"]


def test_phones_that_take_one_challenge_get_one(port):
    plain = port.ask(user_agent="baresip v1.0.0 (x86_64/linux)")
    both = port.ask(user_agent="PJSUA v2.17")
    assert isinstance(plain, Reply)
    assert isinstance(both, Reply)
    assert [value for name, value in plain.headers if "SHA-256" in value] == []
    assert len([value for name, value in both.headers if name == "WWW-Authenticate"]) == 2


def test_what_is_not_served_says_so(port):
    codes = {method: port.ask(method).code for method in ("OPTIONS", "SUBSCRIBE", "PUBLISH", "BYE", "MESSAGE")}
    assert codes == {"OPTIONS": 200, "SUBSCRIBE": 489, "PUBLISH": 405, "BYE": 481, "MESSAGE": 405}


def test_devices_alone_are_heard_by_a_handler(port):
    heard = []
    port.admission.handlers["SUBSCRIBE"] = lambda request, device, now: (heard.append(device.id), Reply(200))[1]
    assert port.ask("SUBSCRIBE").code == 401
    assert port.ask("SUBSCRIBE", source=CARRIER, from_user="+15550001111").code == 403
    assert port.ask("SUBSCRIBE", credentials=(signed(port, secret(201)),)).code == 200
    assert heard == ["phone-201"]


def signed(port, password):
    """What 201 answers to a challenge of its own."""
    nonce = dict(part.split("=", 1) for part in port.digest.challenge(1.0, PHONE)[0][1].removeprefix("Digest ").split(", "))["nonce"].strip('"')
    made = Credentials("201", "holdfast.test", nonce, "sip:202@box", "", "MD5", "c", "00000001", "auth")
    one, two = (hashlib.md5(text.encode()).hexdigest() for text in (f"201:holdfast.test:{password}", "SUBSCRIBE:sip:202@box"))
    return replace(made, response=hashlib.md5(f"{one}:{nonce}:00000001:c:auth:{two}".encode()).hexdigest())


def test_a_password_on_its_way_is_taken_beside_the_old_one(port):
    proved = []
    port.admission.handlers["SUBSCRIBE"] = lambda request, device, now: Reply(200)
    port.admission.proved = proved.append
    assert port.ask("SUBSCRIBE", credentials=(signed(port, "the new one"),)).code == 403
    port.admission.offered = {"phone-201": "the new one"}
    assert port.ask("SUBSCRIBE", credentials=(signed(port, secret(201)),)).code == 200
    assert proved == []
    assert port.ask("SUBSCRIBE", credentials=(signed(port, "the new one"),)).code == 200
    assert proved == ["phone-201"]
    assert port.ask("SUBSCRIBE", credentials=(signed(port, "neither"),)).code == 403
    port.admission.offered = {"phone-202": "the new one"}
    assert port.ask("SUBSCRIBE", credentials=(signed(port, "the new one"),)).code == 403, "it was offered to another device"
    assert [refused.reason for refused in port.refusals] == ["wrong-password"] * 3


@pytest.mark.parametrize("user", ["911", "9911", "112"])
def test_a_text_to_an_emergency_number_is_refused_in_words_to_anybody(port, user):
    port.admission.handlers["MESSAGE"] = lambda request, device, now: Reply(202)
    found = port.ask("MESSAGE", user, from_user="nobody")
    assert isinstance(found, Reply)
    assert found.code == 403
    assert "voice call" in found.reason
    assert [r.reason for r in port.refusals] == ["emergency-text"]
    inside = port.admission.decide(replace(request("MESSAGE", "holdfast"), to_tag="t", to_user=user, to_uri=f"sip:{user}@box"), 1.0)
    assert isinstance(inside, Reply)
    assert inside.code == 403


def test_a_flood_is_met_with_silence_and_forgiven(port):
    answers = [port.ask("OPTIONS", now=1.0, cseq=1) for _ in range(600)]
    assert answers[0] is not None
    assert answers[-1] is None
    assert port.ask("OPTIONS", now=1.0, source=Address("10.0.0.21", 5060)) is not None, "another source is served"
    assert port.ask("OPTIONS", now=40.0) is not None
