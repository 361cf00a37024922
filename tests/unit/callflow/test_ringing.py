"""Dial with the switch for the called person's forwarding: lists, follow-me, voicemail, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.callflow.runner import Flows
from appliance.callflow.virtual import run_virtually
from appliance.calls.plan import BUSY, DECLINED, NO_ANSWER, NOT_REGISTERED, Outcome
from appliance.calls.program import Connected, RingResult, RingTarget
from appliance.types import UserId
from tests.unit.callflow.fakes import DANA, FakePort, FakeVoicemail, flow, serve, services, snapshot_of

LISTS = {"no_answer": [{"user": "dana", "ring_seconds": 10}, {"number": "209", "delay_seconds": 5}], "busy": [{"number": "912025550147"}]}
OWN = (RingTarget(dialled=True),)
NO_ANSWER_LIST = (RingTarget(user=UserId("dana"), ring_s=10.0), RingTarget(extension="209", delay_s=5.0, ring_s=20.0))
BUSY_LIST = (RingTarget(number="912025550147", ring_s=20.0),)


def dialled(number: str, forwarding: dict[str, Any], rings: list[Outcome | Connected], store: FakeVoicemail | None = None, **site: Any) -> FakePort:
    """The port after Dana dialled `number` by the house flow; `forwarding` is Lee's."""
    users = {"lee": {"name": "Lee", "extension": "207", "forwarding": forwarding}}
    snapshot = snapshot_of(**{"users": users, **site})
    results: list[tuple[float, RingResult]] = [(1.0, result) for result in rings]

    async def main() -> FakePort:
        port = FakePort(snapshot, DANA, number, results)
        await serve(Flows(services(store)).dialling(UserId("dana")), port)
        return port

    return run_virtually(main())


@pytest.mark.row("A5")
@pytest.mark.parametrize(("first", "then"), [(NO_ANSWER, NO_ANSWER_LIST), (NOT_REGISTERED, NO_ANSWER_LIST), (BUSY, BUSY_LIST), (DECLINED, BUSY_LIST)])
def test_the_list_for_what_happened_rings_next(first: Outcome, then: tuple[RingTarget, ...]) -> None:
    port = dialled("207", LISTS, [first, Connected()])
    assert port.rang == [OWN, then]
    assert port.connected


@pytest.mark.row("A5")
def test_voicemail_is_the_last_resort() -> None:
    store = FakeVoicemail()
    port = dialled("207", LISTS, [NO_ANSWER, NO_ANSWER], store)
    assert len(port.rang) == 2 and list(store.boxes) == ["lee"]
    assert port.notes == ["flow house", "lee: no-answer list", "lee: voicemail lee", "dial"]
    assert ("tone", "congestion") not in port.saw


def test_without_a_mailbox_the_flow_goes_on_and_the_caller_is_told() -> None:
    port = dialled("207", LISTS, [BUSY, NO_ANSWER], mailboxes={"lee": {"name": "X"}})
    assert port.rang == [OWN, BUSY_LIST]
    assert port.ended == NO_ANSWER and not port.answered
    assert "dial: no-answer -> end" in port.notes


@pytest.mark.row("A6")
def test_follow_me_rings_instead_of_the_own_phones_and_the_lists_do_not_count() -> None:
    store = FakeVoicemail()
    port = dialled("207", {**LISTS, "follow_me": [{"number": "912025550147"}], "follow_me_on": True}, [BUSY], store)
    assert port.rang == [BUSY_LIST] and list(store.boxes) == ["lee"]


def test_follow_me_to_nobody_is_voicemail_at_once() -> None:
    store = FakeVoicemail()
    assert dialled("207", {"follow_me_on": True}, [], store).rang == []
    assert list(store.boxes) == ["lee"]


@pytest.mark.parametrize("number", ["912125550100", "+12125550100", "2125550100"])
def test_a_number_of_ours_reaches_its_users_forwarding(number: str) -> None:
    numbers = {"main": {"number": "+12125550100", "destination": "207"}}
    assert dialled(number, LISTS, [NO_ANSWER, Connected()], numbers=numbers).rang == [OWN, NO_ANSWER_LIST]


@pytest.mark.parametrize("number", ["400", "300", "912025550147", "999"])
def test_groups_devices_alone_outside_numbers_and_nobody_forward_nothing(number: str) -> None:
    port = dialled(number, LISTS, [NO_ANSWER])
    assert port.rang == [OWN] and port.ended == NO_ANSWER


def test_of_several_targets_only_follow_me_counts() -> None:
    lee = {"name": "Lee", "extension": "207", "forwarding": {**LISTS, "follow_me": [{"user": "kim", "delay_seconds": 2}], "follow_me_on": True}}
    both = flow(("dial", "dial", {"targets": [{"user": "dana"}, {"user": "lee", "delay_seconds": 5}], "forwarding": True}, {}))
    store = FakeVoicemail()
    users = {"lee": lee, "dana": {"name": "Dana", "extension": "205", "flow": "both"}}
    port = dialled("1", {}, [NO_ANSWER], store, users=users, flows={"both": both})
    assert port.rang == [(RingTarget(user=UserId("dana")), RingTarget(user=UserId("kim"), delay_s=7.0, ring_s=20.0))]
    assert store.boxes == {} and port.ended == NO_ANSWER


@pytest.mark.row("E12")
def test_a_user_who_is_a_flow_has_no_forwarding() -> None:
    night = {"name": "Night", "extension": "500", "mode": "flow", "flow": "night", "forwarding": {"follow_me": [{"user": "kim"}], "follow_me_on": True}}
    port = dialled("500", {}, [Connected()], users={"night": night}, flows={"night": flow(("end", "hang-up", {}, {}))})
    assert port.rang == [OWN]


def test_two_people_who_forward_to_each_other_come_to_an_end() -> None:
    users = {
        "lee": {"name": "Lee", "extension": "207", "forwarding": {"no_answer": [{"user": "kim"}], "voicemail": False}},
        "kim": {"name": "Kim", "extension": "209", "forwarding": {"no_answer": [{"user": "lee"}], "voicemail": False}},
    }
    port = dialled("207", {}, [NO_ANSWER, NO_ANSWER, NO_ANSWER], users=users)
    assert port.rang == [OWN, (RingTarget(user=UserId("kim"), ring_s=20.0),)]
