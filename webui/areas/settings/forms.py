"""What is asked of the site itself: its name and place, its addresses, how its SIP side behaves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from babel import Locale
from babel.core import get_global

from appliance.site.countries import COUNTRIES
from webui.forms import Form, Lines, Number, Phone, Section, Select, Text
from webui.forms.fields import Options, Unfit
from webui.i18n import gettext, language, sort_key
from webui.i18n import lazy_gettext as _l
from webui.place import place

VOICES = (
    "cs", "da", "de", "el", "en-gb", "en-us", "es", "es-419", "et", "fi", "fr-be", "fr-ch", "fr-fr", "hr", "hu", "it", "lt", "lv", "nb", "nl", "pl", "pt",
    "pt-br", "ro", "sk", "sl", "sv", "tr",
)  # fmt: skip
"""Voices of espeak-ng for the countries whose numbers are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered(Text):
    """Words in an order that matters, with commas between."""

    def default(self) -> Any:
        return []

    def show(self, value: Any) -> Any:
        return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value or "")

    def words(self, value: Any) -> str:
        return str(self.show(value)) or gettext("nothing")

    def read(self, raw: Any) -> Any:
        return [word.lower() for word in re.split(r"[\s,;]+", raw) if word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses(Lines):
    """Addresses of the box, one a line; behind NAT with the one outside: `192.168.1.5 as 203.0.113.7`."""

    rows: int = 2
    BETWEEN: ClassVar[str] = " as "

    def show(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return str(value or "")
        return "\n".join(self._line(each) for each in value)

    def _line(self, each: Any) -> str:
        if not isinstance(each, Mapping):
            return str(each)
        outside = each.get("advertised")
        return f"{each.get('address', '')}{f'{self.BETWEEN}{outside}' if outside else ''}"

    def read(self, raw: Any) -> Any:
        found = []
        for line in raw.splitlines():
            words = line.split()
            if not words:
                continue
            if len(words) not in {1, 3} or words[1:2] not in ([], [self.BETWEEN.strip()]):
                raise Unfit(
                    gettext("“%(line)s” is no address of the box.", line=line.strip()[:60]), gettext("Write 192.168.1.5, or 192.168.1.5 as 203.0.113.7")
                )
            found.append({"address": words[0], "advertised": words[2]} if len(words) == 3 else {"address": words[0]})
        return found


def _countries() -> Options:
    names = Locale.parse(language()).territories
    return sorted(((code, str(names.get(code, known.name))) for code, known in COUNTRIES.items()), key=lambda each: sort_key(each[1]))


def _voices() -> Options:
    names = Locale.parse(language())
    return sorted(((voice, _voice(names, voice)) for voice in VOICES), key=lambda each: sort_key(each[1]))


def _voice(names: Locale, voice: str) -> str:
    tongue, _, region = voice.partition("-")
    name = str(names.languages.get(tongue, tongue))
    where = names.territories.get(region.upper(), "")
    return f"{name[:1].upper()}{name[1:]} ({where})" if where else f"{name[:1].upper()}{name[1:]}"


def _zones() -> Options:
    """Those of the site's country, and UTC."""
    country = str(place().document().get("country") or "US")
    zones = sorted(zone for zone, territory in get_global("zone_territories").items() if territory == country and "/" in zone)
    return [(zone, zone.replace("_", " ")) for zone in (*zones, "UTC")]


class SiteForm(Form):
    """The fields at the top of the document."""

    fields = (
        Text(name="name", label=_l("Name of the site"), help=_l("Stands on top of every page and on phones."),
             attributes={"autocomplete": "off", "maxlength": "80"}),
        Phone(name="main_number", label=_l("Main number"), optional=True,
              help=_l("With country code. Shown to people who are called; emergency services call it back.")),
        Section(_l("Where it is")),
        Select(name="country", label=_l("Country"), options=_countries, initial="US",
               help=_l("Decides how numbers are dialled, and which are emergency numbers.")),
        Select(name="time_zone", label=_l("Time zone"), options=_zones, initial="UTC",
               help=_l("The zones of the country. For those of another country, save the country first.")),
        Select(name="language", label=_l("Language of its voice"), options=_voices, initial="en-us", help=_l("What callers hear where no recording is set.")),
        Section(_l("Network"), _l("Phones register at these. A change of the domain makes every phone sign in again.")),
        Text(name="domain", label=_l("SIP domain"), help=_l("The name phones sign in to: holdfast.local, or pbx.example.com."),
             attributes={"autocomplete": "off"}),
        Addresses(name="interfaces", label=_l("Addresses behind NAT"), optional=True,
                  help=_l("One a line, only where phones reach the box through a router that changes addresses: 192.168.1.5 as 203.0.113.7")),
    )  # fmt: skip


class SipForm(Form):
    """How the SIP side behaves."""

    fields = (
        Number(name="ring_seconds", label=_l("Phones ring for"), unit=_l("seconds"), initial=60, help=_l("At most, where nobody says otherwise.")),
        Number(name="max_call_minutes", label=_l("Calls end after"), unit=_l("minutes"), help=_l("0: never. Emergency calls are never ended.")),
        Section(_l("Registration"), _l("How long a phone counts as there before it has to say so again.")),
        Number(name="min_expires_seconds", label=_l("At least"), unit=_l("seconds"), initial=60),
        Number(name="default_expires_seconds", label=_l("Usually"), unit=_l("seconds"), initial=3600),
        Number(name="max_expires_seconds", label=_l("At most"), unit=_l("seconds"), initial=3600),
        Select(name="digest", label=_l("Password check"), initial="auto",
               options=(("auto", _l("As each phone can")), ("both", _l("SHA-256 and MD5")), ("sha-256", _l("SHA-256 alone"))),
               help=_l("Many phones know MD5 alone: “SHA-256 alone” shuts them out.")),
        Section(_l("Sound")),
        Ordered(name="codecs", label=_l("Codecs, the best first"), help=_l("Any of g722, pcmu, pcma, opus, with commas between."),
                attributes={"autocomplete": "off"}),
        Number(name="rtp_first_port", label=_l("First port for sound"), initial=20000, help=_l("UDP. A change counts from the next start of the box on.")),
        Number(name="rtp_ports", label=_l("How many ports"), initial=8000, help=_l("Each call takes four.")),
    )  # fmt: skip
