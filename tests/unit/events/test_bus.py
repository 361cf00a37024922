"""The event bus: order, isolation of failing and hanging subscribers, an orderly end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from appliance.events import bus as bus_module
from appliance.events.bus import Bus


@dataclass(frozen=True, slots=True)
class Rang:
    number: int


@dataclass(frozen=True, slots=True)
class Stopped:
    number: int


def test_sync_subscribers_run_at_once_in_order_and_see_only_their_type():
    bus, seen = Bus(), []
    bus.subscribe(Rang, lambda event: seen.append(("first", event)), "first")
    bus.subscribe(object, lambda event: seen.append(("all", event)), "all")
    bus.publish(Rang(1))
    bus.publish(Stopped(2))
    assert seen == [("first", Rang(1)), ("all", Rang(1)), ("all", Stopped(2))]


def test_a_failing_subscriber_is_logged_by_name_and_hurts_nobody(caplog):
    bus, seen = Bus(), []

    def broken(event: Rang) -> None:
        raise ValueError(event)

    failing = bus.subscribe(Rang, broken, "broken-one")
    bus.subscribe(Rang, seen.append, "good")
    with caplog.at_level(logging.ERROR):
        bus.publish(Rang(1))
        bus.publish(Rang(2))
    assert seen == [Rang(1), Rang(2)]
    assert failing.failures == 2
    assert "broken-one failed with a Rang" in caplog.text
    assert "ValueError" in caplog.text


def test_a_cancelled_subscriber_hears_nothing_even_of_the_event_in_hand():
    bus, seen = Bus(), []
    bus.subscribe(Rang, lambda event: later.cancel(), "canceller")
    later = bus.subscribe(Rang, seen.append, "later")
    bus.publish(Rang(1))
    assert seen == []


def test_a_subscriber_may_subscribe_while_an_event_is_handed_out():
    bus, seen = Bus(), []
    bus.subscribe(Rang, lambda event: bus.subscribe(Rang, seen.append, "new"), "adder")
    bus.publish(Rang(1))
    assert seen == []
    bus.publish(Rang(2))
    assert seen == [Rang(2)]


def test_async_subscribers_start_in_order_and_a_hanging_or_failing_one_delays_nobody(caplog):
    async def scenario() -> list[int]:
        bus, seen, done = Bus(), [], asyncio.Event()

        async def hang(event: Rang) -> None:
            await asyncio.Event().wait()

        async def fail(event: Rang) -> None:
            raise ValueError("bad")

        async def good(event: Rang) -> None:
            seen.append(event.number)
            if event.number == 3:
                done.set()

        bus.subscribe(Rang, hang, "hanging")
        failing = bus.subscribe(Rang, fail, "failing")
        bus.subscribe(Rang, good, "good")
        for number in (1, 2, 3):
            bus.publish(Rang(number))
        assert seen == []  # scheduled, not run: publishing does not wait
        await asyncio.wait_for(done.wait(), 5)
        assert failing.failures == 3
        await bus.close(wait_s=0)
        bus.publish(Rang(4))
        assert len(asyncio.all_tasks()) == 1
        return seen

    assert asyncio.run(scenario()) == [1, 2, 3]
    assert "failing failed with a Rang" in caplog.text
    assert "bus:hanging did not end in time" in caplog.text


def test_a_lambda_around_a_coroutine_is_scheduled_too():
    async def scenario() -> list[int]:
        bus, seen = Bus(), []

        async def note(event: Rang) -> None:
            seen.append(event.number)

        bus.subscribe(Rang, lambda event: note(event), "lambda")  # noqa: PLW0108 - the lambda is the point
        bus.publish(Rang(7))
        await bus.close()
        return seen

    assert asyncio.run(scenario()) == [7]


def test_what_a_hanging_subscriber_holds_is_bounded(monkeypatch, caplog):
    monkeypatch.setattr(bus_module, "MAX_RUNNING", 5)

    async def scenario() -> int:
        bus = Bus()

        async def hang(event: Rang) -> None:
            await asyncio.Event().wait()

        subscription = bus.subscribe(Rang, hang, "hanging")
        for number in range(20):
            bus.publish(Rang(number))
        assert len(subscription.running()) == 5
        await bus.close(wait_s=0)
        return subscription.dropped

    assert asyncio.run(scenario()) == 15
    assert "subscriber hanging hangs" in caplog.text


def test_close_lets_running_handlers_finish():
    async def scenario() -> list[int]:
        bus, seen = Bus(), []

        async def slow(event: Rang) -> None:
            await asyncio.sleep(0)
            seen.append(event.number)

        bus.subscribe(Rang, slow, "slow")
        bus.publish(Rang(1))
        await bus.close(wait_s=5)
        return seen

    assert asyncio.run(scenario()) == [1]
