"""When the internet counts as lost, and when it is trusted again."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from appliance.site.model.base import Host, Part


def _probe(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if colon and ":" not in host and not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("has no port from 1 to 65535 after its colon; write 192.0.2.7:443")
    return value


class Wan(Part):
    """Three times, and who beside the carriers, the gateway and the name servers is asked."""

    link_milliseconds: int = Field(default=500, ge=0, le=10000)
    """A cable that is out for so long means that the internet is down."""
    silence_seconds: int = Field(default=4, ge=2, le=60)
    """So long without any answer from outside means the same."""
    trust_seconds: int = Field(default=30, ge=1, le=900)
    """It has to be well for so long without a break before it is trusted again."""
    probes: tuple[Annotated[Host, AfterValidator(_probe)], ...] = Field(default=(), max_length=8)
    """Addresses, or names, with a port where something listens on TCP: `192.0.2.7:443`. None: nobody is asked whom the site does not use anyway."""
