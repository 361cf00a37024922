"""What calls are given from outside: the SIP side, the compiled site, look-ups and sinks. Wired in one place, replaced one by one in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.calls.cdr import RecordSink
from appliance.calls.dials import TrunkOrder
from appliance.calls.live import LiveCalls
from appliance.calls.program import Programs
from appliance.calls.route import CallBack, Target, View
from appliance.sip.api import Endpoint
from appliance.site.snapshot import Snapshot
from appliance.types import DeviceId, SessionId

MAX_CALLS = 200
"""Ordinary calls at once: with two legs each and forks on top they stay within the legs the SIP side has."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """The injected parts. All callables return at once and never raise for want of data."""

    endpoint: Endpoint
    snapshot: Callable[[], Snapshot]
    """The revision in force."""
    targets: Callable[[DeviceId], tuple[Target, ...]]
    """The live contacts of a device, best q first."""
    call_back: Callable[[str], CallBack | None]
    """What an E.164 number stands for when it is a callback number of the emergency side, else None."""
    trunk_order: TrunkOrder
    record: RecordSink
    publish: Callable[[object], None]
    """Puts an event on the bus."""
    wall: Callable[[], float]
    """Seconds, Unix time."""
    new_id: Callable[[], SessionId]
    programs: Callable[[], Programs]
    """Those of the revision in force."""
    live: LiveCalls = field(default_factory=LiveCalls)
    max_calls: int = MAX_CALLS

    def view(self, besides: SessionId | None = None, excluded: frozenset[DeviceId] = frozenset()) -> View:
        """What routing sees now; the call `besides` and the phones `excluded` are its own business."""
        live = self.live
        return View(self.targets, lambda device: live.engaged(device, besides), live.in_emergency, self.call_back, excluded)
