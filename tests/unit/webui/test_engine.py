"""What the pages know of the engine: each answer fresh by itself, none missed, none waited for."""

import asyncio
import time
from collections import defaultdict

import pytest

from appliance.errors import ControlError, NotFound
from tests.support.proc import wait_until
from tests.unit.cli.conftest import FakeBox
from webui.engine import GAP_S, Engine


class Slow(FakeBox):
    """Does not answer the methods in `hung` before they are out of it."""

    def __init__(self, folder):
        self.hung = set()
        super().__init__(folder)
        self.answers = defaultdict(dict) | {
            "status": {"revision": 1},
            "registrations": {},
            "calls": {"calls": []},
            "emergency.notices": {},
            "health": {"level": "ok"},
        }

    def _handler(self, name):
        answer = super()._handler(name)

        async def handler(params, peer):
            while name in self.hung:
                await asyncio.sleep(0.01)
            return await answer(params, peer)

        return handler

    def tell(self, **event):
        self.loop.call_soon_threadsafe(self.server.publish, "events", event)


@pytest.fixture
def box(tmp_path):
    made = Slow(tmp_path)
    yield made
    made.hung.clear()
    made.stop()


@pytest.fixture
def engine(box):
    made = Engine(box.path)
    wait_until(lambda: made.state.at.keys() == GAP_S.keys(), 10, "the first answers")
    wait_until(lambda: box.server.wanted("events"), 10, "the subscription")
    return made


def test_what_happens_is_known_at_once(box, engine):
    box.answers["status"] = {"revision": 2}
    box.tell(type="SiteActivated")
    wait_until(lambda: engine.state.status == {"revision": 2}, 3, "the revision; without an event it would come after 10 s")
    box.answers["health"] = {"level": "look"}
    box.tell(type="HealthChanged")
    wait_until(lambda: engine.state.health == {"level": "look"}, 7, "the health")


def test_an_answer_that_takes_long_does_not_hold_back_the_others(box, engine):
    """Calls ask the SIP thread; a line that was switched off shows all the same."""
    box.hung.add("calls")
    box.tell(type="CallStarted")
    wait_until(lambda: [name for name, _ in box.asked].count("status") > 1, 3, "asked because of the call")
    box.answers["status"] = {"revision": 3}
    box.tell(type="SiteActivated")
    wait_until(lambda: engine.state.status == {"revision": 3}, 3, "the revision")
    assert engine.state.up


def test_one_method_that_fails_takes_nothing_from_the_others(box, engine):
    box.answers["emergency.notices"] = NotFound("There is none")
    asked = [name for name, _ in box.asked].count("emergency.notices")
    box.tell(type="EmergencyNotice")
    wait_until(lambda: [name for name, _ in box.asked].count("emergency.notices") > asked, 5, "asked, and refused")
    box.answers["status"] = {"revision": 4}
    box.tell(type="SiteActivated")
    wait_until(lambda: engine.state.status == {"revision": 4}, 3, "the revision")
    assert (engine.state.up, engine.state.health) == (True, {"level": "ok"})


def test_nothing_is_missed_between_the_first_answer_and_the_subscription(box, tmp_path):
    """What changes before anybody would tell is asked for once more."""
    box.hung.add("registrations")
    Engine(box.path).state  # noqa: B018  (a look is what starts it)
    wait_until(lambda: box.server.wanted("events") and [name for name, _ in box.asked].count("status") >= 2, 5, "asked again when subscribed")


def test_a_part_of_a_page_waits_no_longer_than_it_says(box, engine):
    box.hung.add("diagnosis")
    began = time.monotonic()
    with pytest.raises(ControlError) as late:
        engine.ask("diagnosis", 0.2)
    assert late.value.code == "timeout"
    assert time.monotonic() - began < 5, "the method itself may take 20 s"
