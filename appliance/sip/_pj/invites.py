"""An admitted INVITE as the session sees it: fields, headers, offered codecs, the phone's own location."""

from __future__ import annotations

import logging

from _holdfast_shim import ffi, lib

from appliance.sip._pj.config import CODECS
from appliance.sip._pj.text import display, request_header
from appliance.sip.admission import Admitted
from appliance.sip.api import Invite
from appliance.sip.messages import Request
from appliance.types import LegId

log = logging.getLogger(__name__)

HEADERS = (
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Privacy",
    "Diversion",
    "Geolocation",
    "Priority",
    "User-Agent",
    "Alert-Info",
    "Referred-By",
    "Replaces",
)
_buffer = ffi.new("char[16384]")


def invite_of(leg_id: LegId, call_id: str, request: Request, admitted: Admitted) -> Invite:
    """Read what the request being decided holds besides its fields. What cannot be read costs the call a detail, never the call."""
    headers: dict[str, str] = {}
    shown, location = "", b""
    codecs: tuple[str, ...] = ()
    try:
        headers = {name: value for name in HEADERS if (value := request_header(name))}
        shown, codecs = display(request_header("From")), _codecs()
        location = _location() if admitted.service else b""
    except Exception:
        log.exception("call %s: a part of its INVITE could not be read", call_id)
    return Invite(
        leg=leg_id, call_id=call_id, uri=request.uri, uri_user=request.uri_user, from_uri=request.from_uri, from_user=request.from_user,
        from_display=shown, to_user=request.to_user, source=request.source, local=request.local, origin=admitted.origin,
        device=admitted.device, trunk=admitted.trunk, service=admitted.service, test_call=admitted.test_call,
        codecs=codecs, headers=headers, location=location,
    )  # fmt: skip


def _codecs() -> tuple[str, ...]:
    n = lib.hf_request_codecs(_buffer, 1024)
    offered = ffi.unpack(_buffer, n).decode(errors="replace").split(",") if n > 0 else []
    return tuple(codec for codec in offered if codec in CODECS)


def _location() -> bytes:
    n = lib.hf_request_part(b"application/pidf+xml", _buffer, 16384)
    return bytes(ffi.unpack(_buffer, n)) if n > 0 else b""
