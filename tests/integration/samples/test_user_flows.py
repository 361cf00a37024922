"""The sample `user-flows`, called through: each user's dialling runs a flow, the outside meets a menu, some users are only a flow (rows E2, E5-E12)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.samples.conftest import World, ringing, secret, talk
from tests.support.carrier import trying
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.tone import PROOF, spoken_seconds, tone_fraction


@pytest.fixture(scope="module")
def town(world: Callable[..., World]) -> World:
    return world("user-flows")


@pytest.fixture(autouse=True)
def _settled(town: World) -> Iterator[None]:
    town.carrier.plan = [trying]
    yield
    town.settle()


@pytest.mark.row("E9")
@pytest.mark.row("E5")
def test_an_operators_digits_reach_two_colleagues_and_the_outside(town: World) -> None:
    eli, fay = town.phone("eli-desk"), town.phone("fay-soft")
    for number, colleague in (("4000", eli), ("4001", fay), ("202", eli)):
        call = town.dial("dana-desk", number)
        rings = ringing(colleague)
        rings.answer()
        talk(call, rings)
        town.settle()
    before = len(town.carrier.calls)
    call = town.dial("dana-desk", "92125550177")
    assert "+12125550177@" in town.carrier.wait_call(before).invite.uri
    call.hangup()


@pytest.mark.row("E7")
@pytest.mark.row("E8")
def test_the_same_digits_are_only_read_back_to_another_user(town: World) -> None:
    eli = town.phone("eli-desk")
    call = town.dial("fay-soft", "4000").wait("CONFIRMED")
    call.wait("DISCONNECTED", 20.0)
    assert spoken_seconds(call.recording) > 1.0
    assert eli.no_call()


@pytest.mark.row("E8")
@pytest.mark.row("E5")
def test_a_text_message_is_answered_in_text(town: World) -> None:
    fay = town.phone("fay-soft")
    fay.send_text(town.box.uri("4711"), "hello")
    answer = fay.wait_event("text", 15.0)
    assert answer["text"] == "You dialled 4711."


@pytest.mark.row("E6")
def test_a_user_without_flow_hears_why_and_911_leaves_all_the_same(town: World) -> None:
    call = town.dial("gil-desk", "202")
    call.wait("DISCONNECTED", 20.0)
    assert call.code == 403
    assert spoken_seconds(call.recording) > 1.0
    assert town.phone("eli-desk").no_call()
    before = len(town.carrier.calls)
    urgent = town.dial("gil-desk", "911")
    invite = town.carrier.wait_call(before).invite
    assert "sip:911@" in invite.uri
    assert "+12125550111" in invite.header("p-asserted-identity"), "the number that calls this place back"
    urgent.hangup()


@pytest.mark.row("E12")
@pytest.mark.row("E2")
def test_a_user_that_is_only_a_flow_has_no_telephone_and_is_called_all_the_same(town: World) -> None:
    assert "No device has the extension 210" in town.cli("sign-in", "210", code=1)
    stranger = PjPhone(town.folder / "stranger")
    with stranger:
        assert not stranger.register("night", secret("night"), town.box.sip, domain=town.domain).ok
    call = town.dial("eli-desk", "210").wait("CONFIRMED")
    call.wait("DISCONNECTED", 15.0)
    assert spoken_seconds(call.recording) > 0.8


@pytest.mark.row("E10")
def test_the_menu_sends_a_caller_on_by_a_key(town: World) -> None:
    """dana-desk is a pjsua2 phone, eli's a baresip one in the next test: both kinds are rung through the menu."""
    dana = town.phone("dana-desk")
    outside = town.call_in("+12125550100")
    outside.wait_answer()
    outside.rtp.send_digits("1")
    rings = ringing(dana, 15.0)
    rings.answer()
    rings.wait("CONFIRMED")
    rings.wait_heard(200)
    outside.hangup()
    rings.wait("DISCONNECTED")
    assert tone_fraction(rings.recording, seconds=3.0) >= PROOF


@pytest.mark.row("E10")
def test_a_caller_who_presses_nothing_is_asked_again_and_told_goodbye(town: World) -> None:
    outside = town.call_in("+12125550100")
    outside.wait_answer()
    outside.wait("BYE", 60.0)


@pytest.mark.row("E11")
def test_the_team_rings_one_after_the_other_and_the_first_answer_wins(town: World) -> None:
    eli, fay = town.phone("eli-desk"), town.phone("fay-soft")
    before = len(town.carrier.calls)
    outside = town.call_in("+12125550100")
    outside.wait_answer()
    outside.rtp.send_digits("2")
    first = ringing(eli, 15.0)
    began = time.monotonic()
    second = ringing(fay)
    assert 1.0 < time.monotonic() - began < 6.0
    mobile = town.carrier.wait_call(before, 10.0)
    assert "+12125550199@" in mobile.invite.uri
    second.answer()
    second.wait("CONFIRMED")
    second.wait_heard(200)
    first.wait("DISCONNECTED")
    wait_until(lambda: mobile.has("CANCEL"), 5.0, "the mobile given up")
    outside.hangup()
    second.wait("DISCONNECTED")
    assert tone_fraction(second.recording, seconds=3.0) >= PROOF


@pytest.mark.row("E12")
def test_of_two_flow_users_only_the_first_counts(town: World) -> None:
    phones = [town.phone(name) for name in ("dana-desk", "eli-desk", "fay-soft")]
    outside = town.call_in("+12125550100")
    outside.wait_answer()
    outside.rtp.send_digits("3")
    outside.wait("BYE", 30.0)
    assert spoken_seconds(outside.record(town.folder / "desks.wav")) > 0.8
    assert all(phone.no_call() for phone in phones)
    path = wait_until(lambda: town.last_path("desks"), 5.0, "the call's record")
    assert any("night" in step for step in path), path
    assert not any("weekend" in step for step in path)


@pytest.mark.row("E5")
def test_a_blind_transfer_runs_the_flow_of_who_transfers(town: World) -> None:
    eli, fay = town.phone("eli-desk"), town.phone("fay-soft")
    call = town.dial("eli-desk", "201")
    operator = ringing(town.phone("dana-desk"))
    operator.answer()
    call.wait("CONFIRMED")
    operator.wait("CONFIRMED")
    operator.refer(town.box.uri("4001"))
    rings = ringing(fay, 15.0)
    rings.answer()
    rings.wait("CONFIRMED")
    rings.wait_heard(150)
    call.hangup()
    rings.wait("DISCONNECTED")
    assert tone_fraction(rings.recording, seconds=2.0) >= PROOF
    assert eli.no_call()
