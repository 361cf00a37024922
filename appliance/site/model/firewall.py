"""What may come in from the internet, and who is never shut out."""

from __future__ import annotations

from pydantic import Field, IPvAnyNetwork

from appliance.site.model.base import Part, Text


class Firewall(Part):
    """Carriers' addresses and registered phones get through whatever stands here; the LAN is never behind it."""

    enabled: bool = True
    safe_networks: tuple[IPvAnyNetwork, ...] = Field(default=(), max_length=64)
    """Addresses and networks outside that may use all that the box serves: its pages, SSH, SIP. They are never banned."""
    sip_open: bool = False
    """Phones anywhere outside may register. Off: only from safe networks."""
    ban_minutes: int = Field(default=60, ge=1, le=10080)
    """How long somebody who fails too often is shut out."""
    outside: tuple[Text, ...] = Field(default=(), max_length=16)
    """Names of interfaces that lead outside only, with the jokers * and ?: `eth1`. None: as the board and the routes say."""
