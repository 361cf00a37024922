"""Who is told outside when something is wrong, and of what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from appliance.site.model.base import Host, Part, Port, Text

AlertKind = Literal["emergency", "trunk", "phone", "certificate", "machine", "box"]
KINDS: tuple[AlertKind, ...] = ("emergency", "trunk", "phone", "certificate", "machine", "box")


class AlertMail(Part):
    """E-mail. Its password is in the vault."""

    host: Host | None = None
    """The server that takes mail from the box; None: no e-mail is sent."""
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is for a server on the own network that asks for no password."""
    username: Text = ""
    sender: Text = ""
    """The address that messages come from."""
    to: tuple[Text, ...] = ()
    """Addresses that get all alerts."""
    emergency_to: tuple[Text, ...] = ()
    """Addresses that are told of emergency calls alone, beside those of `to`."""


class AlertWebhook(Part):
    """An address that gets each alert as JSON by POST. Its secret, for the signature, is in the vault."""

    url: Annotated[str, StringConstraints(max_length=500)] = ""
    """`https://…`; "" : none."""


class Alerts(Part):
    """Who is told when something is wrong."""

    kinds: tuple[AlertKind, ...] = KINDS
    least: Literal["look", "bad"] = "look"
    """What is told: all that needs a look, or only what is broken."""
    repeat_minutes: int = Field(default=15, ge=0, le=1440)
    """Of one kind at most one beginning and one end is told in this time. Emergency calls are always told at once."""
    phone_gone_minutes: int = Field(default=15, ge=1, le=1440)
    """A phone is told of when it was away this long."""
    mail: AlertMail = AlertMail()
    webhook: AlertWebhook = AlertWebhook()
