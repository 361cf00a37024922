"""Registrations between the SIP thread, the disk and the bus: restore at start, write what changed, answer who can be reached where."""

from __future__ import annotations

import time
from collections.abc import Callable

from appliance.calls.route import Target
from appliance.sip.admission import Refused
from appliance.sip.registrar.bindings import Binding, Bindings, target
from appliance.sip.registrar.register import Change, Limits, Registrar
from appliance.site.snapshot import Snapshot
from appliance.state.clock import Moment
from appliance.state.records import BindingChange, BindingRecord
from appliance.types import DeviceId

REMEMBERED_REFUSALS = 200


class Registrations:
    """Owns the registrar. `decide`-time methods run on the SIP thread; `targets` and `rows` on the loop read what is there (one dictionary access)."""

    def __init__(self, limits: Limits, write: Callable[[BindingChange], None], changed: Callable[[Change], None]) -> None:
        self.registrar = Registrar(Bindings(), limits)
        self.refusals: list[Refused] = []
        self._write, self._changed = write, changed

    def restore(self, records: tuple[BindingRecord, ...], snapshot: Snapshot) -> int:
        """Take back what was on disk; before the SIP thread starts."""
        count = self.registrar.restore(records, time.monotonic(), Moment.now(), lambda device: device in snapshot.devices)
        self.flush()
        return count

    def flush(self) -> None:
        """Hand every change since the last call to the disk writer and the bus (SIP thread; neither waits)."""
        changes = self.registrar.drain_changes()
        if changes:
            now, moment = time.monotonic(), Moment.now()
            for change in changes:
                self._write(change.record(now, moment))
                self._changed(change)

    def tick(self, now: float) -> None:
        """Every second on the SIP thread."""
        self.registrar.sweep(now)
        self.flush()

    def note_refusal(self, refused: Refused) -> None:
        """Keep the newest for the diagnosis (row E14)."""
        self.refusals.append(refused)
        del self.refusals[:-REMEMBERED_REFUSALS]

    def targets(self, device: DeviceId) -> tuple[Target, ...]:
        """The live contacts of a device, best q first."""
        return tuple(Target(target(b), b.local, device, b.priority) for b in self.registrar.bindings.of(device, time.monotonic()))

    def addresses(self, device: DeviceId) -> frozenset[str]:
        """The IP addresses where a device is signed in."""
        return frozenset(binding.received.ip for binding in self.registrar.bindings.of(device, time.monotonic()))

    def count(self) -> int:
        return len(self.registrar.bindings)

    def all(self) -> tuple[Binding, ...]:
        """A copy, safe on the loop while the SIP thread goes on."""
        while True:
            try:
                return tuple(self.registrar.bindings)
            except RuntimeError:  # a REGISTER came in the middle: look again
                continue
