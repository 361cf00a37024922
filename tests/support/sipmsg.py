"""SIP messages as tests need them: parse anything a peer sends, keep the raw bytes, build requests and replies, compute digests."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Headers = Sequence[tuple[str, str]]

_COMPACT = {
    "i": "call-id", "m": "contact", "e": "content-encoding", "l": "content-length", "c": "content-type", "f": "from", "s": "subject", "k": "supported",
    "t": "to", "v": "via", "r": "refer-to", "b": "referred-by", "o": "event", "u": "allow-events", "x": "session-expires", "a": "accept-contact",
}  # fmt: skip
_serial = itertools.count(1)

REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 301: "Moved Permanently", 302: "Moved Temporarily", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 407: "Proxy Authentication Required", 408: "Request Timeout", 415: "Unsupported Media Type",
    424: "Bad Location Information", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 500: "Server Internal Error", 503: "Service Unavailable", 513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline",
}  # fmt: skip


def token(prefix: str = "") -> str:
    """A fresh unique token (tags, branches, Call-IDs)."""
    return f"{prefix}{os.getpid():x}{next(_serial):x}{os.urandom(4).hex()}"


@dataclass
class Part:
    """One part of a multipart body; header names in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


@dataclass
class Message:
    """A SIP message. `headers` keep order and spelling; look-ups take any case and the compact forms (RFC 3261 section 7.3.3)."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    raw: bytes = field(default=b"", repr=False)

    @property
    def is_request(self) -> bool:
        return not self.start.upper().startswith("SIP/")

    @property
    def method(self) -> str:
        """The request's method; of a reply the CSeq method."""
        return self.start.split(" ")[0] if self.is_request else self.cseq[1]

    @property
    def uri(self) -> str:
        words = self.start.split(" ")
        return words[1] if self.is_request and len(words) > 1 else ""

    @property
    def status(self) -> int:
        words = self.start.split(" ")
        return int(words[1]) if not self.is_request and len(words) > 1 and words[1].isdigit() else 0

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        wanted = name.lower()
        return [value for key, value in self.headers if _COMPACT.get(key.lower(), key.lower()) == wanted]

    def header(self, name: str) -> str:
        """The first value, "" when absent."""
        return next(iter(self.all(name)), "")

    def uri_of(self, name: str) -> str:
        """The URI inside a From/To/Contact-like header."""
        value = self.header(name)
        match = re.search(r"<([^>]*)>", value)
        return match[1] if match else value.split(";")[0].strip()

    def param(self, name: str, key: str) -> str:
        """A parameter of a header (`tag` of From, `branch` of Via), "" when absent."""
        value = re.sub(r"<[^>]*>|\"[^\"]*\"", "", self.header(name))
        match = re.search(rf";\s*{re.escape(key)}\s*=\s*\"?([^;,\s\"]+)", value, re.IGNORECASE)
        return match[1] if match else ""

    @property
    def call_id(self) -> str:
        return self.header("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        words = self.header("cseq").split()
        return (int(words[0]), words[1]) if len(words) == 2 and words[0].isdigit() else (0, "")

    @property
    def branch(self) -> str:
        return self.param("via", "branch")

    def parts(self) -> list[Part]:
        """The parts of a multipart body (RFC 2046 section 5.1); of any other body the body itself, of none an empty list."""
        kind = self.header("content-type")
        boundary = re.search(r"boundary=(?:\"([^\"]+)\"|([^;\s]+))", kind, re.IGNORECASE)
        if not kind.lower().startswith("multipart/") or not boundary:
            return [Part({"content-type": kind}, self.body)] if self.body else []
        marker = b"--" + (boundary[1] or boundary[2]).encode()
        found = []
        for piece in self.body.split(marker)[1:]:
            if piece.startswith(b"--"):
                break
            head, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            if piece.startswith(b"\r\n\r\n"):  # a part without headers
                head, body = b"", piece[4:]
            lines = [line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n") if line]
            found.append(Part({name.strip().lower(): value.strip() for name, _, value in lines}, body.removesuffix(b"\r\n")))
        return found

    def part(self, content_type: str) -> bytes | None:
        """The body of the first part of that type, also when it is the whole body; None when there is none."""
        return next((part.body for part in self.parts() if part.content_type == content_type), None)

    @property
    def sdp(self) -> str:
        """The SDP, also inside a multipart body; "" when absent."""
        body = self.part("application/sdp")
        return body.decode("utf-8", "replace") if body else ""

    def media(self) -> tuple[str, int]:
        """(address, port) of the first m=audio line; the session's c= line where the media has none. ("", 0) without audio."""
        return media_of(self.sdp)


def media_of(sdp: str) -> tuple[str, int]:
    """(address, port) of the first audio stream of an SDP."""
    session_ip, ip, port, inside = "", "", 0, False
    for line in sdp.splitlines():
        if line.startswith("m="):
            if inside:
                break
            if line.startswith("m=audio "):
                inside, port = True, int(line.split()[1])
        elif line.startswith("c="):
            address = line.split()[2].split("/")[0]
            if inside:
                ip = address
            elif not port:
                session_ip = session_ip or address
    return (ip or session_ip, port) if port else ("", 0)


def parse(raw: bytes) -> Message:
    """Parse one message, forgivingly: what cannot be understood is kept in `raw`."""
    head, _, body = raw.partition(b"\r\n\r\n")
    text = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace"))
    start, *lines = text.split("\r\n")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines if ":" in line)]
    message = Message(start, headers, body, raw)
    length = message.header("content-length")
    if length.isdigit() and int(length) < len(body):
        message.body = body[: int(length)]
    return message


def build(start: str, headers: Iterable[tuple[str, str]], body: bytes | str = b"") -> bytes:
    """The bytes of a message; Content-Length is added."""
    content = body.encode() if isinstance(body, str) else body
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def sdp(ip: str, port: int, formats: Sequence[str] = ("0", "8", "101"), *, direction: str = "", extra: Sequence[str] = ()) -> str:
    """An audio SDP. `formats`: payload types; 0 PCMU, 8 PCMA, 9 G722, 101 telephone-event get their rtpmap; others need `extra` lines."""
    names = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "101": "telephone-event/8000"}
    lines = ["v=0", f"o=- {next(_serial)} 1 IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0", f"m=audio {port} RTP/AVP {' '.join(formats)}"]
    lines += [f"a=rtpmap:{number} {names[number]}" for number in formats if number in names]
    if "101" in formats:
        lines.append("a=fmtp:101 0-16")
    if direction:
        lines.append(f"a={direction}")
    return "\r\n".join([*lines, *extra]) + "\r\n"


def challenge_of(reply: Message, algorithm: str = "") -> dict[str, str]:
    """The parameters of a reply's digest challenge, names in lower case; with `algorithm` the challenge of that one; {} when there is none."""
    for value in reply.all("www-authenticate") + reply.all("proxy-authenticate"):
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() != "digest":
            continue
        pairs = {name.lower(): quoted or plain for name, quoted, plain in re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^,\s]+))', rest)}
        if not algorithm or pairs.get("algorithm", "MD5").upper() == algorithm.upper():
            return pairs
    return {}


def authorization(challenge: dict[str, str], method: str, uri: str, user: str, secret: str, *, nc: int = 1, cnonce: str = "") -> str:
    """The value of an Authorization header answering `challenge` (RFC 7616 section 3.4), MD5 or SHA-256, with qop=auth where offered."""
    algorithm = challenge.get("algorithm", "MD5")
    make = hashlib.sha256 if algorithm.upper().startswith("SHA-256") else hashlib.md5

    def digest(*words: str) -> str:
        return make(":".join(words).encode()).hexdigest()

    realm, nonce = challenge["realm"], challenge["nonce"]
    one, two = digest(user, realm, secret), digest(method, uri)
    fields = [("username", user), ("realm", realm), ("nonce", nonce), ("uri", uri)]
    plain = [("algorithm", algorithm)]
    if "auth" in challenge.get("qop", ""):
        cnonce = cnonce or token()
        fields += [("response", digest(one, nonce, f"{nc:08x}", cnonce, "auth", two)), ("cnonce", cnonce)]
        plain += [("qop", "auth"), ("nc", f"{nc:08x}")]
    else:
        fields.append(("response", digest(one, nonce, two)))
    if "opaque" in challenge:
        fields.append(("opaque", challenge["opaque"]))
    return "Digest " + ", ".join([f'{name}="{value}"' for name, value in fields] + [f"{name}={value}" for name, value in plain])
