"""A restart that was asked for: never in the middle of an emergency call, unless by force."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from appliance.control import shapes
from appliance.errors import HoldfastError

if TYPE_CHECKING:
    from appliance.app.wiring import Box
    from appliance.control.server import Peer

log = logging.getLogger(__name__)

ANSWER_S = 0.2
"""The answer to who asked leaves first."""
LOOK_S = 0.5


async def restart(box: Box, params: dict[str, Any], peer: Peer) -> shapes.RestartResult:
    """Have the supervisor start the engine, or the `whole` software, afresh; calls end. Raises HoldfastError "emergency-in-progress"."""
    force, calls = params["force"], box.context.live.rows()
    if not force and any(call.emergency for call in calls):
        raise HoldfastError(
            "An emergency call is in progress, and a restart would cut it off", "try again when it is over; --force does not wait", code="emergency-in-progress"
        )
    what, how = "everything" if params["whole"] else "the engine", ", by force" if force else ""
    log.warning("a restart of %s was asked for by uid %d (pid %d)%s: %s", what, peer.uid, peer.pid, how, params["reason"] or "no reason given")

    def go(told: bool = False) -> None:
        box.whole = box.whole or params["whole"]
        if not force and any(call.emergency for call in box.context.live.rows()):  # one that began just now
            if not told:
                log.warning("the restart waits until the emergency call is over")
            box.loop.call_later(LOOK_S, go, True)
        else:
            box.again.set()

    box.loop.call_later(ANSWER_S, go)
    return {"calls": len(calls)}
