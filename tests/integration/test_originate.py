"""A call begun and transferred over the control socket, with real phones: both ends hear each other, and an emergency number is for people."""

from __future__ import annotations

import pytest

from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import BoxError
from tests.support.proc import wait_until
from tests.support.sites import make_site, secret
from tests.support.tone import PROOF, tone_fraction


def test_a_call_is_begun_for_somebody_and_handed_on(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(3))
    phones = {}
    for number in (201, 202, 203):
        # Nobody picks up by itself but those who are called.
        phones[number] = phone(f"p{number}", answers=(180,) if number == 201 else (180, 200))
        assert phones[number].register(str(number), secret(number), home.sip).ok
    with pytest.raises(BoxError) as refused:
        home.rpc("calls.originate", extension="201", to="911")
    assert refused.value.code == "emergency-number"
    assert "a person at a phone" in refused.value.data["hint"]

    call = home.rpc("calls.originate", extension="201", to="202")["call"]
    mine = phones[201].incoming().wait("EARLY")
    assert [(row["id"], row["from_number"], row["to_number"], row["state"]) for row in home.calls()] == [(call, "201", "202", "ringing")]
    assert phones[202].no_call(), "nobody else rings before the caller is there"
    assert mine.message.uri_of("From").startswith("sip:202@")
    mine.answer()
    called = phones[202].incoming().wait("CONFIRMED")
    assert called.message.uri_of("From").startswith("sip:201@")
    wait_until(lambda: home.calls()[0]["state"] == "up", 5, "the call is up")
    for end in (mine, called):
        end.wait_heard(100)
        assert tone_fraction(end.recording, seconds=1) >= PROOF

    home.rpc("calls.transfer", call=call, to="203")
    third = phones[203].incoming().wait("CONFIRMED")
    called.wait("DISCONNECTED")
    third.wait_heard(100)
    assert tone_fraction(third.recording, seconds=1) >= PROOF
    assert mine.state == "CONFIRMED"
    with pytest.raises(BoxError) as refused:
        home.rpc("calls.transfer", call=call, to="911")
    assert refused.value.code == "emergency-number"
    third.hangup()
    mine.wait("DISCONNECTED")
    home.wait_idle()
    (row,) = wait_until(lambda: home.rpc("calls.history")["calls"], 5, "the record")
    assert (row["id"], row["from_number"], row["to_number"], row["dialled"], row["user"], row["outcome"]) == (call, "201", "202", "202", "user-201", "answered")
    assert "transfer by 202 to 203" in row["path"]
    assert home.rpc("calls.history", before=row["serial"])["calls"] == []
