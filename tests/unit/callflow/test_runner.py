"""Programs of flows: where calls begin, how they end, and that neither faults nor loops nor hanging up leave anything behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.callflow.node import Node, Settings, Way
from appliance.callflow.registry import kinds
from appliance.callflow.run import Run
from appliance.callflow.runner import Flows
from appliance.callflow.virtual import run_virtually
from appliance.callflow.walk import MAX_STEPS
from appliance.calls.caller import Caller
from appliance.calls.plan import DECLINED, NO_ANSWER, Outcome
from appliance.calls.program import CallerGone, Connected, RingTarget, RunsFlow
from appliance.site.snapshot import Snapshot
from appliance.types import FlowId, UserId
from tests.unit.callflow.fakes import DANA, OUTSIDE, FakePort, FakeVoicemail, flow, serve, services, snapshot_of


def dialled(snapshot: Snapshot, caller: Caller = DANA, number: str = "207", **options: Any) -> FakePort:
    """The port after `caller` dialled `number`."""

    async def main() -> FakePort:
        port = FakePort(snapshot, caller, number, **options)
        await serve(Flows(services()).dialling(caller.user), port)
        return port

    return run_virtually(main())


def incoming(snapshot: Snapshot, number: str = "+12125550100", **options: Any) -> FakePort:
    async def main() -> FakePort:
        port = FakePort(snapshot, OUTSIDE, number, **options)
        await serve(Flows(services()).number(number), port)
        return port

    return run_virtually(main())


@pytest.mark.row("E5")
def test_what_a_user_dials_runs_the_users_flow() -> None:
    own = flow(("say", "say", {"text": "Own"}, {}))
    snapshot = snapshot_of(flows={"own": own}, users={"dana": {"name": "Dana", "extension": "205", "flow": "own"}})
    assert dialled(snapshot).said == ["Own"]
    # Everybody else dials by the house flow, a device without owner too (row K2).
    door = Caller("300", "Door")
    for caller in (Caller("207", "Lee", user=UserId("lee")), door):
        port = dialled(snapshot, caller, "205", rings=[(1.0, Connected())])
        assert port.rang == [(RingTarget(dialled=True),)] and port.connected


@pytest.mark.row("E6")
def test_a_user_without_flow_hears_why_before_an_answer() -> None:
    port = dialled(snapshot_of(users={"dana": {"name": "Dana", "extension": "205", "flow": ""}}))
    assert port.saw[0] == ("early",) and port.said[0].startswith("No dialling flow is set for you")
    assert port.ended is not None and port.ended.code == 403 and "Dana" in port.ended.reason
    assert not port.answered and port.rang == []
    assert port.notes == ["No dialling flow is set for Dana"]


@pytest.mark.row("A2")
@pytest.mark.parametrize(
    ("kind", "target", "rang"),
    [
        ("extension", "207", RingTarget(extension="207")),
        ("number", "912025550147", RingTarget(number="912025550147")),
        ("group", "sales", RingTarget(group="sales")),
    ],
)
def test_a_number_leads_to_whom_it_says(kind: str, target: str, rang: RingTarget) -> None:
    numbers = {"main": {"number": "+12125550100", "destination": {"kind": kind, "target": target}}}
    assert incoming(snapshot_of(numbers=numbers), rings=[(1.0, Connected())]).rang == [(rang,)]


@pytest.mark.row("A2")
def test_a_number_leads_to_voicemail_a_flow_or_nowhere() -> None:
    def to(kind: str, target: str = "") -> FakePort:
        number = {"number": "+12125550100", "destination": {"kind": kind, "target": target}}
        return incoming(snapshot_of(numbers={"main": number}, flows={"f": flow(("say", "say", {"text": "Hi"}, {}))}))

    assert to("voicemail", "office").said[0].startswith("Office is not available.")
    assert to("flow", "f").said == ["Hi"]
    assert to("hang-up").ended == DECLINED
    nowhere = to("none")
    assert nowhere.ended is not None and nowhere.ended.code == 404 and nowhere.saw == []


def test_a_number_and_an_extension_there_are_none_of() -> None:
    unknown = incoming(snapshot_of(), "+12125550999")
    assert unknown.ended is not None and unknown.ended.code == 404

    async def main() -> FakePort:
        port = FakePort(snapshot_of(), OUTSIDE, "999")
        await serve(Flows(services()).extension("999"), port)
        return port

    ended = run_virtually(main()).ended
    assert ended is not None and ended.code == 404


@pytest.mark.row("K6")
def test_one_flow_serves_many_numbers_and_extensions() -> None:
    numbers = {name: {"number": number, "destination": {"kind": "flow", "target": "f"}} for name, number in (("a", "+12125550101"), ("b", "+12125550102"))}
    made = {**flow(("say", "say", {"text": "Hi"}, {})), "extensions": ["700", "701"]}
    snapshot = snapshot_of(numbers=numbers, flows={"f": made})
    for number in ("+12125550101", "+12125550102"):
        assert incoming(snapshot, number).said == ["Hi"]
    for extension in ("700", "701"):
        port = FakePort(snapshot, OUTSIDE, extension, [(0.0, RunsFlow(FlowId("f")))])
        run_virtually(serve(Flows(services()).extension(extension), port))
        assert port.said == ["Hi"]


class _Faulty(Node[Settings]):
    kind = "say"
    title = "Faulty"
    help = "Fails."
    settings = Settings

    async def run(self, run: Run, settings: Settings) -> Way:
        raise RuntimeError("a bug")


def test_a_step_that_fails_is_never_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.callflow.graph.kinds", lambda: {**kinds(), "say": _Faulty()})
    made = flow(("answer", "answer", {}, {"next": "say"}), ("say", "say", {}, {}))
    snapshot = snapshot_of(
        flows={"f": made, "g": flow(("say", "say", {}, {}))}, numbers={"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}}
    )
    port = incoming(snapshot)
    assert port.said == ["Sorry. This call cannot go on because of a fault. Call again later."]
    assert port.saw[-1] == ("tone", "congestion")
    assert port.ended is not None and port.ended.code == 500
    assert "say: failed, see the log" in port.notes


def test_a_caller_who_was_not_answered_pays_nothing_for_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.callflow.graph.kinds", lambda: {**kinds(), "say": _Faulty()})
    snapshot = snapshot_of(
        flows={"f": flow(("say", "say", {}, {}))}, numbers={"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}}
    )
    port = incoming(snapshot)
    assert port.saw[0] == ("early",) and not port.answered
    assert port.ended is not None and port.ended.code == 500


def test_a_call_that_goes_round_without_end_is_ended() -> None:
    made = flow(("a", "set-caller-id", {"name": "A"}, {"next": "b"}), ("b", "set-caller-id", {"name": "B"}, {"next": "a"}))
    port = incoming(snapshot_of(flows={"f": made}, numbers={"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}}))
    assert port.said == ["This call has gone round too often and ends here."]
    assert len([note for note in port.notes if "->" in note]) == MAX_STEPS
    assert port.over


def broken(**extra: Any) -> Snapshot:
    bad = {"name": "Bad", "start": "x", "steps": {"x": {"type": "teleport"}}}
    numbers = {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "bad"}}}
    return snapshot_of(flows={"bad": bad}, users={"dana": {"name": "Dana", "extension": "205", "flow": "bad"}}, numbers=numbers, **extra)


def test_a_broken_flow_of_an_old_revision_leaves_nobody_without_a_telephone() -> None:
    port = dialled(broken(), rings=[(1.0, Connected())])
    assert port.rang == [(RingTarget(dialled=True),)]
    heard = incoming(broken())
    assert heard.said == ["Sorry. This call cannot go on because of a fault. Call again later."]
    assert heard.ended is not None and heard.ended.code == 500


def test_a_jump_into_a_broken_flow_is_told() -> None:
    port = dialled(broken(), Caller("207", "Lee", user=UserId("lee")), "500", rings=[(0.0, RunsFlow(FlowId("bad")))])
    assert port.said == ["Sorry. This call cannot go on because of a fault. Call again later."]
    assert "flow bad cannot run" in port.notes


def test_a_destination_that_cannot_be_dialled_is_told() -> None:
    snapshot = snapshot_of(numbers={"main": {"number": "+12125550100", "destination": {"kind": "number", "target": "call me"}}})
    port = incoming(snapshot)
    assert port.ended is not None and port.ended.code == 500 and port.said


def test_the_way_is_noted() -> None:
    made = flow(("menu", "prompt", {"text": "M", "choices": ["2"]}, {"2": "ring", "timeout": "ring"}), ("ring", "ring-user", {"user": "dana"}, {}))
    snapshot = snapshot_of(flows={"f": made}, numbers={"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}})

    async def main() -> FakePort:
        port = FakePort(snapshot, rings=[(20.0, NO_ANSWER)])
        port.press("2", 1.0)
        await serve(Flows(services()).number("+12125550100"), port)
        return port

    assert run_virtually(main()).notes == ["flow f", "menu: 2 -> ring", "ring: no-answer -> end"]


def test_a_call_keeps_the_revision_it_began_with_and_the_next_has_the_new_one() -> None:
    def revision(text: str) -> Snapshot:
        return snapshot_of(
            flows={
                "house": flow(("wait", "play", {"audio": "welcome"}, {"next": "go"}), ("go", "go-to-flow", {"flow": "f"}, {})),
                "f": flow(("say", "say", {"text": text}, {})),
            }
        )

    old, new = revision("old"), revision("new")
    flows = Flows(services())
    flows.prepare(old)

    async def main() -> tuple[list[str], list[str], list[str]]:
        first, second = FakePort(old, DANA, "207"), FakePort(new, DANA, "207")
        calls = asyncio.gather(serve(flows.dialling(DANA.user), first), asyncio.sleep(1.0))
        await asyncio.sleep(0.5)
        flows.prepare(new)
        await serve(flows.dialling(DANA.user), second)
        await calls
        # The new one is ready, and not yet in force.
        third = FakePort(old, DANA, "207")
        await serve(flows.dialling(DANA.user), third)
        return first.said, second.said, third.said

    assert run_virtually(main()) == (["(welcome)", "old"], ["(welcome)", "new"], ["(welcome)", "old"])


EVERYTHING = flow(
    ("early", "say", {"text": "Hello"}, {"next": "menu"}),
    ("menu", "prompt", {"text": "Menu", "choices": ["1"], "tries": 1}, {"1": "ring", "timeout": "ring"}),
    ("ring", "dial", {"targets": [{"user": "lee"}], "forwarding": True}, {"no-answer": "end"}),
    ("end", "hang-up", {"say": "Bye", "cause": "busy"}, {}),
)
LISTS = {"no_answer": [{"user": "dana", "ring_seconds": 10}, {"user": "kim", "delay_seconds": 5}]}


@pytest.mark.parametrize("by", ["cancelling", "hanging up"])
def test_ended_at_any_moment_a_call_leaves_nothing_playing_ringing_or_recording(by: str) -> None:
    """Half-second steps through everything from the first word to the message left; whatever was recorded for a second is kept, the rest is gone."""
    numbers = {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}}
    lee = {"name": "Lee", "extension": "207", "forwarding": LISTS}
    snapshot = snapshot_of(flows={"f": EVERYTHING}, users={"lee": lee}, numbers=numbers)
    kept = []

    async def main(at_s: float) -> None:
        store = FakeVoicemail()
        port = FakePort(snapshot, rings=[(15.0, NO_ANSWER), (15.0, NO_ANSWER)])
        program = asyncio.ensure_future(Flows(services(store)).number("+12125550100")(port))
        if by == "hanging up":
            port.leave(at_s)
        await asyncio.wait((program,), timeout=at_s)
        if by == "hanging up":
            # Nothing but putting away what was recorded is left to do.
            await asyncio.wait((program,), timeout=0.5)
            assert program.done() and isinstance(program.exception(), CallerGone | None)
        program.cancel()
        await asyncio.wait((program,))
        assert port.busy == set(), at_s
        assert not [note for note in port.notes if "failed" in note], "leaving is no fault"
        assert asyncio.all_tasks() == {asyncio.current_task()}, at_s
        for draft in store.drafts:
            assert draft.dropped != (draft.kept is not None), at_s
            assert (draft.kept is not None) == (draft.written >= 16_000), at_s
        kept.append(bool(store.drafts and store.drafts[0].kept))

    for half_seconds in range(1, 110):
        run_virtually(main(half_seconds / 2 + 0.03))
    assert True in kept and False in kept


def test_outcomes_of_programs_fit_into_a_reason_phrase() -> None:
    port = dialled(snapshot_of(users={"dana": {"name": 'Åsa "Boss" ' + "x" * 60, "extension": "205", "flow": ""}}))
    assert isinstance(port.ended, Outcome)
    assert port.ended.reason.isascii() and '"' not in port.ended.reason and len(port.ended.reason) <= 120
