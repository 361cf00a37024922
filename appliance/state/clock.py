"""What is left of a lifetime that was stored: time that survives a kill and notices a reboot."""

from __future__ import annotations

from appliance.clock import Moment, boot_id, boottime_s

__all__ = ["Moment", "boot_id", "boottime_s", "remaining_s"]


def remaining_s(stored_s: float, stored: Moment, now: Moment, *, lived_until_s: float, grace_s: float) -> float:
    """How much of a lifetime of `stored_s`, written at `stored`, is left at `now`; 0 or less: it is over.

    Same boot: what passed is known and is subtracted. Another boot: how long the box was off is not known, so only the time it is known to have run
    (until `lived_until_s`, the latest moment of that boot found on disk) counts; what had not ended by then goes on, for `grace_s` at least.
    """
    if stored.boot_id == now.boot_id:
        return stored_s - max(0.0, now.at_s - stored.at_s)
    left_s = stored_s - max(0.0, lived_until_s - stored.at_s)
    return max(left_s, grace_s) if left_s > 0 else left_s
