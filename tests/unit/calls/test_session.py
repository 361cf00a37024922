"""Calls between two parties, played through the router with a faithful stand-in of the SIP side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.calls.live import CallState
from appliance.calls.router import Router
from appliance.events.calls import CallAnswered, CallStarted
from appliance.sip.api import Answered, Ended, MediaChanged
from appliance.types import TrunkId
from tests.unit.calls.fakes import FakeLeg, World, run, settle

pytestmark = pytest.mark.filterwarnings("error")


@asynccontextmanager
async def routing(world: World, emergency: dict[str, Any] | None = None, **changes: Any) -> Any:
    router = Router(world.context(**changes), world.emergency(**(emergency or {})))
    task = asyncio.create_task(router.run())
    try:
        yield router
    finally:
        await router.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def story(**changes: Any) -> Callable[[Callable[[World], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Play a test against a fresh world with a running router; at the end nothing may be left over."""

    def wrap(told: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        def play() -> None:
            async def whole() -> None:
                world = World(**changes)
                async with routing(world):
                    await told(world)
                await settle()
                world.all_gone()

            run(whole())

        play.__name__ = told.__name__
        play.__doc__ = told.__doc__
        return play

    return wrap


async def talking(world: World, caller: FakeLeg, number: int = 0) -> FakeLeg:
    """Let the `number`-th outgoing leg ring and answer."""
    await settle()
    callee = world.out[number]
    callee.says(180)
    callee.says(200, codec="pcma")
    await settle()
    assert ("answer", ("pcma",)) in caller.did
    return callee


@story()
async def test_a_call_is_told_when_it_begins_and_when_it_is_answered(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    await settle()
    (begun,) = world.events
    assert isinstance(begun, CallStarted)
    assert (begun.direction, begun.caller, begun.caller_name, begun.dialled, begun.device, begun.call_id) == (
        "internal", "103", "Carol Ito", "190", "carol-desk", caller.call_id,
    )  # fmt: skip
    await talking(world, caller)
    answered = world.events[1]
    assert isinstance(answered, CallAnswered)
    assert (answered.session, answered.callee, answered.callee_device, answered.trunk) == (begun.session, "190", "door", None)
    caller.hangs_up()
    await settle()
    assert len(world.events) == 2
    assert world.records[0].session == begun.session


@story()
async def test_a_call_nobody_answers_is_not_told_as_answered(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    await settle()
    caller.hangs_up()
    await settle()
    assert [type(event) for event in world.events] == [CallStarted]


@pytest.mark.row("K4")
@story()
async def test_a_plain_call(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    await settle()
    (callee,) = world.out
    assert callee.request is not None
    assert callee.request.target == "sip:door1@192.168.1.54:5060"
    assert callee.request.from_uri == "sip:103@office.example"
    assert callee.request.from_display == "Carol Ito"
    assert callee.request.codecs[:2] == ("pcmu", "pcma"), "the caller's order first"
    assert caller.did == []
    callee.says(180)
    await settle()
    assert caller.did == [("ring", 180)]
    assert [row.state for row in world.live.rows()] == [CallState.RINGING]
    callee.says(200, codec="pcma")
    await settle()
    assert caller.did == [("ring", 180), ("answer", ("pcma",))]
    assert world.endpoint.joined == [(caller.id, callee.id)]
    await asyncio.sleep(42)
    caller.hangs_up()
    await settle()
    assert callee.final[0] == "bye"
    (record,) = world.records
    assert (record.caller, record.callee, record.dialled, record.direction) == ("103", "190", "190", "internal")
    assert (record.cause, record.code, record.hangup_by, record.codec) == ("normal", 200, "caller", "pcma")
    assert record.talk_s == pytest.approx(42)
    assert record.quality is not None
    assert [side.side for side in record.quality.sides] == ["caller", "called"]
    assert (record.device, record.callee_device) == ("carol-desk", "door")


@story()
async def test_the_callee_hangs_up(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    callee.hangs_up()
    await settle()
    assert caller.final[0] == "bye"
    assert world.records[0].hangup_by == "callee"


@pytest.mark.row("K4")
@pytest.mark.row("T1")
@story()
async def test_the_losers_of_a_fork_learn_that_it_was_answered_elsewhere(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    desk, soft = world.out
    desk.says(180)
    soft.says(180)
    soft.says(200)
    await settle()
    assert caller.names().count("ring") == 1
    assert desk.final == ("cancel", 0, {"Reason": 'SIP;cause=200;text="Call completed elsewhere"'})
    assert world.endpoint.joined == [(caller.id, soft.id)]
    caller.hangs_up()


@story()
async def test_two_answers_at_once(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    desk, soft = world.out
    desk.deaf = True
    soft.says(200)
    desk.says(200)
    await settle()
    assert desk.names() == ["bye"]
    assert desk.final[2]["Reason"].startswith("SIP;cause=200")
    assert world.endpoint.joined == [(caller.id, soft.id)]
    assert len(world.live) == 1
    caller.hangs_up()


@story()
async def test_a_200_that_crosses_the_cancel_of_a_lost_fork(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    desk, soft = world.out
    desk.deaf = True
    soft.says(200)
    await settle()
    assert desk.names() == ["cancel"]
    desk.says(200)
    await settle()
    assert desk.names() == ["cancel", "bye"]
    caller.hangs_up()


@story()
async def test_the_caller_cancels(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    world.out[0].says(180)
    await settle()
    caller.hangs_up()
    await settle()
    assert [leg.final[0] for leg in world.out] == ["cancel", "cancel"]
    assert (world.records[0].cause, world.records[0].code, world.records[0].answered) == ("cancelled", 487, None)


@story()
async def test_cancel_crosses_the_200(world: World) -> None:
    """The caller's CANCEL and the callee's 200 pass each other: the answered leg is released although the call is over."""
    caller = world.calls("carol-desk", "190")
    await settle()
    (callee,) = world.out
    callee.deaf = True
    caller.hangs_up()
    await settle()
    assert len(world.live) == 0
    callee.emit(Answered())
    await settle()
    assert callee.names() == ["cancel", "bye"]


@story()
async def test_the_caller_vanishes_while_it_rings(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    await settle()
    world.out[0].says(180)
    caller.vanishes()
    await settle()
    assert world.out[0].final[0] == "cancel"
    assert world.records[0].cause == "vanished"


@story()
async def test_a_peer_that_vanishes_ends_the_call(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    callee.vanishes()
    await settle()
    assert caller.final[0] == "bye"
    assert (world.records[0].cause, world.records[0].hangup_by) == ("vanished", "callee")


@story()
async def test_counters_that_do_not_come_do_not_hold_up_the_bye(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    caller.stats_delay_s = 3600
    before = asyncio.get_running_loop().time()
    callee.hangs_up()
    while not any(name == "bye" for name in caller.names()):
        await asyncio.sleep(0.01)
    assert asyncio.get_running_loop().time() - before <= 0.3
    assert world.records[0].quality is None


@pytest.mark.parametrize(
    ("ends", "told", "q850"),
    [
        ([(486, "busy"), (486, "busy")], 486, 17),
        ([(486, "busy"), (408, "timeout")], 486, 17),
        ([(408, "timeout"), (503, "unreachable")], 480, 20),
        ([(603, "declined")], 603, 21),
        ([(600, "busy")], 600, 17),
    ],
)
def test_the_caller_is_told_why(ends: list[tuple[int, str]], told: int, q850: int) -> None:
    async def whole() -> None:
        world = World()
        async with routing(world):
            caller = world.calls("carol-desk", "101")
            await settle()
            for leg, (code, cause) in zip(world.out, ends, strict=False):
                leg.says(code, cause=cause)
            await settle()
            assert caller.final[1] == told
            assert caller.final[3]["Reason"].startswith(f"Q.850;cause={q850};")
            assert world.records[0].code == told
        world.all_gone()

    run(whole())


@story()
async def test_nobody_answers(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    for leg in world.out:
        leg.says(180)
    await asyncio.sleep(19.9)
    assert caller.names() == ["ring"]
    await asyncio.sleep(0.2)
    assert caller.final == ("reject", 480, "No Answer", {"Reason": 'Q.850;cause=19;text="No Answer"'})
    assert all(leg.final[0] == "cancel" for leg in world.out)
    assert world.records[0].cause == "no-answer"


@story()
async def test_dead_bindings_are_told_within_ten_seconds(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await asyncio.sleep(9)
    assert caller.final[1:3] == (480, "Phone Not Reachable")


@story()
async def test_unknown_and_unregistered_are_refused_and_recorded(world: World) -> None:
    world.unregister("bob-desk")
    for number, code in (("777", 404), ("102", 480)):
        caller = world.calls("carol-desk", number)
        await settle()
        assert caller.final[1] == code
        assert world.records[-1].code == code
        assert world.records[-1].dialled == number
    assert not world.out


@story()
async def test_call_waiting_off_is_busy_and_free_again_after_the_call(world: World) -> None:
    first = world.calls("carol-desk", "102")
    await talking(world, first)
    second = world.calls("dana-desk", "102")
    await settle()
    assert second.final[1:3] == (486, "Busy Here")
    first.hangs_up()
    await settle()
    third = world.calls("dana-desk", "102")
    await settle()
    assert third.did == []
    assert len(world.out) == 2
    third.hangs_up()


@story()
async def test_early_media_of_the_only_target(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    await settle()
    world.out[0].says(183, early_media=True)
    await settle()
    assert caller.did == [("ring", 183)]
    assert world.endpoint.joined == [(caller.id, world.out[0].id)]
    world.out[0].says(200)
    await settle()
    assert world.endpoint.joined == [(caller.id, world.out[0].id)]
    caller.hangs_up()


@story()
async def test_hold_and_resume_pass_through_both_ways(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    for holder, other in ((caller, callee), (callee, caller)):
        holder.emit(MediaChanged(True, held_by_peer=True, codec="pcma"))
        await settle()
        assert other.names()[-1] == "hold"
        holder.emit(MediaChanged(True, held_by_peer=True, codec="pcma"))
        await settle()
        assert other.names().count("hold") == 1
        holder.emit(MediaChanged(True, codec="pcma"))
        await settle()
        assert other.names()[-1] == "resume"
    caller.hangs_up()


@story()
async def test_info_digits_are_relayed_and_rfc4733_ones_left_to_the_packets(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    caller.presses("1", "rfc4733")
    caller.presses("2", "info")
    await settle()
    assert [done for done in callee.did if done[0] == "digits"] == [("digits", "2", "rfc4733", 120)]
    callee.presses("#", "info")
    await settle()
    # The caller sent INFO itself, so it gets INFO.
    assert [done for done in caller.did if done[0] == "digits"] == [("digits", "#", "info", 120)]
    caller.hangs_up()


@story()
async def test_a_flood_of_digits_is_bounded(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    for _ in range(5000):
        caller.presses("5", "info")
    callee.hangs_up()
    await settle()
    assert callee.names().count("digits") < 300
    assert caller.final[0] == "bye"


@story(sip={"max_call_minutes": 2})
async def test_the_longest_call(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    await asyncio.sleep(119)
    assert len(world.live) == 1
    await asyncio.sleep(2)
    assert (caller.final[0], callee.final[0]) == ("bye", "bye")
    assert (world.records[0].cause, world.records[0].hangup_by) == ("limit", "box")


@story()
async def test_no_leg_free_for_a_branch_still_rings_the_other(world: World) -> None:
    world.endpoint.dial_fails = lambda request: "dana1" in request.target
    caller = world.calls("carol-desk", "101")
    await settle()
    assert [leg.request.target for leg in world.out if leg.request] == ["sip:dana2@192.168.1.51:5060"]
    world.out[0].says(200)
    await settle()
    caller.hangs_up()


@story()
async def test_no_leg_free_at_all_is_503_with_retry_after(world: World) -> None:
    world.endpoint.dial_fails = lambda request: True
    caller = world.calls("carol-desk", "101")
    await settle()
    assert caller.final[1] == 503
    assert int(caller.final[3]["Retry-After"]) > 0


@story()
async def test_stopping_hangs_up_everything(world: World) -> None:
    first = world.calls("carol-desk", "190")
    await talking(world, first)
    world.calls("dana-desk", "102")
    await settle()
    # `story` stops the router now and demands that nothing is left.


@story()
async def test_a_fault_in_a_handler_ends_the_call_cleanly(world: World) -> None:
    world.expects("division by zero")
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    callee.hold = lambda: 1 / 0  # type: ignore[assignment,return-value]
    caller.emit(MediaChanged(True, held_by_peer=True))
    await settle()
    assert (caller.final[0], callee.final[0]) == ("bye", "bye")
    assert world.records[0].cause == "error"


def test_a_record_sink_that_fails_harms_no_call() -> None:
    async def whole() -> None:
        world = World()
        world.expects("disk full")

        def broken(record: object) -> None:
            raise OSError("disk full")

        async with routing(world, record=broken):
            caller = world.calls("carol-desk", "190")
            callee = await talking(world, caller)
            caller.hangs_up()
            await settle()
            assert callee.final[0] == "bye"
            again = world.calls("carol-desk", "190")
            await talking(world, again, 1)
        await settle()
        world.all_gone()

    run(whole())


# ---- trunks ----


@story()
async def test_an_outside_call(world: World) -> None:
    caller = world.calls("dana-desk", "912125559999")
    await settle()
    request = world.out[0].request
    assert request is not None
    assert request.target == "sip:+12125559999@198.51.100.1"
    assert request.account == TrunkId("acme")
    assert request.from_uri == "sip:+12125550101@198.51.100.1"
    assert ("P-Asserted-Identity", "<sip:+12125550101@198.51.100.1>") in request.headers
    await talking(world, caller)
    caller.hangs_up()
    await settle()
    assert (world.records[0].direction, world.records[0].trunk, world.records[0].callee) == ("outgoing", "acme", "+12125559999")


@story()
async def test_a_withheld_number(world: World) -> None:
    caller = world.calls("dana-desk", "912125559999", headers={"Privacy": "id"})
    await settle()
    request = world.out[0].request
    assert request is not None
    assert request.from_uri == "sip:anonymous@anonymous.invalid"
    assert ("Privacy", "id") in request.headers
    assert ("P-Asserted-Identity", "<sip:+12125550101@198.51.100.1>") in request.headers
    caller.hangs_up()


@story()
async def test_a_silent_trunk_is_left_for_the_next_in_its_own_format(world: World) -> None:
    caller = world.calls("carol-desk", "912125559999")
    await asyncio.sleep(6.1)
    first, second = world.out
    assert first.final[0] == "cancel"
    assert second.request is not None
    assert second.request.target == "sip:2125559999@203.0.113.9;transport=tcp"
    assert second.request.from_uri == "sip:2125550100@203.0.113.9"
    assert second.request.codecs == ("pcma",)
    await talking(world, caller, 1)
    caller.hangs_up()
    await settle()
    assert world.records[0].trunk == "backup"


@story()
async def test_a_busy_number_is_not_tried_again_elsewhere(world: World) -> None:
    caller = world.calls("carol-desk", "912125559999")
    await settle()
    world.out[0].says(486)
    await settle()
    assert len(world.out) == 1
    assert caller.final[1] == 486


@story()
async def test_all_trunks_fail(world: World) -> None:
    caller = world.calls("carol-desk", "912125559999")
    await settle()
    world.out[0].says(503)
    await settle()
    world.out[1].says(500, cause="error")
    await settle()
    assert caller.final[1] == 503
    assert world.records[0].notes == ("trunk acme: 503", "trunk backup: 500")


@story()
async def test_health_orders_the_trunks(world: World) -> None:
    world.order = (TrunkId("backup"), TrunkId("acme"))
    caller = world.calls("carol-desk", "912125559999")
    await settle()
    assert world.out[0].request is not None
    assert world.out[0].request.account == "backup"
    caller.hangs_up()


@story(trunks={"acme": {"max_calls": 1}, "backup": {"max_calls": 1}})
async def test_a_full_trunk_is_passed_over_then_503(world: World) -> None:
    callers = [world.calls("carol-desk", f"91212555000{number}") for number in range(3)]
    await settle()
    assert [leg.request.account for leg in world.out if leg.request] == ["acme", "backup"]
    assert callers[2].final[1:3] == (503, "All Lines Are Busy")
    callers[0].hangs_up()
    await settle()
    again = world.calls("carol-desk", "912125550009")
    await settle()
    assert world.out[2].request is not None
    assert world.out[2].request.account == "acme"
    again.hangs_up()
    callers[1].hangs_up()


@story()
async def test_failover_after_early_media_keeps_the_caller_hearing_something(world: World) -> None:
    caller = world.calls("carol-desk", "912125559999")
    await settle()
    world.out[0].says(183, early_media=True)
    await settle()
    world.out[0].says(503)
    await settle()
    assert caller.did == [("ring", 183), ("tone", "ringback")]
    assert not world.endpoint.joined
    world.out[1].says(183, early_media=True)
    await settle()
    assert caller.names()[-2:] == ["stop_playing", "ring"]
    assert world.endpoint.joined == [(caller.id, world.out[1].id)]
    caller.hangs_up()


@story()
async def test_an_incoming_call_shows_who_calls(world: World) -> None:
    caller = world.from_trunk("+12125550101", from_user="3015550199", headers={"P-Asserted-Identity": '"Max \\"M\\" Roe" <sip:13015550177@carrier>'})
    await settle()
    assert len(world.out) == 2
    request = world.out[0].request
    assert request is not None
    assert request.from_uri == "sip:+13015550177@office.example"
    await talking(world, caller)
    caller.hangs_up()
    await settle()
    assert (world.records[0].direction, world.records[0].caller, world.records[0].trunk) == ("incoming", "+13015550177", "acme")


@story()
async def test_an_anonymous_incoming_call(world: World) -> None:
    caller = world.from_trunk("+12125550101", from_user="anonymous", from_uri="sip:anonymous@anonymous.invalid")
    await settle()
    request = world.out[0].request
    assert request is not None
    assert (request.from_uri, request.from_display) == ("sip:anonymous@anonymous.invalid", "Anonymous")
    caller.hangs_up()


@story()
async def test_a_last_news_that_never_comes_does_not_keep_the_call(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    await settle()
    world.out[0].deaf = True
    caller.hangs_up()
    await settle()
    assert len(world.live) == 0
    await asyncio.sleep(60)
    assert world.out[0].names() == ["cancel", "cancel"]
    world.out[0].emit(Ended(487))
