"""What an address is made of, country by country, in the fields of RFC 5139; and what can be guessed of a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from babel.core import get_global

from webui.forms import Field, Text
from webui.forms.fields import Unfit
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l

LOCALTIME = Path("/etc/localtime")
_MAIN_ZONE = {
    "US": "America/New_York", "CA": "America/Toronto", "AU": "Australia/Sydney", "NZ": "Pacific/Auckland", "ES": "Europe/Madrid", "PT": "Europe/Lisbon",
    "DE": "Europe/Berlin", "CY": "Asia/Nicosia",
}  # fmt: skip
"""Where most people of a country with several zones live."""
_ALIASES = ("Etc/", "SystemV/", "US/", "Canada/")
PLAIN = {"autocomplete": "off"}
ONLY_AMERICAN = frozenset({"PRD", "STS", "POD"})
"""Parts of a street's name that are fields of their own in North America alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed(Text):
    """A line that must not stay empty. `letters`: exactly so many, in capitals; 0: whatever is written."""

    letters: int = 0

    def read(self, raw: Any) -> Any:
        text = Text.read(self, raw)
        if not text:
            raise Unfit(gettext("This is missing."), gettext("The dispatcher sends help there"))
        if self.letters and not (text.isascii() and text.isalpha() and len(text) == self.letters):
            raise Unfit(gettext("Write %(n)d letters.", n=self.letters), str(self.help))
        return text.upper() if self.letters else text


def _american(region: Any, example: str, code: Any, code_example: str) -> tuple[Field, ...]:
    return (
        Needed(name="civic.HNO", label=_l("House number"), attributes={**PLAIN, "inputmode": "numeric"}),
        Text(name="civic.PRD", label=_l("Direction before the street"), help=_l("N, SE"), optional=True, attributes=PLAIN),
        Needed(name="civic.RD", label=_l("Street"), help=_l("Its name alone: Harbor"), attributes=PLAIN),
        Text(name="civic.STS", label=_l("Kind of street"), help=_l("Street, Avenue, Road"), optional=True, attributes=PLAIN),
        Text(name="civic.POD", label=_l("Direction behind the street"), help=_l("N, SE"), optional=True, attributes=PLAIN),
        Needed(name="civic.A3", label=_l("Town"), attributes=PLAIN),
        Needed(name="civic.A1", label=region, help=_l("Two letters: %(example)s", example=example), letters=2, attributes={**PLAIN, "maxlength": "2"}),
        Needed(name="civic.PC", label=code, help=code_example, attributes=PLAIN),
    )


def fields(country: str) -> Sequence[Field]:
    """What is asked of an address in `country`, in the order people write it there."""
    if country == "US":
        return _american(_l("State"), "NY", _l("ZIP code"), "97205")
    if country == "CA":
        return _american(_l("Province"), "ON", _l("Postal code"), "K1A 0B1")
    street = Needed(name="civic.RD", label=_l("Street"), help=_l("With everything that belongs to its name, without the number"), attributes=PLAIN)
    house = Text(name="civic.HNO", label=_l("House number"), optional=True, attributes=PLAIN)
    town = Needed(name="civic.A3", label=_l("Town"), attributes=PLAIN)
    code = Text(name="civic.PC", label=_l("Postcode"), optional=country in {"IE", "HK"}, attributes=PLAIN)
    region = Text(name="civic.A1", label=_l("County") if country in {"GB", "IE"} else _l("Region"), optional=True, attributes=PLAIN)
    if country in {"GB", "IE", "FR", "LU", "AU", "NZ", "SG", "HK"}:
        return (house, street, town, code, region) if country not in {"FR", "LU"} else (house, street, code, town, region)
    return street, house, code, town, region


@cache
def zones(country: str) -> tuple[str, ...]:
    """The time zones of a country, and UTC."""
    known = available_timezones()
    found = [zone for zone, of in get_global("zone_territories").items() if of == country and "/" in zone and zone in known]
    return (*sorted(zone for zone in found if not zone.startswith(_ALIASES)), "UTC")


def zone(country: str) -> str:
    """A guess: that of the machine where it is one of the country, else where most people live."""
    there = zones(country)
    own = str(LOCALTIME.resolve()).partition("zoneinfo/")[2] if LOCALTIME.exists() else ""
    return own if own in there and own != "UTC" else _MAIN_ZONE.get(country, there[0])


VOICES = {
    "GB": "en-gb", "IE": "en-gb", "AU": "en-gb", "NZ": "en-gb", "SG": "en-gb", "HK": "en-gb", "FR": "fr-fr", "LU": "fr-fr", "BE": "fr-be", "CH": "fr-ch",
    "IT": "it", "SE": "sv", "DE": "de", "AT": "de", "ES": "es", "PT": "pt", "NL": "nl", "DK": "da", "NO": "nb", "FI": "fi", "PL": "pl", "CZ": "cs",
    "SK": "sk", "HU": "hu", "GR": "el", "CY": "el", "RO": "ro", "HR": "hr", "SI": "sl", "EE": "et", "LV": "lv", "LT": "lt",
}  # fmt: skip
"""What callers most likely want to hear; elsewhere en-us."""
