"""Events of emergency calling: the on-site notice of a call, and faults of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from appliance.types import DeviceId, LocationId, SessionId

NoticeOutcome = Literal["calling", "connected", "ended", "abandoned", "failed"]

LIVE: frozenset[NoticeOutcome] = frozenset({"calling", "connected"})
"""Outcomes of a call that still goes on."""


@dataclass(frozen=True, slots=True)
class EmergencyNotice:
    """That an emergency call was made (47 CFR 9.16(b)(2)): published when it starts and, with the same `id`, whenever something about it changes.

    `extension` and `device` are empty for a phone nobody knows; `source_ip` says where it is then. `location`: the dispatchable location in words, as the
    dispatcher got it; `location_sent` False means that the path in use did not take it. `dialled`: what the phone sent; `service`: what was asked of the
    carrier. `started_unix_s` is wall clock for people, `started_s` monotonic for durations. `path`: the trunk in use, "" before the first.
    `durable`: the journal entry was on disk before the INVITE left. `note`: a sentence on doubts about the location.
    """

    id: str
    session: SessionId
    test: bool
    dialled: str
    service: str
    started_unix_s: float
    started_s: float
    device: DeviceId | None = None
    extension: str = ""
    source_ip: str = ""
    callback_number: str = ""
    location_id: LocationId | None = None
    location: str = ""
    location_sent: bool = False
    path: str = ""
    outcome: NoticeOutcome = "calling"
    durable: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class EmergencyJournalFault:
    """The emergency journal is late or cannot be written; `sentence` says why, "" when all entries are on the disk again."""

    sentence: str
