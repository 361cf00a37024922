"""Message lamps at the wire: subscriptions to message-summary from raw peers and from real phones, their NOTIFYs, their ends."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.support.barebox import BareBox
from tests.support.baresip import Baresip
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sipmsg import authorization, challenge_of, token
from tests.support.sites import Document, make_site, secret
from tests.support.watcher import Watcher


def _site() -> Document:
    """Two mailboxes of user 201, one of 202, one of nobody."""
    site = make_site(2)
    site["mailboxes"] = {
        "dana": {"name": "Dana", "owner": "user-201", "extension": "701"},
        "dana-fax": {"name": "Dana's second", "owner": "user-201"},
        "lee": {"name": "Lee", "owner": "user-202", "extension": "702"},
        "shop": {"name": "Shop", "extension": "799"},
    }
    return site


@pytest.fixture
def box(bare) -> BareBox:
    return bare(_site())


@pytest.fixture
def watcher(opened) -> Watcher:
    return opened.enter_context(Watcher())


def _voice(body: bytes | str) -> str:
    text = body.decode() if isinstance(body, bytes) else body
    return next(line.split(": ")[1] for line in text.splitlines() if line.startswith("Voice-Message"))


def test_a_watcher_is_told_at_once_and_at_every_change(box, watcher) -> None:
    reply = watcher.subscribe("201", box.sip, secret(201), expires=300)
    assert reply.status == 200
    assert reply.header("expires") == "300"
    assert reply.uri_of("contact") == f"sip:holdfast@{box.sip[0]}:{box.sip[1]}"
    first = watcher.wait_notify()
    assert first.body == b"Messages-Waiting: no\r\nMessage-Account: sip:201@holdfast.test\r\nVoice-Message: 0/0 (0/0)\r\n"
    assert first.header("event") == "message-summary"
    assert first.header("content-type") == "application/simple-message-summary"
    assert first.header("subscription-state").startswith("active;expires=")
    assert first.call_id == watcher.call_id
    assert (first.param("from", "tag"), first.param("to", "tag")) == (watcher.to_tag, watcher.tag)
    assert first.uri == f"sip:tester@{watcher.ip}:{watcher.port}"
    box.messages({"dana": (2, 1), "dana-fax": (1, 0), "lee": (9, 9)})
    second = watcher.wait_notify(1)
    assert _voice(second.body) == "3/1 (0/0)"
    assert b"Messages-Waiting: yes" in second.body
    assert second.cseq[0] == first.cseq[0] + 1
    box.messages({"lee": (0, 0)})
    box.messages({"dana": (0, 3)})
    assert _voice(watcher.wait_notify(2).body) == "1/3 (0/0)", "what changed nothing for it was not told"


def test_the_notify_comes_after_its_200(box, watcher) -> None:
    for _ in range(20):
        watcher.call_id, watcher.tag, watcher.to_tag, watcher.cseq = token(), token(), "", 0
        assert watcher.subscribe("201", box.sip, secret(201)).status == 200
        watcher.wait_notify(len(watcher.notifies) if not watcher.notifies or watcher.notifies[-1].call_id != watcher.call_id else -1)
        kinds = [g.message.start[:3] for g in watcher.received if g.message.call_id == watcher.call_id and g.message.status not in (401,)]
        assert kinds == ["SIP", "NOT"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_refresh_unsubscribe_and_fetch(box, opened, transport: str) -> None:
    watcher: Watcher = opened.enter_context(Watcher())
    assert watcher.subscribe("201", box.sip, secret(201), transport=transport).status == 200
    watcher.wait_notify()
    assert watcher.refresh(120).header("expires") == "120"
    assert "expires=120" in watcher.wait_notify(1).header("subscription-state")
    assert box.counts()["subscriptions"] == 1
    assert watcher.refresh(0).header("expires") == "0"
    assert watcher.wait_notify(2).header("subscription-state") == "terminated;reason=timeout"
    assert box.counts()["subscriptions"] == 0
    assert watcher.refresh(300).status == 481
    fetch: Watcher = opened.enter_context(Watcher())
    assert fetch.subscribe("201", box.sip, secret(201), expires=0, transport=transport).status == 200
    got = fetch.wait_notify()
    assert got.header("subscription-state") == "terminated;reason=timeout"
    assert _voice(got.body) == "0/0 (0/0)"
    assert box.counts()["subscriptions"] == 0


def test_who_may_watch_what(box, opened) -> None:
    def ask(user: str, target: str, **options: Any) -> int:
        uri = box.uri(target).removeprefix("sip:") if target else f"{box.sip[0]}:{box.sip[1]}"
        return opened.enter_context(Watcher()).subscribe(user, box.sip, secret(user), uri=f"sip:{uri}", **options).status

    assert [ask("201", target) for target in ("201", "701", "799")] == [200, 200, 200]
    assert ask("201", "*97", to_uri=box.uri("201")) == 200, "the pilot number with the phone's own address in To"
    assert ask("201", "", to_uri=box.uri("201")) == 200
    assert [ask("201", target) for target in ("202", "702", "555")] == [404, 404, 404]
    wrong: Watcher = opened.enter_context(Watcher())
    assert wrong.subscribe("201", box.sip, "wrong").status == 403
    assert wrong.request("SUBSCRIBE", box.uri("201"), box.sip, headers=[("Event", "message-summary")]).status == 401
    assert box.counts()["subscriptions"] == 5


@pytest.mark.parametrize(
    ("change", "status", "header"),
    [
        ({"event": ""}, 489, ("allow-events", "message-summary")),
        ({"event": "dialog"}, 489, ("allow-events", "message-summary")),
        ({"event": "message-summary.winfo"}, 489, ("allow-events", "message-summary")),
        ({"expires": 59}, 423, ("min-expires", "60")),
        ({"expires": 1}, 423, ("min-expires", "60")),
        ({"headers": [("Accept", "application/pidf+xml")]}, 406, ("accept", "application/simple-message-summary")),
        ({"contact": ""}, 400, None),
        ({"contact": "*"}, 400, None),
        ({"contact": "<mailto:a@b>"}, 400, None),
        ({"to_tag": "of-nobody"}, 481, None),
        ({"headers": [("Require", "eventlist")]}, 420, ("unsupported", "eventlist")),
    ],
)
def test_what_is_refused_and_how(box, watcher, change: dict[str, Any], status: int, header: tuple[str, str] | None) -> None:
    reply = watcher.subscribe("201", box.sip, secret(201), **change)
    assert reply.status == status
    if header:
        assert reply.header(header[0]) == header[1]
    assert box.counts()["subscriptions"] == 0


@pytest.mark.parametrize(
    ("change", "granted"),
    [
        ({"expires": None}, "600"), ({"expires": 3600}, "600"), ({"expires": 4294967295}, "600"), ({"expires": "99999999999999999999"}, "600"),
        ({"headers": [("Accept", "application/simple-message-summary, text/plain")]}, "300"), ({"headers": [("Accept", "*/*")]}, "300"),
        ({"event": "Message-Summary;id=7"}, "300"),
    ],
)  # fmt: skip
def test_what_is_granted(box, watcher, change: dict[str, Any], granted: str) -> None:
    reply = watcher.subscribe("201", box.sip, secret(201), **change)
    assert (reply.status, reply.header("expires")) == (200, granted)
    expected = "message-summary;id=7" if "id" in change.get("event", "") else "message-summary"
    assert watcher.wait_notify().header("event") == expected


def test_a_request_that_comes_again_makes_one_subscription(box, watcher) -> None:
    same: dict[str, Any] = {"from_uri": box.uri("201"), "from_tag": watcher.tag, "call_id": watcher.call_id}
    event = ("Event", "message-summary")
    challenged = watcher.request("SUBSCRIBE", box.uri("201"), box.sip, headers=[event], **same)
    value = authorization(challenge_of(challenged), "SUBSCRIBE", box.uri("201"), "201", secret(201))
    data = watcher.request_bytes("SUBSCRIBE", box.uri("201"), cseq=2, headers=[event, ("Authorization", value)], **same)
    for _ in range(3):
        watcher.send(data, box.sip)
    replies = wait_until(lambda: found if len(found := [g.message for g in watcher.received if g.message.cseq[0] == 2]) == 3 else None, 5, "three answers")
    assert {r.status for r in replies} == {200}
    assert len({r.param("to", "tag") for r in replies}) == 1
    other_way = data.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx")
    watcher.send(other_way, box.sip)
    merged = wait_until(lambda: next((g.message for g in watcher.received if g.message.cseq[0] == 2 and g.message.status != 200), None), 5, "the merged one")
    assert merged.status in (401, 482)
    assert box.counts()["subscriptions"] == 1
    watcher.wait_notify()
    assert len(watcher.notifies) == 1


def test_an_old_cseq_and_a_foreign_device_change_nothing(box, watcher, opened) -> None:
    watcher.subscribe("201", box.sip, secret(201), expires=300)
    watcher.wait_notify()
    assert watcher.refresh(300, event="message-summary;id=other").status == 481
    watcher.event = "message-summary"
    thief: Watcher = opened.enter_context(Watcher())
    thief.call_id, thief.tag, thief.to_tag, thief.cseq = watcher.call_id, watcher.tag, watcher.to_tag, watcher.cseq + 10
    assert thief.subscribe("202", box.sip, secret(202), uri=watcher.uri, expires=0).status == 403
    assert watcher.refresh(120, cseq=1).status == 500
    assert box.counts()["subscriptions"] == 1
    box.messages({"dana": (1, 0)})
    assert _voice(watcher.wait_notify(1).body) == "1/0 (0/0)"


@pytest.mark.parametrize("answer", [481, 489, 500])
def test_a_phone_that_knows_nothing_of_it_is_not_told_again(box, watcher, answer: int) -> None:
    watcher.answer = answer
    assert watcher.subscribe("201", box.sip, secret(201)).status == 200
    watcher.wait_notify()
    wait_until(lambda: box.counts()["subscriptions"] == 0, 5, "the subscription gone")


@pytest.mark.slow
def test_a_phone_that_vanished_is_forgotten(box, watcher) -> None:
    assert watcher.subscribe("201", box.sip, secret(201)).status == 200
    watcher.wait_notify()
    watcher.answer = 0
    box.messages({"dana": (1, 0)})
    watcher.wait_notify(1)
    box.messages({"dana": (2, 0)})
    wait_until(lambda: box.counts()["subscriptions"] == 0, 40, "the subscription gone", interval_s=0.5)
    assert len(watcher.notifies) == 2, "one at a time"


def test_changes_while_a_notify_is_unanswered_are_told_in_one(box, watcher) -> None:
    assert watcher.subscribe("201", box.sip, secret(201)).status == 200
    watcher.wait_notify()
    watcher.answer = 0
    box.messages({"dana": (1, 0)})
    held = watcher.wait_notify(1)
    for new in range(2, 9):
        box.messages({"dana": (new, 0)})
    watcher.answer = 200
    watcher.reply(next(g for g in watcher.requests("NOTIFY") if g.message is held), 200)
    assert _voice(watcher.wait_notify(2).body) == "8/0 (0/0)"
    assert len(watcher.notifies) == 3


def test_a_commit_leaves_subscriptions_and_ends_those_with_nothing_to_watch(box, opened) -> None:
    mine, shop = opened.enter_context(Watcher()), opened.enter_context(Watcher())
    assert mine.subscribe("201", box.sip, secret(201)).status == 200
    assert shop.subscribe("202", box.sip, secret(202), uri=box.uri("799")).status == 200
    box.messages({"dana": (1, 0), "shop": (5, 0)})
    mine.wait_notify(1)
    shop.wait_notify(1)
    site = _site()
    del site["mailboxes"]["shop"], site["mailboxes"]["dana"]
    box.load(site)
    assert shop.wait_notify(2).header("subscription-state") == "terminated;reason=noresource"
    assert _voice(mine.wait_notify(2).body) == "0/0 (0/0)", "the mailbox is gone, the lamp goes out"
    box.messages({"dana-fax": (4, 0)})
    assert _voice(mine.wait_notify(3).body) == "4/0 (0/0)"
    assert mine.refresh().status == 200


def test_a_restart_lets_phones_begin_anew(bare, opened, tmp_path) -> None:
    watcher: Watcher = opened.enter_context(Watcher())
    with BareBox(tmp_path, _site()) as first:
        assert watcher.subscribe("201", first.sip, secret(201)).status == 200
        watcher.wait_notify()
    second = bare(_site())
    watcher.box = second.sip
    assert watcher.refresh().status == 481
    watcher.to_tag = ""
    assert watcher.subscribe("201", second.sip, secret(201)).status == 200
    watcher.wait_notify(1)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_lamp_of_a_pjsua2_phone(box, phone, transport: str) -> None:
    lamp = phone("p201")
    assert lamp.register("201", secret(201), box.sip, transport=transport, mwi=True).ok
    told = lamp.wait_event("mwi")
    assert "Messages-Waiting: no" in told["message"]
    start = len(lamp.events)
    box.messages({"dana": (3, 2)})
    assert _voice(lamp.wait_event("mwi", start=start)["message"]) == "3/2 (0/0)"


def test_the_lamp_of_a_baresip_phone(box, opened, tmp_path) -> None:
    lamp: Baresip = opened.enter_context(Baresip(tmp_path / "b", mwi=True))
    assert lamp.register("201", secret(201), box.sip)["type"] == "REGISTER_OK"
    lamp.wait_event("MWI_NOTIFY")
    start = len(lamp.events)
    box.messages({"dana": (3, 2)})
    assert "Voice-Message: 3/2" in lamp.wait_event("MWI_NOTIFY", start=start)["param"]


def test_behind_a_proxy_the_notify_takes_the_way_back(box, opened) -> None:
    proxy, watcher = opened.enter_context(Watcher()), opened.enter_context(Watcher())
    route = f"<sip:{proxy.ip}:{proxy.port};lr>"
    assert watcher.subscribe("201", box.sip, secret(201), headers=[("Record-Route", route)]).status == 200
    got = proxy.wait_notify()
    assert got.header("route") == route
    assert got.uri == f"sip:tester@{watcher.ip}:{watcher.port}"
    assert not watcher.notifies


def test_many_phones_are_told_at_once(bare, opened) -> None:
    site = make_site(30)
    site["mailboxes"] = {"all": {"name": "All", "extension": "799"}}
    box = bare(site)
    watchers = [opened.enter_context(Watcher()) for _ in range(30)]
    for index, one in enumerate(watchers):
        assert one.subscribe(str(201 + index), box.sip, secret(201 + index), uri=box.uri("799")).status == 200
    box.messages({"all": (1, 0)})
    for one in watchers:
        wait_until(lambda one=one: one.notifies and _voice(one.notifies[-1].body) == "1/0 (0/0)", 5, "the lamp")


def test_malformed_subscriptions_do_not_disturb(box, watcher) -> None:
    """Each line of a good one spoiled in many ways, with and without a body, in and outside a dialog; the box serves on."""
    chance = random.Random(3856)
    watcher.subscribe("201", box.sip, secret(201))
    watcher.wait_notify()
    lines = [("Event", "message-summary;id=1"), ("Expires", "300"), ("Accept", "application/simple-message-summary")]
    junk = ["", ";", ";id=", "\x01\x02", "-1", "9" * 400, "x" * 3000, '"', "<>", "a=b;c;;", "é", "message-summary;id=" + "7" * 900, "*", "1e9", "0x10"]
    with RawPeer() as peer:
        for number in range(200):
            spoiled = [(name, chance.choice(junk) if chance.random() < 0.4 else value) for name, value in lines]
            data = peer.request_bytes(
                chance.choice(["SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"]), box.uri(chance.choice(["201", "", "%00", "9" * 200])), headers=spoiled,
                to_tag=chance.choice(["", watcher.to_tag, "x"]), call_id=chance.choice([watcher.call_id, token()]), cseq=number + 1,
                contact=chance.choice([None, "", "*", "<>", "<sip:>", "sip:a@[::1", f"<sip:x@{peer.ip}:{peer.port}>"]),
                body=chance.choice([b"", bytes(chance.randrange(256) for _ in range(300))]), content_type=chance.choice(["application/x", "text/plain", "/"]),
            )  # fmt: skip
            peer.send(data, box.sip)
        assert peer.request("OPTIONS", box.uri("fence"), box.sip).status == 200
    assert box.counts()["subscriptions"] == 1
    box.messages({"dana": (7, 0)})
    assert _voice(watcher.wait_notify(1).body) == "7/0 (0/0)"
    assert not box.said("Traceback")
