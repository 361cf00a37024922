"""SIP plug and play without sockets: what a phone's SUBSCRIBE says and the two messages it gets back (ua-profile, RFC 6080; RFC 3261, RFC 6665)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

GROUP, PORT = "224.0.1.75", 5060
_LONGEST = 4096
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "o": "event", "l": "content-length"}
_REQUEST = re.compile(r"SUBSCRIBE\s+sips?:(?:MAC)?(?:%3a|[:=])?([0-9a-f]{12})@\S*\s+SIP/2\.0", re.IGNORECASE)
_CONTACT = re.compile(r"<?sip:(?:[^@<>\s]*@)?(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?(?:[;>?\s]|$)", re.IGNORECASE)
_PLAIN = re.compile(r"[\x20-\x7e]{1,400}")


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A phone that asks where its settings are. `contact` is where the answer goes: (IP address, port)."""

    mac: str
    vendor: str
    model: str
    version: str
    contact: tuple[str, int]
    contact_uri: str
    event: str
    via: tuple[str, ...]
    from_header: str
    to_header: str
    call_id: str
    cseq: str


def _parameter(event: str, name: str) -> str:
    found = re.search(rf';\s*{name}\s*=\s*(?:"([^"]*)"|([^;\s]*))', event, re.IGNORECASE)
    return (found[1] or found[2] or "")[:60] if found else ""


def read(packet: bytes) -> Subscribe | None:
    """The request in a datagram; None for anything else, of which nothing is said."""
    if len(packet) > _LONGEST:
        return None
    head = packet.partition(b"\r\n\r\n")[0].decode("latin-1")
    first, *rest = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    asked = _REQUEST.fullmatch(first.strip())
    if not asked:
        return None
    headers: dict[str, list[str]] = {}
    for line in rest:
        name, colon, value = line.partition(":")
        key = name.strip().lower()
        if not colon or not _PLAIN.fullmatch(value.strip()):
            return None
        headers.setdefault(_COMPACT.get(key, key), []).append(value.strip())
    try:
        event, contact = headers["event"][0], headers["contact"][0]
        via, call_id, cseq = headers["via"], headers["call-id"][0], headers["cseq"][0]
        from_header, to_header = headers["from"][0], headers["to"][0]
    except KeyError:
        return None
    where = _CONTACT.search(contact)
    if not event.lower().startswith("ua-profile") or not where or not re.fullmatch(r"\d{1,10}\s+SUBSCRIBE", cseq):
        return None
    ip, port = where[1], int(where[2] or 5060)
    if any(int(part) > 255 for part in ip.split(".")) or not 0 < port < 65536:
        return None
    uri = contact.partition("<")[2].partition(">")[0] or contact.partition(";")[0]
    said = (_parameter(event, "vendor"), _parameter(event, "model"), _parameter(event, "version"))
    return Subscribe(asked[1].lower(), *said, (ip, port), uri, event, tuple(via), from_header, to_header, call_id, cseq)


def accepted(ask: Subscribe, tag: str) -> bytes:
    """200 to the SUBSCRIBE."""
    lines = [
        "SIP/2.0 200 OK",
        *(f"Via: {each}" for each in ask.via),
        f"From: {ask.from_header}",
        f"To: {ask.to_header}" + ("" if ";tag=" in ask.to_header.lower() else f";tag={tag}"),
        f"Call-ID: {ask.call_id}",
        f"CSeq: {ask.cseq}",
        f"Contact: <sip:{GROUP}:{PORT}>",
        "Expires: 0",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def notify(ask: Subscribe, tag: str, local: tuple[str, int], url: str) -> bytes:
    """The NOTIFY with the address of the settings, in the dialog of the SUBSCRIBE."""
    ours = ask.to_header + ("" if ";tag=" in ask.to_header.lower() else f";tag={tag}")
    lines = [
        f"NOTIFY {ask.contact_uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {local[0]}:{local[1]};branch=z9hG4bK{secrets.token_hex(8)};rport",
        "Max-Forwards: 20",
        f"From: {ours}",
        f"To: {ask.from_header}",
        f"Call-ID: {ask.call_id}",
        "CSeq: 1 NOTIFY",
        f"Contact: <sip:{local[0]}:{local[1]}>",
        f"Event: {ask.event}",
        "Subscription-State: terminated;reason=timeout",
        "Content-Type: application/url",
        f"Content-Length: {len(url)}",
    ]
    return "\r\n".join([*lines, "", url]).encode("latin-1")
