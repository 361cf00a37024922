"""A call over the modem, as the one who dials it asks for it (pure)."""

from __future__ import annotations

from appliance.sip.api import Dial
from appliance.types import MODEM


def modem_dial(number: str, *, emergency: bool = False) -> Dial:
    """`number`: E.164, or as the mobile network knows it (911). It carries neither a location nor a number of the site: the network shows the SIM card's."""
    return Dial(target=f"tel:{number}", account=MODEM, from_uri="", emergency=emergency)
