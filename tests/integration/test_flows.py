"""Flows in the running box with real phones: what is spoken, pressed, rung, recorded and heard, and that nobody is left in silence."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.pjphone import PjCall, PjPhone
from tests.support.proc import wait_until
from tests.support.sites import MAIN_NUMBER, Document, add_number, add_trunk, make_site, secret
from tests.support.tone import PROOF, read_wav, tone_fraction, tone_seconds

CarrierMaker = Callable[..., Carrier]


def flow(site: Document, name: str, steps: dict[str, Any], *, start: str = "", extensions: tuple[str, ...] = ()) -> Document:
    """Add a flow of `steps` as {id: (type, settings, exits)}; the first one starts it."""
    site.setdefault("flows", {})[name] = {
        "name": name.title(),
        "start": start or next(iter(steps)),
        "extensions": list(extensions),
        "steps": {key: {"type": kind, "settings": settings, "exits": exits} for key, (kind, settings, exits) in steps.items()},
    }
    return site


END: tuple[str, dict[str, Any], dict[str, str]] = ("hang-up", {}, {})


def ringing(phone: PjPhone) -> PjCall:
    return phone.incoming().wait("EARLY")


def registered(phone: PhoneMaker, home: Box, user: int | str, **options: Any) -> PjPhone:
    made: PjPhone = phone(f"p{user}", **options)
    assert made.register(str(user), secret(user), home.sip).ok
    return made


def spoken_seconds(recording: Path) -> float:
    """How long something that is no silence was heard, in seconds."""
    samples, rate = read_wav(recording)
    size = rate // 50
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    return float((np.sqrt((frames**2).mean(axis=1)) > 0.01).sum()) / 50 if len(frames) else 0.0


def path_of(home: Box) -> list[str]:
    """The way through the flow that the newest call record has."""
    rows = wait_until(lambda: home.rpc("calls.history", limit=1)["calls"], 5, "a call record", interval_s=0.1)
    return list(rows[0]["path"])


@pytest.mark.row("E8")
def test_say_reads_back_what_was_dialled_and_the_call_ends(box: BoxMaker, phone: PhoneMaker) -> None:
    site = flow(make_site(1), "echo", {"say": ("say", {"text": "You dialled {dialled}."}, {"next": "end"}), "end": END})
    site["users"]["user-201"]["flow"] = "echo"
    home = box(site)
    caller = registered(phone, home, 201)
    call = caller.call(home.uri("4711")).wait("CONFIRMED")
    call.wait("DISCONNECTED", 20.0)
    assert spoken_seconds(call.recording) > 1.0
    home.wait_idle()
    assert any("say" in step for step in path_of(home))


@pytest.mark.row("E9")
@pytest.mark.row("E7")
def test_a_string_match_sends_each_number_its_own_way(box: BoxMaker, phone: PhoneMaker, carrier: CarrierMaker) -> None:
    outside = carrier("127.0.0.1")
    site = add_trunk(make_site(3), "acme", outside.ip, outside.port)
    flow(
        site,
        "desk",
        {
            "match": (
                "string-match",
                {"cases": [{"kind": "exact", "value": "4000", "exit": "first"}, {"kind": "exact", "value": "4001", "exit": "second"}]},
                {"first": "one", "second": "two", "otherwise": "out"},
            ),
            "one": ("ring-user", {"user": "user-202"}, {"no-answer": "end", "busy": "end", "failed": "end"}),
            "two": ("ring-user", {"user": "user-203"}, {"no-answer": "end", "busy": "end", "failed": "end"}),
            "out": ("dial", {"targets": [{"dialled": True}]}, {"no-answer": "end", "busy": "end", "failed": "end"}),
            "end": END,
        },
    )
    site["users"]["user-201"]["flow"] = "desk"
    home = box(site)
    caller, first, second = (registered(phone, home, n) for n in (201, 202, 203))
    for number, reached in (("4000", first), ("4001", second)):
        call = caller.call(home.uri(number)).wait("CONFIRMED")
        answered = reached.incoming().wait("CONFIRMED")
        answered.wait_heard(120)
        call.hangup()
        home.wait_idle()
        assert tone_fraction(answered.recording, seconds=2.0) >= PROOF
    call = caller.call(home.uri("912025550123"))
    assert "+12025550123@" in outside.wait_call(0).invite.uri
    call.hangup()
    home.wait_idle()


@pytest.mark.row("E10")
def test_an_incoming_call_goes_through_a_menu_to_a_phone(box: BoxMaker, phone: PhoneMaker, carrier: CarrierMaker) -> None:
    outside = carrier("127.0.0.1")
    site = add_trunk(make_site(2), "acme", outside.ip, outside.port)
    rings = {"no-answer": "end", "busy": "end", "failed": "end"}
    flow(
        site,
        "menu",
        {
            "ask": (
                "prompt",
                {"text": "Press one for sales, two for support.", "choices": ["1", "2"]},
                {"1": "sales", "2": "support", "timeout": "end", "invalid": "end"},
            ),
            "sales": ("ring-user", {"user": "user-201"}, rings),
            "support": ("ring-user", {"user": "user-202"}, rings),
            "end": END,
        },
    )
    add_number(site, MAIN_NUMBER, "201")["numbers"][f"n{MAIN_NUMBER.lstrip('+')}"]["destination"] = {"kind": "flow", "target": "menu"}
    home = box(site)
    support = registered(phone, home, 202)
    call = outside.call(home.uri(MAIN_NUMBER), home.sip, from_uri="sip:+12025550199@127.0.0.1")
    call.wait_answer()
    call.rtp.send_digits("2")
    answered = support.incoming().wait("CONFIRMED")
    answered.wait_heard(200)
    call.hangup()
    home.wait_idle()
    assert tone_fraction(answered.recording, seconds=3.0) >= PROOF
    assert [step for step in path_of(home) if "2" in step]


@pytest.mark.row("E11")
def test_a_staggered_dial_rings_the_second_phone_later(box: BoxMaker, phone: PhoneMaker) -> None:
    site = flow(
        make_site(3),
        "both",
        {
            "dial": (
                "dial",
                {"targets": [{"user": "user-202", "ring_seconds": 10}, {"user": "user-203", "delay_seconds": 3, "ring_seconds": 10}]},
                {"no-answer": "end", "busy": "end", "failed": "end"},
            ),
            "end": END,
        },
        extensions=("700",),
    )
    home = box(site)
    caller, first, second = registered(phone, home, 201), registered(phone, home, 202, answers=(180,)), registered(phone, home, 203, answers=(180,))
    began = time.monotonic()
    call = caller.call(home.uri("700")).wait("EARLY")
    ringing(first)
    late = ringing(second)
    assert 2.0 < time.monotonic() - began < 8.0
    late.answer()
    call.wait("CONFIRMED")
    call.hangup()
    home.wait_idle()


@pytest.mark.row("E6")
def test_a_user_without_flow_hears_why_and_911_still_goes_out(box: BoxMaker, phone: PhoneMaker, carrier: CarrierMaker) -> None:
    outside = carrier("127.0.0.1")
    site = add_trunk(make_site(2), "acme", outside.ip, outside.port)
    site["users"]["user-201"]["flow"] = ""
    home = box(site)
    caller = registered(phone, home, 201)
    call = caller.call(home.uri("202"))
    call.wait("DISCONNECTED", 20.0)
    assert call.code == 403
    assert spoken_seconds(call.recording) > 1.0
    help_call = caller.call(home.uri("911")).wait("CONFIRMED")
    assert outside.wait_call(0)
    help_call.hangup()
    home.wait_idle()


@pytest.mark.row("E12")
def test_calling_a_flow_mode_user_runs_its_flow_and_rings_nobody(box: BoxMaker, phone: PhoneMaker) -> None:
    site = flow(make_site(2), "closed", {"say": ("say", {"text": "We are closed."}, {"next": "end"}), "end": END})
    site["users"]["night"] = {"name": "Night", "extension": "500", "mode": "flow", "flow": "closed"}
    home = box(site)
    caller = registered(phone, home, 201)
    call = caller.call(home.uri("500")).wait("CONFIRMED")
    call.wait("DISCONNECTED", 15.0)
    assert spoken_seconds(call.recording) > 0.5


@pytest.mark.row("K3")
@pytest.mark.row("K5")
def test_no_answer_goes_to_voicemail_and_the_message_is_heard_by_phone(box: BoxMaker, phone: PhoneMaker) -> None:
    site = make_site(2)
    site["users"]["user-202"]["ring_seconds"] = 3
    site["mailboxes"] = {"two": {"name": "Two", "owner": "user-202", "extension": "602"}}
    home = box(site)
    caller, callee = registered(phone, home, 201), registered(phone, home, 202, answers=(180,))
    call = caller.call(home.uri("202")).wait("CONFIRMED", 15.0)
    wait_until(lambda: home.said(r"beep|record"), 20, "the recording to begin", interval_s=0.2)
    call.wait_heard(500)
    call.hangup()
    rows = wait_until(lambda: home.rpc("voicemail.list", mailbox="two")["messages"], 10, "the message", interval_s=0.2)
    assert rows[0]["caller"] == "201"
    assert rows[0]["seconds"] >= 1.0
    home.wait_idle()
    own = callee.call(home.uri("602")).wait("CONFIRMED")
    wait_until(lambda: spoken_seconds(own.recording) > 2.0, 20, "the menu", interval_s=0.2)
    own.send_digits("1", "rfc4733")
    wait_until(lambda: tone_seconds(own.recording) > 0.7 * rows[0]["seconds"], 30, "the greater part of the message to be heard", interval_s=0.5)
    own.hangup()
    home.wait_idle()
    wait_until(lambda: home.rpc("voicemail.list", mailbox="two")["messages"][0]["heard_unix_s"], 5, "the message to count as heard", interval_s=0.2)


@pytest.mark.row("E5")
def test_a_blind_transfer_to_a_flow_runs_the_senders_flow(box: BoxMaker, phone: PhoneMaker) -> None:
    site = flow(make_site(2), "info", {"say": ("say", {"text": "This is the information."}, {"next": "end"}), "end": END}, extensions=("710",))
    home = box(site)
    caller, middle = registered(phone, home, 201), registered(phone, home, 202)
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    answered = middle.incoming().wait("CONFIRMED")
    answered.refer(home.uri("710"))
    answered.wait("DISCONNECTED")
    call.wait("DISCONNECTED", 20.0)
    assert spoken_seconds(call.recording) > 0.5
    home.wait_idle()
