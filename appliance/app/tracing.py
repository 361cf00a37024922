"""What `holdfast trace` is answered: the shim's ring with the calls its dialogs belong to."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from appliance.control import shapes
from appliance.sip.trace import TraceEntry, TraceSnapshot
from appliance.types import SessionId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

REMEMBERED_DIALOGS = 4000


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
    for session, call_ids in box.context.live.dialogs():
        for call_id in call_ids:
            box.sessions.note(call_id, session)
    return await box.loop.run_in_executor(None, _look, box, box.sessions.links(), selector, limit)


def _look(box: Box, links: dict[str, SessionId], selector: str, limit: int) -> shapes.TraceResult:
    entries = tuple(TraceEntry(r.at_s, r.sent, r.local, r.remote, r.data) for r in box.endpoint.trace())
    return TraceSnapshot(entries, links).answer(selector, limit)
