"""Phones of every make call each other by extension and hear each other: 1 kHz each way in at least 95 % of the frames of a 5 s call."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.proc import wait_until
from tests.support.sites import make_site, secret
from tests.support.tone import PROOF, longest_gap_ms, tone_fraction, tone_seconds

KINDS = ("pjsua2", "baresip", "linphone")


def _registered(phone: PhoneMaker, home: Box, extension: int, kind: str = "pjsua2", **options: Any) -> Any:
    made = phone(f"p{extension}", kind, **options)
    outcome = made.register(str(extension), secret(extension), home.sip)
    assert outcome["type"] == "REGISTER_OK" if kind == "baresip" else outcome if kind == "linphone" else outcome.ok
    return made


def _heard(recording: Path, seconds: float) -> bool:
    return recording.exists() and tone_seconds(recording) >= seconds


@pytest.mark.row("K4")
@pytest.mark.parametrize(("one", "other"), list(itertools.product(KINDS, KINDS)))
def test_two_phones_hear_each_other(box: BoxMaker, phone: PhoneMaker, one: str, other: str) -> None:
    home = box(make_site(2))
    caller = _registered(phone, home, 201, one)
    called = _registered(phone, home, 202, other)
    call = caller.call(home.uri("202"))
    if one == "pjsua2":
        call.wait("CONFIRMED")
    elif one == "baresip":
        assert call["type"] == "CALL_ESTABLISHED", caller.program.tail(15)
    else:
        assert call, caller.program.tail(15)
    answered = called.incoming() if other == "pjsua2" else None
    # The box's own list says how long the call has been up; half a second more than the proof needs.
    wait_until(lambda: [row["state"] == "up" and row["since_s"] >= 5.5 for row in home.calls()] == [True], 9, "the call up for 5.5 s", interval_s=0.1)
    call.hangup() if one == "pjsua2" else caller.hangup()
    home.wait_idle()
    paths = [call.recording if one == "pjsua2" else caller.recording(), answered.recording if answered else called.recording()]
    # A phone may take a moment to finish its file.
    wait_until(lambda: all(path.exists() and tone_seconds(path) > 5 for path in paths), 2, f"5 s of tone in {paths}")
    for path in paths:
        assert tone_fraction(path, seconds=5) >= PROOF, (path, longest_gap_ms(path))


def test_nobody_hears_himself(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    caller = _registered(phone, home, 201, freq_hz=1000)
    called = _registered(phone, home, 202, freq_hz=1500)
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    answered = called.incoming()
    wait_until(lambda: tone_seconds(call.recording, 1500) >= 1 and tone_seconds(answered.recording, 1000) >= 1, 8, "both tones", interval_s=0.1)
    call.hangup()
    assert tone_seconds(call.recording, 1000) == 0
    assert tone_seconds(answered.recording, 1500) == 0


@pytest.mark.parametrize(("ours", "theirs"), [("PCMU", "PCMA"), ("G722", "PCMU"), ("opus", "PCMA")])
def test_phones_without_a_codec_in_common_hear_each_other(box: BoxMaker, phone: PhoneMaker, ours: str, theirs: str) -> None:
    home = box(make_site(2))
    caller = _registered(phone, home, 201, codecs=(ours,), rate=16000)
    called = _registered(phone, home, 202, codecs=(theirs,))
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    answered = called.incoming()
    assert call.wait_event("media", status="active")["codec"].lower() == ours.lower()
    assert answered.wait_event("media", status="active")["codec"].lower() == theirs.lower()
    wait_until(lambda: tone_seconds(call.recording) >= 2 and tone_seconds(answered.recording) >= 2, 8, "both tones", interval_s=0.1)
    call.hangup()
    assert tone_fraction(call.recording, seconds=1.5) >= PROOF
    assert tone_fraction(answered.recording, seconds=1.5) >= PROOF


@pytest.mark.row("T1")
def test_all_devices_of_a_user_ring_and_the_losers_are_told_why(box: BoxMaker, phone: PhoneMaker) -> None:
    site = make_site(2)
    site["devices"]["second"] = {"owner": "user-202", "sip_user": "second", "secret": secret("second"), "location": "main"}
    home = box(site)
    caller, desk = _registered(phone, home, 201), _registered(phone, home, 202, answers=(180,))
    second = phone("second", answers=(180,))
    assert second.register("second", secret("second"), home.sip).ok
    call = caller.call(home.uri("202")).wait("EARLY")
    desk_call, second_call = desk.incoming(), second.incoming()
    second_call.answer()
    call.wait("CONFIRMED")
    second_call.wait("CONFIRMED")
    desk_call.wait("DISCONNECTED")
    assert "completed elsewhere" in (desk.folder / "pjsua.log").read_text().lower(), "RFC 3326: Reason in the CANCEL"
    call.hangup()
    second_call.wait("DISCONNECTED")
    home.wait_idle()


@pytest.mark.parametrize(("answer", "expected"), [(486, 486), (603, 603), (480, 480)])
def test_why_nobody_answered_reaches_the_caller(box: BoxMaker, phone: PhoneMaker, answer: int, expected: int) -> None:
    home = box(make_site(2))
    caller, _ = _registered(phone, home, 201), _registered(phone, home, 202, answers=(180, answer))
    call = caller.call(home.uri("202"))
    wait_until(lambda: call.state == "DISCONNECTED", 8, "the refusal")
    assert call.code == expected


def test_an_extension_without_a_phone_and_one_that_does_not_exist(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    caller = _registered(phone, home, 201)
    codes = []
    for number in ("202", "299"):
        call = caller.call(home.uri(number))
        wait_until(lambda call=call: call.state == "DISCONNECTED", 8, "the refusal")
        codes.append(call.code)
    assert codes == [480, 404]


def test_the_caller_gives_up(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    caller, called = _registered(phone, home, 201), _registered(phone, home, 202, answers=(180,))
    call = caller.call(home.uri("202")).wait("EARLY")
    ringing = called.incoming()
    call.hangup()
    ringing.wait("DISCONNECTED")
    assert ringing.code == 487
    home.wait_idle()


def test_early_media_is_heard_before_the_answer(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    caller, called = _registered(phone, home, 201), _registered(phone, home, 202, answers=(183,))
    call = caller.call(home.uri("202")).wait("EARLY")
    ringing = called.incoming()
    wait_until(lambda: _heard(call.recording, 1.0), 8, "early media", interval_s=0.1)
    assert call.state == "EARLY"
    ringing.answer()
    call.wait("CONFIRMED")
    call.hangup()


def test_hold_and_resume_pass_through(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    caller, called = _registered(phone, home, 201), _registered(phone, home, 202)
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    answered = called.incoming().wait("CONFIRMED")
    call.wait_heard(50)
    call.hold()
    answered.wait_event("media", status="held-by-peer")
    before = len(answered.events("media"))
    call.resume()
    assert answered.wait_next("media", before)["status"] == "active"
    start = tone_seconds(answered.recording)
    wait_until(lambda: tone_seconds(answered.recording) - start >= 1, 6, "the tone again", interval_s=0.1)
    call.hangup()


@pytest.mark.parametrize("method", ["rfc4733", "info"])
def test_digits_pass_both_ways(box: BoxMaker, phone: PhoneMaker, method: str) -> None:
    home = box(make_site(2))
    caller, called = _registered(phone, home, 201), _registered(phone, home, 202)
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    answered = called.incoming().wait("CONFIRMED")
    call.wait_heard(20)
    answered.wait_heard(20)
    call.send_digits("159#", method)
    answered.send_digits("*0", method)
    wait_until(lambda: answered.digits == "159#" and call.digits == "*0", 8, f"digits; {answered.digits!r} {call.digits!r}")
    call.hangup()


def test_a_blind_transfer(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(3))
    caller, clerk, boss = (_registered(phone, home, extension) for extension in (201, 202, 203))
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    at_clerk = clerk.incoming().wait("CONFIRMED")
    at_clerk.refer(home.uri("203"))
    at_boss = boss.incoming().wait("CONFIRMED")
    at_clerk.wait("DISCONNECTED")
    wait_until(lambda: _heard(at_boss.recording, 1), 8, "the caller at the boss", interval_s=0.1)
    heard = tone_seconds(call.recording)
    wait_until(lambda: tone_seconds(call.recording) - heard >= 0.5, 8, "the boss at the caller", interval_s=0.1)
    at_boss.hangup()
    call.wait("DISCONNECTED")
    home.wait_idle()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_calls_over_tcp_and_tls(box: BoxMaker, phone: PhoneMaker, transport: str) -> None:
    home = box(make_site(2))
    server = home.tls if transport == "tls" else home.sip
    caller, called = phone("p201"), phone("p202")
    assert caller.register("201", secret(201), server, transport=transport).ok
    assert called.register("202", secret(202), server, transport=transport).ok
    call = caller.call(f"sip:202@{server[0]}:{server[1]};transport={transport}").wait("CONFIRMED")
    answered = called.incoming().wait("CONFIRMED")
    wait_until(lambda: _heard(call.recording, 1) and _heard(answered.recording, 1), 8, "both tones", interval_s=0.1)
    answered.hangup()
    call.wait("DISCONNECTED")


def test_an_unregistered_stranger_cannot_call(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    called = _registered(phone, home, 202)
    with Carrier() as stranger:
        assert stranger.call(home.uri("202"), home.sip, from_uri=home.uri("201")).wait_final().status in (401, 403, 407)
    assert called.no_call()


def test_ten_calls_at_once(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    caller, called = _registered(phone, home, 201), _registered(phone, home, 202)
    calls = [caller.call(home.uri("202")) for _ in range(10)]
    for call in calls:
        call.wait("CONFIRMED")
    answered = [called.incoming() for _ in calls]
    assert len(home.calls()) == 10
    for call in [*calls, *answered]:
        call.wait_heard(25)
    for call in calls:
        call.hangup()
    home.wait_idle()

