"""Trunks and incoming numbers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, IPvAnyNetwork, model_validator

from appliance.site.model.base import E164, Host, Id, Name, Part, Port, Text


class Trunk(Part):
    """A way out over SIP. `username` makes it a registering trunk; without, it is matched by `networks` (and its own host).

    The carrier's password is in the vault.
    """

    name: Name
    host: Host
    port: Port = 5060
    transport: Literal["udp", "tcp", "tls"] = "udp"
    username: Text = ""
    auth_username: Text = ""
    """Where it differs from `username`."""
    register_seconds: int = Field(default=300, ge=60, le=7200)
    networks: tuple[IPvAnyNetwork, ...] = ()
    """Source addresses its calls come from, beside the address of `host`."""
    bind: Text = ""
    """The box's own address it leaves from; empty: chosen by the route to the host."""
    advertised: Text = ""
    """The public address written into Contact and SDP where the box is behind NAT."""
    number_format: Literal["e164", "e164-no-plus", "national", "as-dialled"] = "e164"
    """How numbers are written on this trunk, both ways."""
    caller_id: E164 | None = None
    """Presented where the user has none."""
    max_calls: int = Field(default=0, ge=0, le=200)
    """Ordinary calls at once; 0: no limit. Emergency calls are not counted."""
    emergency_uri: Literal["number", "urn"] = "number"
    """`number`: sip:911@host; `urn`: urn:service:sos (an NG911 carrier)."""
    emergency_armed: bool = False
    """The carrier holds this site's addresses and callback numbers (L6)."""
    codecs: tuple[Literal["pcmu", "pcma", "g722", "opus"], ...] = ("pcmu", "pcma", "g722", "opus")
    health_seconds: int = Field(default=30, ge=0, le=600)
    """OPTIONS interval; 0: none."""
    enabled: bool = True


class Destination(Part):
    """Where an incoming number leads (row A2). `target`: an extension, an outside number, or the id of a mailbox, group or flow; "" for the last two kinds.

    In a file an extension may stand alone: `destination = "201"`.
    """

    kind: Literal["extension", "number", "voicemail", "group", "flow", "hang-up", "none"] = "none"
    target: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"kind": "extension", "target": value} if isinstance(value, str) else value


class Number(Part):
    """An incoming number and where it leads."""

    number: E164
    destination: Destination = Destination()
    name: Text = ""
    trunk: Id | None = None


class OutboundRoute(Part):
    """Outside dialling: which trunks, in order, carry which numbers (E.164 prefixes)."""

    trunks: tuple[Id, ...] = ()
    """Empty: every enabled trunk in the order they are written."""
    outside_prefix: str = Field(default="9", pattern=r"^[0-9*#]{0,3}$")
    """Digit(s) before an outside number; it may also be left out where the number is no extension."""
    allowed_countries: tuple[str, ...] = ()
    """Country codes (`+44`) that may be called beside the site's own; `*`: all."""
    blocked_prefixes: tuple[str, ...] = ()
    """E.164 prefixes never called, e.g. `+1900`."""
