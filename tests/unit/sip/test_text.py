"""Texts: what is taken, what is not, and each once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from appliance.errors import SipError
from appliance.sip.api import TextMessage
from appliance.sip.messages import Reply, Request
from appliance.sip.repeats import REMEMBERED, REMEMBERED_S, Repeats
from appliance.sip.text import Texts, send_text
from appliance.site.snapshot import DeviceEntry
from appliance.types import Address, DeviceId, Transport
from tests.support.subscribing import BOX, PHONE, subscribe

DESK = DeviceEntry(DeviceId("desk"), "201", None, None, "Desk", "201", "Desk", None, 4, True)


def text(body: bytes = b"hi", content_type: str = "text/plain", *, encoding: str = "", **more: Any) -> Request:
    headers = {"Content-Type": content_type, "Content-Encoding": encoding}
    return replace(subscribe(user="202"), method="MESSAGE", header=lambda name: headers.get(name, ""), body=lambda: body, **more)


class Port:
    def __init__(self) -> None:
        self.taken: list[TextMessage] = []
        self.texts = Texts(self.taken.append)

    def take(self, request: Request, now: float = 1.0) -> Reply:
        return self.texts.take(request, DESK, now)


@pytest.fixture
def port() -> Port:
    return Port()


def test_a_text_is_taken_once(port: Port) -> None:
    assert port.take(text()).code == 202
    assert port.take(text()).code == 202
    assert port.take(text(branch="z9other")).code == 482
    assert port.taken == [TextMessage(DESK.id, "202", "hi", PHONE, BOX, "c")]
    assert port.take(text(cseq=2)).code == 202
    assert len(port.taken) == 2


def test_inside_a_call_it_is_for_whom_the_call_is(port: Port) -> None:
    assert port.take(text(to_tag="t", to_user="300", uri_user="holdfast")).code == 202
    assert port.taken[0].to_user == "300"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain", "é".encode(), "é"), ("text/plain;charset=UTF-8", "é".encode(), "é"), ('Text/Plain ; charset="iso-8859-1"', b"\xe9", "é"),
        ("text/plain;format=flowed", b"a", "a"), ("text/plain", b"", ""),
    ],
)  # fmt: skip
def test_what_is_text(port: Port, content_type: str, body: bytes, expected: str) -> None:
    assert port.take(text(body, content_type)).code == 202
    assert port.taken[0].text == expected


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (text(content_type=""), 415), (text(content_type="text/html"), 415), (text(content_type="text/plain;charset=utf-7"), 415), (text(encoding="gzip"), 415),
        (text(b"\xff"), 400), (text("é".encode(), "text/plain;charset=us-ascii"), 400), (text(b"x" * 1301), 413), (text(uri_user=""), 404),
        (text(b"x" * 8193, source=replace(PHONE, transport=Transport.TLS)), 413),
    ],
)  # fmt: skip
def test_what_is_not(port: Port, request_: Request, code: int) -> None:
    reply = port.take(request_)
    assert reply.code == code
    assert (dict(reply.headers).get("Accept") == "text/plain") == (code == 415)
    assert not port.taken


def test_on_a_connection_it_may_be_longer(port: Port) -> None:
    assert port.take(text(b"x" * 8192, source=replace(PHONE, transport=Transport.TCP))).code == 202


class Endpoint:
    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    async def request(self, method: str, target: str, account: Address, **rest: Any) -> int:
        self.sent.append((method, target, account, rest))
        return 200


def test_sending(port: Port) -> None:
    endpoint: Any = Endpoint()
    assert asyncio.run(send_text(endpoint, "sip:202@192.0.2.9", BOX, "sip:201@box", "é", "sip:202@box")) == 200
    ((method, target, account, rest),) = endpoint.sent
    assert (method, target, account) == ("MESSAGE", "sip:202@192.0.2.9", BOX)
    assert rest == {"body": "é".encode(), "content_type": "text/plain;charset=UTF-8", "from_uri": "sip:201@box", "to_uri": "sip:202@box"}


@pytest.mark.parametrize(
    ("target", "longest"), [("sip:a@b", 1300), ("sip:a@b;transport=tcp", 8192), ("sip:a@b;transport=TLS", 8192), ("sip:a@b;transport=udp", 1300)]
)
def test_what_is_too_long_is_not_sent(target: str, longest: int) -> None:
    endpoint: Any = Endpoint()
    assert asyncio.run(send_text(endpoint, target, BOX, "sip:201@box", "x" * longest)) == 200
    with pytest.raises(SipError) as refused:
        asyncio.run(send_text(endpoint, target, BOX, "sip:201@box", "x" * (longest - 1) + "é"))
    assert refused.value.code == "text-too-long"


def test_repeats_are_bounded_and_forgotten_in_time() -> None:
    repeats = Repeats()
    first = subscribe("first")
    reply = repeats.note(first, Reply(200), 0.0)
    assert repeats.answer(first, REMEMBERED_S - 0.1) is reply
    assert repeats.answer(first, REMEMBERED_S) is None
    for number in range(3 * REMEMBERED):
        repeats.note(subscribe(f"c{number}"), Reply(200), 1.0)
    assert repeats.answer(subscribe("c0"), 1.0) is None
    assert repeats.answer(subscribe(f"c{3 * REMEMBERED - 1}"), 1.0) is not None
    assert len(repeats._done) <= REMEMBERED
