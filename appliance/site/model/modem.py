"""The cellular modem: what it is used for, and where its calls go. Its ports are the machine's affair, not the site's."""

from __future__ import annotations

from typing import Literal

from appliance.site.model.base import E164, Part
from appliance.site.model.lines import Destination


class Sim(Part):
    """The SIM card. Its PIN, where it asks for one, is in the vault."""

    number: E164 | None = None
    """Its own telephone number: an emergency centre sees it when the modem calls there."""


class Modem(Part):
    """The line that is left when the internet and every trunk are gone."""

    enabled: bool = True
    use: Literal["emergency", "emergency-and-outside"] = "emergency"
    """Ordinary calls to outside go over it only where it is allowed, when no trunk works; an emergency call takes it from them."""
    destination: Destination = Destination()
    """Where its incoming calls lead. None: as the incoming number that the SIM card has. The call-back of an emergency centre goes to whoever called it."""
    sim: Sim = Sim()
