"""The calls in progress: for displays, for "is this user in a call", and for how many calls a trunk carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from appliance.calls.quality import Side
from appliance.sip.api import Leg, MediaStats
from appliance.types import DeviceId, SessionId, TrunkId

log = logging.getLogger(__name__)


class CallState(StrEnum):
    """NEW -> DIALLING -> RINGING -> UP (<-> TRANSFERRING) -> ENDED; ENDED can follow any."""

    NEW = "new"
    DIALLING = "dialling"
    RINGING = "ringing"
    UP = "up"
    TRANSFERRING = "transferring"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One row of `holdfast calls`. `since` is wall time (Unix seconds) of the last change of state."""

    id: SessionId
    call_id: str
    from_number: str
    from_name: str
    to_number: str
    to_name: str
    state: CallState
    since: float
    codec: str
    forwarded: bool
    emergency: bool


class Call(Protocol):
    """What the registry sees of a session; `CallCore` says what each gives."""

    id: SessionId
    state: CallState
    emergency: bool
    """It is an emergency call or the call-back to one: never dropped for another, not counted against a trunk's limit."""

    def row(self) -> LiveCall: ...

    def devices(self) -> Iterable[DeviceId]: ...

    def trunks(self) -> Iterable[TrunkId]: ...

    def leg_with(self, call_id: str) -> Leg | None: ...

    def dialogs(self) -> tuple[str, ...]: ...

    def audio_leg(self) -> Leg | None: ...

    def sides(self) -> tuple[Side, ...]: ...

    def drop(self, reason: str, cause: str = "dropped") -> None: ...

    def let_go(self, device: DeviceId) -> None: ...


class LiveCalls:
    """All calls that are not over, in the order they began."""

    def __init__(self) -> None:
        self._calls: dict[SessionId, Call] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        self._calls[call.id] = call

    def remove(self, call: Call) -> None:
        self._calls.pop(call.id, None)

    def ordinary(self) -> int:
        """How many calls are not emergencies."""
        return sum(1 for call in self._calls.values() if not call.emergency)

    def engaged(self, device: DeviceId, besides: SessionId | None = None) -> bool:
        """Whether the device takes part in a call other than `besides`."""
        return any(device in call.devices() for call in self._calls.values() if call.id != besides)

    def in_emergency(self, device: DeviceId) -> bool:
        """Whether the device is in an emergency call: nothing else may ring it then."""
        return any(call.emergency and device in call.devices() for call in self._calls.values())

    def on_trunk(self, trunk: TrunkId) -> int:
        """Channels of the trunk that ordinary calls take now; a call that came in on it and goes out on it takes two."""
        return sum(tuple(call.trunks()).count(trunk) for call in self._calls.values() if not call.emergency)

    def make_room(self, trunk: TrunkId) -> bool:
        """Drop one ordinary call of this trunk: one that is not answered yet before one that is, the newest first. False when there is none."""
        candidates = [call for call in self._calls.values() if not call.emergency and trunk in call.trunks()]
        if not candidates:
            return False
        unanswered = [call for call in candidates if call.state in (CallState.NEW, CallState.DIALLING, CallState.RINGING)]
        victim = (unanswered or candidates)[-1]
        log.warning("call %s is dropped to make room on trunk %s for an emergency call", victim.id, trunk)
        victim.drop("Line needed for an emergency call")
        return True

    def let_go(self, device: DeviceId) -> None:
        """The phone is needed for an emergency: pages lose it at once."""
        for call in tuple(self._calls.values()):
            call.let_go(device)

    def find(self, call_id: str) -> tuple[Call, Leg] | None:
        """The call and party with this SIP Call-ID (for Replaces, RFC 3891)."""
        for call in self._calls.values():
            leg = call.leg_with(call_id)
            if leg is not None:
                return call, leg
        return None

    def dialogs(self) -> tuple[tuple[SessionId, tuple[str, ...]], ...]:
        """Each call with the Call-IDs of its legs so far."""
        return tuple((call.id, call.dialogs()) for call in self._calls.values())

    def up(self) -> tuple[Call, ...]:
        """Those with somebody who talks."""
        return tuple(call for call in self._calls.values() if call.state in (CallState.UP, CallState.TRANSFERRING))

    def get(self, session: SessionId) -> Call | None:
        return self._calls.get(session)

    def rows(self) -> tuple[LiveCall, ...]:
        """What goes on now, without asking the legs for their counters (`forwarded` is False)."""
        return tuple(call.row() for call in self._calls.values())

    async def detailed_rows(self, wait_s: float = 1.0) -> tuple[LiveCall, ...]:
        """`rows` with codec and forwarding as the legs report them; a leg that does not answer in time leaves its row as it is."""
        pairs = [(call.row(), call.audio_leg()) for call in self._calls.values()]
        asked = [leg.stats() for _, leg in pairs if leg is not None]
        done: list[object] = []
        if asked:
            try:
                async with asyncio.timeout(wait_s):
                    done = list(await asyncio.gather(*asked, return_exceptions=True))
            except TimeoutError:
                log.info("counters of the calls did not come within %.1f s", wait_s)
        answers = iter(done)
        rows = []
        for row, leg in pairs:
            stats = next(answers, None) if leg is not None else None
            rows.append(_with_stats(row, stats))
        return tuple(rows)


def _with_stats(row: LiveCall, stats: object) -> LiveCall:
    if not isinstance(stats, MediaStats):
        return row
    return replace(row, codec=stats.codec or row.codec, forwarded=stats.forwarded)
