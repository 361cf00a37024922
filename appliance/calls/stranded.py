"""Ordinary calls whose line has lost the internet: after some seconds without a packet both ends are freed, instead of listening to nothing for a minute."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from appliance.calls.live import Call, LiveCalls
from appliance.sip.api import MediaStats
from appliance.types import LegId, SessionId, TrunkId

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
"""An outage shorter than this ends no call."""
WHY = "The internet is gone"


class Stranded:
    """`lost`: whether a trunk needs the internet and that is down. An emergency call is left to its caller, who hears more than we know."""

    def __init__(self, live: LiveCalls, lost: Callable[[TrunkId], bool]) -> None:
        self._live, self._lost = live, lost
        self._since_s: dict[SessionId, float] = {}

    def take(self, counters: Mapping[LegId, MediaStats], now: float) -> None:
        """One look, every few seconds; `now` monotonic."""
        since_s, self._since_s = self._since_s, {}
        for call in tuple(self._live.up()):
            if call.emergency or not self._cut_off(call):
                continue
            self._since_s[call.id] = began_s = since_s.get(call.id, now)
            silent_s = min((counters[side.leg].silent_s for side in call.sides() if side.line and side.leg in counters), default=0.0)
            if now - began_s >= PATIENCE_S and silent_s >= PATIENCE_S:
                log.warning("call %s: its line has lost the internet, and nothing came for %.0f s", call.id, silent_s)
                call.drop(WHY, "vanished")

    def _cut_off(self, call: Call) -> bool:
        trunks = tuple(call.trunks())
        return bool(trunks) and all(self._lost(trunk) for trunk in trunks)
