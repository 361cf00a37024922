"""SIP plug and play message by message, garbage included."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning import pnp
from tests.support.sipmsg import parse

ASK = (
    "SUBSCRIBE sip:MAC%3a805ec0112233@224.0.1.75 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK1\r\n"
    "From: <sip:MAC%3a805ec0112233@224.0.1.75>;tag=7\r\n"
    "To: <sip:MAC%3a805ec0112233@224.0.1.75>\r\n"
    "Call-ID: 9@192.168.1.20\r\n"
    "CSeq: 1 SUBSCRIBE\r\n"
    "Contact: <sip:192.168.1.20:5062>\r\n"
    'Event: ua-profile;profile-type="device";vendor="Yealink";model="T33G";version="124.86"\r\n'
    "Expires: 0\r\nAccept: application/url\r\nContent-Length: 0\r\n\r\n"
)


def test_what_a_phone_says() -> None:
    ask = pnp.read(ASK.encode())
    assert ask is not None
    assert (ask.mac, ask.vendor, ask.model, ask.version, ask.contact) == ("805ec0112233", "Yealink", "T33G", "124.86", ("192.168.1.20", 5062))


@pytest.mark.parametrize("user", ["MAC%3A805EC0112233", "MAC805ec0112233", "MAC=805ec0112233", "805ec0112233"])
def test_ways_to_write_the_address(user: str) -> None:
    ask = pnp.read(ASK.replace("sip:MAC%3a805ec0112233@", f"sip:{user}@", 1).encode())
    assert ask is not None and ask.mac == "805ec0112233"


def test_short_header_names_and_folded_lines() -> None:
    short = ASK.replace("Via:", "v:").replace("Contact:", "m:").replace("Event:", "o:").replace(";version", ";\r\n version")
    assert pnp.read(short.encode()) == pnp.read(ASK.replace(";version", "; version").encode())


def test_the_answer_and_the_address() -> None:
    ask = pnp.read(ASK.encode())
    assert ask is not None
    ok = parse(pnp.accepted(ask, "t1"))
    assert (ok.status, ok.header("Call-ID"), ok.header("CSeq")) == (200, "9@192.168.1.20", "1 SUBSCRIBE")
    assert ok.header("To").endswith(";tag=t1")
    told = parse(pnp.notify(ask, "t1", ("192.168.1.2", 40000), "http://192.168.1.2:8081/"))
    assert (told.method, told.header("Content-Type"), told.header("Subscription-State")) == ("NOTIFY", "application/url", "terminated;reason=timeout")
    assert told.header("From").endswith(";tag=t1") and told.header("To").endswith(";tag=7")
    assert told.header("Event") == ask.event
    assert told.body in (b"http://192.168.1.2:8081/", "http://192.168.1.2:8081/")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SUBSCRIBE sip", "REGISTER sip"), ("805ec0112233@", "nobody@"), ("Event: ua-profile", "Event: presence"), ("Contact: <sip:192.168.1.20:5062>\r\n", ""),
        ("<sip:192.168.1.20:5062>", "<sip:evil.example:5062>"), ("<sip:192.168.1.20:5062>", "<sip:192.168.1.300>"), (":5062>", ":99999>"),
        ("CSeq: 1 SUBSCRIBE", "CSeq: x"), ("Call-ID: 9", "Call-ID: 9\r\nX: \x00"), ("From: <", "From <"), ("Call-ID: 9@192.168.1.20", "Call-ID: " + "9" * 500),
    ],
)  # fmt: skip
def test_what_gets_no_answer(old: str, new: str) -> None:
    assert old in ASK
    assert pnp.read(ASK.replace(old, new, 1).encode("latin-1")) is None


@settings(deadline=None)
@given(st.binary(max_size=600) | st.text(max_size=200).map(lambda text: (ASK[:200] + text + ASK[200:]).encode()))
def test_any_datagram(packet: bytes) -> None:
    ask = pnp.read(packet)
    if ask is not None:
        assert pnp.accepted(ask, "t") and pnp.notify(ask, "t", ("192.0.2.1", 1), "http://192.0.2.1/")
