"""What a call can do beyond ringing and talking: forks, refusals, early media, hold, digits, transfers, vanished peers, secure phones, and its record."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.joinbox import JoinBox
from tests.support.pjphone import PjCall, PjPhone
from tests.support.proc import wait_until
from tests.support.sites import Document, make_site, secret
from tests.support.tone import PROOF, longest_gap_ms, read_wav, tone_fraction, tone_frames, tone_seconds

CarrierMaker = Callable[..., Carrier]

ELSEWHERE = 'Reason: SIP;cause=200;text="Call completed elsewhere"'


def _registered(phone: PhoneMaker, home: Box, user: int | str, **options: Any) -> PjPhone:
    made: PjPhone = phone(f"p{user}", **options)
    assert made.register(str(user), secret(user), home.sip).ok
    return made


def _with_second_device(site: Document) -> Document:
    """User 202 gets a device `second` beside its first."""
    site["devices"]["second"] = {"owner": "user-202", "sip_user": "second", "secret": secret("second"), "location": "main"}
    return site


def _register_raw(peer: Carrier, home: Box, user: str) -> None:
    """A raw phone that answers at once."""
    own = f"sip:{user}@{home.sip[0]}"
    reply = peer.request(
        "REGISTER", f"sip:{home.sip[0]}:{home.sip[1]}", home.sip, user=user, secret=secret(user),
        from_uri=own, to_uri=own, contact=f"<sip:{user}@{peer.ip}:{peer.port}>",
    )  # fmt: skip
    assert reply.status == 200


def _refused(call: PjCall, timeout_s: float = 10.0) -> int:
    wait_until(lambda: call.state == "DISCONNECTED", timeout_s, "the refusal")
    return call.code


def _history(home: Box, count: int) -> list[dict[str, Any]]:
    """The newest `count` call records, newest first, as soon as there are so many."""

    def look() -> list[dict[str, Any]] | None:
        rows: list[dict[str, Any]] = home.rpc("calls.history", limit=50)["calls"]
        return rows[:count] if len(rows) >= count else None

    found: list[dict[str, Any]] = wait_until(look, 5, f"{count} call records", interval_s=0.1)
    return found


def _one_record(home: Box) -> tuple[str, str, str, str, int]:
    """(direction, from, to, outcome, code) of the only call so far."""
    row = _history(home, 1)[0]
    assert len(home.rpc("calls.history", limit=50)["calls"]) == 1
    return row["direction"], row["from_number"], row["to_number"], row["outcome"], row["code"]


def _cancels(phone: PjPhone) -> list[str]:
    """Every CANCEL this phone received, as text."""
    log = (phone.folder / "pjsua.log").read_text(errors="replace")
    return ["CANCEL " + part.split("--end msg--")[0] for part in log.split("\nCANCEL ")[1:]]


def _more_tone(recording: Path, seconds: float, timeout_s: float = 6.0) -> None:
    """Until that much more of the tone than now has been heard."""
    before = tone_seconds(recording)
    wait_until(lambda: tone_seconds(recording) - before >= seconds, timeout_s, f"{seconds} s more of the tone in {recording}", interval_s=0.1)


def _tail_fraction(recording: Path, seconds: float) -> float:
    """Share of the frames with the tone in the last `seconds` heard."""
    found = tone_frames(*read_wav(recording))[-round(seconds * 50) :]
    return float(found.sum()) / max(1, round(seconds * 50))


# ---- ringing -----------------------------------------------------------------------------------------------------------


def test_both_devices_ring_and_the_first_answer_wins(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(_with_second_device(make_site(2)))
    caller, desk, second = (_registered(phone, home, 201), _registered(phone, home, 202, answers=(180,)), _registered(phone, home, "second", answers=(180,)))
    call = caller.call(home.uri("202")).wait("EARLY")
    at_desk, at_second = desk.incoming(), second.incoming()
    at_desk.wait("EARLY")
    at_second.wait("EARLY")
    at_second.answer()
    call.wait("CONFIRMED")
    at_desk.wait("DISCONNECTED")
    assert ELSEWHERE in _cancels(desk)[0]
    assert not _cancels(second)
    at_second.hangup()
    call.wait("DISCONNECTED")
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", "answered", 200)


def test_the_caller_gives_up_and_every_device_falls_silent(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(_with_second_device(make_site(2)))
    caller, desk, second = (_registered(phone, home, 201), _registered(phone, home, 202, answers=(180,)), _registered(phone, home, "second", answers=(180,)))
    call = caller.call(home.uri("202")).wait("EARLY")
    ringing = [desk.incoming().wait("EARLY"), second.incoming().wait("EARLY")]
    call.hangup()
    for each in ringing:
        each.wait("DISCONNECTED")
        assert each.code == 487
    for each_phone in (desk, second):
        assert all(ELSEWHERE not in cancel for cancel in _cancels(each_phone))
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", "cancelled", 487)


@pytest.mark.parametrize(("answer", "code", "outcome"), [(486, 486, "busy"), (600, 600, "busy"), (603, 603, "declined"), (480, 480, "no-answer")])
def test_a_refusal_reaches_the_caller_and_the_record(box: BoxMaker, phone: PhoneMaker, answer: int, code: int, outcome: str) -> None:
    home = box(make_site(2))
    caller, _ = _registered(phone, home, 201), _registered(phone, home, 202, answers=(180, answer))
    assert _refused(caller.call(home.uri("202"))) == code
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", outcome, code)


def test_nobody_answers_within_the_ring_time(box: BoxMaker, phone: PhoneMaker) -> None:
    site = make_site(2)
    site["users"]["user-202"]["ring_seconds"] = 2
    home = box(site)
    caller, called = _registered(phone, home, 201), _registered(phone, home, 202, answers=(180,))
    call = caller.call(home.uri("202")).wait("EARLY")
    began = time.monotonic()
    ringing = called.incoming()
    assert _refused(call) == 480
    assert 1.5 <= time.monotonic() - began <= 5
    ringing.wait("DISCONNECTED")
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", "no-answer", 480)


def test_an_unregistered_a_silent_and_a_busy_phone_are_told_apart(box: BoxMaker, phone: PhoneMaker) -> None:
    site = make_site(4)
    site["users"]["user-203"]["ring_seconds"] = 3
    home = box(site)
    caller = _registered(phone, home, 201)
    gone = _registered(phone, home, 203)
    _registered(phone, home, 204, answers=(486,))
    gone.kill()
    reasons = []
    for extension in ("202", "203", "204"):
        call = caller.call(home.uri(extension))
        code = _refused(call)
        reasons.append((code, call.events("state")[-1]["reason"]))
    assert reasons == [(480, "Phone Not Registered"), (480, "Phone Not Reachable"), (486, "Busy Here")]
    home.wait_idle()
    assert [(row["to_number"], row["outcome"]) for row in _history(home, 3)] == [("204", "busy"), ("203", "unreachable"), ("202", "unreachable")]


def test_early_media_is_heard_before_the_answer_and_plain_ringing_has_none(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(3))
    caller = _registered(phone, home, 201)
    announcing, ringing = _registered(phone, home, 202, answers=(183,)), _registered(phone, home, 203, answers=(180,))
    call = caller.call(home.uri("202")).wait("EARLY")
    assert call.code == 183
    wait_until(lambda: call.recording.exists() and tone_seconds(call.recording) >= 1, 8, "early media", interval_s=0.1)
    assert call.state == "EARLY"
    announcing.incoming().answer(486)
    assert _refused(call) == 486
    plain = caller.call(home.uri("203")).wait("EARLY")
    at_ringing = ringing.incoming().wait("EARLY")
    assert plain.code == 180
    assert not plain.events("media"), "without early media the phone makes its own ringback"
    at_ringing.answer()
    plain.wait("CONFIRMED")
    _more_tone_of(plain, 0.5)
    plain.hangup()


def _more_tone_of(call: PjCall, seconds: float) -> None:
    wait_until(call.recording.exists, 5, "the recording")
    _more_tone(call.recording, seconds)


# ---- in the call -------------------------------------------------------------------------------------------------------


def _talking(home: Box, caller: PjPhone, called: PjPhone, extension: str) -> tuple[PjCall, PjCall]:
    """A call that is up and heard at both ends."""
    call = caller.call(home.uri(extension)).wait("CONFIRMED")
    answered = called.incoming().wait("CONFIRMED")
    for each in (call, answered):
        _more_tone_of(each, 0.5)
    return call, answered


@pytest.mark.parametrize("holder", ["caller", "called"])
def test_hold_stops_the_audio_and_resume_brings_it_back(box: BoxMaker, phone: PhoneMaker, holder: str) -> None:
    home = box(make_site(2))
    pair = _talking(home, _registered(phone, home, 201), _registered(phone, home, 202), "202")
    mine, other = pair if holder == "caller" else pair[::-1]
    mine.hold()
    held = other.wait_event("media", status="held-by-peer")
    packets = mine.stats()["rx"]
    wait_until(lambda: time.monotonic() - held["at"] >= 1, 3, "a second on hold")
    assert mine.stats()["rx"] - packets <= 2, "the held side sends nothing to the holder"
    before = len(other.events("media"))
    mine.resume()
    assert other.wait_next("media", before)["status"] == "active"
    for each in pair:
        _more_tone(each.recording, 2.2)
    mine.hangup()
    other.wait("DISCONNECTED")
    for each in pair:
        assert _tail_fraction(each.recording, 2) >= PROOF
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", "answered", 200)


@pytest.mark.parametrize("method", ["rfc4733", "info"])
@pytest.mark.parametrize("codec", ["PCMU", "opus", "G722"])
def test_digits_and_audio_pass_both_ways(box: BoxMaker, phone: PhoneMaker, method: str, codec: str) -> None:
    """PCMU to PCMU is forwarded; a phone that has only Opus or G.722 is reached through the bridge."""
    home = box(make_site(2))
    caller, called = _registered(phone, home, 201, codecs=("PCMU",)), _registered(phone, home, 202, codecs=(codec,), rate=8000 if codec == "PCMU" else 16000)
    call, answered = _talking(home, caller, called, "202")
    assert [row["forwarded"] for row in home.calls()] == [codec == "PCMU"]
    call.send_digits("1590#D", method)
    answered.send_digits("*77A", method)
    wait_until(lambda: len(answered.digits) >= 6 and len(call.digits) >= 4, 10, f"digits; {answered.digits!r} {call.digits!r}")
    for each in (call, answered):
        _more_tone(each.recording, 1.2)
    assert (answered.digits, call.digits) == ("1590#D", "*77A")
    if method == "rfc4733":
        assert {event["method"] for each in (call, answered) for event in each.events("digit")} == {method}
    call.hangup()
    answered.wait("DISCONNECTED")
    for each in (call, answered):
        assert _tail_fraction(each.recording, 1) >= PROOF


@pytest.mark.parametrize("method", ["rfc4733", "info"])
def test_a_phone_without_telephone_event_gets_info(box: BoxMaker, phone: PhoneMaker, carrier: CarrierMaker, method: str) -> None:
    home = box(make_site(2))
    caller = _registered(phone, home, 201)
    plain = carrier(formats=("0",))
    _register_raw(plain, home, "202")
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    call.wait_heard(20)
    for number, digit in enumerate("4#", 1):
        call.send_digits(digit, method)
        wait_until(lambda number=number: len(plain.requests("INFO")) == number, 5, "the INFO passed on")  # type: ignore[misc]
    bodies = [got.message.body.decode() for got in plain.requests("INFO")]
    assert [digit in body for digit, body in zip("4#", bodies, strict=True)] == [True, True]
    call.hangup()


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
def test_other_makes_hold_resume_and_send_digits(box: BoxMaker, phone: PhoneMaker, kind: str) -> None:
    home = box(make_site(2))
    answered_by = _registered(phone, home, 202)
    other = phone("other", kind)
    assert other.register("201", secret(201), home.sip)
    assert other.call(home.uri("202"))
    answered = answered_by.incoming().wait("CONFIRMED")
    _more_tone_of(answered, 0.5)
    other.digits("159")
    wait_until(lambda: answered.digits == "159", 8, f"digits; {answered.digits!r}")
    other.hold()
    answered.wait_event("media", status="held-by-peer")
    before = len(answered.events("media"))
    other.resume()
    assert answered.wait_next("media", before)["status"] == "active"
    _more_tone(answered.recording, 2.2)
    other.hangup()
    answered.wait("DISCONNECTED")
    assert _tail_fraction(answered.recording, 1.8) >= PROOF


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
def test_other_makes_transfer(box: BoxMaker, phone: PhoneMaker, kind: str) -> None:
    home = box(make_site(3))
    caller, boss = _registered(phone, home, 201, freq_hz=1200), _registered(phone, home, 203, freq_hz=1700)
    clerk = phone("clerk", kind)
    assert clerk.register("202", secret(202), home.sip)
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    _more_tone_of(call, 0.5)
    clerk.transfer(home.uri("203"))
    at_boss = boss.incoming().wait("CONFIRMED")
    wait_until(lambda: at_boss.recording.exists() and tone_seconds(at_boss.recording, 1200) >= 1, 8, "the caller at the boss", interval_s=0.1)
    wait_until(lambda: tone_seconds(call.recording, 1700) >= 1, 8, "the boss at the caller", interval_s=0.1)
    at_boss.hangup()
    call.wait("DISCONNECTED")


@pytest.mark.parametrize("who", ["caller", "called"])
def test_either_side_hangs_up(box: BoxMaker, phone: PhoneMaker, who: str) -> None:
    home = box(make_site(2))
    call, answered = _talking(home, _registered(phone, home, 201), _registered(phone, home, 202), "202")
    first, second = (call, answered) if who == "caller" else (answered, call)
    first.hangup()
    second.wait("DISCONNECTED", 2)
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", "answered", 200)
    assert 0.4 <= _history(home, 1)[0]["talk_s"] <= 10


# ---- transfers ---------------------------------------------------------------------------------------------------------


def test_a_blind_transfer_joins_the_other_two(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(3))
    caller, clerk = _registered(phone, home, 201, freq_hz=1000), _registered(phone, home, 202, freq_hz=1300)
    boss = _registered(phone, home, 203, freq_hz=1700)
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    at_clerk = clerk.incoming().wait("CONFIRMED")
    wait_until(lambda: call.recording.exists() and tone_seconds(call.recording, 1300) >= 0.5, 8, "the clerk", interval_s=0.1)
    at_clerk.refer(home.uri("203"))
    at_boss = boss.incoming().wait("CONFIRMED")
    at_clerk.wait("DISCONNECTED")
    assert [event["code"] for event in at_clerk.events("transfer")][-1] == 200
    wait_until(lambda: at_boss.recording.exists() and tone_seconds(at_boss.recording, 1000) >= 1, 8, "the caller at the boss", interval_s=0.1)
    wait_until(lambda: tone_seconds(call.recording, 1700) >= 1, 8, "the boss at the caller", interval_s=0.1)
    assert tone_seconds(at_boss.recording, 1300) == 0
    call.hangup()
    at_boss.wait("DISCONNECTED")
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", "answered", 200)


@pytest.mark.parametrize(("target", "code"), [("203", 486), ("204", 480), ("299", 404)])
def test_a_failed_transfer_gives_the_call_back(box: BoxMaker, phone: PhoneMaker, target: str, code: int) -> None:
    home = box(make_site(4))
    caller, clerk = _registered(phone, home, 201), _registered(phone, home, 202)
    _registered(phone, home, 203, answers=(180, 486))
    call, at_clerk = _talking(home, caller, clerk, "202")
    at_clerk.refer(home.uri(target))
    last = at_clerk.wait_event("transfer", final=True)
    assert last["code"] == code
    for each in (call, at_clerk):
        _more_tone(each.recording, 1)
    assert call.state == at_clerk.state == "CONFIRMED"
    call.hangup()
    at_clerk.wait("DISCONNECTED")


def test_an_attended_transfer_joins_the_other_two(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(3))
    caller, clerk = _registered(phone, home, 201, freq_hz=1000), _registered(phone, home, 202, freq_hz=1300)
    boss = _registered(phone, home, 203, freq_hz=1700)
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    at_clerk = clerk.incoming().wait("CONFIRMED")
    wait_until(lambda: call.recording.exists() and tone_seconds(call.recording, 1300) >= 0.5, 8, "the clerk", interval_s=0.1)
    at_clerk.hold()
    call.wait_event("media", status="held-by-peer")
    asking = clerk.call(home.uri("203")).wait("CONFIRMED")
    at_boss = boss.incoming().wait("CONFIRMED")
    wait_until(lambda: at_boss.recording.exists() and tone_seconds(at_boss.recording, 1300) >= 0.5, 8, "the clerk at the boss", interval_s=0.1)
    at_clerk.refer_to(asking)
    at_clerk.wait("DISCONNECTED")
    asking.wait("DISCONNECTED")
    wait_until(lambda: tone_seconds(at_boss.recording, 1000) >= 1, 8, "the caller at the boss", interval_s=0.1)
    wait_until(lambda: tone_seconds(call.recording, 1700) >= 1, 8, "the boss at the caller", interval_s=0.1)
    assert call.state == at_boss.state == "CONFIRMED"
    at_boss.hangup()
    call.wait("DISCONNECTED")
    home.wait_idle()
    assert sorted((row["from_number"], row["to_number"], row["outcome"]) for row in _history(home, 2)) == [
        ("201", "202", "answered"),
        ("202", "203", "answered"),
    ]


# ---- peers that vanish, transports, records ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("who", ["caller", "called"])
def test_a_killed_phone_ends_the_call_within_a_minute(box: BoxMaker, phone: PhoneMaker, who: str) -> None:
    """SIGKILL, no BYE: no RTP for 15 s, then no answer to OPTIONS."""
    home = box(make_site(2))
    caller, called = _registered(phone, home, 201), _registered(phone, home, 202)
    call, answered = _talking(home, caller, called, "202")
    victim, survivor = (caller, answered) if who == "caller" else (called, call)
    began = time.monotonic()
    victim.kill()
    survivor.wait("DISCONNECTED", 62)
    assert time.monotonic() - began <= 60
    home.wait_idle()
    assert _one_record(home) == ("internal", "201", "202", "answered", 200)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_secure_or_tcp_phone_and_a_plain_one_hear_each_other(box: BoxMaker, phone: PhoneMaker, transport: str) -> None:
    home = box(make_site(2))
    server = home.tls if transport == "tls" else home.sip
    secure: PjPhone = phone("p201", srtp=transport == "tls")
    assert secure.register("201", secret(201), server, transport=transport).ok
    plain = _registered(phone, home, 202)
    there = secure.call(f"sip:202@{server[0]}:{server[1]};transport={transport}").wait("CONFIRMED")
    at_plain = plain.incoming().wait("CONFIRMED")
    for each in (there, at_plain):
        _more_tone_of(each, 1.2)
    assert b"RTP/AVP" in at_plain.message.body
    assert b"crypto" not in at_plain.message.body
    there.hangup()
    at_plain.wait("DISCONNECTED")
    back = plain.call(home.uri("201")).wait("CONFIRMED")
    at_secure = secure.incoming().wait("CONFIRMED")
    for each in (back, at_secure):
        _more_tone_of(each, 1.2)
    back.hangup()
    at_secure.wait("DISCONNECTED")
    for each in (there, at_plain, back, at_secure):
        assert _tail_fraction(each.recording, 1) >= PROOF
    log = (secure.folder / "pjsua.log").read_text(errors="replace")
    assert log.count("SRTP started, keying=SDES") == (2 if transport == "tls" else 0)


# ---- forwarding and the bridge -------------------------------------------------------------------------------------------


@pytest.fixture
def switching(tmp_path: Path, box: BoxMaker, opened: contextlib.ExitStack) -> JoinBox:
    """A box that takes every call to the bridge and back, once a second. (`box` skips where the SIP library is not built.)"""
    return opened.enter_context(JoinBox(tmp_path, make_site(2)))


@pytest.mark.row("K4")
@pytest.mark.parametrize(("codec", "gap_ms"), [("PCMU", 60), ("G722", 100)])
def test_switching_between_forwarding_and_the_bridge_makes_no_gap(switching: JoinBox, phone: PhoneMaker, codec: str, gap_ms: int) -> None:
    """G.722 codes differences: the first time on the bridge its decoder starts cold, and finds the level within some frames."""
    caller, called = (_registered(phone, switching, user, codecs=(codec,), rate=16000 if codec == "G722" else 8000) for user in (201, 202))
    call, answered = _talking(switching, caller, called, "202")
    wait_until(lambda: tone_seconds(call.recording) >= 6 and tone_seconds(answered.recording) >= 6, 12, "6 s of tone", interval_s=0.2)
    assert switching.switches() >= 5
    call.hangup()
    answered.wait("DISCONNECTED")
    for each in (call, answered):
        assert longest_gap_ms(each.recording) <= gap_ms
        assert tone_fraction(each.recording, seconds=5) >= PROOF


def test_switching_keeps_one_stream_of_packets(switching: JoinBox, carrier: CarrierMaker) -> None:
    """RFC 3550: one SSRC, sequence numbers without a hole, timestamps that follow the clock; seen by two raw phones."""
    ours, theirs = carrier(), carrier()
    _register_raw(theirs, switching, "202")
    out = ours.call(switching.uri("202"), switching.sip, from_uri=switching.uri("201"), user="201", secret=secret(201))
    out.wait_answer()
    ends = [out.rtp, theirs.wait_call(0).rtp]
    modes: set[bool] = set()

    def enough() -> bool:
        modes.update(row["forwarded"] for row in switching.calls())
        return all(end.heard() >= 300 for end in ends)

    wait_until(enough, 12, "6 s of packets both ways", interval_s=0.2)
    assert modes == {True, False}
    out.hangup()
    for end in ends:
        packets = list(end.packets)
        assert len({packet.ssrc for packet in packets}) == 1
        steps = [(b.sequence - a.sequence) % 65536 for a, b in itertools.pairwise(packets)]
        assert set(steps) == {1}, steps
        # The proof are the sequence numbers; the wall clock of a busy machine adds its own.
        assert end.longest_silence_ms() <= 250
        first, last = packets[0], packets[-1]
        elapsed = (last.timestamp - first.timestamp) % 2**32 / 8000
        assert abs(elapsed - (last.at - first.at)) <= 0.3
