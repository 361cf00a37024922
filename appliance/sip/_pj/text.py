"""Text between Python and the shim: header lists, display names, addresses, and the causes of ended legs."""

from __future__ import annotations

from typing import Any

from _holdfast_shim import ffi, lib

from appliance.types import Address, Transport

_header_buffer = ffi.new("char[2048]")
_body_buffer = ffi.new("char[16384]")


def text(pointer: Any) -> str:
    """A C string as text."""
    return str(ffi.string(pointer).decode(errors="replace"))


def request_header(name: str) -> str:
    """A header of the request being decided, "" when absent."""
    return text(_header_buffer) if lib.hf_request_header(name.encode(), 0, _header_buffer, 2048) >= 0 else ""


def request_headers(name: str) -> tuple[str, ...]:
    """All headers of that name of the request being decided, in order."""
    found: list[str] = []
    while len(found) < 32 and lib.hf_request_header(name.encode(), len(found), _header_buffer, 2048) >= 0:
        found.append(text(_header_buffer))
    return tuple(found)


def request_body() -> bytes:
    """The body of the request being decided, b"" when absent; a longer one than any packet holds is cut."""
    n = lib.hf_request_body(_body_buffer, 16384)
    return bytes(ffi.unpack(_body_buffer, min(n, 16384))) if n > 0 else b""


def address(text: str, transport: Transport) -> Address:
    """`ip:port` as the shim writes it."""
    host, _, port = text.rpartition(":")
    return Address(host.strip("[]"), int(port or 0), transport)


def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """`Name: value` lines for the shim; a value cannot begin a line of its own."""
    return "\n".join(f"{name}: {' '.join(value.split())}" for name, value in headers).encode()


def name_addr(uri: str) -> str:
    """A URI as it stands in From or To; one that has its brackets keeps them, with the name in front."""
    return uri if not uri or "<" in uri else f"<{uri}>"


def quoted(text: str) -> str:
    """Text for a quoted display name (RFC 3261 section 25.1 quoted-string)."""
    clean = "".join(c for c in text if c.isprintable())
    return clean.replace("\\", "\\\\").replace('"', '\\"')


def display(header: str) -> str:
    """The display name of a From-like header value."""
    name = header.split("<", 1)[0].strip() if "<" in header else ""
    return name[1:-1].replace('\\"', '"').replace("\\\\", "\\") if len(name) > 1 and name[0] == name[-1] == '"' else name


_CAUSES = {486: "busy", 600: "busy", 603: "declined", 607: "declined", 608: "declined", 487: "cancelled", 401: "refused", 403: "refused", 407: "refused"}


def cause_of(code: int, *, answered: bool, ringing: bool, vanished: bool) -> str:
    """The word of `api.Ended.cause` for a leg that ended with `code`."""
    if vanished:
        return "vanished"
    if answered:
        return "normal"
    if code in {408, 480}:
        return "no-answer" if ringing else "unreachable"
    if code in {404, 410, 502, 503, 504}:
        return "unreachable"
    return _CAUSES.get(code, "error")
