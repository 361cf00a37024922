"""Subscriptions at the SIP port: SUBSCRIBE is decided in the hook, NOTIFYs leave right after, their answers come back; all on the SIP thread, nothing waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from appliance.sip.messages import DialogRequest, Reply, Request
from appliance.sip.subscriptions.notifier import Counts, Notifier, Package
from appliance.site.snapshot import DeviceEntry
from appliance.types import Address


class Port(Protocol):
    """What is needed of the endpoint."""

    def post(self, command: Callable[..., Any], *arguments: Any) -> None: ...

    def send_in_dialog(self, request: DialogRequest, done: Callable[[int], None]) -> None: ...

    def contact_of(self, local: Address) -> str: ...


class Subscriptions:
    """Serves the packages. They live as long as the engine: a commit leaves them, after a restart each phone gets 481 at its next refresh and begins anew."""

    def __init__(self, port: Port, packages: Iterable[Package], clock: Callable[[], float] = time.monotonic) -> None:
        self._port, self._clock = port, clock
        self._notifier = Notifier(packages, port.contact_of)

    def decide(self, request: Request, device: DeviceEntry, now: float) -> Reply:
        """The handler of SUBSCRIBE for admission (SIP thread)."""
        reply = self._notifier.subscribe(request, device, now)
        self._port.post(self._flush)  # after the reply: a NOTIFY that overtakes its 200 confuses phones
        return reply

    def tick(self, now: float) -> None:
        """Every second on the SIP thread."""
        self._notifier.sweep(now)
        self._flush()

    def changed(self, package: str, change: Callable[[], None] = lambda: None) -> None:
        """Make a change to what is watched and tell the watchers of it (any thread)."""
        self._port.post(self._change, package, change)

    def counts(self) -> Counts:
        """SIP thread, by `ask`."""
        return self._notifier.counts()

    def _change(self, package: str, change: Callable[[], None]) -> None:
        change()
        self._notifier.changed(package)
        self._flush()

    def _flush(self) -> None:
        for key, notify in self._notifier.drain(self._clock()):
            self._port.send_in_dialog(notify, partial(self._answered, key))

    def _answered(self, key: tuple[str, str, str], code: int) -> None:
        self._notifier.answered(key, code)
        self._port.post(self._flush)  # what changed meanwhile
