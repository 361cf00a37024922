"""Records for the tests of state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appliance.state.clock import Moment
from appliance.state.records import BindingChange, BindingRecord, CallbackRecord, CallRecord, ChangeKind, OutboxRecord, VoicemailRecord
from appliance.types import Address, DeviceId, LocationId, MailboxId, SessionId, Transport


def binding(number: int = 0, **more: Any) -> BindingRecord:
    record = BindingRecord(
        device=DeviceId(f"phone-{number}"),
        uri=f"sip:u{number}@192.0.2.20:5060",
        received=Address("192.0.2.20", 40_000, Transport.TCP),
        local=Address("2001:db8::1", 5060, Transport.TLS),
        q=0.5,
        remaining_s=3599.5,
        age_s=0.25,
        stored=Moment("boot-1", 123.456),
        call_id="call-1",
        cseq=7,
        user_agent="Tëst 1.0",
        instance="<urn:uuid:a>",
        reg_id=1,
    )
    return replace(record, **more)


def change(number: int = 0, kind: ChangeKind = ChangeKind.ADDED, **more: Any) -> BindingChange:
    return BindingChange(kind, binding(number, **more))


def window(session: str = "s1", elin: str = "+15550100", **more: Any) -> CallbackRecord:
    record = CallbackRecord(
        elin=elin,
        session=SessionId(session),
        device=DeviceId("phone-1"),
        location=LocationId("lobby"),
        remaining_s=3600.0,
        stored=Moment("boot-1", 5.0),
        started_unix_s=1_700_000_000.0,
        target="sip:192.0.2.9:5060",
    )
    return replace(record, **more)


def call(session: str = "s1", **more: Any) -> CallRecord:
    record = CallRecord(
        session=SessionId(session),
        direction="out",
        caller="4000",
        called="+15550123",
        started_unix_s=1_700_000_000.5,
        answered_unix_s=None,
        ended_unix_s=1_700_000_010.0,
        outcome="busy",
        code=486,
    )
    return replace(record, **more)


def message(id: str = "m1", **more: Any) -> VoicemailRecord:
    record = VoicemailRecord(
        id=id,
        mailbox=MailboxId("dana"),
        caller="+15550123",
        caller_name="Café Übersee",
        session=SessionId("s1"),
        started_unix_s=1_700_000_000.25,
        seconds=12.5,
        heard_unix_s=None,
        file=f"dana/{id}.wav",
    )
    return replace(record, **more)


def item(dedupe: str = "mail:m1", **more: Any) -> OutboxRecord:
    record = OutboxRecord(
        dedupe=dedupe,
        kind="voicemail-mail",
        target="dana@example.com",
        payload='{"message": "m1"}',
        created_unix_s=1_700_000_000.5,
        next_try=Moment("boot-1", 100.0),
    )
    return replace(record, **more)
