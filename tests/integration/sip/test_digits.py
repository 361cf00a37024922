"""Digits arrive from a leg that is joined to nobody: answered, and unanswered in early media; by RTP events and by INFO."""

from __future__ import annotations

import pytest

from tests.support.baresip import Baresip
from tests.support.carrier import Carrier
from tests.support.proc import wait_until
from tests.support.sites import secret


@pytest.mark.parametrize("method", ["rfc4733", "info"])
def test_digits_of_an_answered_leg(up, method: str) -> None:
    _, call, leg = up()
    call.send_digits("19*#0", method)
    wait_until(lambda: leg.digits == "19*#0", 8, "the digits")
    assert {e["method"] for e in leg.news("Digit")} == {method}


def test_digits_while_a_sound_plays_and_the_leg_is_recorded(up, tmp_path) -> None:
    from tests.support.tone import tone_wav

    _, call, leg = up()
    leg.play(tone_wav(tmp_path / "sound.wav", 700, 20.0))
    leg.record()
    wait_until(lambda: leg.seconds() > 0.5, 5, "recording")
    call.send_digits("11223344")
    wait_until(lambda: leg.digits == "11223344", 8, "each of two equal digits")


@pytest.mark.parametrize("method", ["rfc4733", "info"])
def test_digits_in_early_media(bare, opened, method: str) -> None:
    box = bare()
    carrier: Carrier = opened.enter_context(Carrier())
    call = carrier.call(box.uri("900"), box.sip, from_uri=box.uri("201"), user="201", secret=secret(201)).sign_in()
    leg = box.incoming()
    leg.ring(183)
    progress = call.wait_ringing()
    assert progress.status == 183
    if method == "rfc4733":
        call.rtp.send_digits("258#")
    else:
        call.remote_tag, call.remote_uri = progress.param("to", "tag"), progress.uri_of("contact")
        for digit in "258#":
            assert call.request("INFO", body=f"Signal={digit}\r\nDuration=160\r\n", content_type="application/dtmf-relay").status == 200
    wait_until(lambda: leg.digits == "258#", 5, "the digits of a caller who is not answered")
    assert not leg.news("Answered")


def test_digits_in_the_plainest_info(bare, opened) -> None:
    """application/dtmf: the key alone, or its number as an event."""
    box = bare()
    carrier: Carrier = opened.enter_context(Carrier())
    call = carrier.call(box.uri("900"), box.sip, from_uri=box.uri("201"), user="201", secret=secret(201)).sign_in()
    leg = box.incoming()
    leg.do("answer")
    call.wait_answer()
    codes = [
        call.request("INFO", body=body, content_type="application/dtmf").status for body in ("5", "*\r\n", " 7", "11", "d", "16", "x", "\0\0\0\0\0\0\0\0\0\0")
    ]
    assert codes == [200, 200, 200, 200, 200, 400, 400, 400]
    wait_until(lambda: leg.digits == "5*7#D", 5, "the digits")
    assert {e["method"] for e in leg.news("Digit")} == {"info"}


def test_digits_of_baresip(bare, opened, tmp_path) -> None:
    box = bare()
    phone: Baresip = opened.enter_context(Baresip(tmp_path / "b"))
    assert phone.register("201", secret(201), box.sip)["type"] == "REGISTER_OK"
    phone.dial(box.uri("900"))
    leg = box.incoming().answer()
    phone.wait_event("CALL_ESTABLISHED")
    phone.digits("42#")
    wait_until(lambda: leg.digits == "42#", 8, "the digits")
