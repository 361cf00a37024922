"""What operational state keeps on disk: frozen records, free of SQL, that the layers above fill and read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.state.clock import Moment
from appliance.types import Address, DeviceId, LocationId, MailboxId, SessionId


class ChangeKind(StrEnum):
    """What became of a binding or of a callback window."""

    ADDED = "added"
    MOVED = "moved"  # the same contact, reached another way
    REFRESHED = "refreshed"
    REMOVED = "removed"  # by its owner
    REPLACED = "replaced"  # a newer contact took its place
    EXPIRED = "expired"

    @property
    def gone(self) -> bool:
        return self in (ChangeKind.REMOVED, ChangeKind.REPLACED, ChangeKind.EXPIRED)

    @property
    def urgent(self) -> bool:
        """A loss of this one is felt: it is on disk within 250 ms. The others may wait for a minute."""
        return self not in (ChangeKind.REFRESHED, ChangeKind.EXPIRED)


@dataclass(frozen=True, slots=True)
class BindingRecord:
    """One contact of one device, with what was left of it (`remaining_s`) and how old it was (`age_s`) at `stored`."""

    device: DeviceId
    uri: str
    received: Address
    local: Address
    q: float | None
    remaining_s: float
    age_s: float
    stored: Moment
    call_id: str
    cseq: int
    user_agent: str = ""
    instance: str = ""
    reg_id: int = 0


@dataclass(frozen=True, slots=True)
class BindingChange:
    kind: ChangeKind
    record: BindingRecord


@dataclass(frozen=True, slots=True)
class CallbackRecord:
    """Who is rung when `elin` is called back. One record per emergency call; `device` is "" for a phone the box does not know.

    `target` is the URI to dial where there is no device, `remaining_s` what was left of the window at `stored` (None: the call was still up).
    `started_unix_s` is wall clock, for people only.
    """

    elin: str
    session: SessionId
    device: DeviceId
    location: LocationId
    remaining_s: float | None
    stored: Moment
    started_unix_s: float
    target: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """What makes a call one of a user's: he made it, it was for one of his `numbers`, or one of his `devices` answered."""

    user: str
    numbers: tuple[str, ...]
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which call records to read; what is "" does not narrow. `search`: words that all stand in numbers, names, the user or the trunk of a call.

    `outcome`: "answered", "unanswered" (whatever the cause), or one cause. `session`: that very call.
    """

    search: str = ""
    direction: str = ""
    outcome: str = ""
    session: str = ""
    own: Own | None = None
    """Calls of one user alone."""
    bad_sound: bool = False
    """Calls that sounded bad alone."""
    since_unix_s: float = 0.0
    until_unix_s: float = 0.0
    """Calls that began then or later, and before then; 0: whenever."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as people count calls (call detail record). Times are wall clock in Unix seconds, None where it did not happen.

    `direction`: "internal", "in", "out" or "emergency"; `outcome`: "answered" or a cause of `Ended` ("busy", "no-answer", ...).
    `serial` is given by the store, rises, and is the cursor of `recent`.
    """

    session: SessionId
    direction: str
    caller: str
    called: str
    started_unix_s: float
    answered_unix_s: float | None
    ended_unix_s: float
    outcome: str
    code: int = 0
    talk_s: float = 0.0
    """By the monotonic clock: right even where the wall clock was set meanwhile."""
    caller_name: str = ""
    caller_device: str = ""
    answered_device: str = ""
    trunk: str = ""
    location: str = ""
    dialled: str = ""
    """What was dialled; `called` is whom that reached."""
    user: str = ""
    """Whose settings the call ran with, "" for none."""
    path: tuple[str, ...] = ()
    """What happened on the way: the steps of flows and notes, in order."""
    score: float | None = None
    """How it sounded to whoever heard worst, 1 to 5; None: not known, as of all calls before this was measured."""
    bad_sound: bool | None = None
    """None: not measured."""
    sound: str = ""
    """All that is known of it (JSON, `control.shapes.SoundShape`), "" for nothing."""
    serial: int = 0


@dataclass(frozen=True, slots=True)
class VoicemailRecord:
    """One message in a mailbox. `heard_unix_s` None: it is new. `file`: its WAV file, relative to the voicemail folder."""

    id: str
    mailbox: MailboxId
    caller: str
    caller_name: str
    session: SessionId
    started_unix_s: float
    seconds: float
    heard_unix_s: float | None
    file: str


class OutboxState(StrEnum):
    """WAITING -> SENT or DEAD, once and for good."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"  # given up


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """Something to be delivered outside (`kind`: how, `target`: where to), kept until it was. `payload` is JSON text.

    `dedupe` names what is delivered, once for all time: a second item of that name is not taken. `next_try`: not before; over at the next boot.
    `id` is given by the store.
    """

    dedupe: str
    kind: str
    target: str
    payload: str
    created_unix_s: float
    next_try: Moment
    attempts: int = 0
    state: OutboxState = OutboxState.WAITING
    id: int = 0
