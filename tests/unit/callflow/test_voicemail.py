"""Leaving and hearing messages by phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from appliance.callflow.pins import FIRST_WAIT_S, LONGEST_WAIT_S, TRIES, PinGuard
from appliance.callflow.runner import Flows
from appliance.callflow.services import Services
from appliance.callflow.virtual import run_virtually
from appliance.calls.caller import Caller
from appliance.calls.plan import NO_ANSWER
from appliance.calls.program import RunsFlow
from appliance.errors import StateError
from appliance.types import DeviceId, FlowId, MailboxId, UserId
from tests.unit.callflow.fakes import DANA, OUTSIDE, FakePort, FakeVoicemail, Spoken, flow, serve, services, snapshot_of

LEE = Caller("207", "Lee", DeviceId("lee-desk"), UserId("lee"))
END = ("end", "hang-up", {}, {})
Prepare = Callable[[FakePort], object]


def run(
    settings: dict[str, Any], store: FakeVoicemail, prepare: Prepare = lambda port: None, *, caller: Caller = OUTSIDE, pin: str = "", **site: Any
) -> FakePort:
    """The port after a call for a Voicemail step; "full" and "no-mailbox" speak their names."""
    names = ("full", "no-mailbox") if settings.get("mode") != "listen" else ("no-mailbox",)
    exits = {"done": "end", **{name: name for name in names}}
    made = flow(("vm", "voicemail", settings, exits), END, *((name, "say", {"text": name}, {}) for name in names))
    numbers = {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}}
    return served(Flows(services(store, pin)), snapshot_of(flows={"f": made}, numbers=numbers, **site), prepare, caller)


def served(flows: Flows, snapshot: Any, prepare: Prepare, caller: Caller) -> FakePort:
    async def main() -> FakePort:
        port = FakePort(snapshot, caller)
        prepare(port)
        await serve(flows.number("+12125550100"), port)
        return port

    return run_virtually(main())


def test_a_message_is_greeted_recorded_and_kept() -> None:
    store = FakeVoicemail()
    port = run({"mailbox": "office"}, store)
    assert port.saw == [
        ("answer",),
        ("play", "Office is not available. Leave a message after the tone, then hang up or press the pound key."),
        ("tone", "beep"),
        ("record",),
        ("play", "Your message is saved. Goodbye."),
    ]
    assert [draft.kept for draft in store.drafts] == [4.0]
    message = store.boxes["office"][0]
    assert (message.caller, message.caller_name) == ("+13035550100", "Widget Works")
    assert ("tone", "congestion") not in port.saw


def test_the_recorded_greeting_is_played_and_a_key_skips_it() -> None:
    store = FakeVoicemail()
    store.greetings["office"] = Spoken("(mine)", 30.0)
    port = run({"mailbox": "office"}, store, lambda port: port.press("#", 1.0))
    assert port.said == ["(mine)", "Your message is saved. Goodbye."]


def test_a_key_pressed_before_the_tone_does_not_end_the_message() -> None:
    store = FakeVoicemail()
    run({"mailbox": "office"}, store, lambda port: port.press("##", 1.0, 0.0))
    assert store.drafts[0].kept == 4.0


def test_hanging_up_in_mid_message_keeps_it() -> None:
    store = FakeVoicemail()
    run({"mailbox": "office"}, store, lambda port: port.leave(4.5))
    assert store.drafts[0].kept is not None
    assert 1.0 <= store.drafts[0].kept < 4.0


@pytest.mark.parametrize(("seconds", "ends"), [(0.5, "hangup"), (0.75, "key"), (5.75, "silence")])
def test_what_is_shorter_than_a_second_is_no_message(seconds: float, ends: str) -> None:
    store = FakeVoicemail()

    def prepare(port: FakePort) -> None:
        port.message_s, port.message_ends = seconds, ends

    port = run({"mailbox": "office"}, store, prepare)
    assert store.drafts[0].dropped and "office" not in store.boxes
    assert "Your message is saved. Goodbye." not in port.said


def test_the_silence_that_ended_a_message_is_cut_off() -> None:
    store = FakeVoicemail()

    def prepare(port: FakePort) -> None:
        port.message_s, port.message_ends = 8.0, "silence"

    run({"mailbox": "office"}, store, prepare)
    assert store.drafts[0].kept == 3.5


def test_a_message_ends_at_the_mailboxs_limit() -> None:
    store = FakeVoicemail()

    def prepare(port: FakePort) -> None:
        port.message_s = 60.0

    run({"mailbox": "office"}, store, prepare, mailboxes={"office": {"name": "Office", "max_message_seconds": 10}})
    assert store.drafts[0].kept == 10.0


def test_a_full_mailbox_says_so_and_goes_its_own_way() -> None:
    store = FakeVoicemail()
    store.add("office", "a")
    store.add("office", "b", heard=1.0)
    port = run({"mailbox": "office"}, store, mailboxes={"office": {"name": "Office", "max_messages": 2}})
    assert port.said == ["The mailbox of Office takes no more messages.", "full"]
    assert store.drafts == []


@pytest.mark.parametrize(
    ("code", "said"), [("voicemail-disk", "Your message cannot be taken now."), ("voicemail-full", "The mailbox of Office takes no more messages.")]
)
def test_a_disk_that_refuses_is_told_to_the_caller(code: str, said: str) -> None:
    store = FakeVoicemail()
    store.fault = StateError("no room", code=code)
    port = run({"mailbox": "office"}, store)
    assert port.said[-2:] == [said, "full"]


def test_of_the_one_who_was_called() -> None:
    store = FakeVoicemail()

    def prepare(port: FakePort) -> None:
        port.called = UserId("lee")

    run({}, store, prepare)
    assert list(store.boxes) == ["lee"]
    assert run({}, store).said == ["no-mailbox"]

    def nobody(port: FakePort) -> None:
        port.called = UserId("kim")

    assert run({}, store, nobody).said == ["no-mailbox"]


# ---- hearing them ----


def listen(keys: str, store: FakeVoicemail, *, caller: Caller = LEE, pin: str = "", start_s: float = 1.0, gap_s: float = 2.5, **site: Any) -> FakePort:
    return run({"mailbox": "lee", "mode": "listen"}, store, lambda port: port.press(keys, start_s, gap_s), caller=caller, pin=pin, **site)


def filled() -> FakeVoicemail:
    store = FakeVoicemail()
    store.add("lee", "old", heard=5.0, started=100.0)
    store.add("lee", "second", caller="205", caller_name="Dana", started=300.0)
    store.add("lee", "first", caller="+13035550100", started=200.0)
    return store


def test_the_owner_hears_new_messages_first_and_needs_no_pin() -> None:
    store = filled()
    port = listen("", store)
    assert port.said[0] == "New messages: 2. Old messages: 1."
    assert port.said[1].startswith("To listen, press 1.")
    assert "Goodbye." in port.said

    def prepare(port: FakePort) -> None:
        port.press("1", 3.0)

    port = run({"mailbox": "lee", "mode": "listen"}, store, prepare, caller=LEE)
    heard = [text for text in port.said if text.startswith("(")]
    assert heard == ["(first)", "(second)", "(old)"]
    assert all(message.heard_unix_s is not None for message in store.boxes["lee"])
    heading = next(text for text in port.said if text.startswith("Message 1."))
    assert heading == "Message 1. From + 1 3 0 3 5 5 5 0 1 0 0, January 1 at 00:03."
    assert any(text.startswith("Message 2. From Dana") for text in port.said)
    assert "There are no more messages." in port.said


def test_a_message_is_deleted_saved_skipped_and_gone_back_to() -> None:
    store = filled()

    def prepare(port: FakePort) -> None:
        # In: 1 while the menu plays. Then each key a second into the heading of a message.
        port.press("1", 3.0)
        port.press("9", 4.0)  # first: saved
        port.press("#", 7.5)  # second: skipped unheard
        port.press("*", 8.5)  # old: back to the second
        port.press("7", 9.5)  # second: deleted

    port = run({"mailbox": "lee", "mode": "listen"}, store, prepare, caller=LEE)
    assert [message.id for message in store.boxes["lee"]] == ["old", "first"]
    assert {"Saved.", "Deleted."} <= set(port.said)


def test_a_skipped_message_stays_new() -> None:
    store = FakeVoicemail()
    store.add("lee", "a")

    def prepare(port: FakePort) -> None:
        port.press("1#", 3.0, 1.0)

    run({"mailbox": "lee", "mode": "listen"}, store, prepare, caller=LEE)
    assert store.boxes["lee"][0].heard_unix_s is None


@pytest.mark.parametrize(("after_s", "heard"), [(0.9, False), (1.1, True)])
@pytest.mark.parametrize("how", ["hanging up", "skipping"])
def test_who_heard_the_greater_part_has_heard_it(how: str, after_s: float, heard: bool) -> None:
    store = FakeVoicemail()
    store.add("lee", "a")

    def prepare(port: FakePort) -> None:
        port.press("1", 3.0)
        # The heading and the message last two seconds each.
        port.leave(5.0 + after_s) if how == "hanging up" else port.press("#", 5.0 + after_s)

    run({"mailbox": "lee", "mode": "listen"}, store, prepare, caller=LEE)
    assert (store.boxes["lee"][0].heard_unix_s is not None) == heard


def test_a_message_whose_sound_is_lost_does_not_end_the_round() -> None:
    store = filled()
    store.lost.add("first")
    port = run({"mailbox": "lee", "mode": "listen"}, store, lambda port: port.press("1", 3.0), caller=LEE)
    assert "That did not work. Try again later." in port.said
    assert "(second)" in port.said


@pytest.mark.parametrize("caller", [OUTSIDE, DANA, Caller("207", "Lee", None, UserId("lee"))])
def test_anybody_else_needs_the_pin(caller: Caller) -> None:
    store = filled()
    assert listen("", store, caller=caller).said == ["This mailbox can be opened from its owner's phone only."]
    assert "New messages: 2. Old messages: 1." in listen("4711#", store, caller=caller, pin="4711", gap_s=0.5).said
    wrong = listen("4712#", store, caller=caller, pin="4711", gap_s=0.5).said
    assert "That is not the PIN." in wrong and "New messages: 2. Old messages: 1." not in wrong


def test_what_a_flow_presents_opens_no_mailbox() -> None:
    """A flow that shows Lee's number does not make the caller Lee."""
    made = flow(("set", "set-caller-id", {"name": "Lee", "number": "207"}, {"next": "vm"}), ("vm", "voicemail", {"mailbox": "lee", "mode": "listen"}, {}))
    snapshot = snapshot_of(flows={"f": made}, numbers={"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}})
    port = served(Flows(services(filled())), snapshot, lambda port: None, OUTSIDE)
    assert port.said == ["This mailbox can be opened from its owner's phone only."]


@pytest.mark.row("E12")
def test_the_flow_of_a_user_opens_that_users_mailbox_to_nobody() -> None:
    """The flow runs with Lee's settings, and Dana stays Dana."""
    listen = flow(("vm", "voicemail", {"mailbox": "lee", "mode": "listen"}, {}))
    lee = {"name": "Lee", "extension": "207", "mode": "flow", "flow": "g"}
    snapshot = snapshot_of(flows={"g": listen}, users={"lee": lee})

    async def main() -> FakePort:
        port = FakePort(snapshot, DANA, "207", [(0.0, RunsFlow(FlowId("g"), UserId("lee")))])
        await serve(Flows(services(filled())).dialling(UserId("dana")), port)
        return port

    assert run_virtually(main()).said == ["This mailbox can be opened from its owner's phone only."]


def test_after_three_wrong_pins_the_mailbox_is_closed_for_a_while_also_to_the_next_call() -> None:
    made = flow(("vm", "voicemail", {"mailbox": "lee", "mode": "listen"}, {}))
    snapshot = snapshot_of(flows={"f": made}, numbers={"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "f"}}})
    served_by: Services = services(filled(), "4711")
    flows = Flows(served_by)

    async def main() -> list[list[str]]:
        said = []
        for keys, caller in (("1#2#3#", OUTSIDE), ("4711#", OUTSIDE), ("", LEE)):
            port = FakePort(snapshot, caller)
            port.press(keys, asyncio.get_running_loop().time() + 0.5, 1.5)
            await serve(flows.number("+12125550100"), port)
            said.append(port.said)
        return said

    tried, again, owner = run_virtually(main())
    locked = "This mailbox cannot be opened from here now. Try again later."
    assert tried.count("That is not the PIN.") == 3 and tried[-1] == locked
    assert again == [locked]
    assert owner[0] == "New messages: 2. Old messages: 1."


def test_ones_own_mailbox_without_naming_it() -> None:
    port = run({"mode": "listen"}, filled(), caller=LEE)
    assert port.said[0] == "New messages: 2. Old messages: 1."
    assert run({"mode": "listen"}, filled(), caller=DANA).said == ["no-mailbox"]


def test_a_greeting_is_recorded_by_phone_and_played_back() -> None:
    store = FakeVoicemail()
    port = run({"mailbox": "lee", "mode": "listen"}, store, lambda port: port.press("3", 3.0), caller=LEE)
    assert "Callers will hear this." in port.said and "(my greeting)" in port.said
    assert store.drafts[0].kept == 4.0


def test_a_greeting_chosen_by_the_site_is_not_recorded_over() -> None:
    store = FakeVoicemail()
    mailboxes = {"lee": {"name": "Lee", "owner": "lee", "greeting": "welcome"}}
    port = run({"mailbox": "lee", "mode": "listen"}, store, lambda port: port.press("3", 3.0), caller=LEE, mailboxes=mailboxes)
    assert store.drafts == [] and "That is not one of the choices." in port.said
    assert any(text == "To listen, press 1. To end, press star." for text in port.said)


def test_pins_close_a_mailbox_for_longer_each_time() -> None:
    guard, box = PinGuard(), MailboxId("lee")
    now, waited = 0.0, FIRST_WAIT_S
    for _ in range(10):
        for _ in range(TRIES):
            assert not guard.blocked(box, now)
            guard.failed(box, now)
        assert guard.blocked(box, now + waited - 0.1)
        now += waited
        waited = min(waited * 2, LONGEST_WAIT_S)
    guard.failed(box, now)
    guard.passed(box)
    for _ in range(TRIES - 1):
        guard.failed(box, now)
    assert not guard.blocked(box, now)


# ---- by forwarding ----


def forwarded(store: FakeVoicemail, forwarding: dict[str, Any], **options: Any) -> FakePort:
    numbers = {"main": {"number": "+12125550100", "destination": "207"}}
    snapshot = snapshot_of(numbers=numbers, users={"lee": {"name": "Lee", "extension": "207", "forwarding": forwarding}})

    async def main() -> FakePort:
        port = FakePort(snapshot, **options)
        await serve(Flows(services(store)).number("+12125550100"), port)
        return port

    return run_virtually(main())


def test_a_call_by_number_ends_in_the_called_users_mailbox() -> None:
    store = FakeVoicemail()
    port = forwarded(store, {})
    assert list(store.boxes) == ["lee"] and port.answered
    assert port.notes == ["extension 207", "lee: voicemail lee", "dial"]


def test_without_voicemail_the_caller_is_told() -> None:
    store = FakeVoicemail()
    port = forwarded(store, {"voicemail": False})
    assert store.boxes == {} and port.ended == NO_ANSWER and not port.answered
