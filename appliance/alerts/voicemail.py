"""A voicemail message as an e-mail: what the outbox keeps of it, and the letter with its sound."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

from appliance.alerts.messages import begun, zone_of
from appliance.state.records import VoicemailRecord

MOST_SOUND_BYTES = 7 << 20
"""A longer message (seven minutes) goes without its sound: many mail servers take 10 MB at most, and a third is added on the way."""


@dataclass(frozen=True, slots=True)
class Note:
    """`box`: the mailbox's name. `file`: the WAV file, relative to the voicemail folder. `sound`: it goes along."""

    subject: str
    id: str
    box: str
    caller: str
    caller_name: str
    started_unix_s: float
    seconds: float
    file: str
    sound: bool

    @classmethod
    def about(cls, message: VoicemailRecord, box: str, sound: bool) -> Note:
        who = ", ".join(part for part in (message.caller_name, message.caller) if part) or "an unknown caller"
        subject = f"{box}: message from {who}, {length(message.seconds)}"
        return cls(subject, message.id, box, message.caller, message.caller_name, message.started_unix_s, message.seconds, message.file, sound)

    def kept(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, kept: str) -> Note:
        """Raises ValueError or TypeError for what `kept` did not make."""
        return cls(**json.loads(kept))


def length(seconds: float) -> str:
    """`1:05`."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"


def as_mail(note: Note, sound: bytes | None, dedupe: str, sender: str, to: str, domain: str, zone: str) -> EmailMessage:
    """`sound`: its WAV file, None: it does not go along."""
    when = datetime.fromtimestamp(note.started_unix_s, UTC)
    here = when.astimezone(zone_of(zone))
    made = begun(note.subject, when, dedupe, sender, to, domain)
    lines = [f"From: {', '.join(part for part in (note.caller_name, note.caller) if part) or 'an unknown caller'}", f"For: {note.box}"]
    lines += [f"Received: {here:%Y-%m-%d %H:%M:%S %Z}", f"Length: {length(note.seconds)} min", ""]
    if sound is not None:
        lines.append("The message is attached, and stays in the mailbox.")
    elif note.sound:
        lines.append("The message is too long to be attached. It is in the mailbox.")
    else:
        lines.append("The message is in the mailbox.")
    made.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    if sound is not None:
        made.add_attachment(sound, maintype="audio", subtype="wav", filename=f"voicemail-{here:%Y-%m-%d-%H%M%S}.wav")
    return made
