"""Callback numbers (ELINs): which number an emergency call shows, and whom a call to that number rings afterwards (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from appliance.state.clock import Moment, remaining_s
from appliance.state.records import CallbackRecord
from appliance.types import DeviceId, LocationId, SessionId

HOLD_S = 3600.0
RESTORE_GRACE_S = 300.0
"""A window that was open when the box lost power is open for this long at least afterwards: a dispatch centre calls back when a call was cut off."""


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """Whom a call to `elin` rings: `device`, or for a phone the box does not know the URI `target`. Both empty: nobody is left, ring the security desk."""

    elin: str
    device: DeviceId | None = None
    target: str = ""
    location: LocationId | None = None
    session: SessionId | None = None


@dataclass(slots=True)
class _Window:
    """One emergency call's claim on its number. Times are seconds of CLOCK_BOOTTIME; `until` None: the call is up; `touched`: when it started or ended."""

    elin: str
    session: SessionId
    device: DeviceId | None
    target: str
    location: LocationId | None
    started_unix_s: float
    touched: float
    until: float | None = None

    def alive(self, at: float) -> bool:
        return self.until is None or at < self.until


class CallbackMap:
    """The live windows of all ELINs. Every change returns the record to store; nothing here touches the disk."""

    def __init__(self, elins: Iterable[str] = (), hold_s: float = HOLD_S) -> None:
        self._elins = frozenset(elins)
        self._hold_s = hold_s
        self._windows: dict[SessionId, _Window] = {}
        self._last_used: dict[str, float] = {}

    def configure(self, elins: Iterable[str], hold_s: float) -> None:
        """Numbers of the revision in force, and how long a number stays with its phone after hang-up. Windows that are open keep what they have."""
        self._elins = frozenset(elins)
        self._hold_s = hold_s

    def allocate(
        self,
        session: SessionId,
        pool: Sequence[str],
        *,
        device: DeviceId | None,
        location: LocationId | None,
        now: Moment,
        started_unix_s: float,
        target: str = "",
    ) -> CallbackRecord | None:
        """Give the emergency call `session` a number of `pool` (its location's ELINs, or the site's main number); None when the pool is empty.

        A phone that calls again keeps the number it still holds. Else the number with the fewest live windows (so a free one first), of these the one unused
        longest, of these the first. `target`: the URI to call where there is no device.
        """
        known = self._windows.get(session)
        if known is not None:
            return self._record(known, now)
        if not pool:
            return None
        elin = self._held_by(device, target, pool, now.at_s) or min(pool, key=lambda number: (self.active(number, now), self._last_used.get(number, -inf)))
        window = _Window(elin, session, device, target, location, started_unix_s, now.at_s)
        self._windows[session] = window
        self._last_used[elin] = now.at_s
        return self._record(window, now)

    def ended(self, session: SessionId, now: Moment, *, hold: bool = True) -> CallbackRecord | None:
        """The call hung up: its number stays with the phone for the hold time, or is free at once (nobody calls back after a test). None when the call has
        no number or had ended before."""
        window = self._windows.get(session)
        if window is None or window.until is not None:
            return None
        window.until = now.at_s + (self._hold_s if hold else 0.0)
        window.touched = self._last_used[window.elin] = now.at_s
        return self._record(window, now)

    def lookup(self, called_number: str, now: Moment) -> CallbackTarget | None:
        """Whom a call to `called_number` (E.164) rings: the phone something happened to last, of those that hold the number.

        None: no ELIN, an ordinary call. A number of a pool without a window gives a target without a phone: it rings security, never a menu.
        """
        live = [window for window in self._windows.values() if window.elin == called_number and window.alive(now.at_s)]
        if live:
            last = max(live, key=lambda window: (window.touched, window.started_unix_s))
            return CallbackTarget(called_number, last.device, last.target, last.location, last.session)
        return CallbackTarget(called_number) if called_number in self._elins else None

    def active(self, elin: str, now: Moment) -> int:
        """How many windows are open on a number."""
        return sum(1 for window in self._windows.values() if window.elin == elin and window.alive(now.at_s))

    def expire(self, now: Moment) -> tuple[tuple[str, SessionId], ...]:
        """Forget the windows that are over; their keys, to be removed from the disk as well."""
        gone = [window for window in self._windows.values() if not window.alive(now.at_s)]
        for window in gone:
            del self._windows[window.session]
        return tuple((window.elin, window.session) for window in gone)

    def records(self, now: Moment) -> tuple[CallbackRecord, ...]:
        """All open windows as they would be stored now."""
        return tuple(self._record(window, now) for window in self._windows.values() if window.alive(now.at_s))

    def restore(self, records: Iterable[CallbackRecord], now: Moment, lived_until_s: float) -> tuple[tuple[str, SessionId], ...]:
        """Take over what was stored before a restart; returns the keys of those that are over.

        `lived_until_s`: the last moment of the earlier boot known from the disk (see `state.clock.remaining_s`). A call that was up then was cut off by the
        restart: its window starts now, for that is when it is called back.
        """
        over: list[tuple[str, SessionId]] = []
        for record in records:
            left_s = self._hold_s
            if record.remaining_s is not None:
                left_s = remaining_s(record.remaining_s, record.stored, now, lived_until_s=lived_until_s, grace_s=RESTORE_GRACE_S)
            if left_s <= 0:
                over.append((record.elin, record.session))
                continue
            # Moments of an earlier boot say nothing on this boot's clock; the order of the calls is kept by their start.
            touched = record.stored.at_s if record.stored.boot_id == now.boot_id else now.at_s
            self._windows[record.session] = _Window(
                record.elin, record.session, record.device or None, record.target, record.location or None, record.started_unix_s, touched, now.at_s + left_s
            )
            self._last_used[record.elin] = max(touched, self._last_used.get(record.elin, touched))
        return tuple(over)

    def _held_by(self, device: DeviceId | None, target: str, pool: Sequence[str], at: float) -> str:
        for window in self._windows.values():
            same = window.device == device if device is not None else window.device is None and target != "" and window.target == target
            if same and window.elin in pool and window.alive(at):
                return window.elin
        return ""

    @staticmethod
    def _record(window: _Window, now: Moment) -> CallbackRecord:
        return CallbackRecord(
            elin=window.elin,
            session=window.session,
            device=window.device or DeviceId(""),
            location=window.location or LocationId(""),
            remaining_s=None if window.until is None else window.until - now.at_s,
            stored=now,
            started_unix_s=window.started_unix_s,
            target=window.target,
        )
