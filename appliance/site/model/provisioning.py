"""Which phones get their settings from the box."""

from __future__ import annotations

from pydantic import Field, IPvAnyNetwork

from appliance.site.model.base import Part


class Provisioning(Part):
    """Desk phones that fetch their settings."""

    networks: tuple[IPvAnyNetwork, ...] = Field(default=(), max_length=32)
    """Networks whose phones are served. None: those on the box's own LAN interfaces. A phone behind a router is never served: its MAC address is not seen."""
