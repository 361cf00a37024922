"""What is kept in the outbox and sent: a message as plain data, as an e-mail, and as the JSON of a webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

from appliance.alerts.fold import Bundle, Matter

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Message:
    """`state`: "begun", "over" or "test". `matters`: what it tells of."""

    kind: str
    state: str
    site: str
    at_unix_s: float
    subject: str
    matters: tuple[Matter, ...]

    def kept(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, kept: str) -> Message:
        """Raises ValueError, KeyError or TypeError for what `kept` did not make."""
        held: dict[str, Any] = json.loads(kept)
        return cls(**{**held, "matters": tuple(Matter(**each) for each in held["matters"])})


def told(bundle: Bundle, site: str, at_unix_s: float) -> Message:
    """A bundle as a message, the worst first."""
    matters = tuple(sorted(bundle.matters, key=lambda each: (each.level != "bad", each.key)))
    first, more = matters[0].sentence, len(matters) - 1
    words = f"{'Over: ' if bundle.over else ''}{first}{f' (and {more} more)' if more else ''}"
    return Message(bundle.kind, "over" if bundle.over else "begun", site, at_unix_s, f"{site}: {words}", matters)


def identity(dedupe: str) -> str:
    """The same for every attempt to deliver one item to one place: by it a receiver knows one that it has already."""
    return hashlib.sha256(dedupe.encode()).hexdigest()[:32]


def begun(subject: str, when: datetime, dedupe: str, sender: str, to: str, domain: str) -> EmailMessage:
    """An e-mail of the box, still without words."""
    made = EmailMessage()
    made["From"], made["To"] = sender, to
    made["Subject"] = _line(subject)
    made["Date"] = format_datetime(when)
    made["Message-ID"] = f"<{identity(dedupe)}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    return made


def as_mail(message: Message, dedupe: str, sender: str, to: str, domain: str, zone: str) -> EmailMessage:
    when = datetime.fromtimestamp(message.at_unix_s, UTC)
    made = begun(message.subject, when, dedupe, sender, to, domain)
    lines = [f"{when.astimezone(zone_of(zone)):%Y-%m-%d %H:%M:%S %Z}, {message.site}", ""]
    for matter in message.matters:
        lines += [f"{'Over: ' if message.state == 'over' else ''}{matter.sentence}", *([f"  {matter.cure}"] if matter.cure and message.state != "over" else [])]
    made.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return made


def as_json(message: Message, dedupe: str) -> bytes:
    """The body of a webhook; its fields are described in the pages' help and the API's description."""
    when = datetime.fromtimestamp(message.at_unix_s, UTC).isoformat(timespec="seconds")
    shape = {
        "id": identity(dedupe), "time": when, "site": message.site, "kind": message.kind, "state": message.state, "text": message.subject,
        "matters": [{"key": m.key, "level": m.level, "text": m.sentence, "cure": m.cure} for m in message.matters],
    }  # fmt: skip
    return json.dumps(shape, ensure_ascii=False).encode()


def signature(secret: str, body: bytes) -> str:
    """`sha256=…`: HMAC (RFC 2104) over the body."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _line(text: str) -> str:
    """A header is one line, whatever a carrier put into its words."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST]


def zone_of(name: str) -> tzinfo:
    """UTC where there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC
