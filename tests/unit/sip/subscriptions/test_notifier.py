"""Subscriptions, the notifier's side (RFC 6665): granted, refreshed, ended, told in order; any sequence of events leaves it sound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.sip.messages import Contact, DialogRequest, Reply, Request
from appliance.sip.subscriptions.notifier import IN_ALL, MAX_EXPIRES_S, PER_DEVICE, Notifier
from appliance.types import Address, DeviceId
from tests.support.subscribing import BOX, Device, subscribe


class Lamp:
    """A package whose resources are lamps: on, off, or gone."""

    name = "lamp"
    content_type = "text/lamp"

    def __init__(self) -> None:
        self.lamps: dict[str, str] = {"one": "off", "two": "off"}

    def allow(self, request: Request, device: DeviceId) -> str | Reply:
        return request.uri_user if request.uri_user in self.lamps else Reply(404)

    def body(self, device: DeviceId, resource: str) -> bytes | None:
        lamp = self.lamps.get(resource)
        return lamp.encode() if lamp is not None else None


class Bench:
    """A notifier, and a clock."""

    def __init__(self) -> None:
        self.package = Lamp()
        self.tags = iter(range(10**6))
        self.notifier = Notifier([self.package], lambda local: f"<sip:box@{local.ip}>", lambda: f"ours{next(self.tags)}")
        self.now = 1000.0

    def ask(self, request: Request, device: Device | None = None) -> Reply:
        return self.notifier.subscribe(request, device or Device(), self.now)

    def sent(self) -> list[DialogRequest]:
        """The NOTIFYs due, each answered with 200 at once."""
        due = self.notifier.drain(self.now)
        for key, _ in due:
            self.notifier.answered(key, 200)
        return [notify for _, notify in due]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def header(notify: DialogRequest, name: str) -> str:
    return dict(notify.headers)[name]


def test_a_subscription_and_its_first_notify(bench: Bench) -> None:
    reply = bench.ask(subscribe())
    assert (reply.code, dict(reply.headers), reply.to_tag) == (200, {"Expires": "300", "Contact": "<sip:box@192.0.2.1>"}, "ours0")
    (notify,) = bench.sent()
    assert notify == DialogRequest(
        "NOTIFY", "sip:201@192.0.2.20:5060", BOX, "sip:one@box", "ours0", "sip:201@box", "theirs", "c", 1,
        (("Event", "lamp"), ("Subscription-State", "active;expires=300")), b"off", "text/lamp",
    )  # fmt: skip
    assert bench.sent() == []


def test_a_change_is_told_once_and_no_change_never(bench: Bench) -> None:
    bench.ask(subscribe())
    bench.sent()
    bench.notifier.changed("lamp")
    assert bench.sent() == []
    bench.package.lamps["one"] = "on"
    bench.notifier.changed("lamp")
    bench.notifier.changed("lamp")
    assert [(n.body, n.cseq) for n in bench.sent()] == [(b"on", 2)]


def test_a_change_back_while_a_notify_is_on_its_way_is_still_told(bench: Bench) -> None:
    bench.ask(subscribe())
    bench.sent()
    bench.package.lamps["one"] = "on"
    bench.notifier.changed("lamp")
    ((key, first),) = bench.notifier.drain(bench.now)
    assert first.body == b"on"
    bench.package.lamps["one"] = "off"
    bench.notifier.changed("lamp")
    assert bench.notifier.drain(bench.now) == [], "the next waits for the answer"
    bench.notifier.answered(key, 200)
    assert [n.body for n in bench.sent()] == [b"off"]


def test_it_expires_and_says_so(bench: Bench) -> None:
    bench.ask(subscribe(expires=60))
    bench.sent()
    bench.now += 59.9
    bench.notifier.sweep(bench.now)
    assert bench.sent() == []
    bench.now += 0.1
    bench.notifier.sweep(bench.now)
    (last,) = bench.sent()
    assert header(last, "Subscription-State") == "terminated;reason=timeout"
    assert bench.notifier.counts().subscriptions == 0
    assert bench.ask(subscribe(cseq=2, to_tag="ours0")).code == 481


def test_a_refresh_moves_its_end_and_its_target(bench: Bench) -> None:
    bench.ask(subscribe(expires=60))
    bench.sent()
    bench.now += 50
    elsewhere = Address("192.0.2.99", 5070)
    assert bench.ask(subscribe(cseq=2, to_tag="ours0", expires=100, source=elsewhere)).to_tag == ""
    (notify,) = bench.sent()
    assert header(notify, "Subscription-State") == "active;expires=100"
    assert notify.target == "sip:201@192.0.2.99:5070", "behind NAT the phone is where it sends from"
    bench.now += 99
    bench.notifier.sweep(bench.now)
    assert bench.notifier.counts().by_package == {"lamp": 1}


def test_what_it_watches_goes_away(bench: Bench) -> None:
    bench.ask(subscribe())
    bench.sent()
    del bench.package.lamps["one"]
    bench.notifier.changed("lamp")
    (last,) = bench.sent()
    assert (header(last, "Subscription-State"), last.body, last.content_type) == ("terminated;reason=noresource", b"", "")
    assert bench.notifier.counts().subscriptions == 0


@pytest.mark.parametrize(("asked", "granted"), [(None, MAX_EXPIRES_S), (60, 60), (MAX_EXPIRES_S, MAX_EXPIRES_S), (2**31 - 1, MAX_EXPIRES_S)])
def test_lifetimes(bench: Bench, asked: int | None, granted: int) -> None:
    assert dict(bench.ask(subscribe(expires=asked)).headers)["Expires"] == str(granted)


@pytest.mark.parametrize("device", [Device("other")])
def test_another_device_cannot_touch_it(bench: Bench, device: Device) -> None:
    bench.ask(subscribe())
    assert bench.ask(subscribe(cseq=2, to_tag="ours0", expires=0), device).code == 403
    assert bench.notifier.counts().subscriptions == 1


def test_cseq_rises_and_a_retransmission_is_answered_alike(bench: Bench) -> None:
    first = bench.ask(subscribe(cseq=5))
    assert bench.ask(subscribe(cseq=5)) is first
    assert bench.ask(subscribe(cseq=5, branch="z9other")).code == 482
    refreshed = bench.ask(subscribe(cseq=6, to_tag="ours0"))
    assert bench.ask(subscribe(cseq=6, to_tag="ours0")) is refreshed
    assert bench.ask(subscribe(cseq=6, to_tag="ours0", branch="z9new")).code == 500
    assert bench.ask(subscribe(cseq=4, to_tag="ours0")).code == 500
    assert len(bench.sent()) == 1
    assert bench.notifier.counts().subscriptions == 1


def test_a_fetch_that_comes_again_stays_one(bench: Bench) -> None:
    """Expires 0 from the start: the state once (RFC 6665 section 4.4.3); its dialog is gone when the retransmission comes."""
    first = bench.ask(subscribe(expires=0))
    assert len(bench.sent()) == 1
    assert bench.ask(subscribe(expires=0)) is first
    assert bench.sent() == []


@pytest.mark.parametrize("code", [300, 404, 408, 481, 489, 503, 604])
def test_a_notify_that_fails_ends_it_silently(bench: Bench, code: int) -> None:
    bench.ask(subscribe())
    ((key, _),) = bench.notifier.drain(bench.now)
    bench.notifier.answered(key, code)
    assert bench.notifier.counts().subscriptions == 0
    assert bench.notifier.drain(bench.now) == []
    bench.notifier.answered(key, 200)


def test_a_device_with_too_many_loses_its_oldest(bench: Bench) -> None:
    for number in range(PER_DEVICE + 3):
        bench.now += 1
        assert bench.ask(subscribe(f"c{number}")).code == 200
    bench.sent()
    assert bench.notifier.counts().subscriptions == PER_DEVICE
    assert bench.ask(subscribe("c0", 2, to_tag="ours0")).code == 481
    assert bench.ask(subscribe("c3", 2, to_tag="ours3")).code == 200
    assert bench.ask(subscribe("x"), Device("other")).code == 200


def test_the_box_has_a_limit_in_all(bench: Bench) -> None:
    for number in range(IN_ALL):
        assert bench.ask(subscribe(f"c{number}"), Device(f"d{number // PER_DEVICE}")).code == 200
    refused = bench.ask(subscribe("one-more"), Device("another"))
    assert (refused.code, dict(refused.headers)) == (503, {"Retry-After": "60"})


def test_behind_a_proxy_the_contact_is_left_alone(bench: Bench) -> None:
    routes = ("<sip:192.0.2.50;lr>", "<sip:192.0.2.51;lr>")
    bench.ask(subscribe(source=Address("192.0.2.50", 5060), headers={"Record-Route": routes}))
    (notify,) = bench.sent()
    assert notify.target == "sip:201@192.0.2.20:5060"
    assert [value for name, value in notify.headers if name == "Route"] == list(routes)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"event": ""}, 489), ({"event": "dialog"}, 489), ({"headers": {"Accept": ("text/plain",)}}, 406), ({"expires": 59}, 423),
        ({"contacts": ()}, 400), ({"contacts": (Contact("sip:a@b"), Contact("sip:c@d"))}, 400), ({"contacts": (Contact("tel:+1"),)}, 400),
        ({"user": "none"}, 404), ({"to_tag": "stranger"}, 481),
    ],
)  # fmt: skip
def test_refusals_change_nothing(bench: Bench, change: dict[str, Any], code: int) -> None:
    assert bench.ask(subscribe(**change)).code == code
    assert bench.notifier.counts().subscriptions == 0
    assert bench.sent() == []


@pytest.mark.parametrize("accept", [("text/lamp",), ("text/*",), ("*/*",), ("application/x", "text/lamp;q=0.5"), ("application/x, TEXT/Lamp",)])
def test_whoever_reads_the_package_s_type_is_served(bench: Bench, accept: tuple[str, ...]) -> None:
    assert bench.ask(subscribe(headers={"Accept": accept})).code == 200


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), st.integers(0, 2), st.sampled_from([0, 60, 600])),
        st.tuples(st.just("refresh"), st.integers(0, 2), st.sampled_from([0, 60, 600])),
        st.tuples(st.just("lamp"), st.sampled_from(["one", "two"]), st.sampled_from(["on", "off", ""])),
        st.tuples(st.just("wait"), st.floats(0, 400), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, 3), st.sampled_from([200, 200, 200, 481])),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_happens_a_watcher_ends_up_knowing_the_truth(steps: list[tuple[str, Any, Any]]) -> None:
    """NOTIFYs of a dialog never overlap and are numbered in order, nothing follows a terminated one, and once all is answered each watcher was told last
    what is so."""
    bench = Bench()
    dialogs: list[tuple[str, str, int]] = []
    open_now: dict[Any, DialogRequest] = {}
    told: dict[Any, DialogRequest] = {}
    ended: set[Any] = set()

    def drain() -> None:
        for key, notify in bench.notifier.drain(bench.now):
            assert key not in open_now
            assert key not in ended
            assert notify.cseq == (told[key].cseq + 1 if key in told else 1)
            told[key] = open_now[key] = notify
            if header(notify, "Subscription-State").startswith("terminated"):
                ended.add(key)
                open_now.pop(key)

    def answer(key: Any, code: int) -> None:
        open_now.pop(key, None)
        if code >= 300:
            ended.add(key)
        bench.notifier.answered(key, code)

    for what, one, two in steps:
        if what == "subscribe":
            user = ("one", "two", "one")[one]
            reply = bench.ask(subscribe(f"c{len(dialogs)}", user=user, expires=two))
            if reply.code == 200:
                dialogs.append((f"c{len(dialogs)}", reply.to_tag, 1))
        elif what == "refresh" and dialogs:
            call_id, tag, cseq = dialogs[one % len(dialogs)]
            reply = bench.ask(subscribe(call_id, cseq + 1, to_tag=tag, expires=two))
            if reply.code == 200:
                dialogs[one % len(dialogs)] = (call_id, tag, cseq + 1)
        elif what == "lamp":
            if two:
                bench.package.lamps[one] = two
            else:
                bench.package.lamps.pop(one, None)
            bench.notifier.changed("lamp")
        elif what == "wait":
            bench.now += one
            bench.notifier.sweep(bench.now)
        elif what == "answer" and open_now:
            answer(list(open_now)[one % len(open_now)], two)
        drain()
    while open_now:
        answer(next(iter(open_now)), 200)
        drain()
    assert bench.notifier.counts().subscriptions == len(set(told) - ended)
    for key, notify in told.items():
        if key not in ended:
            assert notify.body.decode() == bench.package.lamps[notify.from_uri.split(":")[1].split("@")[0]]
