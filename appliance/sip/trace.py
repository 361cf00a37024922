"""The ring of SIP messages for ladders: what the box sent and received, found again by call, session or number, secrets masked (pure)."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.control.shapes import TraceCall, TraceMessage, TraceResult
from appliance.types import Address, SessionId

MAX_TEXT = 16_000
"""Characters of one message that are shown; no message of the box's own is longer."""
MAX_ANSWER = 6 * 1024 * 1024
"""Bytes of messages in one answer, which must fit a control frame."""

# RFC 3261 section 7.3.3: compact forms; section 7.3.1: names in any case, blanks before the colon.
_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_HEADER = re.compile(r"^(call-id|i|cseq|from|f|to|t)[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)", re.IGNORECASE | re.MULTILINE)
_COMPACT = {"i": "call-id", "f": "from", "t": "to"}
_STATUS = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?")
_URI = re.compile(r"(?:sips?|tel):([^@>;?\s]*)(@?)", re.IGNORECASE)
_URN = re.compile(r"urn:[^>;\s]*", re.IGNORECASE)

_SECRETS = (
    # Digest (RFC 7616 section 3.4): with the response a password can be guessed at leisure; without it the rest is harmless, and wanted for diagnosis.
    re.compile(r"\b((?:response|rspauth)\s*=\s*)(?:\"[^\"\r\n]*\"?|[^\s,;\"]+)", re.IGNORECASE),
    # Any other scheme: the whole credential.
    re.compile(
        r"^((?:proxy-)?authorization[ \t]*:(?:[ \t]|\r?\n(?=[ \t]))*+(?!digest\b)\S+)[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(r"(\binline:)[^\s|;]+", re.IGNORECASE),  # SRTP keys: RFC 4568 section 6.1
    re.compile(r"^(a=key-mgmt:)[^\r\n]*", re.IGNORECASE | re.MULTILINE),  # RFC 4567 section 3.1
    re.compile(r"^(a=ice-pwd:)[^\r\n]*", re.IGNORECASE | re.MULTILINE),  # RFC 8839 section 5.4
    re.compile(r"^(k=(?:clear|base64|prompt|uri):?)[^\r\n]*", re.IGNORECASE | re.MULTILINE),  # RFC 4566 section 5.12
    # A password in a URI: RFC 3261 section 19.1.1. The lengths are bounded, or a hostile message takes quadratic time.
    re.compile(r"((?:sips?:)[^@:;>\s]{1,200}:)[^@>\s]{1,200}(?=@)", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One message on the wire. `at_s`: wall clock, Unix seconds; `data`: as it was sent or received, whatever it holds."""

    at_s: float
    sent: bool
    local: Address
    remote: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """What a message says of itself. `status` 0: a request. Users are "" where there is none; fields of a broken message are "" or 0, too."""

    first_line: str
    method: str
    status: int
    cseq: int
    call_id: str
    from_user: str
    to_user: str
    label: str


def call_id_of(data: bytes) -> str:
    """The Call-ID of a raw message, "" when it has none."""
    found = _CALL_ID.search(data, 0, _head_end(data))
    return found[1].rstrip().decode(errors="backslashreplace") if found else ""


def redact(data: bytes) -> str:
    """The message as text, secrets masked; bytes that are no UTF-8 as \\xNN. Control characters stay: who prints it takes care of them."""
    text = data.decode(errors="backslashreplace")
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + f"\n[{len(text) - MAX_TEXT} more characters]"


def summarise(data: bytes) -> Summary:
    """Read what a ladder shows of a message. Never raises: what is broken is shown as it is."""
    end = _head_end(data)
    head = data[:end].decode(errors="backslashreplace").lstrip("\r\n")
    first_line = head.split("\n", 1)[0].rstrip("\r")[:500]
    headers: dict[str, str] = {}
    for name, value in _HEADER.findall(head):
        headers.setdefault(_COMPACT.get(name.lower(), name.lower()), value.strip())
    number, _, method = headers.get("cseq", "").partition(" ")
    status = _STATUS.match(first_line)
    if status is None:
        method = first_line.split(" ", 1)[0]
        label = method
    else:
        label = f"{status[1]} {(status[2] or '').strip()}".strip()
    if re.search(rb"^(?:content-type|c)[ \t]*:[ \t]*(?:application/sdp|multipart/mixed)", data[:end], re.IGNORECASE | re.MULTILINE):
        label += " (SDP)"
    return Summary(
        first_line=redact(first_line.encode()),
        method=method.strip()[:40],
        status=int(status[1]) if status else 0,
        cseq=int(number) if number.isascii() and number.isdigit() and len(number) <= 10 else 0,
        call_id=call_id_of(data),
        from_user=_user(headers.get("from", "")),
        to_user=_user(headers.get("to", "")),
        label=label[:120],
    )


def _head_end(data: bytes) -> int:
    ends = [at for at in (data.find(b"\r\n\r\n"), data.find(b"\n\n")) if at >= 0]
    return min(ends, default=len(data))


def _user(value: str) -> str:
    """The user part in a From or To value: the URI in the last brackets, since a display name may hold anything."""
    address = value[value.rfind("<") :] if "<" in value else value
    if urn := _URN.search(address):
        return urn[0][:120]
    found = _URI.search(address)
    if found is None or not (found[2] or address[found.start() :].lower().startswith("tel:")):
        return ""
    return found[1].split(":", 1)[0][:120]  # not a password in the URI


@dataclass(frozen=True, slots=True)
class TraceSnapshot:
    """The ring at one moment; safe in any thread."""

    entries: Sequence[TraceEntry]
    links: dict[str, SessionId]

    def answer(self, selector: str = "", limit: int = 400) -> TraceResult:
        """What the control socket's `trace` gives. `selector`: a Call-ID, a session id, an extension or number; "": the latest calls.

        A number means its latest call or, without one, its latest dialog (a registration). A Call-ID brings all dialogs of its session.
        """
        if not selector:
            return {"messages": [], "call_ids": [], "left_out": 0, "calls": self._calls(limit)}
        by_call_id = [(call_id_of(entry.data), entry) for entry in self.entries]
        wanted = self._dialogs(selector, by_call_id)
        found = [(call_id, entry) for call_id, entry in by_call_id if call_id in wanted]
        kept: deque[TraceMessage] = deque()
        size = 0
        for call_id, entry in reversed(found):
            message = to_message(entry, self.links.get(call_id, ""))
            size += len(json.dumps(message))
            if len(kept) >= limit or size > MAX_ANSWER:
                break
            kept.appendleft(message)
        order = list(dict.fromkeys(call_id for call_id, _ in found))
        return {"messages": list(kept), "call_ids": order, "left_out": len(found) - len(kept), "calls": []}

    def _dialogs(self, selector: str, by_call_id: Iterable[tuple[str, TraceEntry]]) -> frozenset[str]:
        pairs = list(by_call_id)
        if any(call_id == selector for call_id, _ in pairs):
            return self._with_siblings(selector)
        if mates := frozenset(call_id for call_id, session in self.links.items() if session == selector):
            return mates
        other = ""
        digits = _digits(selector)
        for call_id, entry in reversed(pairs):
            if not call_id:
                continue
            summary = summarise(entry.data)
            if selector in (summary.from_user, summary.to_user) or (digits and digits in (_digits(summary.from_user), _digits(summary.to_user))):
                if summary.method == "INVITE":
                    return self._with_siblings(call_id)
                other = other or call_id
        return self._with_siblings(other) if other else frozenset()

    def _with_siblings(self, call_id: str) -> frozenset[str]:
        session = self.links.get(call_id)
        return frozenset({call_id, *(other for other, its in self.links.items() if session is not None and its == session)})

    def _calls(self, limit: int) -> list[TraceCall]:
        """One row per session (or dialog of none), newest first: the first INVITE's parties, the last final answer to it."""
        rows: dict[str, TraceCall] = {}
        counts: dict[str, int] = {}
        for entry in self.entries:
            call_id = call_id_of(entry.data)
            session = self.links.get(call_id, "")
            key = session or call_id
            counts[key] = counts.get(key, 0) + 1
            row = rows.get(key)
            if row is None:
                if not entry.data.startswith(b"INVITE "):
                    continue
                summary = summarise(entry.data)
                rows[key] = TraceCall(
                    at_s=entry.at_s, session=session, call_id=call_id, from_user=summary.from_user, to_user=summary.to_user, status=0, messages=0
                )
            elif row["call_id"] == call_id and entry.data.startswith(b"SIP/2.0 ") and entry.data[8:9] in b"23456":
                summary = summarise(entry.data)
                # 401 and 407 only ask for credentials: the INVITE comes again.
                if summary.method == "INVITE" and summary.status >= 200 and summary.status not in (401, 407):
                    row["status"] = summary.status
        for key, row in rows.items():
            row["messages"] = counts[key]
        return list(reversed(rows.values()))[:limit]


def to_message(entry: TraceEntry, session: str = "") -> TraceMessage:
    """One entry as the control socket sends it, secrets masked."""
    summary = summarise(entry.data)
    return {
        "at_s": entry.at_s,
        "sent": entry.sent,
        "local": str(entry.local),
        "remote": str(entry.remote),
        "label": summary.label,
        "first_line": summary.first_line,
        "method": summary.method,
        "status": summary.status,
        "cseq": f"{summary.cseq} {summary.method}",
        "call_id": summary.call_id,
        "from_user": summary.from_user,
        "to_user": summary.to_user,
        "session": session,
        "text": redact(entry.data),
    }


def _digits(text: str) -> str:
    """The digits of a telephone number as people write it, "" for anything else: `+1 555-0100` is `15550100` is `+15550100`."""
    bare = text.translate(str.maketrans("", "", "+-. ()"))
    return bare if bare.isascii() and bare.isdigit() else ""
