"""A desk phone as every family sees it: what it signs in as, what it dials at once, the time it shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Mac = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
"""Twelve lower-case hexadecimal digits, no separators."""
Plain = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
"""One line of text: a control character would end a value in the line-based formats."""


class Neutral(BaseModel):
    """Checked where it arrives, unchangeable from there on."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(Neutral):
    """One registration of a phone."""

    user: Plain
    password: Plain
    display: Plain
    label: Plain
    voicemail: Plain = ""
    """What the message key dials; "": no mailbox."""


class Phone(Neutral):
    """Everything a phone is told, in no maker's words. Made by the engine, one for each device with a MAC address."""

    mac: Mac
    model: Plain = ""
    """An id of `models/`, "" where the maker alone is known."""
    domain: Plain
    """The SIP domain: the server in every SIP address (row E4)."""
    address: Plain
    """The box's own address as this phone reaches it: its outbound proxy, so that a phone needs no name service."""
    port: int = Field(ge=1, le=65535)
    transport: Literal["udp", "tcp", "tls"] = "udp"
    expires_s: int = Field(default=3600, ge=60, le=86400)
    lines: tuple[Line, ...] = Field(min_length=1)
    codecs: tuple[Literal["pcmu", "pcma", "g722", "opus"], ...] = ("g722", "pcmu", "pcma")
    emergency: tuple[Annotated[str, StringConstraints(pattern=r"^[0-9]{2,15}$")], ...] = ()
    """Dialled at once, without a send key and without waiting for more."""
    zone: Plain = "UTC0"
    """The POSIX TZ rule of the site's time zone, "EST5EDT,M3.2.0,M11.1.0"."""
    ntp: Plain = ""
    admin_password: Plain
    url: Plain
    """The phone's own address for settings, token and trailing slash included."""
