"""Fax (row K1): T.38 is relayed between two ends that speak it; where one does not, the call goes on in G.711 without a gap."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.barebox import BareBox, BareLeg
from tests.support.box import Box
from tests.support.carrier import Call
from tests.support.fax import ATTRIBUTES, FaxCarrier, image_of
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site, secret

Side = tuple[FaxCarrier, Call, BareLeg]
WAYS = [("0", "forwarded"), ("8", "bridged")]


@pytest.fixture
def sides(bare, opened):
    """`sides(other="0", t38="takes") -> (box, asking side, asked side)`: two joined calls, sound both ways; `other`: the codec of the second."""

    def make(other: str = "0", t38: str = "takes") -> tuple[BareBox, Side, Side]:
        box = bare()
        made: list[Any] = []
        for user, formats in (("201", ("0", "101")), ("202", (other, "101"))):
            carrier: FaxCarrier = opened.enter_context(FaxCarrier(t38=t38))
            carrier.formats = formats
            call = carrier.call(box.uri("900"), box.sip, from_uri=box.uri(user), user=user, secret=secret(user)).sign_in()
            leg = box.incoming()
            leg.do("answer")
            call.wait_answer()
            leg.wait_news("Answered")
            made.append((carrier, call, leg))
        box.join(made[0][2], made[1][2])
        _sound(made[0][1], made[1][1])
        return box, made[0], made[1]

    return make


def _sound(one: Call, other: Call, packets: int = 50) -> None:
    """Both hear each other from now on."""
    start = one.rtp.heard(), other.rtp.heard()
    wait_until(lambda: one.rtp.heard() > start[0] + packets and other.rtp.heard() > start[1] + packets, 8, "sound both ways")


@pytest.mark.row("K1")
@pytest.mark.parametrize("beside_audio", [False, True])
@pytest.mark.parametrize(("other", "way"), WAYS)
def test_t38_is_refused_and_g711_goes_on(sides, beside_audio: bool, other: str, way: str) -> None:
    box, (gateway, fax, leg), (_, far, far_leg) = sides(other, "refuses")
    assert (box.counts()["links"] > 0) == (way == "forwarded")
    marks = len(fax.rtp.packets), len(far.rtp.packets)
    assert gateway.ask(fax, beside_audio=beside_audio).status == 488
    _sound(fax, far, 100)
    assert max(fax.rtp.longest_silence_ms(marks[0]), far.rtp.longest_silence_ms(marks[1])) < 200
    # It still takes what it can follow.
    assert fax.request("INVITE", body=fax.sdp()).status == 200
    _sound(fax, far)
    assert not leg.news("Ended")
    assert not far_leg.news("Ended")


def test_nobody_to_ask_is_a_refusal(bare, opened) -> None:
    box = bare()
    carrier: FaxCarrier = opened.enter_context(FaxCarrier())
    call = carrier.call(box.uri("900"), box.sip, from_uri=box.uri("201"), user="201", secret=secret(201)).sign_in()
    leg = box.incoming()
    leg.do("answer")
    call.wait_answer()
    leg.wait_news("Answered")
    assert carrier.ask(call).status == 488
    assert call.hangup().status == 200


@pytest.mark.row("K1")
@pytest.mark.parametrize("beside_audio", [False, True])
@pytest.mark.parametrize(("other", "way"), WAYS)
def test_t38_passes_between_two_ends_that_speak_it(sides, beside_audio: bool, other: str, way: str) -> None:
    _, (gateway, fax, leg), (far_gateway, far, far_leg) = sides(other)
    reply = gateway.ask(fax, beside_audio=beside_audio)
    assert reply.status == 200
    streams = [line.split()[:2] for line in reply.sdp.splitlines() if line.startswith("m=")]
    assert [s[0] for s in streams] == (["m=audio", "m=image"] if beside_audio else ["m=image"]), "the answer has the offer's streams"
    assert not beside_audio or streams[0][1] == "0"
    for asked in (far_gateway.asked[0].sdp, reply.sdp):
        assert [line for line in asked.splitlines() if line.startswith("a=T38")] == [f"a={line}" for line in ATTRIBUTES]
    assert len(far_gateway.asked) == 1
    gateway.exchange(far_gateway)
    assert leg.wait_news("MediaChanged", codec="t38")
    assert far_leg.wait_news("MediaChanged", codec="t38")
    heard = far.rtp.heard()
    gateway.exchange(far_gateway, 200)
    assert far.rtp.heard() == heard, "no sound in the fax"
    assert fax.hangup().status == 200
    leg.wait_news("Ended")
    far_leg.hangup()
    far.wait("BYE")


def test_either_side_may_ask(sides) -> None:
    _, (gateway, _, _), (far_gateway, far, _) = sides()
    assert far_gateway.ask(far).status == 200
    far_gateway.exchange(gateway)


def test_datagrams_of_an_address_that_is_not_in_the_sdp(sides, opened) -> None:
    """Behind NAT the gateway sends from elsewhere than it says: it is followed there, once; who comes later is not."""
    from tests.support.fax import Udptl

    _, (gateway, fax, _), (far_gateway, _, _) = sides()
    assert gateway.ask(fax).status == 200
    outside, stranger = Udptl(gateway.media_ip), Udptl(gateway.media_ip)
    opened.callback(outside.close)
    opened.callback(stranger.close)
    outside.send(1, b"x", gateway.far)
    wait_until(lambda: far_gateway.udptl.got == [(1, b"x")], 5, "the datagram")
    stranger.send(2, b"y", gateway.far)
    far_gateway.udptl.send(3, b"z", far_gateway.far)
    wait_until(lambda: outside.got == [(3, b"z")], 5, "the answer where it came from")
    outside.send(4, b"x", gateway.far)
    wait_until(lambda: len(far_gateway.udptl.got) == 2, 5, "its next one")
    assert [number for number, _ in far_gateway.udptl.got] == [1, 4]
    assert not stranger.got


@pytest.mark.parametrize(("other", "way"), WAYS)
def test_back_to_sound(sides, other: str, way: str) -> None:
    box, (gateway, fax, leg), (far_gateway, far, _) = sides(other)
    assert gateway.ask(fax).status == 200
    gateway.exchange(far_gateway)
    asked = far_gateway.asked[0].sdp
    before = len(leg.news("MediaChanged"))
    assert fax.request("INVITE", body=fax.sdp()).status == 200
    back = far_gateway.wait_for(lambda got: got.message.method == "INVITE" and got.message.is_request and "m=audio" in got.message.sdp).message.sdp
    fax._send_tone_to(f"c=IN IP4 {box.sip[0]}\r\nm=audio {gateway.far[1]} RTP/AVP 0\r\n")
    _sound(fax, far)
    wait_until(lambda: leg.news("MediaChanged")[before:] and leg.news("MediaChanged")[-1]["codec"] == "pcmu", 5, "the codec told")
    assert _version(back) > _version(asked)
    assert gateway.ask(fax).status == 200, "and a second page later"
    gateway.exchange(far_gateway)


def _version(sdp: str) -> int:
    return int(next(line for line in sdp.splitlines() if line.startswith("o=")).split()[2])


def test_a_refresh_in_the_middle_disturbs_nothing(sides) -> None:
    _, (gateway, fax, _), (far_gateway, _, _) = sides()
    assert gateway.ask(fax).status == 200
    gateway.exchange(far_gateway)
    far = gateway.far
    assert gateway.ask(fax).status == 200
    assert gateway.far == far
    assert len(far_gateway.asked) == 1, "the other side is not asked again"
    gateway.exchange(far_gateway)


def test_an_answer_without_the_fax_brings_both_back_to_sound(sides) -> None:
    _, (gateway, fax, _), (far_gateway, far, _) = sides(t38="sound")
    assert gateway.ask(fax).status == 488
    far_gateway.wait_for(lambda got: got.message.method == "INVITE" and got.message.is_request and "m=audio" in got.message.sdp)
    _sound(fax, far)


def test_hanging_up_while_the_other_side_thinks(sides) -> None:
    box, (gateway, fax, leg), (_, far, far_leg) = sides(t38="silent")
    fax.cseq += 1
    gateway.send(fax._in_dialog("INVITE", fax.cseq, body=gateway.offer(fax)), box.sip)
    wait_until(lambda: far.carrier.asked, 5, "the question at the other side")
    _sound(fax, far)
    assert fax.hangup().status == 200
    leg.wait_news("Ended")
    far_leg.hangup()
    far.wait("BYE")
    assert gateway.wait_for(lambda got: got.message.status == 487 and got.message.call_id == fax.call_id)
    assert box.counts()["legs"] == 0


def test_both_asking_at_once(sides) -> None:
    """One is asked while it asks: it is told to wait (491), or both are refused; the sound goes on either way."""
    box, (gateway, fax, _), (far_gateway, far, _) = sides(t38="silent")
    fax.cseq += 1
    gateway.send(fax._in_dialog("INVITE", fax.cseq, body=gateway.offer(fax)), box.sip)
    wait_until(lambda: far_gateway.asked, 5, "the question at the other side")
    reply = far_gateway.ask(far)
    assert reply.status in (488, 491)
    _sound(fax, far)


@pytest.mark.parametrize("spoiled", ["m=image 0 udptl t38", "m=image 4000 RTP/AVP 0", "m=image 4000 udptl", "m=image 4000 tcp t38", "m=image 99999 udptl t38"])
def test_what_is_no_t38_is_refused(sides, spoiled: str) -> None:
    _, (gateway, fax, _), (far_gateway, far, _) = sides()
    body = gateway.offer(fax).replace(f"m=image {gateway.udptl.port} udptl t38", spoiled)
    reply = fax.request("INVITE", body=body)
    assert reply is None or reply.status >= 400 or image_of(reply.sdp) == ("", 0)
    assert not far_gateway.asked
    _sound(fax, far)


# ---- through the whole box ---------------------------------------------------------------------------------------


@pytest.fixture
def line(box, opened):
    """`line(dialled) -> (box, phone's gateway, its call, carrier's gateway, its call)`: a device on the LAN calls out by a trunk, answered."""

    def make(dialled: str) -> tuple[Box, FaxCarrier, Call, FaxCarrier, Call]:
        carrier: FaxCarrier = opened.enter_context(FaxCarrier("127.0.0.2"))
        phone: FaxCarrier = opened.enter_context(FaxCarrier("127.0.0.8"))
        it = box(add_trunk(make_site(1), "acme", carrier.ip, carrier.port, health_seconds=0))
        fax = phone.call(it.uri(dialled), it.sip, from_uri=f"sip:201@{it.sip[0]}:{it.sip[1]}", user="201", secret=secret(201))
        fax.wait_answer()
        far = carrier.wait_call()
        _sound(fax, far)
        return it, phone, fax, carrier, far

    return make


@pytest.mark.row("K1")
def test_a_fax_goes_out_by_a_trunk(line) -> None:
    it, phone, fax, carrier, far = line("2025550199")
    assert carrier.ask(far).status == 200, "the answering fax asks, as is usual"
    phone.exchange(carrier)
    assert len(it.calls()) == 1
    assert fax.hangup().status == 200
    far.wait("BYE")
    it.wait_idle()


def test_an_emergency_call_stays_a_voice_call(line) -> None:
    _, phone, fax, carrier, far = line("911")
    assert carrier.ask(far).status == 488
    assert phone.ask(fax).status == 488
    assert not phone.asked
    assert not carrier.asked
    _sound(fax, far)
