"""Malformed, oversized and binary SIP at the real engine: it answers what the RFCs say, or nothing, and serves everyone else as before.

RFC 4475 message by message over UDP is test_torture.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sipmsg import parse, sdp, token
from tests.support.sites import make_site
from tests.support.wellbeing import assert_serves, own_address, register

CORPUS = Path(__file__).resolve().parents[1] / "support" / "rfc4475"
CASES = {path.stem: path.read_bytes() for path in sorted(CORPUS.glob("*.dat"))}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("bad"), make_site(4)) as running:
        yield running


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    # Answers go to the port in the Via, which the corpus leaves at 5060.
    with RawPeer(own_address(), 5060) as raw:
        yield raw


def _settle(box: Box, peer: RawPeer) -> None:
    """Until everything sent before has been looked at: one socket's datagrams are taken in order."""
    assert peer.request("OPTIONS", box.uri("fence"), box.sip).status == 200


def test_torture_over_tcp_and_the_box_serves_on(box: Box) -> None:
    """Each on a connection of its own, as half of them leave the stream without a next message. Answers may come or not; the engine stays."""
    pid = box.pid()
    for data in CASES.values():
        with socket.create_connection(box.sip, 5.0) as stream:
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(0.05)
            with contextlib.suppress(OSError):
                stream.recv(65535)
    assert_serves(box, pid)


@pytest.mark.parametrize(("name", "status"), [("badvers", 505), ("unkscm", 416), ("ltgtruri", 400), ("scalar02", 400)])
def test_what_cannot_be_parsed_is_answered_over_tcp_too(box: Box, name: str, status: int) -> None:
    with socket.create_connection(box.sip, 5.0) as stream:
        # A length that holds: over a stream it marks the message's end.
        stream.sendall(re.sub(rb"(?m)^l:.*$", b"Content-Length: 0", CASES[name]))
        assert stream.recv(65535).startswith(f"SIP/2.0 {status} ".encode())


def test_a_broken_header_nobody_needs_is_ignored(box: Box, peer: RawPeer) -> None:
    """RFC 3261 section 8.2.2. Several of them, folded, first and last; after blank lines, too."""
    broken: list[tuple[str, str]] = [("Date", "?"), ("Expires", "x\r\n\ty"), ("Retry-After", "!"), ("Max-Forwards", "many"), ("Authorization", "Digest a")]
    for lead in (b"", b"\r\n\r\n"):
        data = peer.request_bytes("OPTIONS", box.uri("box"), headers=broken)
        reply = peer.transact(data, box.sip)
        assert reply is not None
        assert reply.status == 200
        peer.send(lead + peer.request_bytes("OPTIONS", box.uri("box"), headers=broken, branch=(branch := "z9hG4bK" + token())), box.sip)
        assert peer.wait_for(lambda got, branch=branch: got.message.branch == branch).message.status == 200  # type: ignore[misc]


@pytest.mark.parametrize("header", ["Contact: <sip:[::1>", "m: ,,,", "Authorization: Digest nonsense", "Expires: never", "Route: <<>", "Session-Expires: long"])
def test_a_broken_header_does_not_stop_an_emergency_call(box: Box, peer: RawPeer, header: str) -> None:
    name, _, value = header.partition(": ")
    data = peer.request_bytes("INVITE", box.uri("911"), contact="" if name in ("Contact", "m") else None, headers=[(name, value)], body=sdp(peer.ip, 40000))
    reply = peer.transact(data, box.sip, final=False)
    assert reply is not None, "no answer at all"
    # There is no trunk here: what counts is that it was taken as an emergency and tried.
    assert reply.status not in (400, 401, 403, 407)

    def mine() -> list[dict[str, str]]:
        return [n for n in box.rpc("emergency.notices", limit=5)["notices"] if n["source_ip"] == peer.ip]

    assert wait_until(mine, 5.0, "the notice")[0]["dialled"] == "911"


def test_a_flood_of_what_cannot_be_parsed_is_not_answered_one_by_one(box: Box, peer: RawPeer) -> None:
    pid = box.pid()
    for _ in range(1000):
        peer.send(CASES["badvers"], box.sip)
    with RawPeer(own_address()) as other:
        _settle(box, other)
    assert len(peer.received) < 300
    assert_serves(box, pid)


def test_every_prefix_of_a_message(box: Box, peer: RawPeer) -> None:
    pid = box.pid()
    whole = peer.request_bytes("INVITE", box.uri("202"), body=sdp(peer.ip, 40000))
    for end in range(0, len(whole), 7):
        peer.send(whole[:end], box.sip)
        if end % 140 == 0:
            _settle(box, peer)
    assert_serves(box, pid)


def test_random_bytes_and_flipped_ones(box: Box, peer: RawPeer) -> None:
    pid, chance = box.pid(), random.Random(4475)
    seeds = list(CASES.values())
    for number in range(600):
        data = bytearray(chance.choice(seeds)) if number % 2 else bytearray(chance.randbytes(chance.randrange(1, 1500)))
        for _ in range(chance.randrange(1, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        peer.send(bytes(data), box.sip)
        if number % 50 == 0:
            assert box.pid() == pid
    with RawPeer(own_address()) as other:
        _settle(box, other)
    with socket.create_connection(box.sip, 5.0) as stream, contextlib.suppress(OSError):
        stream.sendall(chance.randbytes(200_000))
    assert_serves(box, pid)


def test_the_largest_datagram(box: Box, peer: RawPeer) -> None:
    pid = box.pid()
    long = peer.request_bytes("OPTIONS", box.uri("box"), headers=[("Subject", "x" * 64_000)])
    peer.send(long[:65_000], box.sip)
    peer.send(b"\0" * 65_000, box.sip)
    peer.send(peer.request_bytes("OPTIONS", box.uri("u" * 3000)), box.sip)
    peer.send(peer.request_bytes("REGISTER", f"sip:{box.sip[0]}", headers=[("Contact", f"<sip:a{n}@192.0.2.1>") for n in range(300)]), box.sip)
    peer.send(peer.request_bytes("OPTIONS", box.uri("box"), headers=[("Via", f"SIP/2.0/UDP 192.0.2.1:{n};branch=z9hG4bK{n}") for n in range(1, 200)]), box.sip)
    assert_serves(box, pid)


def test_an_endless_line_over_tcp_takes_no_memory(box: Box) -> None:
    pid, before = box.pid(), box.memory()["rss"]
    streams = []
    for _ in range(8):
        stream = socket.create_connection(box.sip, 5.0)
        streams.append(stream)
        stream.settimeout(2.0)
        with contextlib.suppress(OSError):  # the box may close
            stream.sendall(b"OPTIONS sip:")
            for _ in range(100):
                stream.sendall(b"x" * 20_000)
    assert_serves(box, pid)
    for stream in streams:
        stream.close()
    assert box.memory()["rss"] - before < 8 << 20


def test_a_body_promised_and_never_sent_holds_up_nobody(box: Box) -> None:
    pid = box.pid()
    with RawPeer(own_address()) as late, socket.create_connection(box.sip, 5.0) as stream:
        data = late.request_bytes("OPTIONS", box.uri("box"), target=box.sip, transport="tcp")
        stream.sendall(data.replace(b"Content-Length: 0", b"Content-Length: 100000000"))
        assert_serves(box, pid)


def test_idle_connections_beyond_count_leave_the_others_served(box: Box) -> None:
    pid = box.pid()
    with contextlib.ExitStack() as opened:
        for _ in range(300):
            opened.enter_context(socket.create_connection(box.sip, 5.0))
        assert_serves(box, pid)


def test_wrong_cseq_method(box: Box, peer: RawPeer) -> None:
    data = peer.request_bytes("OPTIONS", box.uri("box")).replace(b"1 OPTIONS", b"1 INVITE")
    branch = parse(data).branch
    peer.send(data, box.sip)
    assert peer.wait_for(lambda got: got.message.branch == branch).message.status == 400


def test_a_body_longer_than_the_datagram(box: Box, peer: RawPeer) -> None:
    data = peer.request_bytes("OPTIONS", box.uri("box")).replace(b"Content-Length: 0", b"Content-Length: 500")
    reply = peer.transact(data, box.sip)
    assert reply is not None
    assert reply.status == 400


def test_an_extension_we_do_not_have_is_named(box: Box, peer: RawPeer) -> None:
    for method in ("OPTIONS", "REGISTER"):
        reply = peer.request(method, box.uri("box"), box.sip, headers=[("Require", "100rel, brand-new")])
        assert reply.status == 420
        assert reply.header("unsupported") == "brand-new"


def test_methods_nobody_implements(box: Box, peer: RawPeer) -> None:
    for method, statuses in (("DANCE", {501, 405}), ("PUBLISH", {405, 501})):
        reply = peer.request(method, box.uri("201"), box.sip)
        assert reply.status in statuses
        assert "INVITE" in reply.header("allow")


def test_requests_for_calls_that_are_none(box: Box, peer: RawPeer) -> None:
    for method in ("BYE", "INFO", "UPDATE", "REFER", "NOTIFY", "PRACK", "CANCEL"):
        for to_tag in ("", token("gone")):
            if method == "REFER" and not to_tag:
                continue
            assert peer.request(method, box.uri("201"), box.sip, to_tag=to_tag).status == 481, f"{method} {to_tag}"


def test_bad_header_values(box: Box, peer: RawPeer) -> None:
    """Odd or broken values of single headers in an otherwise good REGISTER: some answer, never 200 to nonsense, never a crash."""
    pid = box.pid()
    odd = {
        "Contact": ("<sip:[::1>", "*", "<sip:a@b>;q=7", "<sip:a@b>;expires=-5", "<sip:a@b>;expires=99999999999999", "<mailto:a@b>", "\x00\x01\xff"),
        "Expires": ("soon", "-1"),
        "Authorization": ("Digest", 'Digest username="201', "Basic MjAxOng=", "Digest " + "a=b, " * 500 + "c=d"),
        "Max-Forwards": ("-1",),
        "Route": ("<sip:nowhere.invalid;lr>", "garbage"),
        "Record-Route": ("<sip:x;lr>",),
    }
    for name, value in ((name, value) for name, values in odd.items() for value in values):
        own = box.uri("201")
        data = peer.request_bytes("REGISTER", f"sip:{box.sip[0]}:{box.sip[1]}", to_uri=own, from_uri=own, contact="", headers=[(name, value)])
        reply = peer.transact(data, box.sip, timeout_s=0.3)
        assert reply is None or reply.status >= 400, (name, value, reply.start)
    assert_serves(box, pid)


def test_nothing_of_it_left_an_alarm_a_call_or_a_leg(box: Box, peer: RawPeer) -> None:
    assert register(box, peer).status == 200
    box.wait_idle()
    status = box.status()
    assert status["alarms"] == []
    assert status["crashes"] == 0
