"""From targets to plans: who rings when, what outranks ringing, and why nobody rings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calls.caller import Caller
from appliance.calls.dials import Calling
from appliance.calls.plan import BUSY, NOT_REGISTERED, Branch
from appliance.calls.program import RingTarget, RunsFlow
from appliance.calls.ring import Asking, Nobody, Ringing, Rings, ring
from appliance.calls.route import Target, ToEmergency, View
from appliance.types import DeviceId, FlowId, UserId
from tests.unit.calls.fakes import BOX, snapshot_of

SITE = snapshot_of(
    groups={"everybody": {"name": "Everybody", "extension": "400", "users": ["dana", "bob"], "devices": ["door", "dana-desk"]}},
    flows={"menu": {"name": "Menu", "start": "end", "steps": {"end": {"type": "hang-up"}}, "extensions": ["700"]}},
)
CAROL = Caller("103", "Carol Ito", DeviceId("carol-desk"), UserId("carol"))


def view(*, engaged: Sequence[str] = (), absent: Sequence[str] = (), emergency: Sequence[str] = ()) -> View:
    def targets(device: DeviceId) -> tuple[Target, ...]:
        return () if device in absent else (Target(f"sip:{device}@192.168.1.60", BOX, device),)

    return View(targets, lambda device: device in engaged, lambda device: device in emergency, lambda number: None)


def rung(*targets: RingTarget, dialled: str = "101", longest_s: float = 0.0, **seen: Any) -> Ringing:
    return ring(targets, Asking(CAROL, Calling(CAROL), dialled), SITE, view(**seen), lambda trunks: trunks, longest_s)


def branches(found: Ringing) -> list[Branch]:
    assert isinstance(found, Rings), found
    return [branch for stage in found.plan.stages for branch in stage.branches]


def devices(found: Ringing) -> list[str]:
    return [str(branch.device or branch.trunk) for branch in branches(found)]


@pytest.mark.row("K7")
def test_a_group_rings_its_users_and_devices_together_each_phone_once() -> None:
    for target in (RingTarget(group="everybody"), RingTarget(extension="400"), RingTarget(number="400")):
        assert devices(rung(target)) == ["dana-desk", "dana-soft", "bob-desk", "door"]


@pytest.mark.row("K2")
def test_a_device_without_owner_is_rung() -> None:
    assert devices(rung(RingTarget(device=DeviceId("door")))) == ["door"]


def test_one_target_is_bounded_by_its_time_and_the_whole() -> None:
    plain = rung(RingTarget(user=UserId("dana")))
    short = rung(RingTarget(user=UserId("dana"), ring_s=12), longest_s=9)
    assert isinstance(plain, Rings)
    assert isinstance(short, Rings)
    assert plain.user == "dana"
    assert short.plan.stages[0].ring_s == 9


def test_an_outside_number_among_phones_goes_over_one_trunk_with_the_others_behind_it() -> None:
    found = rung(RingTarget(user=UserId("bob")), RingTarget(number="912025550123", delay_s=5, ring_s=30))
    assert devices(found) == ["bob-desk", "acme"]
    line = branches(found)[1]
    assert (line.after_s, line.ring_s) == (5, 30)
    assert line.then is not None
    assert line.then.trunk == "backup"
    assert isinstance(found, Rings)
    assert found.outside
    assert found.plan.stages[0].ring_s == 35


@pytest.mark.row("E11")
def test_why_nobody_rings() -> None:
    assert rung(RingTarget(user=UserId("bob")), absent=["bob-desk"]) == Nobody(NOT_REGISTERED, UserId("bob"))
    assert rung(RingTarget(user=UserId("bob")), emergency=["bob-desk"]) == Nobody(BUSY, UserId("bob"))
    several = rung(RingTarget(user=UserId("bob")), RingTarget(device=DeviceId("door")), absent=["door"], emergency=["bob-desk"])
    assert several == Nobody(BUSY)
    assert rung(RingTarget(user=UserId("nobody"))) == Nobody(NOT_REGISTERED)
    assert isinstance(rung(RingTarget(number="999999")), Nobody)


def test_an_emergency_number_outranks_flows_and_phones() -> None:
    found = rung(RingTarget(user=UserId("bob")), RingTarget(extension="700"), RingTarget(number="911"))
    assert found == ToEmergency("911", False)
    assert rung(RingTarget(user=UserId("bob")), RingTarget(extension="700")) == RunsFlow(FlowId("menu"))


TARGETS = st.builds(
    RingTarget,
    user=st.sampled_from([UserId("dana"), UserId("bob")]),
    delay_s=st.integers(0, 60).map(float),
    ring_s=st.sampled_from([0.0, 5.0, 20.0]),
)


@given(st.lists(TARGETS, min_size=2, max_size=6), st.sampled_from([0.0, 10.0, 45.0]))
def test_every_branch_keeps_its_targets_time_and_none_outlasts_the_whole(targets: list[RingTarget], longest_s: float) -> None:
    found = rung(*targets, longest_s=longest_s)
    assert isinstance(found, Rings)
    (stage,) = found.plan.stages
    ends = [branch.after_s + branch.ring_s for branch in stage.branches]
    assert stage.ring_s == min(max(ends), longest_s or max(ends))
    for branch in stage.branches:
        owner = next(target for target in targets if SITE.devices[DeviceId(str(branch.device))].owner == target.user)
        assert branch.after_s == owner.delay_s, "a phone named twice rings the first time"
        assert branch.ring_s == (owner.ring_s or SITE.users[UserId(str(owner.user))].ring_seconds)
    assert len({branch.dial.target for branch in stage.branches}) == len(stage.branches)
