"""Emergency calls that are up, and after them: early media, transfer by the centre, the call-back, tests."""

from __future__ import annotations

import asyncio

import pytest

from appliance.calls.live import CallState
from appliance.sip.api import MediaChanged
from appliance.types import MODEM
from tests.unit.calls.fakes import World, run, settle
from tests.unit.calls.test_emergency_call import departed, headers_of, request_of, talking_to_help, without_trunks
from tests.unit.calls.test_session import routing, story, talking
from tests.unit.calls.test_transfer import notifies


@story()
async def test_early_media_of_a_path_is_heard_and_gives_way_to_ringback(world: World) -> None:
    phone = world.calls_help()
    await departed()
    world.out[0].says(183, early_media=True)
    await settle()
    assert world.endpoint.joined == [(phone.id, world.out[0].id)]
    world.out[0].says(503)
    await settle()
    assert world.endpoint.joined == []
    assert phone.did[-1] == ("tone", "ringback")
    await talking_to_help(world, phone, 1)
    assert "stop_playing" in phone.names()
    phone.hangs_up()


@story()
async def test_the_phone_may_not_hold_or_transfer_and_the_centre_may(world: World) -> None:
    phone = world.calls_help()
    await departed()
    psap = await talking_to_help(world, phone)
    phone.emit(MediaChanged(True, held_by_peer=True))
    await settle()
    assert "hold" not in psap.names()
    phone.refers("103")
    await settle()
    assert phone.did[-1] == ("accept_transfer", 403)
    psap.refers("psap2")
    await settle()
    assert notifies(psap) == [(100, False)]
    request = request_of(world.out[1])
    assert (request.target, request.account, request.emergency) == ("sip:psap2@192.168.1.1", "acme", True)
    assert request.from_uri == "sip:+12125550150@198.51.100.1"
    world.out[1].says(200)
    await settle()
    assert psap.final[0] == "bye"
    assert sorted(world.endpoint.joined[0]) == sorted((phone.id, world.out[1].id))
    phone.hangs_up()


@story()
async def test_the_centres_failed_transfer_leaves_it_with_the_caller(world: World) -> None:
    phone = world.calls_help()
    await departed()
    psap = await talking_to_help(world, phone)
    psap.refers("psap2")
    await settle()
    world.out[1].says(486)
    await settle()
    assert notifies(psap)[-1] == (486, True)
    assert sorted(world.endpoint.joined[0]) == sorted((phone.id, psap.id))
    phone.hangs_up()


@story()
async def test_nothing_else_rings_the_phone(world: World) -> None:
    phone = world.calls_help("carol-desk")
    await departed()
    await talking_to_help(world, phone)
    other = world.calls("dana-desk", "103")
    await settle()
    assert other.final[1] == 486
    phone.hangs_up()


@story()
async def test_a_call_back_reaches_the_phone_for_an_hour(world: World) -> None:
    phone = world.calls_help("bob-desk")
    await departed()
    await talking_to_help(world, phone)
    phone.hangs_up()
    await settle()
    back = world.from_trunk("+12125550150")
    bob = await talking(world, back, 1)
    assert "bob1" in request_of(bob).target
    assert headers_of(bob)["Priority"] == "emergency"
    back.hangs_up()
    await asyncio.sleep(3700)
    later = world.from_trunk("+12125550150")
    await settle()
    assert "carol1" in request_of(world.out[2]).target, "a number without a phone rings security"
    later.hangs_up()
    assert [record.remaining_s for record in world.stored] == [None, 3600]


@pytest.mark.parametrize(
    ("said", "after_s", "kept"),
    [([503], 0.1, False), ([503], 16.0, True), ([183, 503], 0.1, True), ([486], 0.1, True), ([180, 200], 0.1, True), ([], 0.1, True)],
)
def test_the_modem_is_called_back_only_where_it_may_have_reached_somebody(said: list[int], after_s: float, kept: bool) -> None:
    """Refused at once; after a silence in which it may have dialled; once it was taken; busy; answered; and left while it dialled."""

    async def whole() -> None:
        world = World()
        without_trunks(world)
        async with routing(world, emergency={"modem": lambda: True}):
            phone = world.calls_help()
            await departed()
            (over,) = world.out
            assert request_of(over).account == MODEM
            assert world.callbacks.lookup(MODEM, world.moment()) is not None
            await asyncio.sleep(after_s)
            for code in said:
                over.says(code)
            await settle()
            phone.hangs_up()
            await settle()
            assert (world.callbacks.lookup(MODEM, world.moment()) is not None) is kept
            own = world.callbacks.lookup("+12125550150", world.moment())
            assert own is not None and own.device == "dana-desk", "the site's own number stays"
        await settle()
        world.all_gone()

    run(whole())


@story()
async def test_calls_from_one_place_show_different_numbers(world: World) -> None:
    phones = [world.calls_help(device) for device in ("dana-desk", "bob-desk")]
    await departed()
    shown = {request_of(leg).from_uri for leg in world.out}
    assert shown == {"sip:+12125550150@198.51.100.1", "sip:+12125550151@198.51.100.1"}
    for phone in phones:
        phone.hangs_up()


@story()
async def test_a_test_call_takes_the_same_way_and_says_so(world: World) -> None:
    phone = world.calls_help(service="933", test_call=True)
    await departed()
    request = request_of(world.out[0])
    assert request.target == "sip:933@198.51.100.1"
    assert request.parts
    await talking_to_help(world, phone)
    assert world.notices.live()[0].test
    assert world.journal.entries[0]["test"]
    phone.hangs_up()
    await settle()
    assert world.records[0].test
    assert world.callbacks.records(world.moment()) == (), "nobody calls back after a test: the menu of its number answers again"


@story()
async def test_a_caller_transferred_to_911_becomes_an_emergency_caller(world: World) -> None:
    caller = world.calls("bob-desk", "103")
    carol = await talking(world, caller)
    carol.emit(MediaChanged(True, held_by_peer=True))
    await settle()
    carol.refers("911")
    await departed()
    assert notifies(carol)[-1] == (200, True)
    assert carol.final[0] == "bye"
    psap = world.out[1]
    assert request_of(psap).target == "sip:911@198.51.100.1"
    assert ("tone", "ringback") in caller.did
    psap.says(200)
    await settle()
    assert world.endpoint.joined == [(caller.id, psap.id)]
    assert [row.emergency for row in world.live.rows()] == [True]
    assert world.live.rows()[0].state is CallState.UP
    assert caller.names().count("answer") == 1
    caller.hangs_up()
