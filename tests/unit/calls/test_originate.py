"""Calls that a program begins: the caller's own phones first, then whatever was dialled; and a transfer that a program asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from appliance.calls.live import CallState
from appliance.calls.program import Port, RingTarget
from appliance.calls.router import Router
from appliance.calls.session import Session
from appliance.errors import HoldfastError, NotFound
from appliance.events.calls import CallAnswered, CallStarted
from appliance.sip.api import MediaChanged
from tests.unit.calls.fakes import FakeLeg, World, run, settle
from tests.unit.calls.test_session import routing, talking

pytestmark = pytest.mark.filterwarnings("error")


def told(**changes: Any) -> Callable[[Callable[[World, Router], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """As `story`, with the router that originates."""

    def wrap(body: Callable[[World, Router], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        def play() -> None:
            async def whole() -> None:
                world = World()
                async with routing(world, **changes) as router:
                    await body(world, router)
                await settle()
                world.all_gone()

            run(whole())

        play.__name__ = body.__name__
        play.__doc__ = body.__doc__
        return play

    return wrap


async def picked_up(world: World, leg: FakeLeg) -> FakeLeg:
    leg.says(180)
    leg.says(200)
    await settle()
    return leg


@told()
async def test_who_picks_up_has_dialled_the_number(world: World, router: Router) -> None:
    call = router.originate("101", "102")
    await settle()
    desk, soft = world.out
    for leg in (desk, soft):
        assert leg.request is not None
        assert leg.request.from_uri == "sip:102@office.example", "the phone shows whom the call is for"
        assert leg.request.from_display == "Bob Hill"
    assert [(row.id, row.from_number, row.to_number, row.state) for row in world.live.rows()] == [(call, "101", "102", CallState.DIALLING)]
    desk.says(180)
    await settle()
    assert world.live.rows()[0].state is CallState.RINGING
    desk.says(200)
    await settle()
    assert soft.final[0] == "cancel"
    assert soft.final[2]["Reason"].startswith("SIP;cause=200"), "no missed call there"
    bob = world.out[2]
    assert bob.request is not None
    assert bob.request.target.startswith("sip:bob1@")
    assert (bob.request.from_uri, bob.request.from_display) == ("sip:101@office.example", "Dana Fox")
    bob.says(180)
    await settle()
    assert desk.did[-1] == ("tone", "ringback")
    bob.says(200)
    await settle()
    assert world.endpoint.joined == [(desk.id, bob.id)]
    assert world.live.rows()[0].state is CallState.UP
    assert [type(event) for event in world.events] == [CallStarted, CallAnswered]
    bob.hangs_up()
    await settle()
    assert desk.final[0] == "bye"
    (record,) = world.records
    assert (record.session, record.caller, record.callee, record.dialled, record.device, record.callee_device, record.cause, record.direction) == (
        call, "101", "102", "102", "dana-desk", "bob-desk", "normal", "internal",
    )  # fmt: skip
    assert record.user == "dana"
    assert record.dialogs[:3] == (desk.call_id, soft.call_id, bob.call_id)


@told()
async def test_an_outside_number_goes_out_by_the_rights_and_number_of_who_picked_up(world: World, router: Router) -> None:
    router.originate("101", "912125559999")
    await settle()
    await picked_up(world, world.out[0])
    request = world.out[2].request
    assert request is not None
    assert request.target == "sip:+12125559999@198.51.100.1"
    assert request.from_uri == "sip:+12125550101@198.51.100.1"
    world.out[2].says(200)
    await settle()
    world.out[2].hangs_up()
    await settle()
    assert world.records[0].direction == "outgoing"


@told()
async def test_nobody_picks_up(world: World, router: Router) -> None:
    router.originate("103", "102")
    await settle()
    world.out[0].says(180)
    await settle()
    world.out[0].says(480)
    await settle()
    (record,) = world.records
    assert (record.cause, record.caller, record.answered, record.notes) == ("no-answer", "103", None, ("103: No Answer",))
    assert len(world.out) == 1, "the other end never heard of it"


@told()
async def test_the_one_called_is_busy(world: World, router: Router) -> None:
    router.originate("103", "102")
    await settle()
    carol = await picked_up(world, world.out[0])
    world.out[1].says(486)
    await settle()
    assert carol.final[0] == "bye"
    (record,) = world.records
    assert (record.cause, record.code, record.answered) == ("busy", 486, None)


@told()
async def test_hung_up_while_the_first_phone_rings_and_while_the_second_does(world: World, router: Router) -> None:
    call = router.originate("103", "102")
    await settle()
    found = world.live.get(call)
    assert found is not None
    found.drop("by the API")
    await settle()
    assert world.out[0].final[0] == "cancel"
    assert len(world.live) == 0
    router.originate("103", "102")
    await settle()
    carol = await picked_up(world, world.out[1])
    carol.hangs_up()
    await settle()
    assert world.out[2].final[0] == "cancel"
    assert [record.cause for record in world.records] == ["dropped", "cancelled"]


@told()
async def test_early_media_of_the_callers_own_phone_is_joined_to_nothing(world: World, router: Router) -> None:
    router.originate("103", "102")
    await settle()
    world.out[0].says(183, early_media=True)
    await settle()
    assert world.endpoint.joined == []
    assert world.live.rows()[0].state is CallState.RINGING
    world.out[0].says(200)
    await settle()
    world.out[1].says(183, early_media=True)
    await settle()
    assert world.endpoint.joined == [(world.out[0].id, world.out[1].id)], "of the other end it is heard"
    world.out[0].hangs_up()


@pytest.mark.parametrize("number", ["911", "9911", "112", "+911", "9-1-1", "933", "urn:service:sos", "URN:service:sos.fire"])
def test_emergency_numbers_are_for_people(number: str) -> None:
    @told()
    async def play(world: World, router: Router) -> None:
        with pytest.raises(HoldfastError) as refused:
            router.originate("101", number)
        assert refused.value.code == "emergency-number"
        assert "a person at a phone" in refused.value.hint
        await settle()
        assert world.out == []
        assert world.journal.entries == []

    play()


def test_a_person_whose_program_leads_to_an_emergency_centre_gets_there_from_the_phone_that_was_picked_up() -> None:
    """Nobody can be held up by how the call began."""

    async def program(port: Port) -> None:
        await port.ring([RingTarget(number="911")])

    class Leading:
        def dialling(self, user: object) -> Any:
            return program

    @told(programs=Leading)
    async def play(world: World, router: Router) -> None:
        router.originate("101", "102")
        await settle()
        desk = await picked_up(world, world.out[0])
        await asyncio.sleep(0.1)  # the journal
        (row,) = world.live.rows()
        assert row.emergency
        assert world.out[-1].request is not None
        assert world.out[-1].request.emergency
        assert "911" in world.out[-1].request.target
        entry = world.journal.entries[0]
        assert (entry["device"], entry["source"]) == ("dana-desk", "udp:192.168.1.50:5060"), "the place is that of the phone in the hand"
        desk.hangs_up()
        await settle()

    play()


@told(max_calls=1)
async def test_what_cannot_be_rung_is_said_at_once(world: World, router: Router) -> None:
    with pytest.raises(NotFound):
        router.originate("199", "102")
    world.unregister("carol-desk")
    with pytest.raises(HoldfastError, match="Not Registered") as gone:
        router.originate("103", "102")
    assert gone.value.code == "unreachable"
    router.originate("102", "101")
    await settle()
    with pytest.raises(HoldfastError) as full:
        router.originate("101", "102")
    assert full.value.code == "congestion"
    world.out[0].says(486)
    await settle()


# ---- a transfer asked for in the place of a phone ------------------------------------------------------------------


def session(world: World) -> Session:
    (row,) = world.live.rows()
    found = world.live.get(row.id)
    assert isinstance(found, Session)
    return found


@told()
async def test_a_program_transfers_the_caller_in_the_place_of_who_was_called(world: World, router: Router) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    session(world).hand_over("190")
    await settle()
    assert not {"accept_transfer", "notify"} & set(bob.names()), "its phone asked for nothing"
    door = world.out[1]
    assert door.request is not None
    assert door.request.from_uri == "sip:103@office.example"
    door.says(180)
    door.says(200)
    await settle()
    assert bob.final[0] == "bye"
    assert world.endpoint.joined == [(caller.id, door.id)]
    door.hangs_up()
    await settle()
    assert world.records[0].notes == ("transfer by 102 to 190",)


@pytest.mark.parametrize("by", ["103", "carol-desk"])
def test_the_caller_may_be_named_as_the_one_who_transfers(by: str) -> None:
    @told()
    async def play(world: World, router: Router) -> None:
        caller = world.calls("carol-desk", "102")
        bob = await talking(world, caller)
        session(world).hand_over("190", by)
        await settle()
        world.out[1].says(200)
        await settle()
        assert caller.final[0] == "bye"
        assert world.endpoint.joined == [(bob.id, world.out[1].id)]
        bob.hangs_up()

    play()


@told()
async def test_a_transfer_that_fails_gives_the_call_back(world: World, router: Router) -> None:
    caller = world.calls("carol-desk", "102")
    bob = await talking(world, caller)
    session(world).hand_over("190")
    await settle()
    with pytest.raises(HoldfastError) as twice:
        session(world).hand_over("101")
    assert twice.value.code == "not-up"
    world.out[1].says(486)
    await settle()
    assert sorted(world.endpoint.joined[0]) == sorted((bob.id, caller.id))
    assert session(world).state is CallState.UP
    bob.emit(MediaChanged(True, held_by_peer=True))
    await settle()
    caller.hangs_up()


@told()
async def test_what_nobody_may_transfer(world: World, router: Router) -> None:
    caller = world.from_trunk("+12125550100")
    await settle()
    with pytest.raises(HoldfastError) as early:
        session(world).hand_over("101")
    assert early.value.code in {"not-up", "not-a-party"}
    carol = await talking(world, caller)
    for to in ("911", "112"):
        with pytest.raises(HoldfastError) as emergency:
            session(world).hand_over(to)
        assert emergency.value.code == "emergency-number"
    with pytest.raises(HoldfastError) as stranger:
        session(world).hand_over("101", "190")
    assert stranger.value.code == "not-a-party"
    assert world.endpoint.joined == [(caller.id, carol.id)], "nothing has happened to the call"
    assert len(world.out) == 1
    caller.hangs_up()


@told()
async def test_an_emergency_call_is_not_transferred(world: World, router: Router) -> None:
    caller = world.calls_help()
    await asyncio.sleep(0.1)  # the journal
    world.out[0].says(200)
    await settle()
    with pytest.raises(HoldfastError) as refused:
        session(world).hand_over("101")
    assert refused.value.code == "emergency"
    caller.hangs_up()
    await settle()
