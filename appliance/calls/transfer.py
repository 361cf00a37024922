"""Transfers (REFER, RFC 3515; Replaces, RFC 3891): what a request means, and the state of one in progress as its sender is told."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from appliance.calls.core import Party
from appliance.calls.plan import Outcome
from appliance.sip.api import TransferRequested

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replaces:
    """The dialog an attended transfer names (RFC 3891 section 3)."""

    call_id: str
    to_tag: str = ""
    from_tag: str = ""


def parse_replaces(value: str) -> Replaces | None:
    """Read `call-id;to-tag=a;from-tag=b`; None when the call-id or a tag is missing."""
    call_id, *parameters = (piece.strip() for piece in value.split(";"))
    tags = dict(piece.split("=", 1) for piece in parameters if "=" in piece)
    if not call_id or not tags.get("to-tag") or not tags.get("from-tag"):
        return None
    return Replaces(call_id, tags["to-tag"], tags["from-tag"])


class TransferState(StrEnum):
    """ACCEPTED -> TRYING -> RINGING -> DONE | FAILED; RECALLING when it failed after the sender had left."""

    ACCEPTED = "accepted"
    TRYING = "trying"
    RINGING = "ringing"
    RECALLING = "recalling"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Transfer:
    """A transfer in progress: who asked, who is kept, and where it goes. The sender is told by NOTIFY as long as it is there.

    `by_phone` False: somebody asked in the sender's place (the API), so its phone, which sent no REFER, is told nothing.
    """

    call_id: str
    sender: Party
    kept: Party
    request: TransferRequested
    sender_there: bool = True
    by_phone: bool = True
    state: TransferState = TransferState.ACCEPTED

    def accept(self) -> None:
        """202, and the first NOTIFY that RFC 3515 section 2.4.4 demands at once."""
        if self.by_phone:
            self.sender.leg.accept_transfer(202)
        self._notify(100, "Trying", final=False)
        self._change("accepted", TransferState.TRYING)

    def ringing(self) -> None:
        """The new party rings."""
        if self.state is TransferState.TRYING:
            self._notify(180, "Ringing", final=False)
            self._change("ringing", TransferState.RINGING)

    def done(self) -> None:
        """The new party answered: the sender is told and may go."""
        self._notify(200, "OK", final=True)
        self._change("answered", TransferState.DONE)

    def failed(self, outcome: Outcome) -> None:
        """The new party was not reached; a sender that is still there gets the call back."""
        self._notify(outcome.code, outcome.reason, final=True)
        self._change(f"failed {outcome.code}", TransferState.FAILED)

    def recall(self) -> None:
        """It failed and the sender has left: ring it back."""
        self._change("recall", TransferState.RECALLING)

    def sender_left(self) -> None:
        """The sender hung up; phones do that as soon as they see the 202."""
        self.sender_there = False

    def _notify(self, code: int, reason: str, *, final: bool) -> None:
        if self.sender_there and self.by_phone:
            self.sender.leg.notify_transfer(code, reason, final)

    def _change(self, event: str, new: TransferState) -> None:
        log.info("call %s transfer to %s: %s -> %s -> %s", self.call_id, self.request.target_user, self.state, event, new)
        self.state = new
