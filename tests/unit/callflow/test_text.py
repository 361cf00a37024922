"""Text messages through flows (rows E5, E8)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.callflow.runner import Flows
from appliance.calls.caller import Caller
from appliance.calls.program import RingTarget
from appliance.site.snapshot import Snapshot
from appliance.types import UserId
from tests.unit.callflow.fakes import DANA, flow, services, snapshot_of


class FakeTextPort:
    """Phones of users in `there` take messages."""

    def __init__(self, snapshot: Snapshot, dialled: str, text: str, there: tuple[str, ...] = ("lee",)) -> None:
        self.dialled = dialled
        self.text = text
        self.caller: Caller = DANA
        self.user: UserId | None = DANA.user
        self.replies: list[str] = []
        self.sent: list[tuple[RingTarget, str]] = []
        self.notes: list[str] = []
        self._snapshot = snapshot
        self._there = there

    def snapshot(self) -> Snapshot:
        return self._snapshot

    async def reply(self, text: str) -> None:
        self.replies.append(text)

    async def send(self, target: RingTarget, text: str) -> bool:
        self.sent.append((target, text))
        return target.dialled or target.user in self._there

    def note(self, text: str) -> None:
        self.notes.append(text)


def sent(dialled: str, text: str, made: dict[str, Any] | None = None, **site: Any) -> FakeTextPort:
    """The port after Dana sent `text` to `dialled`; `made` is her flow."""
    users = {"dana": {"name": "Dana", "extension": "205", "flow": "f" if made else "house"}, **site.pop("users", {})}
    snapshot = snapshot_of(flows={**({"f": made} if made else {}), **site.pop("flows", {})}, users=users, **site)
    port = FakeTextPort(snapshot, dialled, text)
    asyncio.run(Flows(services()).text(DANA.user)(port))
    return port


@pytest.mark.row("E5")
def test_the_house_flow_hands_a_message_on_to_whom_it_is_for() -> None:
    port = sent("207", "Hello")
    assert port.sent == [(RingTarget(dialled=True), "Hello")] and port.replies == []


@pytest.mark.row("E8")
def test_say_replies_in_text_with_numbers_as_they_are() -> None:
    assert sent("4711", "Hi", flow(("say", "say", {"text": "You wrote to {dialled}, {caller_name}."}, {}))).replies == ["You wrote to 4711, Dana."]


def test_a_message_is_matched_by_its_text() -> None:
    made = flow(
        ("match", "string-match", {"of": "text", "cases": [{"exit": "door", "kind": "regex", "value": "(?i)door"}]}, {"door": "lee", "otherwise": "say"}),
        ("lee", "ring-user", {"user": "lee"}, {"no-answer": "say"}),
        ("say", "hang-up", {"say": "Sorry"}, {}),
    )
    assert sent("1", "Open the DOOR", made).sent == [(RingTarget(user=UserId("lee")), "Open the DOOR")]
    assert sent("1", "Hello", made).replies == ["Sorry"]


def test_voice_only_steps_take_their_plain_exit() -> None:
    made = flow(
        ("answer", "answer", {}, {"next": "play"}),
        ("play", "play", {"audio": "welcome"}, {"next": "id"}),
        ("id", "set-caller-id", {"name": "X"}, {"next": "menu"}),
        ("menu", "prompt", {"text": "Menu", "choices": ["1"]}, {"1": "bad", "timeout": "vm"}),
        ("vm", "voicemail", {"mailbox": "office"}, {"done": "bad", "no-mailbox": "say"}),
        ("say", "say", {"text": "Through"}, {}),
        ("bad", "say", {"text": "Wrong way"}, {}),
    )
    assert sent("1", "Hi", made).replies == ["Through"]


def test_a_message_to_several_is_taken_when_one_takes_it() -> None:
    exits = {"no-answer": "say"}
    says = ("say", "say", {"text": "Nobody took it"}, {})
    some = sent("1", "Hi", flow(("dial", "dial", {"targets": [{"user": "kim"}, {"user": "lee"}]}, exits), says))
    assert len(some.sent) == 2 and some.replies == []
    assert sent("1", "Hi", flow(("dial", "dial", {"targets": [{"user": "kim"}]}, exits), says)).replies == ["Nobody took it"]


@pytest.mark.row("E12")
def test_a_user_who_is_a_flow_answers_by_it() -> None:
    night = flow(("say", "say", {"text": "{user} is closed"}, {}))
    users = {"night": {"name": "Night", "extension": "500", "mode": "flow", "flow": "night"}}
    port = sent("500", "Hi", flows={"night": night}, users=users)
    assert port.replies == ["Night is closed"] and port.sent == []
    made = flow(("dial", "dial", {"targets": [{"user": "lee"}, {"user": "night"}]}, {}))
    assert sent("1", "Hi", made, flows={"night": night}, users=users).replies == ["Night is closed"]


def test_a_number_of_ours_that_leads_to_a_flow() -> None:
    numbers = {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "g"}}}
    port = sent("912125550100", "Hi", numbers=numbers, flows={"g": flow(("say", "say", {"text": "Main"}, {}))})
    assert port.replies == ["Main"]


@pytest.mark.row("E6")
def test_a_user_without_flow_is_told_in_text() -> None:
    port = sent("207", "Hi", users={"dana": {"name": "Dana", "extension": "205", "flow": ""}})
    assert port.sent == [] and port.replies[0].startswith("No dialling flow is set for you")


def test_a_message_that_goes_round_ends() -> None:
    made = flow(("a", "say", {"text": "x"}, {"next": "b"}), ("b", "say", {"text": "y"}, {"next": "a"}))
    port = sent("1", "Hi", made)
    assert port.notes[-1] == "ended after 200 steps"
