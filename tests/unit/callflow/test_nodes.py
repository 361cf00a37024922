"""Each kind of step in a call: what the caller hears, whom it rings, which exit it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.callflow.registry import kinds
from appliance.callflow.runner import Flows
from appliance.callflow.virtual import run_virtually
from appliance.calls.plan import BUSY, CONGESTED, DECLINED, NO_ANSWER, NOT_REGISTERED
from appliance.calls.program import Connected, IsMailbox, RingTarget, RunsFlow
from appliance.types import DeviceId, FlowId, MailboxId, UserId
from tests.unit.callflow.fakes import DANA, OUTSIDE, FakePort, flow, serve, services, snapshot_of

Prepare = Callable[[FakePort], None]


def called(
    made: dict[str, Any], prepare: Prepare = lambda port: None, *, flows: dict[str, Any] | None = None, site: dict[str, Any] | None = None, **options: Any
) -> FakePort:
    """The port after an outside call ran `made`, which is what the main number leads to."""
    numbers = {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "test"}}}
    snapshot = snapshot_of(flows={"test": made, **(flows or {})}, numbers=numbers, **(site or {}))

    async def main() -> FakePort:
        port = FakePort(snapshot, **options)
        prepare(port)
        await serve(Flows(services()).number("+12125550100"), port)
        return port

    return run_virtually(main())


END = ("end", "hang-up", {}, {})


def test_every_kind_has_what_forms_need() -> None:
    for name, node in kinds().items():
        said = node.describe()
        assert said["type"] == name
        assert said["title"] and said["help"].endswith(".")
        for field in said["settings"].get("properties", {}).values():
            assert field.get("description"), f"{name}: a field without help"


@pytest.mark.row("E8")
def test_say_speaks_digits_one_by_one_and_texts_as_they_are() -> None:
    port = called(flow(("say", "say", {"text": "{caller_name} at {caller} called {dialled} at {time}."}, {})))
    assert port.said == ["Widget Works at + 1 3 0 3 5 5 5 0 1 0 0 called + 1 2 1 2 5 5 5 0 1 0 0 at 10:15."]
    assert port.answered and port.over


def test_say_speaks_in_its_own_language() -> None:
    port = called(flow(("say", "say", {"text": "Bonjour", "language": "fr"}, {})))
    assert port.said == ["[fr] Bonjour"]


def test_play_and_a_recording_that_is_gone_does_not_end_the_call() -> None:
    steps = flow(
        ("play", "play", {"audio": "welcome"}, {"next": "lost"}), ("lost", "play", {"audio": "lost"}, {"next": "say"}), ("say", "say", {"text": "Hi"}, {})
    )
    port = called(steps, site={"audio": {"lost": {"name": "L", "sha256": "b" * 64}}})
    assert port.said == ["(welcome)", "Hi"]
    assert any("audio lost could not be played" in note for note in port.notes)


def test_answer_answers_before_anything_is_heard() -> None:
    port = called(flow(("answer", "answer", {}, {"next": "ring"}), ("ring", "ring-user", {"user": "dana"}, {})), rings=[(5.0, Connected())])
    assert port.saw == [("answer",)]
    assert port.connected


def menu(**settings: Any) -> dict[str, Any]:
    asked = {"text": "Menu", "choices": ["1", "2xx", "*"], "tries": 2, **settings}
    exits = {choice: choice.replace("*", "star").replace("#", "hash") for choice in asked["choices"]} or {"entered": "entered"}
    ends = [(name, "say", {"text": f"{name} {{digits}}"}, {}) for name in (*exits.values(), "timeout", "invalid")]
    return flow(("menu", "prompt", asked, {**exits, "timeout": "timeout", "invalid": "invalid"}), *ends)


@pytest.mark.row("E10")
@pytest.mark.parametrize(
    ("keys", "at_s", "said"),
    [
        ("1", 1.0, ["Menu", "1 1"]),  # barge-in
        ("1", 5.0, ["Menu", "1 1"]),  # after the prompt
        ("245", 1.0, ["Menu", "2xx 2 4 5"]),
        ("*", 1.0, ["Menu", "star *"]),
        ("", 0.0, ["Menu", "Menu", "timeout "]),
        ("9", 1.0, ["Menu", "That is not one of the choices.", "Menu", "timeout 9"]),
        ("99", 1.0, ["Menu", "That is not one of the choices.", "Menu", "invalid 9"]),  # the second key comes early, and counts
        ("24#", 1.0, ["Menu", "That is not one of the choices.", "Menu", "timeout 2 4"]),
    ],
)
def test_a_menu(keys: str, at_s: float, said: list[str]) -> None:
    assert called(menu(), lambda port: port.press(keys, at_s)).said == said


def test_the_hash_key_can_be_a_choice() -> None:
    assert called(menu(choices=["#"]), lambda port: port.press("#", 1.0)).said == ["Menu", "hash #"]


def test_a_menu_without_barge_in_ignores_keys_pressed_early() -> None:
    port = called(menu(barge_in=False), lambda port: (port.press("1", 0.5), port.press("245", 3.0))[0])
    assert port.said == ["Menu", "2xx 2 4 5"]


def test_a_prompt_without_choices_takes_what_is_typed() -> None:
    port = called(menu(choices=[], max_digits=4), lambda port: port.press("1234", 1.0))
    assert port.said == ["Menu", "entered 1 2 3 4"]
    assert called(menu(choices=[]), lambda port: port.press("12#", 1.0)).said[-1] == "entered 1 2"


def test_a_prompt_plays_its_recording_before_its_text() -> None:
    port = called(menu(audio="welcome"), lambda port: port.press("1", 3.0))
    assert port.said[:2] == ["(welcome)", "Menu"]


@pytest.mark.row("E9")
@pytest.mark.row("E7")
@pytest.mark.parametrize(
    ("dialled", "rang"),
    [
        ("4000", RingTarget(user=UserId("dana"))),
        ("4001", RingTarget(user=UserId("lee"))),
        ("5123", RingTarget(user=UserId("kim"))),
        ("77", RingTarget(group="sales")),
        ("912025550147", RingTarget(dialled=True)),
    ],
)
def test_string_match_leads_each_number_its_own_way(dialled: str, rang: RingTarget) -> None:
    cases = [
        {"exit": "a", "value": "4000"},
        {"exit": "b", "kind": "pattern", "value": "4xxx"},
        {"exit": "c", "kind": "regex", "value": "^5[0-9]{3}$"},
        {"exit": "d", "kind": "prefix", "value": "77"},
    ]
    made = flow(
        ("match", "string-match", {"cases": cases}, {"a": "dana", "b": "lee", "c": "kim", "d": "sales", "otherwise": "out"}),
        *((name, "ring-user", {"user": name}, {}) for name in ("dana", "lee", "kim")),
        ("sales", "dial", {"targets": [{"group": "sales"}]}, {}),
        ("out", "dial", {"targets": [{"dialled": True}]}, {}),
    )
    snapshot = snapshot_of(flows={"test": made}, users={"dana": {"name": "Dana", "extension": "205", "flow": "test"}})

    async def main() -> FakePort:
        port = FakePort(snapshot, DANA, dialled, [(1.0, Connected())])
        await serve(Flows(services()).dialling(UserId("dana")), port)
        return port

    assert run_virtually(main()).rang == [(rang,)]


@pytest.mark.row("E11")
def test_dial_hands_on_targets_delays_and_times() -> None:
    targets = [
        {"user": "dana", "ring_seconds": 10},
        {"device": "door", "delay_seconds": 3},
        {"extension": "207"},
        {"number": "912025550147"},
        {"group": "sales"},
    ]
    port = called(flow(("dial", "dial", {"targets": targets, "ring_seconds": 25}, {})), rings=[(4.0, Connected())])
    assert port.rang == [
        (
            RingTarget(user=UserId("dana"), ring_s=10.0),
            RingTarget(device=DeviceId("door"), delay_s=3.0),
            RingTarget(extension="207"),
            RingTarget(number="912025550147"),
            RingTarget(group="sales"),
        )
    ]


@pytest.mark.row("E11")
@pytest.mark.parametrize(("outcome", "said"), [(NO_ANSWER, "no"), (BUSY, "busy"), (DECLINED, "busy"), (NOT_REGISTERED, "failed"), (CONGESTED, "failed")])
def test_dial_goes_by_what_became_of_the_ring(outcome: Any, said: str) -> None:
    says = [(name, "say", {"text": name}, {}) for name in ("no", "busy", "failed")]
    exits = {"no-answer": "no", "busy": "busy", "failed": "failed"}
    assert called(flow(("dial", "dial", {"targets": [{"user": "dana"}]}, exits), *says), rings=[(1.0, outcome)]).said == [said]
    # Exits that are left out go the way of no-answer.
    assert called(flow(("dial", "dial", {"targets": [{"user": "dana"}]}, {"no-answer": "no"}), *says), rings=[(1.0, outcome)]).said == ["no"]


@pytest.mark.row("K5")
@pytest.mark.parametrize("step", [("ring", "ring-user", {"user": "lee"}, {}), ("dial", "dial", {"targets": [{"user": "lee"}]}, {})])
def test_ringing_is_literal_where_forwarding_is_off(step: Any) -> None:
    lists = {"no_answer": [{"user": "dana"}], "busy": [{"user": "kim"}], "follow_me": [{"user": "kim"}], "follow_me_on": True}
    port = called(flow(step), site={"users": {"lee": {"name": "Lee", "extension": "207", "forwarding": lists}}}, rings=[(20.0, NO_ANSWER)])
    assert port.rang == [(RingTarget(user=UserId("lee")),)]
    assert port.said == [] and port.ended == NO_ANSWER and not port.answered


@pytest.mark.row("E12")
def test_a_target_that_is_a_flow_goes_on_there_with_its_users_settings() -> None:
    night = flow(("say", "say", {"text": "Hello from {user}"}, {"next": "out"}), ("out", "dial", {"targets": [{"number": "912025550147"}]}, {}))
    users = {"night": {"name": "Night", "extension": "500", "mode": "flow", "flow": "night"}}
    dial = flow(("dial", "dial", {"targets": [{"user": "night"}]}, {}))
    result = RunsFlow(FlowId("night"), UserId("night"))
    port = called(dial, flows={"night": night}, site={"users": users}, rings=[(0.0, result), (3.0, Connected())])
    assert port.said == ["Hello from Night"]
    assert port.user == "night" and port.shown[-1].user == "night"
    assert port.notes == ["flow test", "dial: flow night as night", "say: next -> out", "out"]


def test_a_mailbox_of_ours_that_is_dialled_is_listened_to() -> None:
    port = called(flow(("dial", "dial", {"targets": [{"dialled": True}]}, {})), rings=[(0.0, IsMailbox(MailboxId("lee")))])
    assert port.said == ["This mailbox can be opened from its owner's phone only."]
    leave = called(flow(("dial", "dial", {"targets": [{"dialled": True}]}, {})), rings=[(0.0, IsMailbox(MailboxId("lee"), leave=True))])
    assert leave.said[0].startswith("Lee is not available.")


@pytest.mark.parametrize(("at", "exit"), [("08:00", "open"), ("18:00", "closed")])
def test_schedule_goes_by_the_sites_clock(at: str, exit: str) -> None:
    # It is 10:15 in UTC, 05:15 in New York.
    end = "11:00" if exit == "open" else "23:00"
    periods = [{"days": ["tue"], "start": at if exit == "closed" else "05:00", "end": end}]
    site = {"schedules": {"hours": {"name": "H", "periods": periods}}, "time_zone": "America/New_York"}
    made = flow(
        ("hours", "schedule", {"schedule": "hours"}, {"open": "o", "closed": "c"}), ("o", "say", {"text": "open"}, {}), ("c", "say", {"text": "closed"}, {})
    )
    assert called(made, site=site).said == [exit]


def test_a_holiday_goes_its_own_way_or_the_way_of_closed() -> None:
    site = {"schedules": {"hours": {"name": "H", "holidays": [{"day": "11-17"}]}}}
    says = [(name, "say", {"text": name}, {}) for name in ("open", "closed", "holiday")]
    exits = {name: name for name in ("open", "closed", "holiday")}
    assert called(flow(("h", "schedule", {"schedule": "hours"}, exits), *says), site=site).said == ["holiday"]
    del exits["holiday"]
    assert called(flow(("h", "schedule", {"schedule": "hours"}, exits), *says), site=site).said == ["closed"]


def test_set_caller_id_changes_what_the_next_ring_shows_and_brings_it_back() -> None:
    made = flow(
        ("set", "set-caller-id", {"name": "Sales: {caller_name}", "number": "+12125550199"}, {"next": "one"}),
        ("one", "ring-user", {"user": "dana"}, {"no-answer": "back"}),
        ("back", "set-caller-id", {"original": True}, {"next": "two"}),
        ("two", "ring-user", {"user": "lee"}, {}),
    )
    port = called(made, rings=[(5.0, NO_ANSWER), (5.0, NO_ANSWER)])
    assert [(caller.number, caller.name) for caller in port.shown] == [("+12125550199", "Sales: Widget Works"), (OUTSIDE.number, OUTSIDE.name)]


def test_go_to_flow() -> None:
    other = flow(("say", "say", {"text": "Other"}, {}))
    assert called(flow(("go", "go-to-flow", {"flow": "other"}, {})), flows={"other": other}).said == ["Other"]


@pytest.mark.parametrize(("cause", "outcome"), [("busy", BUSY), ("congestion", CONGESTED), ("rejected", DECLINED), ("normal", None), ("last", None)])
def test_hang_up_before_an_answer_says_why_by_its_code(cause: str, outcome: Any) -> None:
    port = called(flow(("end", "hang-up", {"cause": cause}, {})))
    assert port.over and port.ended == outcome and port.saw == []


def test_hang_up_speaks_its_reason_without_answering() -> None:
    port = called(flow(("end", "hang-up", {"cause": "rejected", "say": "Not today."}, {})))
    assert port.saw == [("early",), ("play", "Not today.")]
    assert port.ended == DECLINED and not port.answered


def test_hang_up_after_an_answer_says_why_by_a_tone() -> None:
    made = flow(("say", "answer", {}, {"next": "ring"}), ("ring", "ring-user", {"user": "dana"}, {"no-answer": "end", "busy": "end"}), END)
    assert called(made, rings=[(1.0, BUSY)]).saw[-1] == ("tone", "busy")
    assert called(made, rings=[(1.0, NOT_REGISTERED)]).saw[-1] == ("tone", "congestion")
    assert ("tone", "busy") not in called(flow(("say", "say", {"text": "Bye"}, {"next": "end"}), END)).saw


def test_an_exit_that_leads_nowhere_ends_like_the_last_ring() -> None:
    port = called(flow(("answer", "answer", {}, {"next": "ring"}), ("ring", "ring-user", {"user": "dana"}, {})), rings=[(1.0, BUSY)])
    assert port.saw[-1] == ("tone", "busy") and port.over
