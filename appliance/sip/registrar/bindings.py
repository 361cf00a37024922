"""Where each device can be reached: bindings per address of record, expiring by the time passed in (pure)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from appliance.sip.registrar import uris
from appliance.state.clock import Moment, remaining_s
from appliance.state.records import BindingRecord
from appliance.types import Address, DeviceId

RESTORE_GRACE_S = 300.0
"""After a reboot a restored binding lasts this long at least: phones ring while they find the box again."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One contact of one device (the AOR). Times are seconds of the one monotonic clock the caller uses.

    `received` is where the REGISTER came from, `local` the box's own address it came to. `instance` and `reg_id`: RFC 5626; "" and 0 when absent.
    `branch` of the REGISTER that wrote it tells a retransmission; "" after a restart.
    """

    device: DeviceId
    uri: str
    received: Address
    local: Address
    q: float | None
    expires_at: float
    call_id: str
    cseq: int
    user_agent: str
    registered_at: float
    refreshed_at: float
    instance: str = ""
    reg_id: int = 0
    branch: str = ""

    @property
    def priority(self) -> float:
        """q with its default (RFC 3261 section 20.10 leaves it open; a contact without is as good as any)."""
        return 1.0 if self.q is None else self.q

    def seconds_left(self, now: float) -> int:
        """Whole seconds left, 1 at least while it lives, for an `expires` parameter."""
        return max(1, round(self.expires_at - now))


def target(binding: Binding) -> str:
    """The Request-URI that rings this contact; see `uris.dial_uri`."""
    return uris.dial_uri(binding.uri, binding.received)


class Bindings:
    """All bindings in memory. Not thread-safe: it belongs to the SIP thread.

    Replacing is by `(device, uri)`; which older contacts a new one stands for is the registrar's decision.
    """

    def __init__(self) -> None:
        self._of: dict[DeviceId, tuple[Binding, ...]] = {}
        self._due: list[tuple[float, DeviceId, str]] = []
        self._scheduled: dict[tuple[DeviceId, str], float] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __iter__(self) -> Iterator[Binding]:
        for held in self._of.values():
            yield from held

    def devices(self) -> tuple[DeviceId, ...]:
        """Every device that has a binding."""
        return tuple(self._of)

    def of(self, device: DeviceId, now: float) -> tuple[Binding, ...]:
        """Live bindings of a device: highest q first, the most lately refreshed first among equals."""
        held = self._of.get(device, ())
        for binding in held:
            if binding.expires_at <= now:
                return tuple(one for one in held if one.expires_at > now)
        return held

    def expire(self, device: DeviceId, now: float) -> tuple[Binding, ...]:
        """Remove and return what of this device has expired, without waiting for `sweep`."""
        live = self.of(device, now)
        held = self._of.get(device, ())
        if len(live) == len(held):
            return ()
        self.replace(device, live)
        return tuple(one for one in held if one.expires_at <= now)

    def replace(self, device: DeviceId, held: Iterable[Binding]) -> None:
        """Set everything a device has, in one step."""
        ordered = tuple(sorted(held, key=lambda one: (-one.priority, -one.refreshed_at)))
        if not ordered:
            self._of.pop(device, None)
            return
        self._of[device] = ordered
        for binding in ordered:
            key = (device, binding.uri)
            due = self._scheduled.get(key)
            # One entry per contact, however often it refreshes: an entry that comes up early is put off then.
            if due is None or binding.expires_at < due:
                self._scheduled[key] = binding.expires_at
                heapq.heappush(self._due, (binding.expires_at, *key))

    def forget(self, device: DeviceId) -> tuple[Binding, ...]:
        """Drop a device that left the site document; what it had."""
        return self._of.pop(device, ())

    def sweep(self, now: float) -> tuple[Binding, ...]:
        """Remove and return what has expired."""
        expired: list[Binding] = []
        while self._due and self._due[0][0] <= now:
            due, device, uri = heapq.heappop(self._due)
            key = (device, uri)
            if self._scheduled.get(key) != due:
                continue
            del self._scheduled[key]
            held = self._of.get(device, ())
            binding = next((one for one in held if one.uri == uri), None)
            if binding is None:
                continue
            if binding.expires_at > now:
                self._scheduled[key] = binding.expires_at
                heapq.heappush(self._due, (binding.expires_at, *key))
                continue
            expired.append(binding)
            self.replace(device, (one for one in held if one is not binding))
        return tuple(expired)

    def snapshot(self, now: float, moment: Moment) -> tuple[BindingRecord, ...]:
        """Every live binding as it goes to disk; `now` and `moment` are the same instant on the two clocks."""
        return tuple(to_record(binding, now, moment) for binding in self if binding.expires_at > now)

    def restore(self, records: Iterable[BindingRecord], now: float, moment: Moment, grace_s: float = RESTORE_GRACE_S) -> tuple[Binding, ...]:
        """Take back what was on disk; returns what is over and did not come back. The rules are those of `state.clock.remaining_s`."""
        records = tuple(records)
        lived: dict[str, float] = {}
        for record in records:
            lived[record.stored.boot_id] = max(record.stored.at_s, lived.get(record.stored.boot_id, 0.0))
        back: dict[DeviceId, list[Binding]] = {}
        over: list[Binding] = []
        for record in records:
            left_s = remaining_s(record.remaining_s, record.stored, moment, lived_until_s=lived[record.stored.boot_id], grace_s=grace_s)
            binding = _from_record(record, now, left_s)
            if left_s > 0:
                back.setdefault(record.device, []).append(binding)
            else:
                over.append(binding)
        for device, held in back.items():
            self.replace(device, held)
        return tuple(over)


def to_record(binding: Binding, now: float, moment: Moment) -> BindingRecord:
    """The record of a binding; `now` and `moment` are the same instant on the two clocks."""
    return BindingRecord(
        device=binding.device,
        uri=binding.uri,
        received=binding.received,
        local=binding.local,
        q=binding.q,
        remaining_s=binding.expires_at - now,
        age_s=now - binding.registered_at,
        stored=moment,
        call_id=binding.call_id,
        cseq=binding.cseq,
        user_agent=binding.user_agent,
        instance=binding.instance,
        reg_id=binding.reg_id,
    )


def _from_record(record: BindingRecord, now: float, left_s: float) -> Binding:
    passed_s = max(0.0, record.remaining_s - left_s)
    return Binding(
        device=record.device,
        uri=record.uri,
        received=record.received,
        local=record.local,
        q=record.q,
        expires_at=now + left_s,
        call_id=record.call_id,
        cseq=record.cseq,
        user_agent=record.user_agent,
        registered_at=now - record.age_s - passed_s,
        refreshed_at=now - passed_s,
        instance=record.instance,
        reg_id=record.reg_id,
    )
