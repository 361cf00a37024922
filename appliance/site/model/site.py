"""The site document: one typed tree of everything an installer decides."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from appliance.site.model.base import E164, Host, Id, Name, Part, Port, Text
from appliance.site.model.lines import Number, OutboundRoute, Trunk
from appliance.site.model.people import Device, User
from appliance.site.model.places import Emergency, Location


class Interface(Part):
    """One of the box's LAN addresses and, where phones reach it through NAT, the address to advertise there."""

    address: Text
    advertised: Text = ""


class Sip(Part):
    """How the SIP side behaves."""

    codecs: tuple[Literal["pcmu", "pcma", "g722", "opus"], ...] = ("g722", "pcmu", "pcma", "opus")
    digest: Literal["auto", "both", "sha-256"] = "auto"
    """Challenges: `auto` offers SHA-256 beside MD5 to phones known to take two, MD5 alone to the rest."""
    min_expires_seconds: int = Field(default=60, ge=10, le=3600)
    max_expires_seconds: int = Field(default=3600, ge=60, le=86400)
    default_expires_seconds: int = Field(default=3600, ge=60, le=86400)
    rtp_first_port: Port = 20000
    rtp_ports: int = Field(default=8000, ge=200, le=40000)
    ring_seconds: int = Field(default=60, ge=5, le=300)
    max_call_minutes: int = Field(default=0, ge=0)
    """0: no limit. Never applied to emergency calls."""


class Site(Part):
    """The whole document. Objects are keyed by id: `[users.dana]`."""

    name: Name = "Holdfast"
    domain: Host = "holdfast.local"
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"
    time_zone: Text = "UTC"
    main_number: E164 | None = None
    interfaces: tuple[Interface, ...] = ()
    sip: Sip = Sip()
    users: dict[Id, User] = Field(default_factory=dict)
    devices: dict[Id, Device] = Field(default_factory=dict)
    trunks: dict[Id, Trunk] = Field(default_factory=dict)
    numbers: dict[Id, Number] = Field(default_factory=dict)
    outbound: OutboundRoute = OutboundRoute()
    locations: dict[Id, Location] = Field(default_factory=dict)
    emergency: Emergency = Emergency()
