"""Requests that come again: over UDP every answer may be lost, and what was done once must not be done twice (pure, time passed in)."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.sip.messages import Reply, Request

REMEMBERED_S = 32.0
"""64 times T1: for so long a request may come again (RFC 3261 section 17.2.2)."""
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Done:
    reply: Reply
    branch: str
    until_s: float


class Repeats:
    """The answers given lately, for what is answered without a transaction. Bounded; belongs to the SIP thread."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str, int], _Done] = {}

    def answer(self, request: Request, now: float) -> Reply | None:
        """The answer it had before, 482 when it comes by another way this time (RFC 3261 section 8.2.2.2: outside dialogs), None when it is new."""
        done = self._done.get((request.call_id, request.from_tag, request.cseq))
        if done is None or done.until_s <= now:
            return None
        if done.branch == request.branch:
            return done.reply
        return None if request.to_tag else Reply(482, "Merged request")

    def note(self, request: Request, reply: Reply, now: float) -> Reply:
        """Remember what was answered; returns it."""
        key = (request.call_id, request.from_tag, request.cseq)
        self._done.pop(key, None)
        self._done[key] = _Done(reply, request.branch, now + REMEMBERED_S)
        for _ in range(2):  # two out for one in: it shrinks without a pass over it
            oldest = next(iter(self._done))
            if self._done[oldest].until_s <= now or len(self._done) > REMEMBERED:
                del self._done[oldest]
        return reply
