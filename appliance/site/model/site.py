"""The site document: one typed tree of everything an installer decides."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from appliance.site.model.access import Administrator
from appliance.site.model.alerts import Alerts
from appliance.site.model.base import E164, Host, Id, Name, Part, Port, Text
from appliance.site.model.firewall import Firewall
from appliance.site.model.flows import Audio, Flow, Schedule, Step
from appliance.site.model.lines import Number, OutboundRoute, Trunk
from appliance.site.model.modem import Modem
from appliance.site.model.people import HOUSE_FLOW, Device, Group, Mailbox, User
from appliance.site.model.places import Emergency, Location
from appliance.site.model.provisioning import Provisioning
from appliance.site.model.wan import Wan


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


def house_flow() -> Flow:
    """House dialling: extensions, outside numbers and voicemail the way people expect; whoever is called has the last word by their forwarding."""
    return Flow(
        name="House dialling",
        start="dial",
        steps={
            "dial": Step(
                type="dial",
                settings={"targets": [{"dialled": True}], "forwarding": True},
                exits={"no-answer": "end", "busy": "end", "failed": "end"},
            ),
            "end": Step(type="hang-up"),
        },
    )


def _with_house(flows: dict[str, Flow]) -> dict[str, Flow]:
    return flows if HOUSE_FLOW in flows else {HOUSE_FLOW: house_flow(), **flows}


class Site(Part):
    """The whole document. Objects are keyed by id: `[users.dana]`."""

    name: Name = "Holdfast"
    domain: Host = "holdfast.local"
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"
    time_zone: Text = "UTC"
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}$")] = "en-us"
    """What the box speaks: a voice of espeak-ng."""
    main_number: E164 | None = None
    interfaces: tuple[Interface, ...] = ()
    sip: Sip = Sip()
    users: dict[Id, User] = Field(default_factory=dict)
    devices: dict[Id, Device] = Field(default_factory=dict)
    groups: dict[Id, Group] = Field(default_factory=dict)
    mailboxes: dict[Id, Mailbox] = Field(default_factory=dict)
    trunks: dict[Id, Trunk] = Field(default_factory=dict)
    numbers: dict[Id, Number] = Field(default_factory=dict)
    outbound: OutboundRoute = OutboundRoute()
    modem: Modem = Modem()
    wan: Wan = Wan()
    firewall: Firewall = Firewall()
    provisioning: Provisioning = Provisioning()
    flows: Annotated[dict[Id, Flow], AfterValidator(_with_house)] = Field(default_factory=dict, validate_default=True)
    """House dialling is added where it is missing (row E6)."""
    schedules: dict[Id, Schedule] = Field(default_factory=dict)
    audio: dict[Id, Audio] = Field(default_factory=dict)
    locations: dict[Id, Location] = Field(default_factory=dict)
    emergency: Emergency = Emergency()
    alerts: Alerts = Alerts()
    administrators: dict[Id, Administrator] = Field(default_factory=dict)
    """Who may change the site; the id is the name they sign in with."""
