"""A test call of a line counts like any call: an emergency call takes its channel, and it does not begin where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.app.line_test import LineTests
from appliance.app.tracing import Sessions
from appliance.calls.live import CallState
from appliance.errors import HoldfastError
from appliance.sip.api import LegState
from appliance.sound import silence
from appliance.types import TrunkId
from tests.unit.calls.fakes import World, run, settle
from tests.unit.calls.test_session import routing

ACME, MOBILE = TrunkId("acme"), "+12025550177"
Told = Callable[[World, LineTests], Coroutine[Any, Any, None]]


class Voice:
    """Speaks at once; `began`: how often it was asked to."""

    def __init__(self) -> None:
        self.began = 0
        self.speaker = self

    async def speech(self, text: str, voice: str) -> Any:
        self.began += 1
        return silence(1.0)


def box_of(world: World) -> Any:
    """What a line test sees of the box."""
    state = SimpleNamespace(id=ACME, address="198.51.100.1", registered=True, code=200, reason="")
    return SimpleNamespace(
        snapshot=world.snapshot, recogniser=world.emergency().recogniser(), endpoint=world.endpoint, trunks=SimpleNamespace(states=lambda: [state]),
        new_session=world.context().new_id, bus=SimpleNamespace(publish=world.publish), sessions=Sessions(), context=world.context(), voice=Voice(),
    )  # fmt: skip


def tried(**changes: Any) -> Callable[[Told], Callable[[], None]]:
    def wrap(told: Told) -> Callable[[], None]:
        def play() -> None:
            async def whole() -> None:
                world = World(**changes)
                async with routing(world):
                    tests = LineTests(box_of(world))
                    await told(world, tests)
                    await tests.stop()
                await settle()
                world.all_gone()

            run(whole())

        play.__name__ = told.__name__
        return play

    return wrap


def last(tests: LineTests) -> Any:
    assert tests.last is not None
    return tests.last


@tried(trunks={"acme": {"max_calls": 1}})
async def test_it_makes_room_for_an_emergency_call(world: World, tests: LineTests) -> None:
    tests.start("acme", MOBILE)
    await settle()
    (leg,) = world.out
    assert (world.live.on_trunk(ACME), [row.to_number for row in world.live.rows()]) == (1, [MOBILE])
    caller = world.calls_help()
    await asyncio.sleep(0.1)
    assert leg.final[0] == "cancel"
    assert (last(tests)["state"], last(tests)["cause"]) == ("failed", "The test call was ended: Line needed for an emergency call")
    assert world.out[1].request is not None
    assert world.out[1].request.emergency
    with pytest.raises(HoldfastError) as refused:
        tests.start("acme", MOBILE)
    assert refused.value.code == "emergency-in-progress"
    caller.hangs_up()
    await settle()
    assert [record.cause for record in world.records if not record.emergency] == ["dropped"]


@tried(trunks={"acme": {"max_calls": 1}})
async def test_one_that_talks_is_ended_too(world: World, tests: LineTests) -> None:
    session = tests.start("acme", MOBILE)["id"]
    await settle()
    (leg,) = world.out
    leg.says(180)
    leg.says(200)
    await settle()
    assert [row.state for row in world.live.rows()] == [CallState.UP]
    assert tests._box.sessions.links() == {leg.call_id: session}
    assert world.live.make_room(ACME)
    assert world.live.on_trunk(ACME) == 0
    await settle()
    assert (leg.final[0], last(tests)["state"]) == ("bye", "failed")


@tried()
async def test_a_late_answer_is_hung_up(world: World, tests: LineTests) -> None:
    tests.start("acme", MOBILE)
    await settle()
    (leg,) = world.out
    leg.deaf = True
    world.live.make_room(ACME)
    leg.says(200)
    await settle()
    assert leg.state is LegState.ENDED


@tried(trunks={"acme": {"max_calls": 1}})
async def test_it_does_not_begin_on_a_full_trunk(world: World, tests: LineTests) -> None:
    caller = world.from_trunk("+12125550100")
    await settle()
    assert world.live.on_trunk(ACME) == 1
    with pytest.raises(HoldfastError) as refused:
        tests.start("acme", MOBILE)
    assert refused.value.code == "congestion"
    assert tests.last is None
    caller.hangs_up()


@tried()
async def test_without_a_leg_nobody_goes_on_speaking(world: World, tests: LineTests) -> None:
    world.endpoint.dial_fails = lambda request: True
    tests.start("acme", MOBILE)
    await settle()
    assert (last(tests)["state"], last(tests)["cause"]) == ("failed", "no leg is free")
    assert tests._box.voice.began == 0  # type: ignore[attr-defined]
