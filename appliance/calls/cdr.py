"""The call detail record: what is kept of one call when it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from appliance.calls.quality import Quality
from appliance.types import DeviceId, SessionId, TrunkId, UserId

Direction = Literal["internal", "outgoing", "incoming", "emergency"]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call. Times are seconds of the wall clock (Unix), None where it did not come so far.

    `caller` and `callee` are what was presented (an extension, an E.164 number), `dialled` what was dialled, `device`/`trunk` the calling device and
    the trunk used either way. `cause` is a word of `Ended.cause` ("normal" for an answered call), `code` the SIP status the caller got (200 when answered).
    `hangup_by`: "caller", "callee" or "box".
    """

    session: SessionId
    call_id: str
    direction: Direction
    started: float
    answered: float | None
    ended: float
    caller: str
    caller_name: str
    callee: str
    dialled: str
    device: DeviceId | None
    callee_device: DeviceId | None
    trunk: TrunkId | None
    cause: str
    code: int
    reason: str
    hangup_by: Literal["caller", "callee", "box"]
    codec: str
    quality: Quality | None = None
    """How it sounded; None: nobody talked, or the counters did not come."""
    emergency: bool = False
    """To the emergency services, or their call back."""
    test: bool = False
    dialogs: tuple[str, ...] = ()
    """Call-IDs of every leg it had, the caller's first."""
    notes: tuple[str, ...] = field(default=())
    """What happened on the way: the steps of its flow, "transferred to 1004", "trunk acme failed: 503"."""
    user: UserId | None = None
    """Who called, where the phone belongs to somebody."""

    @property
    def talk_s(self) -> float:
        """Seconds of conversation."""
        return 0.0 if self.answered is None else max(0.0, self.ended - self.answered)


RecordSink = Callable[[CallRecord], None]
"""Takes a record without waiting (it queues it for the database)."""
