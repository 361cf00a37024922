"""What the control socket tells by itself: SIP messages as they pass, and the events of the box, its registrations and its calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.control.client import Client, Notification
from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import ROOT, Box
from tests.support.proc import Program, wait_until
from tests.support.rawsip import RawPeer
from tests.support.sites import make_site, secret

START = """
import asyncio, json, os
from appliance.app.settings import Settings
from appliance.app.wiring import Box
from appliance.events.system import EngineStarted
from appliance.events.wire import to_wire

async def main():
    box = Box(Settings.from_env(os.environ))
    box.bus.subscribe(EngineStarted, lambda event: print("STARTED", json.dumps(to_wire(event)), flush=True), "test")
    await box.start()
    await box.stop()

asyncio.run(main())
"""


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    with RawPeer() as made:
        yield made


def _register(peer: RawPeer, box: Box, user: str, password: str) -> int:
    aor = f"sip:{user}@{box.sip[0]}:{box.sip[1]}"
    reply = peer.request(
        "REGISTER", f"sip:{box.sip[0]}", box.sip, user=user, secret=password, headers=[("Expires", "120")], from_uri=aor, to_uri=aor
    )  # fmt: skip
    return int(reply.status)


def _next(events: Iterator[Notification], kind: str) -> dict[str, Any]:
    """The next event of that type; the subscription's own limit ends a wait in vain."""
    return next(event.data for event in events if event.data["type"] == kind)


def test_messages_are_followed_from_the_subscription_on(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(2))
    assert _register(peer, home, "201", secret(201)) == 200
    wait_until(lambda: home.rpc("trace", selector="201")["messages"], 5, "the first registration in the ring")
    with Client(home.control) as client:
        for time in ("first", "again"):
            messages = client.subscribe("trace", wait_s=5)
            assert _register(peer, home, "202", secret(202)) == 200
            seen = []
            while not seen or seen[-1]["first_line"] != "SIP/2.0 200 OK":
                seen.append(next(messages).data)
            assert [(m["from_user"], m["sent"], m["method"], m["status"]) for m in seen] == [
                ("202", False, "REGISTER", 0), ("202", True, "REGISTER", 401), ("202", False, "REGISTER", 0), ("202", True, "REGISTER", 200),
            ], time  # fmt: skip
            assert "response=***" in seen[2]["text"]
            messages.close()  # type: ignore[attr-defined]


@pytest.mark.row("K4")
def test_followed_messages_name_their_call_and_its_events_come(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(2))
    caller, called = phone("p201"), phone("p202")
    with Client(home.control) as client:
        events, messages = client.subscribe("events", wait_s=10), client.subscribe("trace", wait_s=10)
        for made, user in ((caller, "201"), (called, "202")):
            assert made.register(user, secret(user), home.sip).ok
            assert _next(events, "Registered")["sip_user"] == user
        call = caller.call(home.uri("202")).wait("CONFIRMED")
        begun, answered = _next(events, "CallStarted"), _next(events, "CallAnswered")
        assert (begun["direction"], begun["caller"], begun["dialled"], begun["device"], begun["emergency"]) == ("internal", "201", "202", "phone-201", False)
        assert (answered["session"], answered["callee"], answered["callee_device"]) == (begun["session"], "202", "phone-202")
        call.hangup()
        ended = _next(events, "CallEnded")
        assert (ended["session"], ended["cause"], ended["hangup_by"], ended["code"]) == (begun["session"], "normal", "caller", 200)
        bye = next(event.data for event in messages if event.data["method"] == "BYE")
        assert bye["session"] == begun["session"]


@pytest.mark.row("E14")
def test_a_refused_registration_is_an_event(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(1))
    with Client(home.control) as client:
        events = client.subscribe("events", wait_s=5)
        assert _register(peer, home, "201", "not-it") >= 400
        refused = _next(events, "RegistrationRefused")
        assert (refused["sip_user"], refused["reason"], refused["code"]) == ("201", "wrong-password", 403)
        assert refused["source"].startswith("udp:127.0.0.1:")


def test_the_start_is_an_event(box: BoxMaker) -> None:
    home = box(make_site(1), start=False)
    with Program([sys.executable, "-c", START], env=home.env | {"HOLDFAST_CRASHES": "2"}, cwd=ROOT) as program:
        assert program.wait(20.0) == 0, program.tail()
        (line,) = [line for line in program.lines if line.startswith("STARTED ")]
    started = json.loads(line.removeprefix("STARTED "))
    assert (started["revision"], started["rescue"], started["crashes"]) == (1, False, 2)
    assert f"udp:{home.sip[0]}:{home.sip[1]}" in started["addresses"]


def test_the_command_prints_what_passes(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(1))
    with Program([sys.executable, "-u", "-m", "appliance.cli.main", "trace", "--follow", "--control", str(home.control)], cwd=ROOT) as program:
        # Nothing says that it has subscribed: a phone keeps registering until its messages are shown.
        wait_until(lambda: _register(peer, home, "201", secret(201)) == 200 and any("REGISTER" in line for line in program.lines), 15, "a message printed")
        wait_until(lambda: any("200 OK" in line for line in program.lines), 5, "the answer printed")
