"""SIP messages of the trace ring as people read them: one line each, secrets masked, found by call, dialog or number (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.types import Address

_SECRETS = (
    re.compile(rb'(response\s*=\s*")[0-9a-fA-F]+(")'),
    re.compile(rb"(a=crypto:\d+\s+\S+\s+inline:)[^\r\n]+()"),
)
_USER = re.compile(r"(?:sips?|tel):([^@;>\s]+)", re.IGNORECASE)
_SHORT = {"i": "call-id", "f": "from", "t": "to", "c": "content-type", "m": "contact", "v": "via", "l": "content-length"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `status` 0: a request. `at_s` wall clock in Unix seconds; `number` rises."""

    number: int
    at_s: float
    sent: bool
    local: Address
    remote: Address
    first_line: str
    method: str
    status: int
    cseq: str
    call_id: str
    from_user: str
    to_user: str
    has_sdp: bool
    text: str

    @property
    def label(self) -> str:
        """What stands over the arrow of a ladder."""
        word = f"{self.status} {self.first_line.split(' ', 2)[-1]}" if self.status else self.method
        return f"{word} (SDP)" if self.has_sdp else word


def masked(data: bytes) -> bytes:
    """The message without digest responses and SRTP keys."""
    for pattern in _SECRETS:
        data = pattern.sub(rb"\1***\2", data)
    return data


def read(number: int, at_s: float, sent: bool, local: Address, remote: Address, data: bytes) -> Message:
    """Parse as far as it can be parsed; garbage gives a message with an odd first line, never an error."""
    text = masked(data).decode("utf-8", "replace")
    head, _, body = text.partition("\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    first = lines[0][:200]
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = name.strip().lower()
        if colon:
            fields.setdefault(_SHORT.get(key, key), value.strip())
    words = first.split(" ", 2)
    status = int(words[1]) if len(words) > 1 and first.startswith("SIP/2.0") and words[1].isdigit() else 0
    cseq = fields.get("cseq", "")
    method = cseq.split(" ")[-1] if status else words[0]
    return Message(
        number, at_s, sent, local, remote, first, method, status, cseq, fields.get("call-id", ""), _user(fields.get("from", "")), _user(fields.get("to", "")),
        "application/sdp" in fields.get("content-type", "") or "\r\nm=audio" in body, text,
    )  # fmt: skip


def _user(value: str) -> str:
    found = _USER.search(value)
    return found.group(1)[:80] if found else ""


def choose(messages: Sequence[Message], selector: str) -> set[str]:
    """The Call-IDs a person means: one given whole, or those of the latest INVITE from or to this user, number or tail of a number."""
    if any(m.call_id == selector for m in messages):
        return {selector}
    digits = selector.lstrip("+")
    latest = next((m for m in reversed(messages) if m.method == "INVITE" and not m.status and any(u.lstrip("+") == digits for u in (m.from_user, m.to_user))), None)
    return {latest.call_id} if latest else set()


@dataclass(frozen=True, slots=True)
class Dialog:
    """One INVITE dialog the ring still knows; `status`: the last final answer to it, 0 for none."""

    call_id: str
    at_s: float
    from_user: str
    to_user: str
    status: int
    messages: int


def dialogs(messages: Iterable[Message]) -> list[Dialog]:
    """Every dialog begun by an INVITE, newest first."""
    found: dict[str, Dialog] = {}
    for m in messages:
        known = found.get(m.call_id)
        if known is None:
            if m.method == "INVITE" and not m.status:
                found[m.call_id] = Dialog(m.call_id, m.at_s, m.from_user, m.to_user, 0, 1)
            continue
        final = m.status if m.method == "INVITE" and m.status >= 200 else known.status
        found[m.call_id] = Dialog(known.call_id, known.at_s, known.from_user, known.to_user, final, known.messages + 1)
    return sorted(found.values(), key=lambda d: d.at_s, reverse=True)
