"""Pages with real phones: two that pick up by header hear the caller, one on a call is left alone, and 911 goes out from a phone that listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import BoxError
from tests.support.carrier import Carrier, answer
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site, secret
from tests.support.tone import PROOF, read_wav, tone_fraction

PAGER, LISTENERS, TALKERS = "201", ("202", "203"), ("204", "205")
THEIRS_HZ = 600.0


def site(port: int) -> dict[str, Any]:
    made = add_trunk(make_site(5), "acme", "127.0.0.1", port, emergency_armed=True)
    made["groups"] = {"hall": {"name": "Hall", "users": [f"user-{n}" for n in ("201", "202", "203", "204")]}}
    step = {"type": "page", "settings": {"group": "hall", "seconds": 60}}
    made["flows"] = {"pa": {"name": "Announce", "start": "speak", "steps": {"speak": step}, "extensions": ["700"]}}
    return made


@pytest.mark.timeout(90)
def test_a_page_and_a_call_for_help_in_the_middle_of_it(box: BoxMaker, phone: PhoneMaker, carrier: Callable[..., Carrier]) -> None:
    far = carrier()
    far.plan = [answer()]
    home = box(site(far.port))
    phones = {PAGER: phone("pager", answers=(180,))}
    phones |= {n: phone(n, by_header=True, answers=(180,), freq_hz=THEIRS_HZ) for n in LISTENERS}
    phones |= {n: phone(n, freq_hz=THEIRS_HZ) for n in TALKERS}
    for number, made in phones.items():
        assert made.register(number, secret(number), home.sip).ok
    talk = phones["204"].call(home.uri("205")).wait("CONFIRMED")
    assert phones["205"].incoming().wait("CONFIRMED")

    # A phone dials the paging extension.
    speaks = phones[PAGER].call(home.uri("700")).wait("CONFIRMED")
    heard = [phones[n].incoming().wait("CONFIRMED") for n in LISTENERS]
    for each in heard:
        assert each.message.uri_of("From").startswith("sip:201@")
        each.wait_heard(150)
        assert tone_fraction(each.recording, seconds=1) >= PROOF
        assert tone_fraction(each.recording, THEIRS_HZ, seconds=1) < 0.1, "those who listen do not hear each other"
    assert phones["204"].no_call(), "a phone on a call is left alone"
    assert talk.state == "CONFIRMED"
    assert tone_fraction(speaks.recording, THEIRS_HZ, seconds=1) < 0.1, "nor does who speaks hear them"

    # A phone that listens calls for help.
    help_ = phones["202"].call(home.uri("911"))
    heard[0].wait("DISCONNECTED")
    help_.wait("CONFIRMED")
    assert far.wait_call(0).invite.uri_of("To").startswith("sip:911@")
    help_.wait_heard(100)
    assert heard[1].state == "CONFIRMED", "the others go on listening"
    help_.hangup()
    speaks.hangup()
    heard[1].wait("DISCONNECTED")

    # A program: a text to some, and with one's own phone first.
    said = home.rpc("calls.page", to=list(LISTENERS), text="Fire drill at noon")
    assert said["phones"] == 2
    for n in LISTENERS:
        end = phones[n].incoming().wait("CONFIRMED")
        end.wait("DISCONNECTED", 15)
        assert abs(read_wav(end.recording)[0]).max() > 0.05, "something was said"
    wait_until(lambda: all(row["id"] != said["call"] for row in home.calls()), 5, "the page is over")

    mine = home.rpc("calls.page", to=["202", "203"], phone=PAGER)
    assert mine["phones"] == 2
    speaks = phones[PAGER].incoming().answer()
    heard = [phones[n].incoming().wait("CONFIRMED") for n in LISTENERS]
    heard[0].wait_heard(100)
    assert tone_fraction(heard[0].recording, seconds=1) >= PROOF
    assert home.rpc("calls.hangup", call=mine["call"]) == {"call": mine["call"]}
    for end in (speaks, *heard):
        end.wait("DISCONNECTED")

    for wrong, code in (
        ({"to": ["202"], "phone": PAGER, "text": "both"}, "page"), ({"to": ["202"]}, "page"), ({"text": "to nobody"}, "page"),
        ({"to": ["999"], "text": "x"}, "not-found"), ({"to": ["202"], "audio": "none"}, "not-found"), ({"to": ["204"], "text": "busy"}, "unreachable"),
    ):  # fmt: skip
        with pytest.raises(BoxError) as refused:
            home.rpc("calls.page", **wrong)
        assert refused.value.code == code
    talk.hangup()
    home.wait_idle()
    assert any("page: heard on 2 phones" in row["path"] for row in home.rpc("calls.history")["calls"] if row["dialled"] == "700")
