"""Pages: who is called, who hears it and until when, and that an emergency and other people's calls never wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from appliance.calls.live import CallState
from appliance.calls.page import GATHER_S, MOST_PHONES, PICK_UP_S, SPARE_LEGS, WAVE, Page, paging
from appliance.calls.plan import Branch
from appliance.calls.program import Paged, Program
from appliance.calls.route import CallBack
from appliance.calls.router import Router
from appliance.errors import HoldfastError, NotFound
from appliance.sip.api import Dial, Leg, PlaybackEnded
from appliance.sound import silence
from appliance.types import DeviceId, GroupId
from tests.unit.calls.fakes import BOX, FakeEndpoint, FakeLeg, World, run, settle
from tests.unit.calls.test_session import routing

pytestmark = pytest.mark.filterwarnings("error")

GROUPS = {"groups": {"front": {"name": "Front", "users": ["dana", "bob"], "devices": ["door"]}}}
FRONT = Paged(GroupId("front"))
ABOUT = ("", "Front")


class Programs:
    """Whoever dials 700 pages the group `front`; everybody else is connected."""

    def __init__(self, world: World, limit_s: float) -> None:
        self._plain, self._limit_s = world.context().programs(), limit_s

    def dialling(self, user: Any) -> Program:
        plain, page = self._plain.dialling(user), paging(FRONT, self._limit_s)

        async def program(port: Any) -> None:
            await (page if port.dialled == "700" else plain)(port)

        return program

    def extension(self, extension: str) -> Program:
        return self._plain.extension(extension)

    def number(self, number: str) -> Program:
        return self._plain.number(number)


Told = Callable[[World, Router], Coroutine[Any, Any, None]]


def paged(limit_s: float = 60.0) -> Callable[[Told], Callable[[], None]]:
    def wrap(told: Told) -> Callable[[], None]:
        def play() -> None:
            async def whole() -> None:
                world = World(**GROUPS)
                programs = Programs(world, limit_s)
                async with routing(world, programs=lambda: programs) as router:
                    await told(world, router)
                await settle()
                world.all_gone()

            run(whole())

        play.__name__ = told.__name__
        return play

    return wrap


def to(world: World) -> list[str]:
    return [leg.request.target.partition("@")[0].removeprefix("sip:") for leg in world.out if leg.request is not None]


@paged()
async def test_free_phones_pick_up_by_themselves_and_hear_the_caller(world: World, _: Router) -> None:
    caller = world.calls("dana-desk", "700")
    await settle()
    assert to(world) == ["dana2", "bob1", "door1"], "all of the group but the phone that pages"
    for leg in world.out:
        assert leg.request is not None
        headers = leg.request.headers
        assert ("Call-Info", "<sip:office.example>;answer-after=0") in headers
        assert any(name == "Alert-Info" and "info=alert-autoanswer" in value for name, value in headers)
        assert leg.request.from_uri == "sip:101@office.example"
        assert not leg.request.emergency, "it may not use the legs that are kept for emergencies"
    soft, bob, door = world.out
    for leg in (soft, bob):
        leg.says(200)
    await settle()
    assert world.endpoint.listening == [(caller.id, soft.id), (caller.id, bob.id)]
    assert not world.endpoint.joined, "nobody but the caller is heard"
    assert ("tone", "beep") not in caller.did
    await asyncio.sleep(GATHER_S)
    assert ("tone", "beep") in caller.did, "the signal to speak"
    assert [call.state for call in world.live.rows()] == [CallState.UP]
    assert world.live.engaged(DeviceId("bob-desk"))
    await asyncio.sleep(PICK_UP_S)
    assert door.final[0] == "cancel", "it does not go on ringing"
    bob.hangs_up()
    await settle()
    assert caller.state.value == "confirmed"
    caller.hangs_up()
    await settle()
    assert soft.final[0] == "bye"
    (record,) = world.records
    assert (record.dialled, record.cause) == ("700", "normal")
    assert "page: heard on 2 phones" in record.notes


@paged()
async def test_who_is_on_a_call_is_left_alone(world: World, _: Router) -> None:
    talk = world.calls("bob-desk", "103")
    await settle()
    world.out[0].says(200)
    await settle()
    caller = world.calls("dana-desk", "700")
    await settle()
    assert to(world)[1:] == ["dana2", "door1"]
    caller.hangs_up()
    talk.hangs_up()
    await settle()


@paged()
async def test_nobody_free_costs_no_answer(world: World, _: Router) -> None:
    world.unregister("dana-soft", "bob-desk", "door")
    caller = world.calls("dana-desk", "700")
    await asyncio.sleep(3.0)
    assert "answer" not in caller.names()
    assert caller.final[0] == "reject"


@paged(limit_s=20.0)
async def test_it_ends_by_itself(world: World, _: Router) -> None:
    caller = world.calls("dana-desk", "700")
    await settle()
    for leg in world.out:
        leg.says(200)
    await asyncio.sleep(19.0)
    assert caller.state.value == "confirmed"
    await asyncio.sleep(2.0)
    assert caller.final[0] == "bye"
    assert {leg.final[0] for leg in world.out} == {"bye"}


@paged()
async def test_the_hash_key_ends_it(world: World, _: Router) -> None:
    caller = world.calls("dana-desk", "700")
    await settle()
    for leg in world.out:
        leg.says(200)
    await settle()
    caller.presses("#", "rfc4733")
    await settle()
    assert {leg.final[0] for leg in (caller, *world.out)} == {"bye"}


@paged()
async def test_an_emergency_call_takes_its_phone_out_of_the_page(world: World, _: Router) -> None:
    caller = world.calls("dana-desk", "700")
    await settle()
    soft, bob, door = world.out
    bob.says(200)
    door.says(180)
    await settle()
    helped, stands = world.calls_help("bob-desk"), world.calls_help("door")
    await asyncio.sleep(0.1)
    psap = world.out[3:]
    assert len(psap) == 2, "both calls are on their way"
    assert bob.final[0] == "bye"
    assert door.final[0] == "cancel"
    assert soft.state.value == "calling"
    for leg in psap:
        leg.says(200)
    await settle()
    assert [call.state for call in world.live.rows() if call.emergency] == [CallState.UP] * 2
    for leg in (helped, stands, caller):
        leg.hangs_up()
    await settle()


@paged()
async def test_what_a_call_back_into_an_emergency_rings_does_not_listen_to_a_page(world: World, _: Router) -> None:
    caller = world.calls("dana-desk", "700")
    await settle()
    bob = world.out[1]
    bob.says(200)
    await settle()
    world.call_backs["+12125550150"] = CallBack("+12125550150", DeviceId("bob-desk"))
    psap = world.from_trunk("+12125550150")
    await settle()
    assert bob.final[0] == "bye"
    assert to(world)[3] == "bob1"
    for leg in (psap, caller):
        leg.hangs_up()
    await settle()


@paged()
async def test_a_phone_that_is_rung_first_speaks(world: World, router: Router) -> None:
    _, phones = router.page(FRONT, "103", 30.0, ABOUT)
    assert phones == 4
    await settle()
    assert to(world) == ["carol1"]
    carol = world.out[0]
    assert carol.request is not None
    assert not any(name == "Call-Info" for name, _ in carol.request.headers), "its owner picks it up"
    carol.says(200)
    await settle()
    for leg in world.out[1:]:
        leg.says(200)
    await settle()
    assert world.endpoint.listening == [(carol.id, leg.id) for leg in world.out[1:]]
    assert len(world.endpoint.listening) == 4
    carol.hangs_up()
    await settle()
    (record,) = world.records
    assert (record.caller, record.callee, record.device) == ("103", "", "carol-desk")


@paged()
async def test_a_sound_is_heard_to_its_end(world: World, router: Router) -> None:
    router.page(Paged(), silence(5.0), 30.0, ("", "All phones"))
    await settle()
    assert to(world) == ["dana1", "dana2", "bob1", "carol1", "door1"]
    first, second, *rest = world.out
    first.says(200)
    await settle()
    assert "play" not in first.names(), "it begins for all together"
    second.says(200)
    for leg in rest:
        leg.says(486)
    await settle()
    for leg in (first, second):
        assert "play" in leg.names()
    assert [(row.from_number, row.to_name, row.state) for row in world.live.rows()] == [("page", "All phones", CallState.UP)]
    first.emit(PlaybackEnded(1))
    await settle()
    assert first.final[0] == "bye"
    second.emit(PlaybackEnded(1))
    await settle()
    (record,) = world.records
    assert (record.cause, record.answered is not None) == ("normal", True)


@paged()
async def test_why_a_page_cannot_begin(world: World, router: Router) -> None:
    with pytest.raises(NotFound):
        router.page(FRONT, "999", 30.0, ABOUT)
    world.unregister("carol-desk")
    with pytest.raises(HoldfastError, match="103 cannot be rung"):
        router.page(FRONT, "103", 30.0, ABOUT)
    world.endpoint.legs_free = 1
    with pytest.raises(HoldfastError, match="No line is free"):
        router.page(FRONT, silence(1.0), 30.0, ABOUT)
    world.endpoint.legs_free = 400
    world.unregister("dana-desk", "dana-soft", "bob-desk", "door")
    with pytest.raises(HoldfastError, match="No phone is free"):
        router.page(FRONT, silence(1.0), 30.0, ABOUT)
    assert not world.out


# ---- many phones -------------------------------------------------------------------------------------------------


class Owner:
    def __init__(self, endpoint: FakeEndpoint) -> None:
        self.endpoint, self.call_id, self.began, self.reached = endpoint, "p", False, -1

    def page_leg(self, request: Dial) -> Leg | None:
        self.endpoint.legs_free -= 1
        return self.endpoint.dial(request)

    def release(self, leg: Leg, code: int = 0, reason: str = "", headers: Any = ()) -> None:
        assert isinstance(leg, FakeLeg)
        leg.did.append(("cancel",))

    def page_began(self) -> None:
        self.began = True

    def page_over(self, reached: int) -> None:
        self.reached = reached


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def big(phones: int, legs_free: int) -> tuple[Page, Owner, Clock]:
    endpoint, clock = FakeEndpoint(legs_free), Clock()
    wanted = tuple(Branch(Dial(f"sip:{n}@phone", BOX, ""), device=DeviceId(f"d{n}")) for n in range(phones))
    owner = Owner(endpoint)
    page = Page(
        owner, wanted, silence(1.0), clock.now + 60.0, listen=lambda a, b: None, free_legs=endpoint.free_legs, engaged=lambda device: device == "d3", now=clock
    )  # fmt: skip
    page.start()
    return page, owner, clock


def play(page: Page, clock: Clock, until: float) -> None:
    """Let time pass as the loop does: always to the next deadline."""
    for _ in range(1000):
        if page.deadline is None or page.deadline > until:
            return
        assert page.deadline >= clock.now, "no timer is set in the past: the loop would spin"
        clock.now = page.deadline + 1e-6
        page.tick()
    raise AssertionError("it spins")


def test_many_phones_are_called_in_waves_and_none_beyond_the_limit() -> None:
    page, owner, clock = big(MOST_PHONES + 50, 480)
    assert len(owner.endpoint.dialled) == WAVE - 1, "d3 took a call meanwhile"
    play(page, clock, 102.0)
    assert len(owner.endpoint.dialled) == MOST_PHONES - 1
    assert len(page.devices()) == MOST_PHONES - 1
    page.stop()
    assert (page.over, owner.reached, page.devices()) == (True, 0, [])


@pytest.mark.parametrize(("free", "called"), [(SPARE_LEGS + 10, 10), (SPARE_LEGS, 0), (0, 0)])
def test_legs_are_left_to_calls(free: int, called: int) -> None:
    page, owner, clock = big(40, free)
    play(page, clock, 100.0 + GATHER_S + 0.1)
    assert len(owner.endpoint.dialled) == called
    assert owner.endpoint.legs_free >= min(free, SPARE_LEGS)
    play(page, clock, 100.0 + PICK_UP_S + 1.0)
    assert (page.over, owner.reached) == (True, 0), "where nobody picks up it is over"
