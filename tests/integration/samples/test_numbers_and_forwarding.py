"""The sample `numbers-and-forwarding`, called through: every destination, the ordered lists, follow me, what the user list holds (rows A1-A7, A9, A10, A12)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.samples.conftest import OUTSIDE, World, ringing, talk
from tests.support.carrier import answer, trying
from tests.support.proc import wait_until
from tests.support.tone import PROOF, spoken_seconds, tone_fraction

SOON = {
    "users.dana.ring_seconds": "4",
    "users.dana.forwarding.no_answer": '[{"user": "eli", "ring_seconds": 6}, {"number": "+12125550181", "delay_seconds": 3, "ring_seconds": 5}]',
}
"""As the sample, but nobody waits half a minute."""


@pytest.fixture(scope="module")
def office(world: Callable[..., World]) -> World:
    return world("numbers-and-forwarding", SOON)


@pytest.fixture(autouse=True)
def _settled(office: World) -> Iterator[None]:
    office.carrier.plan = [trying]
    for device in ("dana-desk", "dana-mobile", "eli-desk", "fay-desk", "gil-desk"):
        office.phone(device)
    yield
    office.settle()


def messages(office: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.box.rpc("voicemail.list", mailbox="dana")["messages"]
    return found


# ---- A2: where numbers lead --------------------------------------------------------------------------------------


@pytest.mark.row("A2")
@pytest.mark.row("A7")
def test_an_extension_rings_the_desk_and_the_mobile_client_together(office: World) -> None:
    outside = office.call_in("+12125550101")
    desk, mobile = ringing(office.phone("dana-desk")), ringing(office.phone("dana-mobile"))
    assert OUTSIDE in desk.message.uri_of("from")
    mobile.answer()
    outside.wait_answer()
    mobile.wait("CONFIRMED")
    mobile.wait_heard(200)
    outside.hangup()
    desk.wait("DISCONNECTED")
    mobile.wait("DISCONNECTED")
    assert tone_fraction(mobile.recording, seconds=3.0) >= PROOF


@pytest.mark.row("A2")
@pytest.mark.row("A12")
def test_a_group_rings_its_members(office: World) -> None:
    outside = office.call_in("+12125550102")
    eli, fay = ringing(office.phone("eli-desk")), ringing(office.phone("fay-desk"))
    fay.answer()
    outside.wait_answer()
    eli.wait("DISCONNECTED")
    outside.hangup()
    fay.wait("DISCONNECTED")
    office.settle()
    call = office.dial("gil-desk", "280")
    eli, fay = ringing(office.phone("eli-desk")), ringing(office.phone("fay-desk"))
    eli.answer()
    talk(call, eli)


@pytest.mark.row("A2")
def test_a_flow_answers_and_rings_the_team(office: World) -> None:
    outside = office.call_in("+12125550100")
    outside.wait_answer()
    eli, fay = ringing(office.phone("eli-desk"), 15.0), ringing(office.phone("fay-desk"), 15.0)
    eli.answer()
    eli.wait("CONFIRMED")
    fay.wait("DISCONNECTED")
    outside.hangup()
    eli.wait("DISCONNECTED")
    assert spoken_seconds(outside.record(office.folder / "welcome.wav")) > 0.5


@pytest.mark.row("A2")
def test_voicemail_takes_a_message_at_once(office: World) -> None:
    before = len(messages(office))
    outside = office.call_in("+12125550103")
    outside.wait_answer()
    assert office.phone("dana-desk").no_call()
    wait_until(lambda: spoken_seconds(outside.record(office.folder / "greeting.wav")) > 1.0, 20.0, "the greeting", interval_s=0.5)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 8.0, 10.0, "the rest of the greeting and some seconds of message", interval_s=0.2)
    outside.hangup()
    rows = wait_until(lambda: (found := messages(office)) and len(found) > before and found, 10.0, "the message")
    assert rows[0]["caller"] == OUTSIDE or rows[-1]["caller"] == OUTSIDE


@pytest.mark.row("A2")
def test_a_number_leads_on_to_a_number_outside(office: World) -> None:
    office.carrier.plan = [answer()]
    before = len(office.carrier.calls)
    outside = office.call_in("+12125550104")
    onward = office.carrier.wait_call(before)
    assert "+12125550199@" in onward.invite.uri
    outside.wait_answer()
    outside.hangup()
    onward.wait("BYE")


@pytest.mark.row("A2")
@pytest.mark.parametrize(("number", "codes"), [("+12125550105", {403, 480, 486, 603}), ("+12125550106", {404, 480})])
def test_hang_up_and_not_configured_ring_nobody(office: World, number: str, codes: set[int]) -> None:
    outside = office.call_in(number)
    assert outside.wait_final(20.0).status in codes
    assert all(office.phone(name).no_call() for name in ("dana-desk", "eli-desk", "fay-desk", "gil-desk"))


# ---- A5, A6: what becomes of calls nobody takes ------------------------------------------------------------------


@pytest.mark.row("A5")
def test_nobody_answers_so_the_list_rings_in_its_order_and_voicemail_is_last(office: World) -> None:
    before, kept = len(office.carrier.calls), len(messages(office))
    call = office.dial("gil-desk", "201")
    desk, mobile = ringing(office.phone("dana-desk")), ringing(office.phone("dana-mobile"))
    eli = ringing(office.phone("eli-desk"), 15.0)
    began = time.monotonic()
    desk.wait("DISCONNECTED")
    mobile.wait("DISCONNECTED")
    onward = office.carrier.wait_call(before, 10.0)
    assert "+12125550181@" in onward.invite.uri
    assert 1.5 < onward.at - began < 6.0, "three seconds after Eli"
    eli.wait("DISCONNECTED", 20.0)
    call.wait("CONFIRMED", 20.0)
    wait_until(lambda: spoken_seconds(call.recording) > 1.0, 20.0, "the greeting", interval_s=0.3)
    call.wait_heard(call.stats()["rx"] + 400, 20.0)
    call.hangup()
    rows = wait_until(lambda: (found := messages(office)) and len(found) > kept and found, 10.0, "the message")
    assert "204" in {row["caller"] for row in rows}


@pytest.mark.row("A5")
def test_the_first_of_the_list_who_answers_has_the_call(office: World) -> None:
    call = office.dial("gil-desk", "201")
    ringing(office.phone("dana-desk"))
    ringing(office.phone("dana-mobile"))
    eli = ringing(office.phone("eli-desk"), 15.0)
    eli.answer()
    talk(call, eli)


@pytest.mark.row("A5")
@pytest.mark.row("A4")
def test_busy_has_a_list_of_its_own(office: World) -> None:
    """Dana takes one call at a time for this test: the second caller is busy for her, and rings Fay."""
    office.change({"users.dana.call_waiting": "false"})
    first = office.dial("dana-desk", "202")
    eli = ringing(office.phone("eli-desk"))
    eli.answer()
    first.wait("CONFIRMED")
    second = office.dial("gil-desk", "201")
    fay = ringing(office.phone("fay-desk"))
    fay.answer()
    talk(second, fay)
    first.hangup()
    eli.wait("DISCONNECTED")
    office.change({"users.dana.call_waiting": "true"})


@pytest.mark.row("A4")
def test_a_user_without_call_waiting_is_busy_for_a_second_caller(office: World) -> None:
    first = office.dial("fay-desk", "202")
    eli = ringing(office.phone("eli-desk"))
    eli.answer()
    first.wait("CONFIRMED")
    second = office.dial("gil-desk", "203")
    second.wait("DISCONNECTED")
    assert second.code == 486
    first.hangup()
    eli.wait("DISCONNECTED")


@pytest.mark.row("A6")
def test_follow_me_rings_its_list_and_not_the_users_own_telephone(office: World) -> None:
    call = office.dial("dana-desk", "204")
    eli = ringing(office.phone("eli-desk"))
    began = time.monotonic()
    fay = ringing(office.phone("fay-desk"))
    assert 1.0 < time.monotonic() - began < 6.0, "two seconds later"
    assert office.phone("gil-desk").no_call()
    assert office.phone("dana-mobile").no_call(), "the other lists are off meanwhile"
    fay.answer()
    talk(call, fay)
    eli.wait("DISCONNECTED")
    office.settle()
    office.change({"users.gil.forwarding.follow_me_on": "false"})
    call = office.dial("dana-desk", "204")
    own = ringing(office.phone("gil-desk"))
    assert office.phone("eli-desk").no_call()
    own.answer()
    talk(call, own)
    office.change({"users.gil.forwarding.follow_me_on": "true"})


# ---- A1, A3, A4, A9, A10: what the installer sees ----------------------------------------------------------------


@pytest.mark.row("A1")
def test_a_change_waits_for_the_commit_and_no_call_is_dropped_for_it(office: World) -> None:
    call = office.dial("gil-desk", "202")
    eli = ringing(office.phone("eli-desk"))
    eli.answer()
    call.wait("CONFIRMED")
    office.cli("site", "set", "numbers.spare.destination", '{"kind": "extension", "target": "202"}')
    assert office.call_in("+12125550106").wait_final(20.0).status in {404, 480}, "saved, and not in force"
    assert "destination of +12125550106" in office.cli("site", "diff")
    out = office.cli("site", "commit", "--confirm", "5")
    assert "is in force" in out
    outside = office.call_in("+12125550106")
    second = ringing(office.phone("eli-desk"))
    outside.cancel()
    second.wait("DISCONNECTED")
    office.cli("site", "undo")
    assert office.call_in("+12125550106").wait_final(20.0).status in {404, 480}, "taken back"
    office.cli("site", "discard")
    talk(call, eli)


@pytest.mark.row("A3")
@pytest.mark.row("A4")
def test_the_users_are_listed_with_what_they_have(office: World) -> None:
    users = json.loads(office.cli("site", "show", "users", "--json"))["value"]
    assert [(user["extension"], user["name"], user["outbound_number"]) for user in users.values()] == [
        ("201", "Dana Webb", "+12125550101"),
        ("202", "Eli Ray", None),
        ("203", "Fay Low", None),
        ("204", "Gil Horn", None),
    ]
    assert (users["dana"]["email"], users["dana"]["mobile"], users["fay"]["call_waiting"]) == ("dana@harbour.example", "+12125550181", False)
    for path, value, words in (
        ("users.eli.extension", "201", "201 is taken by users.dana"),
        ("users.eli.email", "not an address", "is not an e-mail address"),
        ("users.eli.mobile", "12125550181", "is not a full telephone number"),
    ):
        office.cli("site", "set", path, value)
        assert words in office.cli("site", "check", code=1)
        office.cli("site", "discard")


@pytest.mark.row("A9")
def test_what_to_type_into_a_telephone(office: World) -> None:
    found = json.loads(office.cli("sign-in", "201", "--json"))
    assert found["domain"] == "harbour.example"
    assert found["servers"]
    desk = next(device for device in found["devices"] if device["device"] == "dana-desk")
    assert (desk["sip_user"], desk["secret"]) == ("201", "secret-of-dana-desk")


@pytest.mark.row("A10")
def test_a_portal_password_has_eight_characters_and_is_no_telephones(office: World) -> None:
    assert "shorter than 8" in office.cli("site", "set", "users.dana.password", "seven-7", code=1)
    office.change({"users.dana.password": "eight-and-more"})
    assert office.phone("dana-desk").register("201", "eight-and-more", office.box.sip, domain=office.domain).code in {401, 403}
    assert office.phone("dana-desk").register("201", "secret-of-dana-desk", office.box.sip, domain=office.domain).ok
