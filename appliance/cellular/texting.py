"""Texts that wait for the modem, one part at a time, tried again where the network says that it may help. Pure."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from appliance.cellular.api import CellularError, TextState, TextView
from appliance.cellular.at import Answer, Command, Final, Verdict, masked
from appliance.cellular.sms import Pdu, encode, number
from appliance.cellular.voice import Send

log = logging.getLogger(__name__)

SUBMIT_S = 30.0
NETWORK_WAIT_S = 300.0
"""A text that no network took until then has failed."""
MOST_WAITING, REMEMBERED = 20, 20
TRIES = 3
_PASSING = frozenset({38, 41, 42, 47, 314, 331, 332, 500, 512})
"""+CMS errors that pass: network out of order, congestion, SIM busy, no network service, time-out, unknown (TS 27.005 3.2.5, 24.011 E-2)."""
_WORDS = {
    1: "the number is not assigned",
    8: "the operator bars it",
    10: "the operator bars this SIM card",
    21: "the network rejected it",
    27: "the number cannot be reached",
    28: "the number is not known",
    50: "the SIM card's contract has no texts",
    69: "the network does not do this",
    310: "there is no SIM card",
    311: "the SIM card asks for its PIN",
    330: "the service centre's number is missing on the SIM card",
    331: "there is no network",
    332: "the network did not answer",
}


def retry_backoff_s(tries: int) -> float:
    """How long to wait before a text is tried again: 5 s, then 15 s."""
    return 5.0 * 3.0 ** (tries - 1)


class Texting:
    def __init__(self, send: Send, tell: Callable[[TextView], None]) -> None:
        self._send, self._tell = send, tell
        self._views: dict[int, TextView] = {}
        self._waiting: deque[tuple[int, list[Pdu], float]] = deque()  # id, parts, when it was given
        self._serial = 0
        self._tries = 0
        self._not_before_s = 0.0
        self._flying = False

    @property
    def views(self) -> tuple[TextView, ...]:
        """The newest first."""
        return tuple(reversed(self._views.values()))

    def add(self, to: str, text: str, now: float) -> TextView:
        """Raises CellularError."""
        if len(self._waiting) >= MOST_WAITING:
            raise CellularError(f"{MOST_WAITING} texts wait already", "try again when they are sent", code="congestion")
        plain = number(to)
        parts = encode(plain, text, self._serial + 1)
        self._serial += 1
        self._waiting.append((self._serial, parts, now))
        self._to(TextView(self._serial, plain, len(parts), 0, TextState.QUEUED), "given")
        return self._views[self._serial]

    def tick(self, now: float, network: bool, free: bool) -> None:
        """`network`: the modem is on one. `free`: no call is up, whose commands a text would hold up."""
        if not self._waiting or self._flying:
            return
        id, parts, given_s = self._waiting[0]
        view = self._views[id]
        if network and free and now >= self._not_before_s:
            pdu = parts[view.sent]
            self._flying = True
            self._to(replace(view, state=TextState.SENDING), "turn")
            self._send(Command(f"AT+CMGS={pdu.length}", "text", SUBMIT_S, payload=pdu.hex.encode("ascii")))
        elif not network and now - given_s > NETWORK_WAIT_S:
            self._done(replace(view, state=TextState.FAILED, reason="there was no network"), "waited", now)

    def answered(self, answer: Answer, now: float) -> None:
        self._flying = False
        if not self._waiting:
            return
        id, parts, _ = self._waiting[0]
        view = self._views[id]
        if answer.final.ok:
            view = replace(view, sent=view.sent + 1)
            self._tries = 0
            if view.sent == len(parts):
                self._done(replace(view, state=TextState.SENT), "OK", now)
            else:
                self._to(view, "OK")
            return
        self._failed(view, answer.final, now)

    def lost(self, now: float) -> None:
        """The modem is gone: whether it took the part in flight nobody knows, so that it is sent again."""
        if self._flying:
            self._flying = False
            self._failed(self._views[self._waiting[0][0]], Final(Verdict.SILENT), now)

    def _failed(self, view: TextView, final: Final, now: float) -> None:
        reason = _WORDS.get(final.code or 0) or f"the modem said {final.verdict}{f' {final.text}' if final.text else ''}"
        self._tries += 1
        if self._tries < TRIES and (final.verdict in {Verdict.SILENT, Verdict.ERROR} or final.code in _PASSING):
            self._not_before_s = now + retry_backoff_s(self._tries)
            self._to(replace(view, state=TextState.QUEUED, reason=reason), "again later")
        else:
            self._done(replace(view, state=TextState.FAILED, reason=reason), "given up", now)

    def _done(self, view: TextView, event: str, now: float) -> None:
        self._waiting.popleft()
        self._tries, self._not_before_s = 0, now
        self._to(replace(view, reason="") if view.state is TextState.SENT else view, event)

    def _to(self, new: TextView, event: str) -> None:
        """The one place where a text changes."""
        old = self._views.get(new.id)
        log.info("text %d to %s: %s -> %s -> %s %s", new.id, masked(new.number), old.state if old else "-", event, new.state, new.reason)
        self._views[new.id] = new
        while len(self._views) > REMEMBERED + MOST_WAITING:
            del self._views[next(iter(self._views))]
        self._tell(new)
