"""Events of calls: begun, answered, over. Times are wall clock (Unix seconds); an emergency call has these, too, beside its own."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.types import DeviceId, SessionId, TrunkId


@dataclass(frozen=True, slots=True)
class CallStarted:
    """`caller` and `callee` as presented (an extension, an E.164 number), `direction` "internal", "outgoing", "incoming" or "emergency"."""

    at_unix_s: float
    session: SessionId
    call_id: str
    direction: str
    caller: str
    caller_name: str
    callee: str
    dialled: str
    device: DeviceId | None = None
    trunk: TrunkId | None = None
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The callee answered; `callee_device` is the one that did, None where it was outside."""

    at_unix_s: float
    session: SessionId
    callee: str
    callee_device: DeviceId | None = None
    trunk: TrunkId | None = None


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call detail record. `answered_unix_s` None: it never was. `cause` is a word of `Ended.cause`, `code` the SIP status the caller got.

    `talk_s` is by the monotonic clock: right even where the wall clock was set meanwhile. `hangup_by`: "caller", "callee" or "box".
    """

    session: SessionId
    call_id: str
    direction: str
    started_unix_s: float
    answered_unix_s: float | None
    ended_unix_s: float
    talk_s: float
    caller: str
    caller_name: str
    callee: str
    dialled: str
    cause: str
    code: int
    reason: str
    hangup_by: str
    codec: str = ""
    device: DeviceId | None = None
    callee_device: DeviceId | None = None
    trunk: TrunkId | None = None
    emergency: bool = False
    test: bool = False
    notes: tuple[str, ...] = ()
