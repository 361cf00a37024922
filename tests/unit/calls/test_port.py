"""Programs and their port, played through the router: what a program asks of a call, and what it is told of its caller."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.calls.caller import Caller
from appliance.calls.live import CallState
from appliance.calls.plan import BUSY, NO_ANSWER, Outcome
from appliance.calls.program import CallerGone, Connected, IsMailbox, Port, Program, RingTarget, RunsFlow, Taken
from appliance.sip.api import Digit, MediaChanged, PlaybackEnded, Recorded
from appliance.sound import Sound
from appliance.types import DeviceId, FlowId, MailboxId, UserId
from tests.unit.calls.fakes import FakeLeg, World, run, settle
from tests.unit.calls.test_session import routing
from tests.unit.calls.test_transfer import notifies

pytestmark = pytest.mark.filterwarnings("error")
SECOND = Sound(b"\0\0" * 8000, 8000)


class OneProgram:
    """Implements `Programs`: everybody runs `program`."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def dialling(self, user: UserId | None) -> Program:
        return self._program

    def extension(self, extension: str) -> Program:
        return self._program

    def number(self, number: str) -> Program:
        return self._program


def play(program: Callable[[Port], Awaitable[None]], told: Callable[[World], Awaitable[None]], **changes: Any) -> World:
    """Play `told` in a world where every ordinary call runs `program`; nothing may be left over."""
    made: list[World] = []

    async def whole() -> None:
        world = World(**changes)
        made.append(world)
        async with routing(world, programs=lambda: OneProgram(program)):
            await told(world)
        await settle()
        world.all_gone()

    run(whole())
    return made[0]


def answers(world: World) -> FakeLeg:
    return world.calls("carol-desk", "700")


def test_a_program_answers_plays_to_the_end_and_hangs_up() -> None:
    async def program(port: Port) -> None:
        assert not port.answered
        await port.answer()
        await port.play(SECOND)
        port.note("said something")
        port.hang_up()

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        assert caller.names() == ["answer", "play"]
        assert world.live.rows()[0].state is CallState.UP
        caller.emit(PlaybackEnded(1))
        await settle()
        assert caller.names()[-1] == "bye"

    record = play(program, told).records[0]
    assert record.answered is not None
    assert record.cause == "normal"
    assert "said something" in record.notes


def test_what_plays_before_an_answer_answers_unless_early_media_was_asked_for() -> None:
    async def early(port: Port) -> None:
        await port.early()
        await port.play(SECOND)
        port.hang_up(Outcome(403, "No Flow", "refused", 21))

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        assert caller.did[0] == ("ring", 183)
        caller.emit(MediaChanged(True, codec="pcmu"))
        await settle()
        caller.emit(PlaybackEnded(1))
        await settle()
        assert caller.did[-1][:3] == ("reject", 403, "No Flow")

    assert play(early, told).records[0].answered is None


def test_a_sound_whose_end_is_never_told_does_not_hold_the_caller_for_ever() -> None:
    async def program(port: Port) -> None:
        await port.play(SECOND)

    async def told(world: World) -> None:
        caller = answers(world)
        await asyncio.sleep(10)
        assert caller.names() == ["answer", "play", "stop_playing", "bye"]

    play(program, told)


def test_keys_come_in_their_order_and_a_time_out_is_none() -> None:
    keys: list[str | None] = []

    async def program(port: Port) -> None:
        await port.answer()
        keys.extend([await port.digit(5), await port.digit(5), await port.digit(2)])
        port.forget_digits()

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        caller.emit(Digit("4"))
        caller.emit(Digit("2"))
        await asyncio.sleep(5)

    play(program, told)
    assert keys == ["4", "2", None]


def test_a_caller_who_leaves_is_told_to_the_program_wherever_it_waits() -> None:
    seen: list[str] = []

    async def program(port: Port) -> None:
        await port.answer()
        try:
            await port.digit(100)
        except CallerGone:
            seen.append("gone")
            raise

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        caller.hangs_up()
        await settle()
        assert seen == ["gone"]

    assert play(program, told).records[0].hangup_by == "caller"


@pytest.mark.parametrize("answered", [True, False])
def test_a_program_that_fails_leaves_no_silence(answered: bool) -> None:
    async def program(port: Port) -> None:
        if answered:
            await port.answer()
        raise RuntimeError("a bug")

    async def told(world: World) -> None:
        world.expects("a bug")
        caller = answers(world)
        await settle()
        if answered:
            assert caller.did[-1] == ("tone", "congestion")
        await asyncio.sleep(4)
        assert caller.names()[-1] == ("bye" if answered else "reject")

    record = play(program, told).records[0]
    assert any("failed" in note for note in record.notes)


def test_a_ring_that_fails_comes_back_and_the_next_one_connects() -> None:
    results: list[object] = []

    async def program(port: Port) -> None:
        results.append(await port.ring([RingTarget(user=UserId("dana"))]))
        results.append(await port.ring([RingTarget(device=DeviceId("door"))]))

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        for leg in world.out:
            leg.says(486)
        await settle()
        door = world.out[-1]
        assert door.request is not None
        assert door.request.target.startswith("sip:door1@")
        door.says(180)
        door.says(200, codec="pcma")
        await settle()
        assert world.endpoint.joined == [(caller.id, door.id)]
        caller.hangs_up()

    play(program, told)
    assert results == [BUSY, Connected()]


def test_the_caller_of_a_flow_that_spoke_hears_ringback_and_is_connected_without_a_second_answer() -> None:
    async def program(port: Port) -> None:
        await port.answer()
        await port.ring([RingTarget(extension="190")])

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        (door,) = world.out
        door.says(180)
        await settle()
        assert caller.did[-1] == ("tone", "ringback")
        door.says(200, codec="pcmu")
        await settle()
        assert caller.names().count("answer") == 1
        assert caller.names()[-1] == "stop_playing"
        door.hangs_up()
        await settle()
        assert caller.names()[-1] == "bye"

    play(program, told)


@pytest.mark.row("E11")
def test_targets_ring_staggered_and_the_first_who_answers_has_the_call() -> None:
    async def program(port: Port) -> None:
        await port.ring([RingTarget(device=DeviceId("door"), ring_s=30), RingTarget(device=DeviceId("bob-desk"), delay_s=10, ring_s=20)])

    async def told(world: World) -> None:
        answers(world)
        await settle()
        assert len(world.out) == 1
        world.out[0].says(180)
        await asyncio.sleep(9)
        assert len(world.out) == 1
        await asyncio.sleep(2)
        door, bob = world.out
        bob.says(180)
        bob.says(200, codec="pcmu")
        await settle()
        assert door.names() == ["cancel"]
        bob.hangs_up()

    assert play(program, told).records[0].callee_device == "bob-desk"


def test_a_cancelled_ring_releases_its_legs() -> None:
    async def program(port: Port) -> None:
        try:
            async with asyncio.timeout(5):
                await port.ring([RingTarget(extension="190")])
        except TimeoutError:
            port.hang_up(NO_ANSWER)

    async def told(world: World) -> None:
        caller = answers(world)
        await asyncio.sleep(6)
        assert world.out[0].names() == ["cancel"]
        assert caller.did[-1][:2] == ("reject", 480)

    play(program, told)


@pytest.mark.row("E12")
def test_a_flow_mode_user_rings_nobody_and_only_the_first_counts() -> None:
    results: list[object] = []

    async def program(port: Port) -> None:
        results.append(await port.ring([RingTarget(device=DeviceId("door")), RingTarget(user=UserId("night")), RingTarget(user=UserId("day"))]))
        results.append(await port.ring([RingTarget(extension="600")]))

    async def told(world: World) -> None:
        answers(world)
        await settle()
        assert world.out == []

    flows = {"closed": {"name": "Closed", "start": "end", "steps": {"end": {"type": "hang-up"}}}}
    users = {name: {"name": name.title(), "extension": number, "mode": "flow", "flow": "closed"} for name, number in (("night", "501"), ("day", "502"))}
    play(program, told, flows=flows, users=users, mailboxes={"dana": {"name": "Dana", "owner": "dana", "extension": "600"}})
    assert results == [RunsFlow(FlowId("closed"), UserId("night")), IsMailbox(MailboxId("dana"))]


def test_an_emergency_number_in_a_flow_is_an_emergency_call() -> None:
    async def program(port: Port) -> None:
        await port.ring([RingTarget(number="911"), RingTarget(device=DeviceId("door"))])

    async def told(world: World) -> None:
        caller = answers(world)
        await asyncio.sleep(0.05)
        (out,) = world.out
        assert out.request is not None
        assert out.request.target == "sip:911@198.51.100.1"
        out.says(200, codec="pcmu")
        await settle()
        assert world.endpoint.joined == [(caller.id, out.id)]
        caller.hangs_up()

    world = play(program, told)
    assert {record.direction for record in world.records} == {"internal", "emergency"}


def test_a_chosen_caller_is_shown_inside_and_outside() -> None:
    async def program(port: Port) -> None:
        port.caller = Caller("+12125550177", "Front desk")
        await port.ring([RingTarget(number="912025550123")])

    async def told(world: World) -> None:
        answers(world)
        await settle()
        (out,) = world.out
        assert out.request is not None
        assert "12125550177" in out.request.from_uri
        assert out.request.from_display == "Front desk"
        out.says(486)

    assert play(program, told).records[0].direction == "outgoing"


def test_a_recording_ends_by_key_silence_limit_and_hangup_and_keeps_what_was_said() -> None:
    taken: list[Taken] = []
    said = bytearray()

    async def program(port: Port) -> None:
        while len(taken) < 4:
            taken.append(await port.record(said.extend, max_s=3, silence_s=2))

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()

        def speak(level: int, seconds: float = 1.0, last: bool = False) -> None:
            caller.emit(Recorded(b"\1\0" * int(8000 * seconds), level, last=last))

        speak(4000)
        await settle()
        caller.emit(Digit("5"))
        caller.emit(Digit("#"))
        await settle()
        speak(4000)
        speak(10)
        speak(10)
        await settle()
        speak(4000)
        await asyncio.sleep(4)
        speak(4000)
        await settle()
        speak(4000, 0.5, last=True)
        caller.hangs_up()
        await settle()

    play(program, told)
    assert [(t.seconds, t.why, t.key) for t in taken] == [(1.0, "key", "#"), (3.0, "silence", ""), (1.0, "limit", ""), (1.5, "hangup", "")]
    assert len(said) == 16000 * 6.5


@pytest.mark.row("E5")
def test_a_transfer_runs_the_senders_program_for_the_one_who_is_transferred() -> None:
    dialled: list[tuple[str, UserId | None]] = []

    async def program(port: Port) -> None:
        dialled.append((port.dialled, port.user))
        if port.dialled == "700":
            await port.ring([RingTarget(user=UserId("bob"))])
            return
        await port.play(SECOND)
        port.hang_up()

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        (bob,) = world.out
        bob.says(180)
        bob.says(200, codec="pcmu")
        await settle()
        bob.refers("4000")
        await settle()
        # The flow speaks to the caller: for bob that is an answer, and he is out of it.
        assert notifies(bob)[-1] == (200, True)
        assert bob.names()[-1] == "bye"
        assert caller.names()[-1] == "play"
        assert world.endpoint.joined == []
        caller.emit(PlaybackEnded(1))
        await settle()
        assert caller.names()[-1] == "bye"

    play(program, told)
    assert dialled == [("700", UserId("carol")), ("4000", UserId("bob"))]


def test_a_refused_program_of_a_transfer_leaves_the_call_as_it_was() -> None:
    async def program(port: Port) -> None:
        if port.dialled == "700":
            await port.ring([RingTarget(user=UserId("bob"))])
        else:
            port.hang_up(Outcome(404, "Not Found", "refused", 1))

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        (bob,) = world.out
        bob.says(200, codec="pcmu")
        await settle()
        bob.refers("4000")
        await settle()
        assert notifies(bob)[-1] == (404, True)
        assert world.endpoint.joined == [(caller.id, bob.id)]
        assert world.live.rows()[0].state is CallState.UP
        bob.hangs_up()

    play(program, told)


def test_a_program_that_will_not_end_after_its_caller_is_cancelled() -> None:
    ended: list[str] = []

    async def program(port: Port) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("cancelled")

    async def told(world: World) -> None:
        caller = answers(world)
        await settle()
        caller.hangs_up()
        await asyncio.sleep(30)
        assert ended == ["cancelled"]

    play(program, told)


@pytest.mark.row("E12")
def test_the_number_of_the_user_a_flow_runs_for_is_shown_outside() -> None:
    async def program(port: Port) -> None:
        port.user = UserId("night")
        port.caller = replace(port.caller, user=UserId("night"))
        await port.ring([RingTarget(number="912025550123")])

    async def told(world: World) -> None:
        answers(world)
        await settle()
        (out,) = world.out
        assert out.request is not None
        assert "12125550188" in out.request.from_uri
        out.says(486)

    play(program, told, users={"night": {"name": "Night", "extension": "501", "mode": "flow", "outbound_number": "+12125550188"}})
