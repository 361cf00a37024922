"""Trunks of the running box: registering and by address, numbers both ways, failover, NAT, advertised addresses, a dead name server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.box import Box
from tests.support.carrier import Call, Carrier, answer, refuse, silent
from tests.support.net import SiteNet
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.sipmsg import Message, authorization, challenge_of
from tests.support.sites import ELINS, MAIN_NUMBER, Document, add_number, add_trunk, make_site, secret
from tests.support.tone import PROOF, tone_fraction

Maker = Callable[..., Any]
FIRST, SECOND, LAN = "127.0.0.2", "127.0.0.3", "127.0.0.8"
DID = "+12025550150"
OUTSIDE = "+12025550199"


def _site(*carriers: Carrier, **fields: Any) -> Document:
    """Phones 201 and 202, DID to 201, one trunk per carrier, health by calls alone."""
    site = add_number(make_site(2), DID, "201")
    for number, carrier in enumerate(carriers, 1):
        add_trunk(site, f"trunk{number}", carrier.ip, carrier.port, **{"health_seconds": 0, **fields})
    return site


def _dial(phone: Carrier, box: Box, user: str, number: str = "201") -> Call:
    """An INVITE of a raw phone that answers the challenge."""
    call = phone.call(box.uri(user), box.sip, from_uri=f"sip:{number}@{box.sip[0]}:{box.sip[1]}", user=number, secret=secret(number))
    wait_until(lambda: call._follow() or call.cseq == 2, 5.0, "the challenge answered")
    return call


def _trunk(box: Box, name: str = "trunk1") -> dict[str, Any]:
    row: dict[str, Any] = next(row for row in box.status()["trunks"] if row["id"] == name)
    return row


def _register(phone: Carrier, box: Box, number: str = "201") -> None:
    own = f"sip:{number}@{box.sip[0]}"
    contact = f"<sip:{number}@{phone.ip}:{phone.port}>"
    reply = phone.request(
        "REGISTER", f"sip:{box.sip[0]}:{box.sip[1]}", box.sip, user=number, secret=secret(number), from_uri=own, to_uri=own, contact=contact
    )
    assert reply.status == 200, reply.start


# ---- registering -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_registering_trunk_registers_and_carries_calls_both_ways(box: Maker, carrier: Maker, algorithm: str) -> None:
    line: Carrier = carrier(FIRST, accounts={"box-user": "box-secret"}, algorithm=algorithm)
    it: Box = box(_site(line, username="box-user", secret="box-secret"))
    register = line.wait_registered()
    assert register.uri_of("to").startswith(f"sip:box-user@{FIRST}")
    wait_until(lambda: _trunk(it)["state"] == "up", 5.0, "the trunk registered in status")
    phone: Carrier = carrier(LAN)
    _register(phone, it)
    out = _dial(phone, it, "2025550199").wait_answer()
    assert line.wait_call().invite.uri.startswith(f"sip:{OUTSIDE}@")
    out.hangup()
    # Registering carriers call the contact that registered; the number called stands in To alone.
    contact = register.uri_of("contact")
    data = line.request_bytes("INVITE", contact, to_uri=f"sip:{DID}@{FIRST}", from_uri=f"sip:+12025550123@{FIRST}", body=Call(line).sdp())
    line.send(data, it.sip)
    ringing = phone.wait_call()
    assert "+12025550123" in ringing.invite.uri_of("from")


@pytest.mark.parametrize("dialled", ["2025550199", "911"])
def test_a_carrier_that_challenges_the_invite_gets_its_answer(box: Maker, carrier: Maker, dialled: str) -> None:
    line: Carrier = carrier(FIRST)
    challenge = 'Digest realm="carrier.example", nonce="abcdef0123456789", algorithm=MD5, qop="auth"'
    line.plan = [refuse(407, headers=[("Proxy-Authenticate", challenge)]), answer()]
    it: Box = box(_site(line, username="box-user", secret="box-secret"))
    line.wait_registered()
    out = _dial(carrier(LAN), it, dialled)
    first, again = line.wait_call().invite, line.wait_call(1).invite
    parts = challenge_of(Message("SIP/2.0 407 -", [("proxy-authenticate", again.header("proxy-authorization"))]))
    asked = {"realm": "carrier.example", "nonce": "abcdef0123456789", "algorithm": "MD5", "qop": "auth"}
    right = authorization(asked, "INVITE", parts["uri"], "box-user", "box-secret", nc=int(parts["nc"], 16), cnonce=parts["cnonce"])
    assert parts["response"] == challenge_of(Message("SIP/2.0 407 -", [("proxy-authenticate", right)]))["response"]
    assert again.call_id == first.call_id
    assert again.body == first.body or dialled != "911"
    out.wait_answer().hangup()


def test_a_refused_registration_is_told_in_status(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST, accounts={"box-user": "box-secret"})
    it: Box = box(_site(line, username="box-user", secret="wrong-secret"))
    wait_until(lambda: _trunk(it)["state"] == "down", 15.0, "the refusal in status")
    assert _trunk(it)["reason"].startswith(("401", "403", "407"))
    assert not line.registrations


# ---- numbers -----------------------------------------------------------------------------------------------------


def test_every_way_to_dial_a_number_leaves_as_e164(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    line.plan = [refuse(486)]
    it: Box = box(_site(line))
    phone: Carrier = carrier(LAN)
    for number, dialled in enumerate(["2025550199", "12025550199", "92025550199", "912025550199", "+12025550199", "%2B1-202-555-0199"]):
        assert _dial(phone, it, dialled).wait_final().status == 486, dialled
        invite = line.wait_call(number).invite
        assert invite.uri.startswith(f"sip:{OUTSIDE}@{FIRST}:{line.port}"), dialled
        assert MAIN_NUMBER in invite.uri_of("from"), dialled
        assert MAIN_NUMBER in invite.header("p-asserted-identity"), dialled


@pytest.mark.parametrize(("form", "out", "come"), [("e164-no-plus", "12025550199", "12025550150"), ("national", "2025550199", "2025550150")])
def test_a_trunk_with_its_own_number_format_both_ways(box: Maker, carrier: Maker, form: str, out: str, come: str) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line, number_format=form))
    phone: Carrier = carrier(LAN)
    _register(phone, it)
    _dial(phone, it, "2025550199").wait_answer().hangup()
    assert line.wait_call().invite.uri.startswith(f"sip:{out}@")
    back = line.call(it.uri(come), it.sip, from_uri=f"sip:{out}@{FIRST}")
    assert OUTSIDE in phone.wait_call().invite.uri_of("from")
    back.wait_answer().hangup()


def test_a_number_that_is_not_the_sites_is_refused(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line))
    assert line.call(it.uri("+12025550777"), it.sip).wait_final().status == 404
    # Nor does a carrier reach the outside through the box.
    assert line.call(it.uri("+442071838750"), it.sip).wait_final().status == 404
    assert not line.calls


def test_a_stranger_gets_no_call_out_or_in(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line))
    stranger: Carrier = carrier("127.0.0.66")
    for called in (DID, OUTSIDE, "201"):
        assert stranger.call(it.uri(called), it.sip).wait_final().status in (401, 407), called
    assert not line.calls


def test_international_calls_are_barred_until_the_site_allows_them(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    line.plan = [refuse(486)]
    site = _site(line)
    it: Box = box(site)
    phone: Carrier = carrier(LAN)
    for dialled in ("011442071838750", "9011442071838750", "+442071838750", "18765550123"):
        assert _dial(phone, it, dialled).wait_final().status == 403, dialled
    assert not line.calls
    site["outbound"]["allowed_countries"] = ["+44"]
    it.load(site)
    assert _dial(phone, it, "011442071838750").wait_final().status == 486
    assert line.wait_call().invite.uri.startswith("sip:+442071838750@")
    assert _dial(phone, it, "+4930901820").wait_final().status == 403


def test_a_source_network_of_the_trunk_is_let_in(box: Maker, carrier: Maker) -> None:
    line, gateway, phone = carrier(FIRST), carrier("127.0.44.5"), carrier(LAN)
    it: Box = box(_site(line, networks=["127.0.44.0/24"]))
    _register(phone, it)
    come = gateway.call(it.uri(DID), it.sip, from_uri="sip:+12025550123@127.0.44.5")
    assert "+12025550123" in phone.wait_call().invite.uri_of("from")
    come.wait_answer().hangup()


def test_a_trunk_over_tcp_both_ways(box: Maker, carrier: Maker) -> None:
    line, phone = carrier(FIRST), carrier(LAN)
    it: Box = box(_site(line, transport="tcp"))
    _register(phone, it)
    _dial(phone, it, "2025550199").wait_answer().hangup()
    assert line.wait_call().transport == "tcp"
    assert "transport=tcp" in line.wait_call().invite.uri_of("contact").lower()
    come = line.call(it.uri(DID), it.sip, transport="tcp", from_uri=f"sip:+12025550123@{FIRST}")
    phone.wait_call()
    come.wait_answer().hangup()
    # Emergency calls take the same way, location and all.
    out = _dial(phone, it, "911")
    assert line.wait_call(1).invite.part("application/pidf+xml")
    out.wait_answer().hangup()


# ---- failover ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [refuse(503), silent], ids=["503", "silent"])
def test_a_failing_trunk_gives_way_to_the_next(box: Maker, carrier: Maker, script: Any) -> None:
    first, second = carrier(FIRST), carrier(SECOND)
    first.plan = [script]
    it: Box = box(_site(first, second))
    out = _dial(carrier(LAN), it, "2025550199")
    first.wait_call()
    assert second.wait_call(timeout_s=12.0).invite.uri.startswith(f"sip:{OUTSIDE}@")
    out.wait_answer(15.0).hangup()


def test_a_busy_number_is_not_tried_on_another_trunk(box: Maker, carrier: Maker) -> None:
    first, second = carrier(FIRST), carrier(SECOND)
    first.plan = [refuse(486)]
    it: Box = box(_site(first, second))
    assert _dial(carrier(LAN), it, "2025550199").wait_final().status == 486
    assert not second.calls


def test_a_trunk_that_answers_no_options_is_down_and_tried_last(box: Maker, carrier: Maker) -> None:
    first, second = carrier(FIRST), carrier(SECOND)
    first.alive = False
    it: Box = box(_site(first, second, health_seconds=1))
    wait_until(lambda: _trunk(it)["state"] == "down" and _trunk(it, "trunk2")["state"] == "up", 25.0, "the first trunk down, the second up")
    _dial(carrier(LAN), it, "2025550199").wait_answer().hangup()
    assert not first.calls


# ---- addresses and NAT -------------------------------------------------------------------------------------------


def test_the_advertised_address_stands_in_contact_and_sdp(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line, advertised="203.0.113.77"))
    phone: Carrier = carrier(LAN)
    out = _dial(phone, it, "2025550199").wait_answer()
    invite = line.wait_call().invite
    assert f"@203.0.113.77:{it.sip[1]}" in invite.uri_of("contact")
    assert invite.media()[0] == "203.0.113.77"
    # The phone's side is on the LAN and hears of no such thing.
    assert out.final is not None
    assert out.final.media()[0] == it.sip[0]
    assert "203.0.113.77" not in out.final.uri_of("contact")
    out.hangup()


def _nat_site(net: SiteNet, line: Carrier, **fields: Any) -> Document:
    return add_trunk(add_number(make_site(1), DID, "201"), "trunk1", line.ip, line.port, **fields)


@pytest.mark.parametrize("advertised", [True, False], ids=["advertised", "private"])
def test_audio_both_ways_through_a_nat_router(
    site_net: Maker, box: Maker, carrier: Maker, phone: Maker, tmp_path: Path, advertised: bool
) -> None:
    net: SiteNet = site_net(phones=1, nat=True)
    line: Carrier = carrier(net.carrier_ip, 5060, ns=net.carrier, accounts={"box-user": "box-secret"})
    fields = {"username": "box-user", "secret": "box-secret", **({"advertised": net.public} if advertised else {})}
    it: Box = box(_nat_site(net, line, **fields), bind=(net.box_lan, net.box_wan), ns=net.box)
    line.wait_registered()
    seen = line.requests("REGISTER")[0].source
    assert seen[0] == net.public, "the test's router does not hide the box"
    caller: PjPhone = phone("phone", ip=net.phone_ip(0), ns=net.phones[0])
    assert caller.register("201", secret(201), it.sip).ok
    # Out.
    out = caller.call(it.uri("2025550199")).wait("CONFIRMED")
    far = line.wait_call()
    assert far.invite.media()[0] == (net.public if advertised else net.box_wan)
    out.wait_heard(275)
    heard = far.record(tmp_path / "out.wav")
    far.hangup()
    out.wait("DISCONNECTED")
    assert tone_fraction(out.recording) >= PROOF
    assert tone_fraction(heard) >= PROOF
    # In, to the address the registration came from.
    come = line.call(f"sip:{DID}@{seen[0]}:{seen[1]}", seen, from_uri=f"sip:+12025550123@{line.ip}")
    into = caller.incoming().wait("CONFIRMED")
    come.wait_answer()
    into.wait_heard(275)
    heard = come.record(tmp_path / "in.wav")
    into.hangup()
    come.wait("BYE")
    assert tone_fraction(into.recording) >= PROOF
    assert tone_fraction(heard) >= PROOF


# ---- a dead name server ------------------------------------------------------------------------------------------


def test_a_dead_name_server_stalls_neither_local_calls_nor_911(site_net: Maker, box: Maker, carrier: Maker) -> None:
    net: SiteNet = site_net(phones=1, second_carrier=True, dead_dns=True)
    by_address: Carrier = carrier(net.carrier2_ip, 5060, ns=net.carrier2)
    site = make_site(2)
    add_trunk(site, "named", "sip.carrier.example", 5060, username="u", secret="box-secret")
    add_trunk(site, "addressed", net.carrier2_ip, 5060)
    it: Box = box(site, bind=(net.box_lan, net.box_wan), ns=net.box)
    one, other = (carrier(net.phone_ip(0), port, ns=net.phones[0]) for port in (5070, 5080))
    took = []
    for _ in range(20):
        begin = time.monotonic()
        _register(other, it, "202")
        call = _dial(one, it, "202")
        call.wait_answer()
        took.append(time.monotonic() - begin)
        call.hangup()
    # A single look-up in vain would take five seconds.
    assert max(took) < 3.0, took
    emergency = _dial(one, it, "911")
    assert ELINS[0] in by_address.wait_call().invite.uri_of("from")
    emergency.wait_answer().hangup()
    assert _trunk(it, "named")["reason"]


def test_a_carriers_answer_with_names_in_it_stalls_nothing(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line))

    def with_names(call: Call) -> None:
        body = call.sdp().replace(f"IN IP4 {FIRST}", "IN IP4 media.carrier.example")
        assert call.incoming is not None
        line.reply(call.incoming, 200, headers=[("Contact", "<sip:gw@gw.carrier.example:5060>")], body=body, to_tag=call.local_tag)
        call._send_tone_to(call.invite.sdp)

    line.plan = [with_names]
    phone: Carrier = carrier(LAN)
    begin = time.monotonic()
    out = _dial(phone, it, "2025550199").wait_answer()
    line.wait_call().wait("ACK")
    assert time.monotonic() - begin < 3.0
    out.hangup()
    line.wait_call().wait("BYE")
    line.plan = [answer()]
