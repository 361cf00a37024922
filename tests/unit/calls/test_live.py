"""The registry of calls in progress."""

from __future__ import annotations

import asyncio

from appliance.types import DeviceId, TrunkId
from tests.unit.calls.fakes import World, settle
from tests.unit.calls.test_session import story, talking


@story()
async def test_rows_show_the_calls_with_codec_and_forwarding(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    (row,) = world.live.rows()
    assert (row.from_number, row.from_name, row.to_number, row.to_name) == ("103", "Carol Ito", "101", "Dana Fox")
    assert (row.state, row.codec, row.emergency) == ("dialling", "", False)
    began = row.since
    await asyncio.sleep(3)
    await talking(world, caller)
    (row,) = await world.live.detailed_rows()
    assert (row.state, row.codec, row.forwarded) == ("up", "pcmu", True)
    assert row.since == began + 3
    caller.hangs_up()


@story()
async def test_a_leg_that_does_not_answer_keeps_its_plain_row(world: World) -> None:
    caller = world.calls("carol-desk", "190")
    callee = await talking(world, caller)
    callee.stats_delay_s = 100
    (row,) = await world.live.detailed_rows(wait_s=0.5)
    assert (row.codec, row.forwarded) == ("pcma", False)
    caller.hangs_up()


@story()
async def test_who_is_engaged(world: World) -> None:
    caller = world.calls("carol-desk", "101")
    await settle()
    live = world.live
    assert live.engaged(DeviceId("carol-desk"))
    assert live.engaged(DeviceId("dana-soft")), "a phone that rings is engaged"
    assert not live.engaged(DeviceId("bob-desk"))
    assert not live.in_emergency(DeviceId("carol-desk"))
    world.out[0].says(200)
    await settle()
    assert not live.engaged(DeviceId("dana-soft"))
    (row,) = live.rows()
    assert not live.engaged(DeviceId("carol-desk"), besides=row.id)
    assert live.get(row.id) is not None
    assert live.find(caller.call_id) is not None
    assert live.find("no such call") is None
    caller.hangs_up()


@story()
async def test_channels_of_a_trunk_and_room_for_an_emergency(world: World) -> None:
    talk = world.calls("carol-desk", "912125559999")
    far = await talking(world, talk)
    ring = world.calls("dana-desk", "912125558888")
    await settle()
    live = world.live
    assert live.on_trunk(TrunkId("acme")) == 2
    assert live.on_trunk(TrunkId("backup")) == 0
    assert live.make_room(TrunkId("acme"))
    await settle()
    assert ring.final[:2] == ("reject", 503), "one that only rings goes before one that talks"
    assert live.on_trunk(TrunkId("acme")) == 1
    assert live.make_room(TrunkId("acme"))
    await settle()
    assert (talk.final[0], far.final[0]) == ("bye", "bye")
    assert {record.cause for record in world.records} == {"dropped"}
    assert not live.make_room(TrunkId("acme"))


@story()
async def test_an_emergency_call_never_makes_room(world: World) -> None:
    phone = world.calls_help()
    await asyncio.sleep(0.01)
    world.out[0].says(200)
    await settle()
    assert not world.live.make_room(TrunkId("acme"))
    assert world.live.on_trunk(TrunkId("acme")) == 0
    phone.hangs_up()
