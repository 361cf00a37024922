"""What `holdfast trace` is answered: the ring's messages of one call with all its dialogs, or the list of calls."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from appliance.control import shapes
from appliance.errors import NotFound
from appliance.sip.trace import Message, choose, dialogs, read

if TYPE_CHECKING:
    from appliance.app.wiring import Box

REMEMBERED_CALLS = 2000


class Sessions:
    """Which dialogs (Call-IDs) belong to which call, for the newest calls."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, str] = OrderedDict()

    def note(self, call_id: str, session: str) -> None:
        if call_id:
            self._of[call_id] = session
            self._of.move_to_end(call_id)
            if len(self._of) > REMEMBERED_CALLS:
                self._of.popitem(last=False)

    def of(self, call_id: str) -> str:
        return self._of.get(call_id, "")

    def whole(self, call_ids: set[str]) -> set[str]:
        """These dialogs and all others of their calls."""
        sessions = {self._of[c] for c in call_ids if c in self._of}
        return call_ids | {c for c, s in self._of.items() if s in sessions}


async def trace_result(box: Box, selector: str, limit: int) -> shapes.TraceResult:
    """Raises NotFound when nothing in the ring fits the selector."""
    for session, call_ids in box.context.live.dialogs():
        for call_id in call_ids:
            box.sessions.note(call_id, session)
    return await box.loop.run_in_executor(None, _look, box, selector, limit)


def _look(box: Box, selector: str, limit: int) -> shapes.TraceResult:
    messages = [read(r.number, r.at_s, r.sent, r.local, r.remote, r.data) for r in box.endpoint.trace()]
    sessions = box.sessions
    if not selector:
        calls: list[shapes.TraceCall] = [
            {
                "at_s": d.at_s, "session": sessions.of(d.call_id), "call_id": d.call_id, "from_user": d.from_user, "to_user": d.to_user,
                "status": d.status, "messages": d.messages,
            }
            for d in dialogs(messages)[:limit]
        ]  # fmt: skip
        return {"messages": [], "call_ids": [], "left_out": 0, "calls": calls}
    wanted = {m.call_id for m in messages if selector and sessions.of(m.call_id) == selector} or choose(messages, selector)
    if not wanted:
        raise NotFound(f"No call of {selector} is in the trace", "`holdfast trace` without a name lists the calls it still has")
    wanted = sessions.whole(wanted)
    rows = [m for m in messages if m.call_id in wanted]
    return {"messages": [message(m, sessions) for m in rows[:limit]], "call_ids": sorted(wanted), "left_out": max(0, len(rows) - limit), "calls": []}


def message(m: Message, sessions: Sessions) -> shapes.TraceMessage:
    """One message as it goes over the control socket."""
    return {
        "at_s": m.at_s, "sent": m.sent, "local": str(m.local), "remote": str(m.remote), "label": m.label, "first_line": m.first_line, "method": m.method,
        "status": m.status, "cseq": m.cseq, "call_id": m.call_id, "from_user": m.from_user, "to_user": m.to_user, "session": sessions.of(m.call_id), "text": m.text,
    }  # fmt: skip
