"""SIP MESSAGE at the port: who may send what, once each, and never to emergency services; sending one to a phone."""

from __future__ import annotations

import threading

import pytest

from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sipmsg import authorization, challenge_of, token
from tests.support.sites import add_trunk, make_site, secret


@pytest.fixture
def box(bare):
    return bare()


@pytest.fixture
def peer(opened) -> RawPeer:
    return opened.enter_context(RawPeer())


def _send(peer: RawPeer, box, body: str | bytes = "Hello", *, to: str = "202", content_type: str = "text/plain", transport: str = "udp", **parts):
    parts = {"user": "201", "secret": secret(201), "from_uri": box.uri("201"), **parts}
    return peer.request("MESSAGE", box.uri(to), box.sip, body=body, content_type=content_type, transport=transport, **parts)


def _texts(box):
    """All that were answered before now."""
    box.counts()  # what the SIP thread said earlier is told before its answer to this
    return box.texts()


def test_a_text_of_a_pjsua2_phone_arrives(box, phone) -> None:
    sender = phone("p201")
    assert sender.register("201", secret(201), box.sip).ok
    sender.send_text(box.uri("202"), "Grüße aus dem Labor ☎")
    assert sender.wait_event("text-status")["code"] == 202
    text = wait_until(box.texts, 5, "the text")[0]
    assert (text["device"], text["to_user"], text["text"]) == ("phone-201", "202", "Grüße aus dem Labor ☎")


def test_a_text_in_the_middle_of_a_call_is_not_lost(up) -> None:
    box, call, _ = up()
    call.send_text("in call")
    text = wait_until(box.texts, 5, "the text")[0]
    assert (text["device"], text["to_user"], text["text"]) == ("phone-201", "900", "in call")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_text_reaches_a_phone_as_it_was_written(box, phone, transport: str) -> None:
    reader = phone("p202")
    assert reader.register("202", secret(202), box.sip, transport=transport).ok
    assert box.send_text("phone-202", "201", "Ankunft 17:00, Gleis „4“") == [200]
    got = reader.wait_event("text")
    assert got["text"] == "Ankunft 17:00, Gleis „4“"
    assert got["content_type"] == "text/plain"
    assert "sip:201@" in got["from_uri"]


def test_a_phone_that_is_gone_and_a_text_that_is_too_long(box, phone) -> None:
    reader = phone("p202")
    assert reader.register("202", secret(202), box.sip).ok
    with pytest.raises(AssertionError, match="1300 go into one message"):
        box.send_text("phone-202", "201", "x" * 1301)
    reader.kill()
    assert box.send_text("phone-202", "201", "anybody?") == [408]


def test_who_has_no_password_is_asked_for_one_and_refused(box, peer: RawPeer) -> None:
    assert _send(peer, box, user="").status == 401
    assert _send(peer, box, secret="wrong").status == 403
    assert not _texts(box)


def test_a_trunk_is_refused_politely(bare, peer: RawPeer) -> None:
    box = bare(add_trunk(make_site(2), "acme", "sip.acme.example", 5060, networks=["127.0.0.1/32"]))
    reply = peer.request("MESSAGE", box.uri("202"), box.sip, body="hi", content_type="text/plain", from_uri="sip:+12025550123@carrier")
    assert reply.status == 403
    assert "trunk" in reply.start
    subscribe = peer.request("SUBSCRIBE", box.uri("202"), box.sip, headers=[("Event", "message-summary")], from_uri="sip:+12025550123@carrier")
    assert subscribe.status == 403


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain;charset=UTF-8", 202), ("text/plain; charset=\"us-ascii\"", 202), ("TEXT/Plain", 202), ("text/html", 415), ("message/cpim", 415),
        ("text/plain;charset=utf-16", 415), ("multipart/mixed;boundary=x", 415), ("application/im-iscomposing+xml", 415),
    ],
)  # fmt: skip
def test_plain_text_alone_is_taken(box, peer: RawPeer, content_type: str, status: int) -> None:
    body = "--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--\r\n" if "multipart" in content_type else "hi"
    reply = _send(peer, box, body, content_type=content_type)
    assert reply.status == status
    if status == 415:
        assert reply.header("accept") == "text/plain"
    assert len(_texts(box)) == (status == 202)


def test_lengths_and_bytes(box, peer: RawPeer) -> None:
    assert _send(peer, box, "x" * 1300).status == 202
    assert _send(peer, box, "x" * 1301).status == 413
    assert _send(peer, box, "x" * 8192, transport="tcp").status == 202
    assert _send(peer, box, "x" * 8193, transport="tcp").status == 413
    assert _send(peer, box, b"\xff\xfe\x00binary").status == 400
    assert _send(peer, box, "", headers=[]).status in (202, 415)
    wait_until(lambda: [len(t["text"]) for t in box.texts() if t["text"]] == [1300, 8192], 5, "the two texts")


def test_a_text_sent_again_is_taken_once_and_answered_again(box, peer: RawPeer) -> None:
    same = {"body": "once", "content_type": "text/plain", "from_uri": box.uri("201"), "call_id": "again", "from_tag": "t1"}
    challenged = peer.request("MESSAGE", box.uri("202"), box.sip, **same)
    value = authorization(challenge_of(challenged), "MESSAGE", box.uri("202"), "201", secret(201))
    data = peer.request_bytes("MESSAGE", box.uri("202"), cseq=2, headers=[("Authorization", value)], **same)
    for _ in range(3):
        peer.send(data, box.sip)
    statuses = wait_until(lambda: codes if len(codes := [g.message.status for g in peer.received if g.message.cseq[0] == 2]) == 3 else None, 5, "answers")
    assert statuses == [202, 202, 202]
    assert len(_texts(box)) == 1


@pytest.mark.parametrize("uri", ["911", "112", "9911"])
def test_nobody_is_left_to_believe_that_911_was_texted(box, peer: RawPeer, uri: str) -> None:
    reply = peer.request("MESSAGE", box.uri(uri), box.sip, body="fire", content_type="text/plain", from_uri=box.uri("201"))
    assert reply.status == 403
    assert "make a voice call" in reply.start
    wait_until(lambda: box.said("text message to an emergency number"), 5, "the log")
    assert not _texts(box)


def test_the_urn_of_help_is_answered_likewise(box, peer: RawPeer) -> None:
    reply = peer.request("MESSAGE", "urn:service:sos", box.sip, body="fire", content_type="text/plain", from_uri=box.uri("201"))
    assert reply.status == 403
    assert "make a voice call" in reply.start


def test_malformed_texts_do_not_disturb(box, peer: RawPeer) -> None:
    good = peer.request_bytes("MESSAGE", box.uri("202"), body="hi", content_type="text/plain", call_id=token())
    broken = [
        good.replace(b"Content-Type: text/plain\r\n", b""),
        good.replace(b"Content-Type: text/plain", b"Content-Type: /"),
        good.replace(b"Content-Length: 2", b"Content-Length: 200"),
        good.replace(b"Content-Length: 2", b"Content-Length: -5"),
        good.replace(b"hi", bytes(range(256))).replace(b"Content-Length: 2", b"Content-Length: 256"),
        good.replace(b"CSeq: 1 MESSAGE", b"CSeq: 1 NOTIFY"),
        good.replace(b"To: <", b"To: \"\\\" <"),
        good.replace(b">\r\nCall-ID", b">;tag=nothing-known\r\nCall-ID"),
    ]  # fmt: skip
    for data in broken:
        peer.send(data, box.sip)
    assert peer.request("OPTIONS", box.uri("fence"), box.sip).status == 200
    answers = {g.message.status for g in peer.received if not g.message.is_request and g.message.cseq[1] in ("MESSAGE", "NOTIFY")}
    assert 202 not in answers
    assert _send(peer, box).status == 202


def test_texts_of_many_at_once(box, opened) -> None:
    peers = [opened.enter_context(RawPeer()) for _ in range(4)]
    threads = [threading.Thread(target=lambda p=p: [_send(p, box, f"{n}") for n in range(25)]) for p in peers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(box.texts()) == 100, 5, "all of them")
