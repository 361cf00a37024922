"""The dispatcher: order, overload, faults."""

from __future__ import annotations

import asyncio
from typing import Any

from appliance.calls.router import Router
from tests.unit.calls.fakes import World, run, settle
from tests.unit.calls.test_session import routing, story, talking


def test_too_few_legs_for_a_call_is_503_with_retry_after() -> None:
    async def whole() -> None:
        world = World()
        world.endpoint.legs_free = 1
        async with routing(world):
            caller = world.calls("carol-desk", "101")
            await settle()
            assert caller.final[1] == 503
            assert 1 <= int(caller.final[3]["Retry-After"]) <= 30
            assert not world.out
            world.endpoint.legs_free = 2
            await settle()
            again = world.calls("carol-desk", "101")
            await settle()
            assert len(world.out) == 2
            again.hangs_up()
            await settle()
        world.all_gone()

    run(whole())


def test_the_number_of_calls_is_bounded_and_comes_back() -> None:
    async def whole() -> None:
        world = World()
        async with routing(world, max_calls=3):
            callers = [world.calls("carol-desk", "190") for _ in range(10)]
            await settle()
            await settle()
            assert [bool(caller.did) for caller in callers] == [False] * 3 + [True] * 7
            assert {caller.final[1] for caller in callers[3:]} == {503}
            for caller in callers[:3]:
                caller.hangs_up()
            await settle()
            assert len(world.live) == 0
            again = world.calls("carol-desk", "190")
            await settle()
            assert again.did == []
            again.hangs_up()
            await settle()
        world.all_gone()

    run(whole())


def test_a_fault_in_routing_answers_500_and_the_next_call_works() -> None:
    async def whole() -> None:
        world = World()
        world.expects("no look-up today")
        faulty = {"on": True}

        def targets(device: Any) -> Any:
            if faulty["on"]:
                raise RuntimeError("no look-up today")
            return world.contacts.get(device, ())

        async with routing(world, targets=targets):
            caller = world.calls("carol-desk", "190")
            await settle()
            assert caller.final[1] == 500
            faulty["on"] = False
            again = world.calls("carol-desk", "190")
            await talking(world, again)
            again.hangs_up()
            await settle()
        world.all_gone()

    run(whole())


def test_stop_releases_calls_that_ring_and_calls_that_talk() -> None:
    async def whole() -> None:
        world = World()
        router = Router(world.context(), world.emergency())
        task = asyncio.create_task(router.run())
        talk = world.calls("carol-desk", "190")
        callee = await talking(world, talk)
        ring = world.calls("dana-desk", "102")
        await settle()
        await router.stop()
        task.cancel()
        assert (talk.final[0], callee.final[0], ring.final[0], world.out[1].final[0]) == ("bye", "bye", "reject", "cancel")
        assert len(world.records) == 2
        await settle()
        world.all_gone()

    run(whole())


@story()
async def test_a_leg_that_ended_before_it_was_looked_at(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    caller.hangs_up()
    await settle()
    assert all(leg.final[0] == "cancel" for leg in world.out)
    assert len(world.live) == 0
