"""The register of emergency notices: what is going on now and what was, for status and for those who come late (pure)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from appliance.events.emergency import LIVE, EmergencyNotice, NoticeOutcome

KEPT = 50


class NoticeRegister:
    """Live notices, all of them, and the last `kept` that are over."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._notices: OrderedDict[str, EmergencyNotice] = OrderedDict()

    def put(self, notice: EmergencyNotice) -> EmergencyNotice:
        """Enter or replace a notice by its id; returns it, ready to be published."""
        self._notices[notice.id] = notice
        over = [key for key, known in self._notices.items() if known.outcome not in LIVE]
        for key in over[: max(0, len(over) - self._kept)]:
            del self._notices[key]
        return notice

    def update(self, notice_id: str, **changes: Any) -> EmergencyNotice | None:
        """Change fields of a notice; None when it is not known (any more)."""
        known = self._notices.get(notice_id)
        return None if known is None else self.put(replace(known, **changes))

    def live(self) -> tuple[EmergencyNotice, ...]:
        """Calls in progress, the oldest first."""
        return tuple(notice for notice in self._notices.values() if notice.outcome in LIVE)

    def recent(self) -> tuple[EmergencyNotice, ...]:
        """Calls that are over, the latest first."""
        return tuple(notice for notice in reversed(self._notices.values()) if notice.outcome not in LIVE)


_OUTCOMES: dict[NoticeOutcome, str] = {
    "calling": "is being put through",
    "connected": "is connected",
    "ended": "has ended",
    "abandoned": "was given up by the caller before an answer",
    "failed": "did not get through on any path",
}


def sentence(notice: EmergencyNotice) -> str:
    """The notice as one sentence to show or to speak: who, where, callback number, how it stands; what the dispatcher was not told is said."""
    who = f"extension {notice.extension}" if notice.extension else notice.device or "an unknown phone"
    lead = "TEST of the emergency route" if notice.test else "EMERGENCY CALL"
    parts = [f"{lead} ({notice.dialled}) from {who}", notice.location or "location unknown"]
    if notice.callback_number:
        parts.append(f"callback {notice.callback_number}")
    parts.append(_OUTCOMES[notice.outcome] + (f" over {notice.path}" if notice.path else ""))
    if notice.path and notice.location and not notice.location_sent:
        parts.append("the location was not sent with the call")
    return "; ".join(parts)
