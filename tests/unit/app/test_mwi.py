"""Whose mailbox a phone's lamp may show, and that a commit is noticed."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.app.mwi import Mailboxes, Mwi
from appliance.sip.messages import DialogRequest
from appliance.site.document import parse
from appliance.site.snapshot import Snapshot
from appliance.site.snapshot import compile as compiled
from appliance.types import Address, DeviceId, MailboxId
from tests.support.sites import Document, make_site
from tests.support.subscribing import Device, subscribe

DANA, LEE, DOOR = DeviceId("phone-201"), DeviceId("phone-202"), DeviceId("door")


def _site() -> Document:
    site = make_site(2)
    site["devices"]["door"] = {"sip_user": "door", "secret": "secret-door", "extension": "250"}
    site["devices"]["phone-201"]["sip_user"] = "Dana-Desk"
    site["mailboxes"] = {
        "dana": {"name": "Dana", "owner": "user-201", "extension": "701"},
        "second": {"name": "Second", "owner": "user-201"},
        "shop": {"name": "Shop", "extension": "799"},
    }
    return site


def _compiled(site: Document) -> Snapshot:
    document, secrets = parse(site)
    return compiled(document, 1, secrets)


@pytest.mark.parametrize(
    ("device", "user", "boxes"),
    [
        (DANA, "dana-desk", ("dana", "second")), (DANA, "201", ("dana", "second")), (DANA, "701", ("dana",)), (DANA, "799", ("shop",)), (DANA, "202", None),
        (LEE, "202", ()), (LEE, "701", None), (LEE, "799", ("shop",)), (DOOR, "door", ()), (DOOR, "250", ()), (DOOR, "701", None),
        (DeviceId("nobody"), "201", None), (DANA, "", None),
    ],
)  # fmt: skip
def test_whose_messages_count(device: DeviceId, user: str, boxes: tuple[str, ...] | None) -> None:
    assert Mailboxes.of(_compiled(_site())).watched(device, user) == boxes


def test_a_phone_that_is_switched_off_sees_nothing() -> None:
    site = _site()
    site["users"]["user-201"]["enabled"] = False
    assert Mailboxes.of(_compiled(site)).watched(DANA, "201") is None


class Port:
    """An endpoint whose SIP thread is this one, and whose phones answer every NOTIFY with 200."""

    def __init__(self) -> None:
        self.sent: list[DialogRequest] = []

    def post(self, command: Any, *arguments: Any) -> None:
        command(*arguments)

    def send_in_dialog(self, request: DialogRequest, done: Any) -> None:
        self.sent.append(request)
        done(200)

    def contact_of(self, local: Address) -> str:
        return f"<sip:box@{local.ip}>"


def test_counts_and_commits_reach_the_lamp() -> None:
    site, port = _site(), Port()
    now = [_compiled(site)]
    mwi = Mwi(port, lambda: now[0])
    device: Any = Device(DANA)
    assert mwi.subscriptions.decide(subscribe(user="201", event="message-summary"), device, 0.0).code == 200
    mwi.update({MailboxId("dana"): (1, 0), MailboxId("shop"): (4, 0)})
    mwi.update({MailboxId("dana"): (1, 0)})
    assert [b"Voice-Message: 0/0" in port.sent[0].body, b"Voice-Message: 1/0" in port.sent[1].body, len(port.sent)] == [True, True, 2]
    del site["mailboxes"]["dana"]
    now[0] = _compiled(site)
    mwi.site_changed()
    assert b"Voice-Message: 0/0" in port.sent[2].body
    del site["devices"]["phone-201"]
    now[0] = _compiled(site)
    mwi.site_changed()
    assert dict(port.sent[3].headers)["Subscription-State"] == "terminated;reason=noresource"
    assert mwi.subscriptions.counts().subscriptions == 0
