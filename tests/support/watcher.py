"""A phone that watches: subscribes to an event package over raw SIP, answers every NOTIFY as told, keeps them all.

    with Watcher() as watcher:
        watcher.subscribe("202", box.sip, secret("202")); watcher.wait_notify().body; watcher.refresh(expires=0)
"""

from __future__ import annotations

from typing import Any

from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer, Received, Target
from tests.support.sipmsg import Message, token


class Watcher(RawPeer):
    """One subscription. `answer`: the status each NOTIFY gets; 0: silence."""

    def __init__(self, ip: str = "127.0.0.1", **options: Any) -> None:
        self.answer = 200
        self.notifies: list[Message] = []
        super().__init__(ip, on_request=self._on_request, **options)
        self.call_id, self.tag, self.to_tag, self.cseq = token("sub-"), token("w"), "", 0

    def _on_request(self, got: Received) -> None:
        if got.message.method == "NOTIFY":
            self.notifies.append(got.message)
            if self.answer:
                self.reply(got, self.answer)

    def subscribe(
        self, user: str, box: Target, secret: str, *, uri: str = "", event: str = "message-summary", expires: int | str | None = 300, transport: str = "udp",
        headers: Any = (), **parts: Any,
    ) -> Message:  # fmt: skip
        """SUBSCRIBE to `uri` (the user's own address) and answer the challenge; the final reply."""
        self.user, self.secret, self.box, self.transport = user, secret, box, transport
        self.own = f"sip:{user}@{box[0]}:{box[1]}"
        self.uri, self.event = uri or self.own, event
        return self._send(expires, headers, **parts)

    def refresh(self, expires: int | str | None = 300, *, event: str = "", cseq: int = 0, headers: Any = (), **parts: Any) -> Message:
        """SUBSCRIBE inside the dialog; 0 ends it."""
        if cseq:
            self.cseq = cseq - 1
        self.event = event or self.event
        return self._send(expires, headers, **parts)

    def _send(self, expires: int | str | None, headers: Any, **parts: Any) -> Message:
        lines = [*headers, *([("Event", self.event)] if self.event else []), *([("Expires", str(expires))] if expires is not None else [])]
        fixed = {"call_id": self.call_id, "from_tag": self.tag, "from_uri": self.own, "to_tag": self.to_tag, **parts}
        reply = self.request(
            "SUBSCRIBE", self.uri, self.box, user=self.user, secret=self.secret, cseq=self.cseq + 1, headers=lines, transport=self.transport, **fixed
        )
        self.cseq = max(self.cseq, reply.cseq[0])
        if reply.status == 200:
            self.to_tag = reply.param("to", "tag")
            self.uri = reply.uri_of("contact")
        return reply

    def wait_notify(self, number: int = 0, timeout_s: float = 5.0) -> Message:
        """NOTIFY number `number` (0: the first)."""
        return wait_until(lambda: next(iter(self.notifies[number:]), None), timeout_s, f"NOTIFY {number}; there are {len(self.notifies)}")
