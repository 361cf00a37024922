"""Contact URIs: parts, comparison after RFC 3261 section 19.1.4, and where a contact is dialled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sip.registrar import uris
from tests.support.registering import address


def test_parts() -> None:
    uri = uris.parse("SIP:Dana%20X;day=tuesday:pw@PBX.Example:5070;Transport=tcp;ob?Subject=x")
    assert uri == uris.SipUri("sip", "Dana%20X;day=tuesday:pw", "pbx.example", 5070, (("transport", "tcp"), ("ob", "")), "Subject=x")
    assert uris.parse("sips:[2001:DB8::1]:5061").host == "2001:db8::1"
    assert uris.parse("sip:192.0.2.7").port == 0


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "not a SIP URI"),
        ("tel:+15551234", "not a SIP URI"),
        ("mailto:a@b.example", "not a SIP URI"),
        ("sip:", "no host"),
        ("sip:dana@", "no host"),
        ("sip:dana@[::1", "no host"),
        ("sip:dana@host:0", "bad port"),
        ("sip:dana@host:65536", "bad port"),
        ("sip:dana@host:٣", "bad port"),
        ("sip:dana@host:port", "bad port"),
        ("sip:dana@ho st", "forbidden character"),
        ("sip:dana@host>;x", "forbidden character"),
        ('sip:"dana"@host', "forbidden character"),
        ("sip:dana@host\r\nEvil: 1", "forbidden character"),
        ("sip:dana\ud800@host", "forbidden character"),
        ("sip:dana@" + "h" * 600, "too long"),
    ],
)
def test_what_is_no_contact_is_refused_with_the_reason(uri: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        uris.parse(uri)


@pytest.mark.parametrize(
    ("first", "second"),
    [  # the examples of RFC 3261 section 19.1.4
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"),
        ("sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x"),
    ],
)
def test_equal(first: str, second: str) -> None:
    assert uris.equal(first, second)
    assert uris.equal(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [  # likewise
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ],
)
def test_not_equal(first: str, second: str) -> None:
    assert not uris.equal(first, second)
    assert not uris.equal(second, first)


@pytest.mark.parametrize(
    ("contact", "received", "dialled"),
    [
        # its own address: as it says, even where it sends from another port
        ("sip:dana@192.0.2.20:5062;ob", address(port=5062), "sip:dana@192.0.2.20:5062;ob"),
        ("sip:dana@192.0.2.20", address(port=49152), "sip:dana@192.0.2.20:5060"),
        # behind NAT, or with a name or nothing useful in the contact
        ("sip:dana@10.0.0.5:5062", address("198.51.100.9", 40000), "sip:dana@198.51.100.9:40000"),
        ("sip:dana@dana-pc.local", address(port=5099), "sip:dana@192.0.2.20:5099"),
        ("sip:df7jal23@ab.invalid;transport=ws", address(port=5099, transport="tcp"), "sip:df7jal23@192.0.2.20:5099;transport=tcp"),
        # connections are used again: the phone's end of them
        ("sip:dana@192.0.2.20:5060;transport=tcp", address(port=33333, transport="tcp"), "sip:dana@192.0.2.20:33333;transport=tcp"),
        ("sip:dana@192.0.2.20;transport=udp", address(port=33333, transport="tls"), "sip:dana@192.0.2.20:33333;transport=tls"),
        ("sips:dana@192.0.2.20", address(port=33333, transport="tls"), "sips:dana@192.0.2.20:33333"),
        ("sips:dana@192.0.2.20", address(port=33333, transport="tcp"), "sip:dana@192.0.2.20:33333;transport=tcp"),
        ("sip:dana@192.0.2.20;transport=tcp", address(), "sip:dana@192.0.2.20:5060"),
        # IPv6, other spellings of one address
        ("sip:dana@[2001:DB8::0:5]:5070", address("2001:db8::5", 7000), "sip:dana@[2001:db8::5]:5070"),
        ("sip:dana@[2001:db8::6]", address("2001:db8::5", 7000), "sip:dana@[2001:db8::5]:7000"),
        ("sip:dana@10.0.0.5", address("2001:db8::5", 7000), "sip:dana@[2001:db8::5]:7000"),
        # what would send the call elsewhere
        ("sip:dana@192.0.2.20;maddr=203.0.113.1;ttl=9;x=1?Route=evil", address(), "sip:dana@192.0.2.20:5060;x=1"),
        ("sip:192.0.2.20:5070;line=a1", address(port=5070), "sip:192.0.2.20:5070;line=a1"),
        ("sip:o%27brien;x=y:pw@192.0.2.20", address(), "sip:o%27brien;x=y:pw@192.0.2.20:5060"),
    ],
)
def test_where_it_is_dialled(contact: str, received, dialled: str) -> None:
    assert uris.dial_uri(contact, received) == dialled


@given(st.text(st.characters(codec=None), max_size=60).map(lambda text: "sip:" + text) | st.text(max_size=60))
def test_any_text_parses_or_is_a_value_error(text: str) -> None:
    try:
        uris.parse(text)
    except ValueError:
        return
    assert uris.equal(text, text)
    assert uris.parse(uris.dial_uri(text, address("2001:db8::5"))).host == "2001:db8::5"
