"""Emergency calls against the running box: who may call, how it is dialled, what the carrier gets, every path, the call back, the notice."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from appliance.emergency import journal
from tests.support.box import Box
from tests.support.carrier import Call, Carrier, answer, answer_despite_cancel, refuse, silent, trying
from tests.support.pjphone import PjPhone
from tests.support.ports import free_port
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer, Received
from tests.support.sipmsg import Message, sdp, token
from tests.support.sites import ELINS, Document, add_number, add_trunk, civic, make_site, secret
from tests.support.tone import PROOF, tone_fraction

Maker = Callable[..., Any]
FIRST, SECOND = "127.0.0.2", "127.0.0.3"
CIVIC = "{urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr}"
CALLBACK = {"main": ELINS[0], "annex": ELINS[1]}
FLOOR = {"main": "1", "annex": "2"}


def _site(*carriers: Carrier, **fields: Any) -> Document:
    """Phones 201 in the main building and 202 in the annex, and one trunk per carrier."""
    site = make_site(2)
    site["devices"]["phone-202"]["location"] = "annex"
    for number, carrier in enumerate(carriers, 1):
        add_trunk(site, f"trunk{number}", carrier.ip, carrier.port, health_seconds=0, **fields)
    return site


@dataclass
class Scene:
    """A box with one trunk that nothing disturbs, for calls that only look."""

    box: Box
    carrier: Carrier
    phone: Carrier
    """A raw peer on the LAN that dials."""

    def dial(self, uri: str, user: str = "201", **parts: Any) -> tuple[Call, Call]:
        """Dial from a phone that says it is `user`; (the phone's side, the carrier's side)."""
        index = len(self.carrier.calls)
        out = self.phone.call(uri, self.box.sip, from_uri=f"sip:{user}@{self.box.sip[0]}:{self.box.sip[1]}", **parts)
        return out, self.carrier.wait_call(index)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as stack:
        carrier = stack.enter_context(Carrier(FIRST))
        box = stack.enter_context(Box(tmp_path_factory.mktemp("emergency"), _site(carrier)))
        yield Scene(box, carrier, stack.enter_context(Carrier("127.0.0.1")))


def _place(invite: Message) -> dict[str, str]:
    """The civic address of the location body, {"FLR": "2", …}; {} without one."""
    body = invite.part("application/pidf+xml")
    if body is None:
        return {}
    return {element.tag.removeprefix(CIVIC): element.text or "" for element in ElementTree.fromstring(body).iter() if element.tag.startswith(CIVIC)}


def _assert_complete(invite: Message, place: str) -> None:
    """Everything a dispatcher needs is in this INVITE (rows of facts L1, L3; RFC 6442 section 4)."""
    number = CALLBACK[place]
    assert invite.uri.startswith("sip:911@"), invite.start
    assert number in invite.uri_of("from"), invite.header("from")
    assert number in invite.header("p-asserted-identity")
    assert invite.header("priority") == "emergency"
    assert invite.sdp, "no SDP in the body"
    found = _place(invite)
    assert {key: found.get(key) for key in civic(FLOOR[place])} == civic(FLOOR[place])
    part = next(part for part in invite.parts() if part.content_type == "application/pidf+xml")
    assert f"<cid:{part.headers['content-id'].strip('<>')}>" in invite.header("geolocation")
    assert invite.header("geolocation-routing") == "yes"


def _rows(box: Box, table: str) -> int:
    """How many rows a table of the box's state has on the disk."""
    with contextlib.closing(sqlite3.connect(f"file:{box.data / 'state' / 'state.db'}?mode=ro", uri=True)) as database:
        count: int = database.execute(f"select count(*) from {table}").fetchone()[0]
        return count


def _end(out: Call) -> None:
    out.wait_answer()
    out.hangup()


# ---- who, and how it is dialled --------------------------------------------------------------------------------


@pytest.mark.row("L1")
@pytest.mark.parametrize(
    "dialled",
    [
        "sip:911@{}", "sip:9911@{}", "tel:911", "urn:service:sos", "urn:service:sos.fire", "URN:service:sos", "sip:112@{}", "sip:911@{};user=phone",
        "sip:911@other.example", "sips:911@{}", "SIP:911@{}", "tel:911;phone-context=+1", "sip:%39%31%31@{}", "sip:911;phone-context=%2b1@{};user=phone",
    ],
)
def test_every_written_form_from_a_phone_that_is_not_registered(scene: Scene, dialled: str) -> None:
    out, call = scene.dial(dialled.format(f"{scene.box.sip[0]}:{scene.box.sip[1]}"), "202")
    _assert_complete(call.invite, "annex")
    _end(out)


def test_from_a_phone_that_is_not_known(scene: Scene) -> None:
    out, call = scene.dial(scene.box.uri("911"), "nobody-knows-me")
    _assert_complete(call.invite, "main")
    _end(out)


def test_from_a_phone_with_a_wrong_password(scene: Scene) -> None:
    with RawPeer("127.0.0.1") as peer:
        refused = peer.request("REGISTER", scene.box.uri("").replace("@", ""), scene.box.sip, user="202", secret="wrong", from_tag=token())
        assert refused.status in (401, 403)
    bad = 'Digest username="202", realm="holdfast.test", nonce="00", uri="sip:911@x", response="0123456789abcdef0123456789abcdef"'
    out, call = scene.dial(scene.box.uri("911"), "202", headers=[("Authorization", bad)])
    _assert_complete(call.invite, "annex")
    _end(out)


@pytest.mark.row("Z4")
def test_the_journal_has_the_call_before_the_carrier_has_the_invite(scene: Scene) -> None:
    seen: list[list[dict[str, Any]]] = []

    def look(call: Call) -> None:
        seen.append(journal.read(scene.box.data / "state" / "emergency.journal"))
        answer()(call)

    scene.carrier.plan = [look]
    try:
        out, _ = scene.dial(scene.box.uri("911"), "202")
        _end(out)
    finally:
        scene.carrier.plan = [answer()]
    entry = [entry for entry in seen[0] if entry["event"] == "call"][-1]
    assert entry["call_id"] == out.call_id
    assert (entry["callback"], entry["device"], entry["dialled"]) == (ELINS[1], "phone-202", "911")


@pytest.mark.row("L2")
def test_a_notice_in_status(scene: Scene) -> None:
    out, _ = scene.dial(scene.box.uri("911"), "202")
    out.wait_answer()
    active = wait_until(lambda: [n for n in scene.box.status()["emergency"]["active"] if n["outcome"] == "connected"], 5.0, "the notice")
    assert [(n["dialled"], n["callback_number"], n["device"], n["location_sent"], n["test"]) for n in active] == [("911", ELINS[1], "phone-202", True, False)]
    out.hangup()
    wait_until(lambda: not scene.box.status()["emergency"]["active"], 5.0, "the notice no longer active")
    assert scene.box.status()["emergency"]["last"]["outcome"] == "ended"


@pytest.mark.parametrize(
    "fault",
    [
        "no contact", "unknown require", "proxy-require", "missing max-forwards", "unusable sdp", "savp without a key", "no sdp", "binary sdp",
        "sdp without audio", "other body", "short session timer", "tel contact", "rtcp at a name", "savp with a key",
    ],
)
def test_a_broken_invite_goes_out_all_the_same(scene: Scene, fault: str) -> None:
    peer = scene.phone
    body: str | bytes = sdp("127.0.0.1", 40000)
    headers: list[tuple[str, str]] = []
    contact: str | None = None
    content_type = "application/sdp"
    match fault:
        case "no contact":
            contact = ""
        case "unknown require":
            headers = [("Require", "strange-extension")]
        case "proxy-require":
            headers = [("Proxy-Require", "strange-extension")]
        case "unusable sdp":
            body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 96\r\na=rtpmap:96 strange/48000\r\n"
        case "savp without a key":
            body = sdp("127.0.0.1", 40000).replace("RTP/AVP", "RTP/SAVP")
        case "short session timer":
            headers = [("Session-Expires", "60"), ("Min-SE", "30"), ("Supported", "timer")]
        case "tel contact":
            contact = "<tel:+15551234>"
        case "rtcp at a name":
            body = sdp("127.0.0.1", 40000) + "a=rtcp:40001 IN IP4 nowhere.invalid\r\n"
        case "savp with a key":
            key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
            body = sdp("127.0.0.1", 40000).replace("RTP/AVP", "RTP/SAVP") + key
        case "no sdp":
            body = ""
        case "binary sdp":
            body = bytes(range(256))
        case "sdp without audio":
            body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 40000 RTP/AVP 31\r\n"
        case "other body":
            body, content_type = "what is this", "text/plain"
    data = peer.request_bytes(
        "INVITE", scene.box.uri("911"), from_uri=f"sip:202@{scene.box.sip[0]}", headers=headers, body=body, contact=contact, content_type=content_type
    )
    if fault == "missing max-forwards":
        data = data.replace(b"Max-Forwards: 70\r\n", b"")
    index = len(scene.carrier.calls)
    peer.send(data, scene.box.sip)
    call = scene.carrier.wait_call(index)
    _assert_complete(call.invite, "annex")
    call.wait("ACK")
    call.hangup()
    scene.box.wait_idle()


@pytest.mark.row("L1")
def test_from_a_source_over_every_limit(scene: Scene) -> None:
    with Carrier("127.0.0.9") as flooder:
        target = scene.box.sip
        for number in range(600):
            flooder.send(flooder.request_bytes("REGISTER", f"sip:{target[0]}", cseq=number + 1, from_uri=f"sip:20{number}@{target[0]}"), target)
        data = flooder.request_bytes("OPTIONS", scene.box.uri("201"), cseq=1)
        assert flooder.transact(data, target, timeout_s=0.3) is None, "the flood was not refused"
        index = len(scene.carrier.calls)
        out = flooder.call(scene.box.uri("911"), target, from_uri=f"sip:202@{target[0]}")
        _assert_complete(scene.carrier.wait_call(index).invite, "annex")
        _end(out)


# ---- a registered phone: audio, location, call back -------------------------------------------------------------


@pytest.mark.row("L3")
def test_a_registered_phone_hears_and_is_heard_and_is_called_back(scene: Scene, phone: Maker, tmp_path: Path) -> None:
    caller: PjPhone = phone("caller")
    assert caller.register("202", secret(202), scene.box.sip).ok
    index = len(scene.carrier.calls)
    out = caller.call(scene.box.uri("911")).wait("CONFIRMED")
    call = scene.carrier.wait_call(index)
    _assert_complete(call.invite, "annex")
    out.wait_heard(275)
    heard = call.record(tmp_path / "heard.wav")
    out.hangup()
    assert tone_fraction(heard) >= PROOF
    assert tone_fraction(out.recording) >= PROOF
    back = scene.carrier.call(scene.box.uri(ELINS[1]), scene.box.sip, from_uri=f"sip:+12025559911@{FIRST}")
    assert caller.incoming().wait("CONFIRMED").state == "CONFIRMED"
    back.wait_answer().hangup()


@pytest.mark.row("Z4")
def test_the_call_back_rings_the_phone_after_kill_9(box: Maker, phone: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line), supervised=True)
    caller: PjPhone = phone("caller")
    assert caller.register("202", secret(202), it.sip).ok
    caller.call(it.uri("911")).wait("CONFIRMED")
    assert ELINS[1] in line.wait_call().invite.uri_of("from")
    wait_until(lambda: _rows(it, "bindings") and _rows(it, "callback_map"), 5.0, "binding and callback number on the disk")
    # Killed during the call: the dispatcher was cut off and calls back.
    it.wait_back(other_than=it.kill9())
    back = line.call(it.uri(ELINS[1]), it.sip, from_uri=f"sip:+12025559911@{FIRST}")
    caller.incoming().wait("CONFIRMED")
    back.wait_answer().hangup()


# ---- every path --------------------------------------------------------------------------------------------------


@pytest.fixture
def two(carrier: Maker, box: Maker) -> tuple[Box, Carrier, Carrier]:
    """A box with two trunks and their carriers, the first of the document first."""
    first, second = carrier(FIRST), carrier(SECOND)
    return box(_site(first, second)), first, second


@pytest.mark.parametrize("script", [silent, trying], ids=["silent", "100 only"])
def test_a_path_silent_for_four_seconds_is_given_up_and_the_next_tried(two: tuple[Box, Carrier, Carrier], carrier: Maker, script: Any) -> None:
    it, first, second = two
    first.plan = [script]
    out = carrier().call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    dead = first.wait_call()
    live = second.wait_call(timeout_s=8.0)
    assert live.at - dead.at >= 3.9, "the first path did not get its four seconds"
    _assert_complete(live.invite, "annex")
    if script is trying:
        dead.wait("CANCEL")
    out.wait_answer()
    out.hangup()


def test_a_failing_path_gives_way_at_once(two: tuple[Box, Carrier, Carrier], carrier: Maker) -> None:
    it, first, second = two
    first.plan = [refuse(503)]
    out = carrier().call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    dead, live = first.wait_call(), second.wait_call()
    _assert_complete(live.invite, "annex")
    assert live.at - dead.at < 3.0, "the second path waited although the first had failed"
    out.wait_answer()
    out.hangup()


def test_a_path_over_tcp_that_nobody_listens_on_gives_way(box: Maker, carrier: Maker) -> None:
    second: Carrier = carrier(SECOND)
    site = make_site(2)
    add_trunk(site, "trunk1", FIRST, free_port(FIRST), transport="tcp", health_seconds=0)
    add_trunk(site, "trunk2", second.ip, second.port, health_seconds=0)
    it: Box = box(site)
    out = carrier().call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    _assert_complete(second.wait_call(timeout_s=8.0).invite, "main")
    out.wait_answer()
    out.hangup()


def test_a_path_whose_host_answers_nothing_at_all(two: tuple[Box, Carrier, Carrier], carrier: Maker) -> None:
    it, first, second = two
    first.close()
    out = carrier().call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    _assert_complete(second.wait_call(timeout_s=8.0).invite, "annex")
    out.wait_answer()
    out.hangup()


@pytest.mark.parametrize("code", [400, 415, 488, 513])
def test_a_path_that_refuses_the_location_is_asked_again_without_it(two: tuple[Box, Carrier, Carrier], carrier: Maker, code: int) -> None:
    it, first, second = two
    first.plan = [refuse(code), answer()]
    out = carrier().call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    _assert_complete(first.wait_call().invite, "annex")
    plain = first.wait_call(1).invite
    assert plain.header("content-type") == "application/sdp"
    assert not plain.header("geolocation")
    assert ELINS[1] in plain.uri_of("from")
    assert plain.header("priority") == "emergency"
    out.wait_answer()
    out.hangup()
    assert not second.calls


# ---- full ---------------------------------------------------------------------------------------------------------


def test_a_box_full_of_ordinary_calls_still_lets_911_out(box: Maker, carrier: Maker, opened: ExitStack) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(add_number(_site(line), "+12025550150", "201"))
    ringing = opened.enter_context(RawPeer("127.0.0.1"))

    def ring(got: Received) -> None:
        ringing.reply(got, 180 if got.message.method == "INVITE" else 200, to_tag=token())

    ringing.on_request = ring
    own = f"sip:201@{it.sip[0]}"
    done = ringing.request("REGISTER", f"sip:{it.sip[0]}:{it.sip[1]}", it.sip, user="201", secret=secret(201), from_uri=own, to_uri=own)
    assert done.status == 200
    uri, offer = it.uri("+12025550150"), sdp(FIRST, 41000)

    def refused() -> bool:
        return any(got.message.status == 503 for got in line.received)

    for number in range(400):
        line.send(line.request_bytes("INVITE", uri, body=offer, contact=line.contact(), from_uri=f"sip:+1202555{number:04}@{FIRST}"), it.sip)
        if refused():
            break
        time.sleep(0.005)
    wait_until(refused, 10.0, "the box full")
    out = carrier("127.0.0.8").call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    _assert_complete(line.wait_call().invite, "annex")
    out.wait_answer()
    out.hangup()


def test_a_trunk_full_of_ordinary_calls_still_takes_911(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line, max_calls=1))
    ordinary = carrier("127.0.0.8").call(it.uri("12025550199"), it.sip, from_uri=f"sip:201@{it.sip[0]}", user="201", secret=secret(201))
    ordinary.wait_answer()
    second = carrier("127.0.0.8").call(it.uri("12025550199"), it.sip, from_uri=f"sip:201@{it.sip[0]}", user="201", secret=secret(201))
    assert second.wait_final().status == 503, "the trunk was not full"
    out = carrier("127.0.0.9").call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    _assert_complete(line.wait_call(1).invite, "annex")
    out.wait_answer()
    out.hangup()


def test_a_trunk_that_wants_the_urn_gets_it(box: Maker, carrier: Maker) -> None:
    line: Carrier = carrier(FIRST)
    it: Box = box(_site(line, emergency_uri="urn"))
    out = carrier("127.0.0.8").call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    invite = line.wait_call().invite
    assert invite.uri.startswith("urn:service:sos")
    assert invite.uri_of("to").startswith("urn:service:sos")
    assert ELINS[1] in invite.uri_of("from")
    assert _place(invite)["FLR"] == "2"
    out.wait_answer()
    out.hangup()


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
def test_other_makes_of_phone_reach_the_dispatcher(scene: Scene, phone: Maker, tmp_path: Path, kind: str) -> None:
    caller = phone("caller", kind)
    caller.register("202", secret(202), scene.box.sip)
    index = len(scene.carrier.calls)
    caller.dial(scene.box.uri("911"))
    call = scene.carrier.wait_call(index)
    _assert_complete(call.invite, "annex")
    wait_until(lambda: len(call.rtp.packets) > 275, 10.0, "sound from the phone")
    assert tone_fraction(call.record(tmp_path / "heard.wav")) >= PROOF
    call.hangup()


@pytest.mark.parametrize(("scheme", "transport"), [("sip", "tcp"), ("sip", "tls"), ("sips", "tls")])
def test_over_other_transports(scene: Scene, scheme: str, transport: str) -> None:
    index = len(scene.carrier.calls)
    target = scene.box.tls if transport == "tls" else scene.box.sip
    with Carrier("127.0.0.7") as caller:
        out = caller.call(f"{scheme}:911@{target[0]}:{target[1]};transport={transport}", target, from_uri="sip:202@x.test", transport=transport)
        _assert_complete(scene.carrier.wait_call(index).invite, "annex")
        _end(out)
        scene.box.wait_idle()  # a connection that closes with the BYE still unread would leave the call to the check of vanished peers


def test_ten_at_once(scene: Scene) -> None:
    index = len(scene.carrier.calls)
    callers = [scene.phone.call(scene.box.uri("911"), scene.box.sip, from_uri="sip:202@x.test") for _ in range(10)]
    for number in range(10):
        _assert_complete(scene.carrier.wait_call(index + number).invite, "annex")
    for out in callers:
        _end(out)
    scene.box.wait_idle()


def test_a_caller_who_hangs_up_while_it_rings(scene: Scene) -> None:
    scene.carrier.plan = [answer(after_s=30)]
    try:
        out, call = scene.dial(scene.box.uri("911"), "202")
        wait_until(lambda: call.status == 180, 5.0, "ringing at the carrier")
        out.wait_ringing()
        out.cancel()
        call.wait("CANCEL")
        assert out.wait_final().status == 487
    finally:
        scene.carrier.plan = [answer()]
    scene.box.wait_idle()
    assert scene.box.status()["emergency"]["last"]["outcome"] == "abandoned"


def test_an_answer_that_comes_too_late_is_released(two: tuple[Box, Carrier, Carrier], carrier: Maker) -> None:
    it, first, second = two
    first.plan = [answer_despite_cancel(5.0)]
    out = carrier().call(it.uri("911"), it.sip, from_uri="sip:202@x.test")
    late = first.wait_call()
    live = second.wait_call(timeout_s=8.0)
    out.wait_answer()
    late.wait("BYE", 8.0)
    assert late.error is None, late.error
    assert not live.has("BYE")
    out.hangup()
    it.wait_idle()
