"""message-summary: the body as RFC 3842 has it, and whose messages count."""

from __future__ import annotations

import pytest

from appliance.sip.messages import Reply
from appliance.sip.subscriptions.message_summary import MessageSummary, summary
from appliance.types import DeviceId, MailboxId
from tests.support.subscribing import subscribe

DESK = DeviceId("desk")
A, B = MailboxId("a"), MailboxId("b")


@pytest.fixture
def package() -> MessageSummary:
    known = {"201": (A, B), "702": (B,), "209": ()}
    return MessageSummary(lambda device, user: known.get(user) if device == DESK else None, lambda: "holdfast.test")


@pytest.mark.parametrize(("new", "waiting"), [(0, "no"), (1, "yes")])
def test_the_body(new: int, waiting: str) -> None:
    lines = summary("sip:201@x", new, 4).decode().split("\r\n")
    assert lines == [f"Messages-Waiting: {waiting}", "Message-Account: sip:201@x", f"Voice-Message: {new}/4 (0/0)", ""]


def test_several_mailboxes_count_together_and_updates_add_up(package: MessageSummary) -> None:
    package.update({A: (1, 2), B: (3, 0)})
    assert package.body(DESK, "201") == summary("sip:201@holdfast.test", 4, 2)
    package.update({A: (0, 3)})
    assert package.body(DESK, "201") == summary("sip:201@holdfast.test", 3, 3)
    assert package.body(DESK, "702") == summary("sip:702@holdfast.test", 3, 0)
    package.forget(lambda box: box == A)
    assert package.body(DESK, "702") == summary("sip:702@holdfast.test", 0, 0)


def test_no_mailbox_is_no_message_and_somebody_else_s_is_nothing(package: MessageSummary) -> None:
    assert package.body(DESK, "209") == summary("sip:209@holdfast.test", 0, 0)
    assert package.body(DESK, "555") is None
    assert package.body(DeviceId("other"), "201") is None


def test_the_address_asked_for_is_that_of_the_uri_else_of_to(package: MessageSummary) -> None:
    assert package.allow(subscribe(user="702"), DESK) == "702"
    assert package.allow(subscribe(user="*97", to_user="201"), DESK) == "201"
    assert package.allow(subscribe(user="", uri_user="", to_user="209"), DESK) == "209"
    refused = package.allow(subscribe(user="555"), DESK)
    assert isinstance(refused, Reply)
    assert refused.code == 404
