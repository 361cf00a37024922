"""Transfers: blind, attended, refused, failed, from everybody who may and may not ask."""

from __future__ import annotations

import asyncio

import pytest

from appliance.calls.live import CallState
from appliance.calls.route import CallBack
from appliance.calls.transfer import Replaces, parse_replaces
from appliance.sip.api import MediaChanged
from appliance.types import DeviceId
from tests.unit.calls.fakes import FakeLeg, World, settle
from tests.unit.calls.test_session import story, talking


def notifies(leg: FakeLeg) -> list[tuple[int, bool]]:
    return [done[1:] for done in leg.did if done[0] == "notify"]


@pytest.mark.row("E5")
@story()
async def test_the_callee_transfers_the_caller(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    bob.emit(MediaChanged(True, held_by_peer=True))
    await settle()
    bob.refers("101")
    await settle()
    assert ("accept_transfer", 202) in bob.did
    assert notifies(bob) == [(100, False)]
    assert caller.names()[-1] == "resume", "the one who waits must hear the ringback"
    desk, soft = world.out[1:]
    assert desk.request is not None
    assert desk.request.from_uri == "sip:103@office.example", "the transferred caller is shown"
    assert ("Referred-By", "<sip:102@office.example>") in desk.request.headers
    desk.says(180)
    await settle()
    assert caller.did[-1] == ("tone", "ringback")
    assert notifies(bob)[-1] == (180, False)
    assert world.live.rows()[0].state is CallState.TRANSFERRING
    desk.says(200)
    await settle()
    assert notifies(bob)[-1] == (200, True)
    assert bob.final[0] == "bye"
    assert soft.final[0] == "cancel"
    assert caller.names()[-1] == "stop_playing"
    assert world.endpoint.joined == [(caller.id, desk.id)]
    assert world.live.rows()[0].to_number == "101"
    desk.hangs_up()
    await settle()
    assert caller.final[0] == "bye"
    assert world.records[0].notes == ("transfer by 102 to 101",)
    assert len(world.records) == 1


@pytest.mark.row("E5")
@story()
async def test_the_caller_transfers_the_callee_outside_by_its_own_rights(world: World) -> None:
    dana = world.calls("dana-desk", "190")
    door = await talking(world, dana)
    dana.refers("912125559999")
    await settle()
    request = world.out[1].request
    assert request is not None
    assert request.target == "sip:+12125559999@198.51.100.1"
    assert request.from_uri == "sip:+12125550101@198.51.100.1", "the transferring user's number"
    world.out[1].says(200)
    await settle()
    assert dana.final[0] == "bye"
    assert world.endpoint.joined == [(door.id, world.out[1].id)]
    door.hangs_up()


@story()
async def test_a_transfer_where_the_user_may_not_call_is_refused_like_the_call(world: World) -> None:
    caller = world.from_trunk("+12125550100")
    carol = await talking(world, caller)
    carol.refers("9011442079460000")
    await settle()
    assert notifies(carol) == [(100, False), (403, True)]
    assert world.endpoint.joined == [(caller.id, carol.id)]
    caller.hangs_up()


@pytest.mark.parametrize(("code", "told"), [(486, 486), (603, 603), (408, 480)])
def test_a_failed_transfer_returns_the_call(code: int, told: int) -> None:
    @story()
    async def play(world: World) -> None:
        caller = world.calls("carol-desk", "102")
        bob = await talking(world, caller)
        bob.emit(MediaChanged(True, held_by_peer=True))
        await settle()
        bob.refers("190")
        await settle()
        world.out[1].says(180)
        await settle()
        world.out[1].says(code)
        await settle()
        assert notifies(bob)[-1] == (told, True)
        assert world.endpoint.joined in ([(bob.id, caller.id)], [(caller.id, bob.id)])
        assert caller.names()[-2:] == ["stop_playing", "hold"], "bob still holds"
        assert world.live.rows()[0].state is CallState.UP
        bob.emit(MediaChanged(True))
        await settle()
        assert caller.names()[-1] == "resume"
        caller.hangs_up()

    play()


@story()
async def test_a_transfer_to_oneself_or_to_the_other_party_is_busy(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    for number in ("102", "103"):
        bob.refers(number)
        await settle()
        assert notifies(bob)[-1] == (486, True)
    assert len(world.out) == 1
    assert world.endpoint.joined == [(caller.id, bob.id)]
    caller.hangs_up()


@story()
async def test_the_sender_hangs_up_at_once_and_the_transfer_goes_on(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    bob.refers("190")
    await settle()
    bob.hangs_up()
    await settle()
    world.out[1].says(200)
    await settle()
    assert world.endpoint.joined == [(caller.id, world.out[1].id)]
    caller.hangs_up()


@story()
async def test_a_failed_transfer_rings_the_sender_who_left(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    bob.refers("190")
    await settle()
    bob.hangs_up()
    world.out[1].says(486)
    await settle()
    again = world.out[2]
    assert again.request is not None
    assert "bob1" in again.request.target
    again.says(180)
    again.says(200)
    await settle()
    assert world.endpoint.joined == [(caller.id, again.id)]
    assert world.live.rows()[0].state is CallState.UP
    again.hangs_up()
    await settle()
    assert caller.final[0] == "bye"


@story()
async def test_a_recall_that_fails_too_ends_the_call(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    bob.refers("190")
    await settle()
    bob.hangs_up()
    world.out[1].says(486)
    await settle()
    world.out[2].says(486)
    await settle()
    assert caller.final[0] == "bye"
    assert world.records[0].cause == "busy"


@story()
async def test_the_one_who_waits_gives_up(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    bob.refers("190")
    await settle()
    world.out[1].says(180)
    caller.hangs_up()
    await settle()
    assert world.out[1].final[0] == "cancel"
    assert notifies(bob)[-1] == (487, True)
    assert bob.final[0] == "bye"


@story()
async def test_a_late_answer_of_an_earlier_fork_is_released(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    desk, soft = world.out
    desk.deaf = True
    soft.says(200)
    await settle()
    soft.refers("190")
    await settle()
    desk.says(200)
    await settle()
    assert desk.names() == ["cancel", "bye"]
    caller.hangs_up()


@story()
async def test_a_second_refer_while_one_is_under_way(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    bob.refers("190")
    await settle()
    bob.refers("101")
    await settle()
    assert bob.did[-1] == ("accept_transfer", 491)
    assert len(world.out) == 2
    caller.hangs_up()


@story()
async def test_a_trunk_may_not_transfer(world: World) -> None:
    caller = world.from_trunk("+12125550100")
    carol = await talking(world, caller)
    caller.refers("190")
    await settle()
    assert caller.did[-1] == ("accept_transfer", 403)
    assert len(world.out) == 1
    carol.hangs_up()


@story()
async def test_an_attended_transfer_joins_the_far_ends(world: World) -> None:
    caller = world.from_trunk("+12125550100")
    carol = await talking(world, caller)
    carol.emit(MediaChanged(True, held_by_peer=True))
    consult = world.calls("carol-desk", "102")
    bob = await talking(world, consult, 1)
    await settle()
    assert caller.names()[-1] == "hold"
    carol.refers("102", replaces=f"{consult.call_id};to-tag=a;from-tag=b")
    await settle()
    assert notifies(carol)[-1] == (200, True)
    assert carol.final[0] == "bye"
    assert consult.final[0] == "bye"
    assert world.endpoint.joined == [(caller.id, bob.id)]
    assert caller.names()[-1] == "resume"
    assert len(world.live) == 1
    bob.presses("7", "info")
    await settle()
    assert caller.did[-1] == ("digits", "7", "rfc4733", 120)
    bob.hangs_up()
    await settle()
    assert caller.final[0] == "bye"
    assert sorted(record.cause for record in world.records) == ["normal", "transferred"]


@story()
async def test_an_attended_transfer_the_other_way_round(world: World) -> None:
    """The REFER comes on the consultation's dialog and names the first call."""
    first = world.calls("dana-desk", "190")
    door = await talking(world, first)
    consult = world.calls("dana-desk", "102")
    bob = await talking(world, consult, 1)
    consult.refers("190", replaces=f"{first.call_id};to-tag=a;from-tag=b")
    await settle()
    assert sorted(world.endpoint.joined[0]) == sorted((door.id, bob.id))
    assert (first.final[0], consult.final[0]) == ("bye", "bye")
    door.hangs_up()


@story()
async def test_news_that_waits_moves_with_the_party(world: World) -> None:
    first = world.calls("dana-desk", "190")
    door = await talking(world, first)
    consult = world.calls("dana-desk", "102")
    bob = await talking(world, consult, 1)
    first.refers("102", replaces=f"{consult.call_id};to-tag=a;from-tag=b")
    bob.hangs_up()
    await settle()
    assert door.final[0] == "bye"
    assert len(world.live) == 0


@story()
async def test_transfer_into_a_call_that_still_rings(world: World) -> None:
    caller = world.from_trunk("+12125550100")
    carol = await talking(world, caller)
    consult = world.calls("carol-desk", "102")
    await settle()
    world.out[1].says(180)
    await settle()
    carol.refers("102", replaces=f"{consult.call_id};to-tag=a;from-tag=b")
    await settle()
    assert world.out[1].final[0] == "cancel"
    assert consult.final[:2] == ("reject", 487)
    await settle()
    ringing = world.out[2]
    assert ringing.request is not None
    assert "bob1" in ringing.request.target
    ringing.says(200)
    await settle()
    assert world.endpoint.joined == [(caller.id, ringing.id)]
    assert carol.final[0] == "bye"
    caller.hangs_up()


@story()
async def test_replaces_of_unknown_foreign_or_own_dialogs_is_refused(world: World) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    other = world.calls("dana-desk", "190")
    door = await talking(world, other, 1)
    for value, code in (
        ("nobody;to-tag=a;from-tag=b", 481),
        ("rubbish", 481),
        (f"{bob.call_id};to-tag=a;from-tag=b", 481),
        (f"{other.call_id};to-tag=a;from-tag=b", 403),
        (f"{door.call_id};to-tag=a;from-tag=b", 403),
    ):
        bob.refers("101", replaces=value)
        await settle()
        assert notifies(bob)[-1] == (code, True), value
    assert len(world.endpoint.joined) == 2
    caller.hangs_up()
    other.hangs_up()


def test_replaces_values() -> None:
    assert parse_replaces("abc@host;to-tag=1;from-tag=2") == Replaces("abc@host", "1", "2")
    assert parse_replaces("abc@host; from-tag=2 ;to-tag=1;early-only") == Replaces("abc@host", "1", "2")
    for broken in ("", ";to-tag=1;from-tag=2", "abc", "abc;to-tag=1", "abc;to-tag=;from-tag=2"):
        assert parse_replaces(broken) is None


# ---- call-back of an emergency centre ----


@story()
async def test_a_call_back_rings_the_phone_then_security(world: World) -> None:
    world.call_backs["+12125550100"] = CallBack("+12125550100", DeviceId("bob-desk"))
    busy = world.calls("dana-desk", "102")
    bob = await talking(world, busy)
    psap = world.from_trunk("+12125550100")
    await settle()
    second = world.out[1]
    assert second.request is not None
    assert second.request.emergency
    assert "bob1" in second.request.target, "past call waiting"
    second.says(180)
    await asyncio.sleep(30.1)
    assert second.final[0] == "cancel"
    security = world.out[2]
    assert security.request is not None
    assert "carol1" in security.request.target
    security.says(200)
    await settle()
    assert world.endpoint.joined[-1] == (psap.id, security.id)
    psap.hangs_up()
    bob.hangs_up()


@story()
async def test_the_centre_may_transfer_in_a_call_back_and_the_phone_may_not(world: World) -> None:
    world.call_backs["+12125550100"] = CallBack("+12125550100", DeviceId("bob-desk"))
    psap = world.from_trunk("+12125550100")
    bob = await talking(world, psap)
    bob.refers("190")
    await settle()
    assert bob.did[-1] == ("accept_transfer", 403)
    bob.emit(MediaChanged(True, held_by_peer=True))
    await settle()
    assert "hold" not in psap.names(), "the centre keeps hearing"
    psap.refers("fire")
    await settle()
    request = world.out[1].request
    assert request is not None
    assert (request.target, request.account, request.emergency) == ("sip:fire@192.168.1.1", "acme", True)
    assert request.from_uri == "sip:+12125550100@192.168.1.1", "the number the centre called"
    world.out[1].says(200)
    await settle()
    assert psap.final[0] == "bye"
    assert sorted(world.endpoint.joined[0]) == sorted((bob.id, world.out[1].id))
    bob.hangs_up()
