"""Calls whose line has lost the internet: who is freed, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from appliance.calls.live import CallState, LiveCalls
from appliance.calls.quality import Side
from appliance.calls.stranded import PATIENCE_S, WHY, Stranded
from appliance.sip.api import MediaStats
from appliance.types import LegId, SessionId, TrunkId

ACME, SESSION = TrunkId("acme"), SessionId("s1")


def stats_of(silent_s: float) -> MediaStats:
    return MediaStats("pcmu", 100, 0, 0.0, 100, 0, 0.0, 0.0, True, silent_s=silent_s)


@dataclass
class Talk:
    """A call as the registry sees it, as far as it matters here."""

    trunk: TrunkId | None = ACME
    emergency: bool = False
    id: SessionId = SESSION
    state: CallState = CallState.UP
    dropped: list[tuple[str, str]] = field(default_factory=list)

    def trunks(self) -> tuple[TrunkId, ...]:
        return (self.trunk,) if self.trunk else ()

    def sides(self) -> tuple[Side, ...]:
        return Side("caller", "201", False, "pcmu", LegId("near")), Side("called", "outside", True, "pcmu", LegId("far"))

    def drop(self, reason: str, cause: str = "dropped") -> None:
        self.dropped.append((reason, cause))


def look(talk: Any, *, lost: bool = True, silent_s: float = 60.0, until_s: float = 30.0) -> list[tuple[str, str]]:
    live = LiveCalls()
    live.add(talk)
    stranded = Stranded(live, lambda trunk: lost and trunk == ACME)
    counters: dict[LegId, MediaStats] = {LegId("near"): stats_of(silent_s=0.0), LegId("far"): stats_of(silent_s=silent_s)}
    now = 0.0
    while now <= until_s:
        stranded.take(counters, now)
        now += 5.0
        if talk.dropped:
            break
    return talk.dropped


def test_both_ends_are_freed_when_the_line_has_been_gone_and_silent_for_long() -> None:
    talk = Talk()
    assert look(talk, until_s=PATIENCE_S - 1) == [], "however long it had been silent before"
    assert look(talk) == [(WHY, "vanished")]


@pytest.mark.parametrize("case", [{"lost": False}, {"silent_s": PATIENCE_S - 1}])
def test_who_has_the_internet_or_still_hears_something_goes_on(case: dict[str, Any]) -> None:
    assert look(Talk(), **case) == []


def test_an_emergency_call_and_a_call_inside_are_left_alone() -> None:
    assert look(Talk(emergency=True)) == [] and look(Talk(trunk=None)) == [] and look(Talk(trunk=TrunkId("pri"))) == []
