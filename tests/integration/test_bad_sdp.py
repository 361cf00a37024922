"""INVITEs whose SDP is odd: without audio, with too many codecs, with host names nobody can resolve; and Contacts of that kind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.box import Box
from tests.support.carrier import Call, Carrier
from tests.support.net import SiteNet
from tests.support.sipmsg import authorization, challenge_of, sdp
from tests.support.sites import add_trunk, make_site, secret
from tests.support.wellbeing import assert_serves, own_address, register

QUICK_S = 1.5
"""A resolver that is asked and stays silent costs 5 s at least."""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("sdp"), make_site(4)) as running:
        yield running


@pytest.fixture
def caller(opened: contextlib.ExitStack) -> Carrier:
    return opened.enter_context(Carrier(own_address(), 5060))


@pytest.fixture
def callee(box: Box, opened: contextlib.ExitStack) -> Carrier:
    """202, who answers."""
    phone = opened.enter_context(Carrier(own_address(), 5060))
    assert register(box, phone, "202", contact=f"<sip:202@{phone.ip}:5060>").status == 200
    return phone


def dial(box: Box, caller: Carrier, body: str, **more: Any) -> Call:
    return caller.call(box.uri("202"), box.sip, from_uri=box.uri("201"), user="201", secret=secret(201), body=body, **more)


def session(ip: str, *media: str, host: str = "") -> str:
    return "\r\n".join(["v=0", f"o=- 1 1 IN IP4 {ip}", "s=-", f"c=IN IP4 {host or ip}", "t=0 0", *media]) + "\r\n"


def test_video_alone_is_not_acceptable(box: Box, caller: Carrier, callee: Carrier) -> None:
    for media in (["m=video 40000 RTP/AVP 96", "a=rtpmap:96 H264/90000"], ["m=application 40000 UDP/BFCP *"], [], ["m=audio 0 RTP/AVP 0"]):
        reply = dial(box, caller, session(caller.ip, *media)).wait_final()
        assert reply.status in (400, 488), f"{media}: {reply.start}"
    box.wait_idle()


def test_codecs_none_of_which_we_have(box: Box, caller: Carrier, callee: Carrier) -> None:
    reply = dial(box, caller, session(caller.ip, "m=audio 40000 RTP/AVP 96", "a=rtpmap:96 SECRET/48000")).wait_final()
    assert reply.status in (488, 606), reply.start
    box.wait_idle()


def test_thirty_codecs_are_no_reason_to_refuse(box: Box, caller: Carrier, callee: Carrier) -> None:
    odd = [str(number) for number in range(96, 124)]
    media = [f"m=audio 40000 RTP/AVP {' '.join(odd)} 0 8", *(f"a=rtpmap:{number} codec-{number}/8000" for number in odd)]
    call = dial(box, caller, session(caller.ip, *media)).wait_answer()
    assert call.final is not None
    assert " 0" in next(line for line in call.final.sdp.splitlines() if line.startswith("m=audio"))
    callee.wait_call()
    call.hangup()
    box.wait_idle()


@pytest.mark.parametrize("body", ["garbage", "v=0\r\n", "v=0\r\no=\r\ns=\r\nm=audio\r\n", "\0" * 500, "v=0\r\n" + "a=x\r\n" * 2000])
def test_a_body_that_is_no_sdp(box: Box, caller: Carrier, callee: Carrier, body: str) -> None:
    pid = box.pid()
    reply = dial(box, caller, body).wait_final()
    assert 400 <= reply.status < 500, reply.start
    assert_serves(box, pid)


def test_another_kind_of_body_names_what_is_taken(box: Box, caller: Carrier, callee: Carrier) -> None:
    reply = dial(box, caller, "hello", content_type="text/plain").wait_final()
    assert reply.status == 415, reply.start
    assert "application/sdp" in reply.header("accept")


def test_an_unresolvable_host_in_the_sdp_takes_no_time(box: Box, caller: Carrier, callee: Carrier) -> None:
    for host in ("phone.invalid", "a.b.c.d.e.example.test", "x" * 200 + ".invalid"):
        began = time.monotonic()
        call = dial(box, caller, session(caller.ip, "m=audio 40000 RTP/AVP 0 8", host=host))
        reply = call.wait_final()
        assert time.monotonic() - began < QUICK_S
        assert reply.status < 300 or 400 <= reply.status < 500, reply.start
        if reply.status < 300:
            call.hangup()
    box.wait_idle()


def test_an_address_of_the_other_family_is_where_it_came_from(box: Box, caller: Carrier, callee: Carrier) -> None:
    call = dial(box, caller, session(caller.ip, "m=audio 40000 RTP/AVP 0 8", "c=IN IP6 2001:db8::1")).wait_answer()
    call.hangup()
    box.wait_idle()


def test_a_contact_with_a_host_name_is_where_it_came_from(box: Box, caller: Carrier, opened: contextlib.ExitStack) -> None:
    phone = opened.enter_context(Carrier(own_address(), 5060))
    assert register(box, phone, "203", contact="<sip:203@desk-phone.invalid:5060>").status == 200
    began = time.monotonic()
    call = caller.call(box.uri("203"), box.sip, from_uri=box.uri("201"), user="201", secret=secret(201)).wait_answer()
    assert time.monotonic() - began < QUICK_S
    phone.wait_call(0)
    call.hangup()
    # The caller's own Contact, where the box has to send its BYE.
    named = _invite_with_contact(box, caller, "sip:201@caller.invalid")
    phone.calls[-1].hangup()
    assert caller.wait_for(lambda got: got.message.method == "BYE" and got.message.call_id == named).message.is_request
    box.wait_idle()


def _invite_with_contact(box: Box, caller: Carrier, contact: str) -> str:
    """A call of 201 to 203 with that Contact, answered; its Call-ID."""
    parts: dict[str, Any] = {"from_uri": box.uri("201"), "from_tag": "named", "contact": f"<{contact}>", "body": sdp(caller.ip, 40000)}
    first = caller.request_bytes("INVITE", box.uri("203"), call_id=f"named-{caller.ip}", **parts)
    refused = caller.transact(first, box.sip)
    assert refused is not None
    value = authorization(challenge_of(refused), "INVITE", box.uri("203"), "201", secret(201))
    name = "Authorization" if refused.status == 401 else "Proxy-Authorization"
    second = caller.request_bytes("INVITE", box.uri("203"), call_id=f"named-{caller.ip}", cseq=2, headers=[(name, value)], **parts)
    answer = caller.transact(second, box.sip)
    assert answer is not None
    assert answer.status == 200, answer.start
    ack = caller.request_bytes(
        "ACK", answer.uri_of("contact"), call_id=answer.call_id, cseq=2, from_uri=box.uri("201"), from_tag="named", to_uri=box.uri("203"),
        to_tag=answer.param("to", "tag"),
    )  # fmt: skip
    caller.send(ack, box.sip)
    return answer.call_id


ODD = {
    "none": "", "garbage": "garbage", "video": "m=video 40000 RTP/AVP 96\r\na=rtpmap:96 H264/90000", "port 0": "m=audio 0 RTP/AVP 0",
    "savp": "m=audio 40000 RTP/SAVP 0",
    "unknown codec": "m=audio 40000 RTP/AVP 96\r\na=rtpmap:96 SECRET/48000", "ipv6": "m=audio 40000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1",
    "host": "m=audio 40000 RTP/AVP 0\r\nc=IN IP4 phone.invalid", "two": "m=audio 40000 RTP/AVP 0\r\nm=audio 40002 RTP/AVP 8",
    "many": f"m=audio 40000 RTP/AVP {' '.join(map(str, range(96, 127)))} 0", "long": "m=audio 40000 RTP/AVP 0\r\na=x:" + "y" * 7000,
    "very long": "m=audio 40000 RTP/AVP 0\r\na=x:" + "y" * 30000, "inactive": "m=audio 40000 RTP/AVP 0\r\na=inactive", "t38": "m=image 40000 udptl t38",
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_no_sdp_stops_an_emergency_call(box: Box, caller: Carrier, opened: contextlib.ExitStack, odd: str) -> None:
    """From a phone that is not registered; without a usable offer the box makes its own."""
    carrier = opened.enter_context(Carrier(own_address(), 5060))
    box.load(add_trunk(make_site(4), "out", carrier.ip, 5060, health_seconds=0))
    body = session(caller.ip, *ODD[odd].split("\r\n")) if ODD[odd] not in ("", "garbage") else ODD[odd]
    call = caller.call(box.uri("911"), box.sip, from_uri=box.uri("stranger"), body=body)
    arrived = carrier.wait_call()
    assert arrived.at - call.at < 1.0
    assert arrived.invite.media()[1]
    arrived.wait("ACK")
    assert call.wait_final().status == 200
    call.hangup()
    box.wait_idle()


def test_behind_a_dead_name_server_names_cost_nobody_time(site_net: Callable[..., SiteNet], opened: contextlib.ExitStack, tmp_path: Path) -> None:
    """Every question to the name server vanishes: phones that name hosts in Contact and SDP, and a trunk with a name, delay neither themselves nor others."""
    net = site_net(phones=2, dead_dns=True)
    running = opened.enter_context(Box(tmp_path, add_trunk(make_site(3), "far", "carrier.invalid", 5060), ns=net.box, bind=(net.box_lan,)))
    one, two = (opened.enter_context(Carrier(net.phone_ip(n), 5060, ns=net.phones[n])) for n in range(2))
    assert register(running, two, "202", contact="<sip:202@two.invalid>").status == 200
    for _ in range(3):
        began = time.monotonic()
        call = dial(running, one, session(one.ip, "m=audio 40000 RTP/AVP 0", host="one.invalid")).wait_answer()
        assert time.monotonic() - began < QUICK_S
        began = time.monotonic()
        assert one.request("OPTIONS", running.uri("box"), running.sip).status == 200
        assert time.monotonic() - began < 3
        call.hangup()
