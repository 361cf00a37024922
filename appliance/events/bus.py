"""The in-process event bus: features react to events, and a failing subscriber is logged, isolated and never fatal."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

log = logging.getLogger(__name__)

MAX_RUNNING = 1000
"""Runs of one async subscriber at once; beyond, its events are dropped (and said so): one that hangs must not fill the memory."""
SLOW_S = 0.02
"""A sync subscriber holds the loop; beyond this it is named in the log."""

E = TypeVar("E")
Handler = Callable[[E], Awaitable[None] | None]


class Subscription:
    """One subscriber; `cancel` ends it (what already runs runs on). `failures` and `dropped` count since the start."""

    __slots__ = ("_handler", "_running", "cancelled", "dropped", "event_type", "failures", "name")

    def __init__(self, event_type: type, handler: Handler[Any], name: str) -> None:
        self.event_type = event_type
        self.name = name
        self.failures = 0
        self.dropped = 0
        self.cancelled = False
        self._handler = handler
        self._running: set[asyncio.Task[None]] = set()

    def cancel(self) -> None:
        self.cancelled = True

    def deliver(self, event: object) -> None:
        """Run the handler now (sync) or schedule it (async). Never raises."""
        if len(self._running) >= MAX_RUNNING:
            self.dropped += 1
            if self.dropped == 1 or self.dropped % MAX_RUNNING == 0:
                log.error("subscriber %s hangs: %d events dropped, the last a %s", self.name, self.dropped, type(event).__name__)
            return
        began = time.perf_counter()
        try:
            result = self._handler(event)
        except Exception:
            self.failures += 1
            log.exception("subscriber %s failed with a %s", self.name, type(event).__name__)
            return
        if inspect.isawaitable(result):
            task = asyncio.get_running_loop().create_task(self._run(event, result), name=f"bus:{self.name}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        elif (took := time.perf_counter() - began) > SLOW_S:
            log.warning("subscriber %s held the loop for %.0f ms with a %s", self.name, took * 1000, type(event).__name__)

    async def _run(self, event: object, result: Awaitable[None]) -> None:
        try:
            await result
        except Exception:
            self.failures += 1
            log.exception("subscriber %s failed with a %s", self.name, type(event).__name__)

    def running(self) -> set[asyncio.Task[None]]:
        return set(self._running)


class Bus:
    """Belongs to the asyncio loop; from another thread use `loop.call_soon_threadsafe(bus.publish, event)`.

    Subscribers are called in the order they subscribed. An async handler runs as a task of its own per event: tasks start in the order of the events, and one
    that hangs delays nobody, not even the next event of the same subscriber.
    """

    def __init__(self) -> None:
        self._subscriptions: tuple[Subscription, ...] = ()

    def subscribe(self, event_type: type[E], handler: Handler[E], name: str) -> Subscription:
        """Call `handler` with every event that is an `event_type` (`object`: all). `name` is what the log calls it."""
        subscription = Subscription(event_type, handler, name)
        self._subscriptions = (*(s for s in self._subscriptions if not s.cancelled), subscription)
        return subscription

    def publish(self, event: object) -> None:
        """Hand `event` to its subscribers; returns when the sync ones are done. Never raises."""
        # The tuple is replaced, never changed: a handler may subscribe or cancel meanwhile.
        for subscription in self._subscriptions:
            if isinstance(event, subscription.event_type) and not subscription.cancelled:
                subscription.deliver(event)

    async def close(self, wait_s: float = 2.0) -> None:
        """Let running async handlers end within `wait_s`, then cancel them. No event is delivered any more."""
        subscriptions, self._subscriptions = self._subscriptions, ()
        running = {task for subscription in subscriptions for task in subscription.running()} - {asyncio.current_task()}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=wait_s)
        for task in late:
            log.warning("%s did not end in time", task.get_name())
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
