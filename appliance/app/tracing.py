"""What `holdfast trace` is answered: the shim's ring with the calls its dialogs belong to."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from appliance.control import shapes
from appliance.sip.endpoint import RawMessage
from appliance.sip.trace import TraceEntry, TraceSnapshot, call_id_of, to_message
from appliance.types import SessionId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

REMEMBERED_DIALOGS = 4000
FOLLOW_S = 0.2
"""How often the ring is read for those who follow it."""


class Sessions:
    """Which dialogs (Call-IDs) belong to which call, for the newest calls."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, SessionId] = OrderedDict()

    def note(self, call_id: str, session: SessionId) -> None:
        if call_id:
            self._of[call_id] = session
            self._of.move_to_end(call_id)
            if len(self._of) > REMEMBERED_DIALOGS:
                self._of.popitem(last=False)

    def links(self) -> dict[str, SessionId]:
        return dict(self._of)


async def trace_result(box: Box, selector: str, limit: int) -> shapes.TraceResult:
    """Raises NotFound when nothing in the ring fits the selector."""
    return await box.loop.run_in_executor(None, _look, box, _links(box), selector, limit)


async def follow(box: Box) -> None:
    """Send every message to the followers of topic `trace` as it passes. Runs as long as the box; the ring is read only while somebody follows."""
    after = 0
    while True:
        await asyncio.sleep(FOLLOW_S)
        since_unix_s = box.server.wanted_since("trace")
        if since_unix_s is None:
            continue
        try:
            after, messages = await box.loop.run_in_executor(None, _passed, box, _links(box), after, since_unix_s)
            for message in messages:
                box.server.publish("trace", message)
        except Exception:
            log.exception("the SIP messages could not be followed")


def _passed(box: Box, links: dict[str, SessionId], after: int, since_unix_s: float) -> tuple[int, list[shapes.TraceMessage]]:
    """The messages after number `after` and since that moment, and the number of the last."""
    raw = box.endpoint.trace(after)
    messages = [to_message(_entry(r), links.get(call_id_of(r.data), "")) for r in raw if r.at_s >= since_unix_s]
    return (raw[-1].number if raw else after), messages


def _links(box: Box) -> dict[str, SessionId]:
    """Which dialogs belong to which call, those still up with them."""
    for session, call_ids in box.context.live.dialogs():
        for call_id in call_ids:
            box.sessions.note(call_id, session)
    return box.sessions.links()


def _entry(raw: RawMessage) -> TraceEntry:
    return TraceEntry(raw.at_s, raw.sent, raw.local, raw.remote, raw.data)


def _look(box: Box, links: dict[str, SessionId], selector: str, limit: int) -> shapes.TraceResult:
    entries = tuple(_entry(r) for r in box.endpoint.trace())
    return TraceSnapshot(entries, links).answer(selector, limit)
