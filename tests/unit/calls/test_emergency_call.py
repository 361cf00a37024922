"""Emergency calls through the router: they leave at once with all that is known, with less when something breaks, over every path there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.emergency.journal import Journal, read
from appliance.emergency.location import LocationTable
from appliance.events.calls import CallAnswered, CallStarted
from appliance.events.emergency import EmergencyNotice
from appliance.sip.api import Dial, MediaChanged
from appliance.site.snapshot import compile
from appliance.types import MODEM, Address, DeviceId, TrunkId
from tests.unit.calls.fakes import FakeLeg, World, run, settle
from tests.unit.calls.test_session import routing, story, talking


def request_of(leg: FakeLeg) -> Dial:
    assert leg.request is not None
    return leg.request


def headers_of(leg: FakeLeg) -> dict[str, str]:
    return dict(request_of(leg).headers)


async def departed() -> None:
    """The journal has spoken and the INVITE has left."""
    await asyncio.sleep(0.01)
    await settle()


@pytest.mark.row("E13")
@story()
async def test_a_call_for_help(world: World) -> None:
    phone = world.calls_help()
    await settle()
    assert phone.did == [("ring", 180)], "the caller hears ringback at once"
    await departed()
    (psap,) = world.out
    request = request_of(psap)
    assert request.emergency
    assert request.target == "sip:911@198.51.100.1"
    assert request.from_uri == "sip:+12125550150@198.51.100.1"
    assert headers_of(psap)["P-Asserted-Identity"] == "<sip:+12125550150@198.51.100.1>"
    assert headers_of(psap)["Priority"] == "emergency"
    assert headers_of(psap)["Geolocation-Routing"] == "yes"
    assert b"<ca:RD>Main</ca:RD>" in request.parts[0].body
    assert request.codecs[:2] == ("pcmu", "pcma")
    assert [kind for kind, _ in world.story] == ["journal", "dial", "event", "notice"], "the entry is on disk before the INVITE, what is told of it comes after"
    entry = world.journal.entries[0]
    assert (entry["device"], entry["callback"], entry["location_id"], entry["test"]) == ("dana-desk", "+12125550150", "lobby", False)
    psap.says(180)
    psap.says(200, codec="pcmu")
    await settle()
    assert phone.did[-1] == ("answer", ("pcmu",))
    assert world.endpoint.joined == [(phone.id, psap.id)]
    assert world.worked == ["acme"]
    assert world.live.in_emergency(DeviceId("dana-desk"))
    phone.hangs_up()
    await settle()
    assert psap.final[0] == "bye"
    (record,) = world.records
    assert (record.direction, record.callee, record.trunk, record.cause, record.test) == ("emergency", "911", "acme", "normal", False)
    begun, answered = (event for event in world.events if isinstance(event, CallStarted | CallAnswered))
    assert isinstance(begun, CallStarted)
    assert isinstance(answered, CallAnswered)
    assert (begun.session, begun.direction, begun.caller, begun.callee, begun.device) == (record.session, "emergency", "101", "911", "dana-desk")
    assert begun.emergency
    assert record.emergency
    assert (answered.session, answered.trunk) == (record.session, "acme")
    notices = [event for event in world.events if isinstance(event, EmergencyNotice)]
    assert [event.outcome for event in notices] == ["calling", "connected", "ended"]
    notice = notices[1]
    assert (notice.extension, notice.callback_number, notice.path, notice.location_sent, notice.durable) == ("101", "+12125550150", "acme", True, True)
    assert "Lobby" in notice.location
    assert world.journal.events() == ["call", "sent", "answered", "ended"]


@story()
async def test_an_unknown_phone_is_helped_as_well(world: World) -> None:
    phone = world.calls_help(None, source=Address("192.168.1.77", 5062), from_user="911-me")
    await departed()
    assert request_of(world.out[0]).from_uri == "sip:+12125550150@198.51.100.1"
    await talking_to_help(world, phone)
    phone.hangs_up()
    await settle()
    back = world.from_trunk("+12125550150")
    await settle()
    assert request_of(world.out[1]).target == "sip:192.168.1.77:5062;transport=udp"
    assert request_of(world.out[1]).emergency
    back.hangs_up()


async def talking_to_help(world: World, phone: FakeLeg, number: int = 0) -> FakeLeg:
    psap = world.out[number]
    psap.says(180)
    psap.says(200)
    await settle()
    assert phone.names().count("answer") == 1
    return psap


@story()
async def test_a_path_silent_for_four_seconds_is_cancelled_and_the_next_tried(world: World) -> None:
    phone = world.calls_help()
    await asyncio.sleep(4.1)
    first, second = world.out
    assert first.final[0] == "cancel"
    assert request_of(second).target == "sip:911@203.0.113.9;transport=tcp"
    assert request_of(second).from_uri == "sip:2125550150@203.0.113.9"
    second.says(180)
    await asyncio.sleep(20)
    assert len(world.out) == 2, "a path that rings is left to ring"
    await talking_after(second, phone, world)
    phone.hangs_up()


async def talking_after(psap: FakeLeg, phone: FakeLeg, world: World) -> None:
    psap.says(200)
    await settle()
    assert world.endpoint.joined == [(phone.id, psap.id)]


@pytest.mark.parametrize("code", [400, 415, 424, 488, 513])
def test_a_path_that_refuses_the_location_gets_the_plain_call_at_once(code: int) -> None:
    @story()
    async def play(world: World) -> None:
        phone = world.calls_help()
        await departed()
        world.out[0].says(code)
        await settle()
        plain = world.out[1]
        assert request_of(plain).target == "sip:911@198.51.100.1"
        assert request_of(plain).parts == ()
        assert "Geolocation" not in headers_of(plain)
        assert request_of(plain).from_uri == "sip:+12125550150@198.51.100.1", "the callback number carries the location"
        await talking_to_help(world, phone, 1)
        notice = world.notices.live()[0]
        assert not notice.location_sent
        phone.hangs_up()

    play()


@pytest.mark.parametrize("code", [403, 486, 503, 603, 408])
def test_any_other_failure_goes_to_the_next_path(code: int) -> None:
    @story()
    async def play(world: World) -> None:
        phone = world.calls_help()
        await departed()
        world.out[0].says(code)
        await settle()
        assert request_of(world.out[1]).account == "backup"
        await talking_to_help(world, phone, 1)
        phone.hangs_up()

    play()


@story()
async def test_paths_are_tried_again_until_somebody_answers(world: World) -> None:
    phone = world.calls_help()
    await departed()
    for turn in range(6):
        assert len(world.out) == turn + 1
        world.out[turn].says(503)
        await asyncio.sleep(3.9 if turn % 2 else 0.1)
    assert [request_of(leg).account for leg in world.out] == ["acme", "backup"] * 3 + ["acme"]
    psap = world.out[-1]
    psap.says(200)
    await settle()
    assert world.endpoint.joined == [(phone.id, psap.id)]
    phone.hangs_up()


@story()
async def test_never_two_centres_ring_for_one_caller(world: World) -> None:
    phone = world.calls_help()
    for _ in range(300):
        await asyncio.sleep(0.1)
        assert sum(1 for leg in world.out if leg.id in world.endpoint.legs) <= 1
    phone.hangs_up()


@story()
async def test_the_answer_of_a_path_given_up_wins_and_the_other_is_released(world: World) -> None:
    phone = world.calls_help()
    await departed()
    first = world.out[0]
    first.deaf = True
    await asyncio.sleep(4.1)
    second = world.out[1]
    first.says(200)
    await settle()
    assert world.endpoint.joined == [(phone.id, first.id)]
    assert second.final[0] == "cancel"
    phone.hangs_up()
    await settle()
    assert first.final[0] == "bye"


@story()
async def test_two_centres_that_answer_at_once(world: World) -> None:
    phone = world.calls_help()
    await departed()
    first = world.out[0]
    first.deaf = True
    await asyncio.sleep(4.1)
    second = world.out[1]
    second.deaf = True
    second.says(200)
    first.says(200)
    await settle()
    assert world.endpoint.joined == [(phone.id, second.id)]
    assert first.final[0] == "bye"
    phone.hangs_up()


@story()
async def test_the_caller_hangs_up_while_paths_are_tried(world: World) -> None:
    phone = world.calls_help()
    await departed()
    world.out[0].says(180)
    phone.hangs_up()
    await settle()
    assert world.out[0].final[0] == "cancel"
    await asyncio.sleep(60)
    assert len(world.out) == 1, "nothing goes on behind the caller's back"
    assert world.notices.recent()[0].outcome == "abandoned"
    assert world.records[0].cause == "cancelled"


@story()
async def test_the_caller_hangs_up_before_the_journal_spoke(world: World) -> None:
    world.journal.delay_s = 10
    phone = world.calls_help()
    await settle()
    phone.hangs_up()
    await asyncio.sleep(20)
    assert world.out == []
    assert world.notices.recent()[0].outcome == "abandoned"


# ---- nothing holds it up ----


@story()
async def test_a_stalled_disk_costs_less_than_fifty_milliseconds(world: World) -> None:
    world.journal.delay_s = 3600
    phone = world.calls_help()
    await asyncio.sleep(0.05)
    assert len(world.out) == 1
    await talking_to_help(world, phone)
    phone.hangs_up()


def test_with_the_real_journal_the_entry_is_on_disk_before_the_invite(tmp_path: Path) -> None:
    async def whole() -> None:
        world = World()
        journal = Journal(tmp_path / "journal", size=1 << 16)
        journal.start()
        on_disk: list[list[str]] = []
        world.endpoint.on_dial = lambda request: on_disk.append([entry["event"] for entry in read(tmp_path / "journal")])
        async with routing(world, emergency={"journal": journal}):
            # The thread makes its files first; a call before that is the stalled disk of the test above.
            while not (tmp_path / "journal").exists():
                await asyncio.sleep(0.005)
            journal.append({"event": "ready"}).result(timeout=10)
            phone = world.calls_help()
            while not world.out:
                await asyncio.sleep(0.001)
            await talking_to_help(world, phone)
            phone.hangs_up()
            await settle()
        assert journal.close(timeout_s=10)
        entries = read(tmp_path / "journal")
        assert [entry["event"] for entry in entries] == ["ready", "call", "sent", "answered", "ended"]
        assert entries[1]["callback"] == "+12125550150"
        notice = world.notices.recent()[0]
        assert notice.durable == (on_disk == [["ready", "call"]])

    asyncio.run(whole())


def explode(*_: Any, **__: Any) -> Any:
    raise RuntimeError("broken on purpose")


class BrokenCallbacks:
    allocate = explode
    ended = explode


class BrokenNotices:
    put = explode
    update = explode


BREAKS: dict[str, Callable[[World], dict[str, Any]]] = {
    "locations": lambda world: {"locations": explode},
    "recogniser": lambda world: {"recogniser": explode},
    "callbacks": lambda world: {"callbacks": BrokenCallbacks()},
    "store": lambda world: {"store_callback": explode},
    "moment": lambda world: {"moment": explode},
    "rank": lambda world: {"rank": explode},
    "modem": lambda world: {"modem": explode},
    "last_good": lambda world: {"last_good": explode},
    "worked": lambda world: {"worked": explode},
    "notices": lambda world: {"notices": BrokenNotices()},
}


@pytest.mark.parametrize("broken", [*BREAKS, "journal", "publish", "record", "everything"])
def test_whatever_breaks_the_invite_leaves_and_the_call_stands(broken: str) -> None:
    async def whole() -> None:
        world = World()
        world.expects("broken on purpose", "no journal")
        helping: dict[str, Any] = {}
        calling: dict[str, Any] = {}
        for name, change in BREAKS.items():
            if broken in (name, "everything"):
                helping |= change(world)
        for name in ("publish", "record"):
            if broken in (name, "everything"):
                calling[name] = explode
        world.journal.broken = broken in ("journal", "everything")
        async with routing(world, emergency=helping, **calling):
            phone = world.calls_help()
            await departed()
            (psap,) = world.out
            assert "911@" in request_of(psap).target
            await talking_to_help(world, phone)
            phone.presses("1", "info")
            await asyncio.sleep(3)
            assert ("digits", "1", "rfc4733", 120) in psap.did
            psap.hangs_up()
            await settle()
            assert phone.final[0] == "bye"
        await settle()
        world.all_gone()

    run(whole())


def test_a_location_that_cannot_be_written_leaves_the_rest() -> None:
    class Odd(LocationTable):
        def resolve(self, device_location: Any, source_ip: str) -> Any:
            found = super().resolve(device_location, source_ip)
            return type(found)(found.location_id, "not a location", found.method)  # type: ignore[arg-type]

    async def whole() -> None:
        world = World()
        world.expects("'str' object has no attribute")
        async with routing(world, emergency={"locations": lambda: Odd(world.snapshot.site)}):
            phone = world.calls_help()
            await departed()
            assert request_of(world.out[0]).from_uri == "sip:+12125550100@198.51.100.1", "the main number where the pool is out of reach"
            assert request_of(world.out[0]).parts == ()
            phone.hangs_up()
            await settle()
        world.all_gone()

    run(whole())


@story()
async def test_no_leg_for_the_first_path(world: World) -> None:
    world.endpoint.dial_fails = lambda request: request.account == "acme"
    phone = world.calls_help()
    await departed()
    assert [request_of(leg).account for leg in world.out] == ["backup"]
    phone.hangs_up()


@story()
async def test_a_fault_while_it_is_up_does_not_end_it(world: World) -> None:
    world.expects("broken on purpose")
    phone = world.calls_help()
    await departed()
    psap = await talking_to_help(world, phone)
    phone.hold = explode  # type: ignore[method-assign]
    psap.emit(MediaChanged(True, held_by_peer=True))
    await settle()
    assert world.endpoint.joined == [(phone.id, psap.id)]
    psap.hangs_up()
    await settle()
    assert phone.final[0] == "bye"


# ---- nothing limits it ----


@story(trunks={"acme": {"max_calls": 1}}, sip={"max_call_minutes": 1})
async def test_a_full_trunk_drops_one_ordinary_call_and_no_limit_applies(world: World) -> None:
    ordinary = world.calls("carol-desk", "912125559999")
    other = await talking(world, ordinary)
    phone = world.calls_help()
    await departed()
    assert (ordinary.final[0], other.final[0]) == ("bye", "bye")
    assert request_of(world.out[1]).account == "acme"
    await talking_to_help(world, phone, 1)
    await asyncio.sleep(7200)
    assert len(world.live) == 1
    second = world.calls_help("carol-desk")
    await departed()
    assert request_of(world.out[2]).account == "acme", "emergency calls are not counted"
    assert len(world.endpoint.joined) == 1
    second.hangs_up()
    phone.hangs_up()


@story()
async def test_a_trunk_that_says_all_channels_are_busy_loses_one_ordinary_call_once(world: World) -> None:
    first = world.calls("carol-desk", "912125559999")
    await talking(world, first)
    second = world.calls("bob-desk", "912125558888")
    await talking(world, second, 1)
    phone = world.calls_help()
    await departed()
    world.out[2].says(503)
    await settle()
    assert second.final[0] == "bye"
    assert "bye" not in first.names()
    assert request_of(world.out[3]).account == "backup"
    world.out[3].says(503)
    await asyncio.sleep(1)
    assert request_of(world.out[4]).account == "acme"
    world.out[4].says(503)
    await settle()
    assert "bye" not in first.names(), "once per path: a trunk that refuses everything must not cost every call"
    phone.hangs_up()
    first.hangs_up()


def test_overload_does_not_touch_it() -> None:
    async def whole() -> None:
        world = World()
        world.endpoint.legs_free = 0
        async with routing(world, max_calls=0):
            phone = world.calls_help()
            await departed()
            await talking_to_help(world, phone)
            phone.hangs_up()
            await settle()
        world.all_gone()

    run(whole())


@story()
async def test_a_dialled_emergency_number_that_admission_missed(world: World) -> None:
    phone = world.calls("dana-desk", "9911")
    await departed()
    assert request_of(world.out[0]).target == "sip:911@198.51.100.1"
    phone.hangs_up()


@story(trunks={"acme": {"enabled": False}, "backup": {"enabled": False}})
async def test_disabled_trunks_are_tried(world: World) -> None:
    phone = world.calls_help()
    await asyncio.sleep(4.1)
    assert [request_of(leg).account for leg in world.out] == ["acme", "backup"]
    phone.hangs_up()


@story()
async def test_the_last_good_path_goes_first_and_failing_ones_last(world: World) -> None:
    world.failing = {"acme"}
    phone = world.calls_help()
    await asyncio.sleep(4.1)
    assert [request_of(leg).account for leg in world.out] == ["backup", "acme"]
    phone.hangs_up()


@pytest.mark.parametrize(
    ("broken", "tried"),
    [
        ("", ["backup", "acme", MODEM]),
        ("rank of one", ["backup", MODEM, "acme"]),
        ("rank", ["backup", "acme", MODEM]),
        ("last_good", ["acme", "backup", MODEM]),
        ("modem", ["backup", "acme", MODEM]),
        ("order", ["acme", "backup", MODEM]),
    ],
)
def test_what_cannot_be_found_out_of_the_paths_costs_none_of_them(broken: str, tried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def rank(way: TrunkId) -> int:
        return explode() if way == "acme" else 0

    async def whole() -> None:
        world = World()
        world.last_good = "backup"
        helping: dict[str, Any] = {"modem": lambda: True}
        if broken:
            world.expects("broken on purpose")
        if broken == "order":
            monkeypatch.setattr("appliance.calls.emergency_call.emergency_paths", explode)
        elif broken:
            helping |= {"rank": rank} if broken == "rank of one" else {broken: explode}
        async with routing(world, emergency=helping):
            phone = world.calls_help()
            await departed()
            for turn in range(3):
                world.out[turn].says(503)
                await settle()
            assert [request_of(leg).account for leg in world.out] == tried
            phone.hangs_up()
            await settle()
        world.all_gone()

    run(whole())


def test_a_test_call_whose_paths_cannot_be_ordered_leaves_the_modem_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.calls.emergency_call.emergency_paths", explode)

    async def whole() -> None:
        world = World()
        world.expects("broken on purpose")
        async with routing(world, emergency={"modem": lambda: True}):
            phone = world.calls_help(service="933", test_call=True)
            await departed()
            for turn in range(2):
                world.out[turn].says(503)
                await settle()
            assert [request_of(leg).account for leg in world.out] == ["acme", "backup"]
            phone.hangs_up()
            await settle()
        world.all_gone()

    run(whole())


def without_trunks(world: World) -> None:
    world.snapshot = compile(world.snapshot.site.model_copy(update={"trunks": {}}), 2, {})


def test_no_trunk_at_all_is_said_and_alarmed() -> None:
    async def whole() -> None:
        world = World()
        world.expects("did not get through")
        without_trunks(world)
        async with routing(world):
            phone = world.calls_help()
            await departed()
            assert phone.final[1] == 503
            assert "path" in phone.final[3]["Reason"]
            assert world.notices.recent()[0].outcome == "failed"
            assert world.records[0].code == 503
        await settle()
        world.all_gone()

    run(whole())


@story()
async def test_every_path_fails_for_five_minutes(world: World) -> None:
    world.expects("did not get through")
    phone = world.calls_help()
    await asyncio.sleep(290)
    assert "reject" not in phone.names()
    await asyncio.sleep(30)
    assert phone.final[1] == 503
    assert world.notices.recent()[0].outcome == "failed"
