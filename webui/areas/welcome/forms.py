"""What the first hour asks: forms over parts of the site, several to a page, saved without a word on the next one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict

from appliance.errors import Problem
from appliance.site.countries import COUNTRIES
from appliance.site.model.site import Site
from appliance.site.paths import parse_path, put
from appliance.site.sample import sample_site
from appliance.site.wording import path_of
from webui.areas.lines.destination import extensions
from webui.areas.lines.forms import TrunkForm
from webui.areas.settings.forms import SiteForm
from webui.areas.welcome.civic import ONLY_AMERICAN, VOICES, fields, zone, zones
from webui.forms import Field, Form, Section, Select, Text
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l
from webui.place import place

FROM_SETTINGS = {field.name: field for field in SiteForm.fields if isinstance(field, Field)}
MAIN = "main"


@cache
def sample() -> Site:
    """What a new box begins with: nobody's site."""
    return sample_site()


class Part(Form):
    """A form that shares its page, and its button, with others: each has its own version (`version:<class>`)."""

    told = False

    @classmethod
    def _given(cls) -> tuple[MultiDict[str, str] | None, bool]:
        given, kept = super()._given()
        if given is None:
            return None, False
        mine: MultiDict[str, str] = MultiDict(list(given.items(multi=True)))
        mine["version"] = given.get(f"version:{cls.__name__}", "")
        return mine, kept

    def tell(self, apart_from: str) -> None:
        """Say what would keep it from being saved, beside the field `apart_from` of the site, which another form asks. Nothing is written."""
        value = dict(self.held)
        for name, read in self._read().items():
            value = put(value, parse_path(name), read)
        if not self.errors():
            self._refused(self.path or path_of((self.kind, "new")), self.complete(value))
        self.problems = [problem for problem in self.problems if problem.path != apart_from]


def country_now(given: Mapping[str, str] | None) -> str:
    """What is chosen on the page, else what is saved; on a box nobody has set up that of the browser's language."""
    if given is not None and given.get("country") in COUNTRIES:
        return given["country"]
    held = str(place().document().get("country") or "US")
    if untouched():
        region = (request.accept_languages.best or "").partition("-")[2].upper()
        return region if region in COUNTRIES else held
    return held if held in COUNTRIES else "US"


def untouched() -> bool:
    """Whether the site is still called what a new box calls it."""
    return place().document().get("name") == sample().name


class SitePart(Part):
    """Name, country, time and language of the site."""

    def asked(self) -> Sequence[Field | Section]:
        country = country_now(self.given)
        return (
            Text(name="name", label=_l("Name of the site"), help=_l("Stands on top of every page and on phones: Tidewater Family Clinic."),
                 attributes={"autocomplete": "organization", "maxlength": "80"}),
            FROM_SETTINGS["country"],
            Select(name="time_zone", label=_l("Time zone"), options=[(name, name.replace("_", " ")) for name in zones(country)], initial=zone(country),
                   attributes={"data-guess": "zone"} if untouched() and self.given is None else None),
            FROM_SETTINGS["language"],
        )  # fmt: skip

    def _bind(self, asked: Field) -> Any:
        row = super()._bind(asked)
        if self.given is None and untouched():
            country = country_now(None)
            guesses = {"name": "", "country": country, "time_zone": zone(country), "language": VOICES.get(country, "en-us")}
            row.value = guesses[asked.name]
        return row

    def _read(self) -> dict[str, Any]:
        typed = super()._read()
        if typed.get("name") == sample().name:
            self["name"].problems.append(Problem("name", gettext("This is the name of the example"), gettext("Write what people here call the place")))
        if typed.get("time_zone") and typed["time_zone"] not in zones(country_now(self.given)):
            typed["time_zone"] = zone(country_now(self.given))  # the country was changed without a script
        return typed


class AddressPart(Part):
    """The civic address of the building: the default location."""

    kind = "locations"

    @classmethod
    def of_site(cls) -> AddressPart:
        held = place().document().get("emergency")
        there = place().kind("locations")
        default = str(held.get("default_location") or "") if isinstance(held, Mapping) else ""
        key = default if default in there else next(iter(there), "")
        return cls.at(f"locations.{key}") if key else cls.new()

    def asked(self) -> Sequence[Field | Section]:
        return fields(country_now(self.given))

    @property
    def example(self) -> bool:
        """It is that of the example, where nobody is."""
        known = sample().locations[MAIN].civic.model_dump(exclude_defaults=True)
        civic = self.held.get("civic")
        return isinstance(civic, Mapping) and {name: value for name, value in civic.items() if value} == known

    def _bind(self, asked: Field) -> Any:
        row = super()._bind(asked)
        if self.given is None and self.example:
            row.value = ""
        return row

    def key_for(self, value: Mapping[str, Any]) -> str:
        return MAIN

    def complete(self, value: dict[str, Any]) -> dict[str, Any]:
        country = country_now(self.given)
        asked = {field.name.partition(".")[2] for field in fields(country)}
        civic = dict(value.get("civic") or {})
        if self.example:
            civic = {name: held for name, held in civic.items() if name in asked}
        elif country not in {"US", "CA"}:
            civic = {name: held for name, held in civic.items() if name not in ONLY_AMERICAN}
        return {**value, "name": value.get("name") or gettext("Main building"), "civic": {**civic, "country": country}}


class MainNumberPart(Part):
    """The number of the site: what people who are called see, and what an emergency centre calls back."""

    def asked(self) -> Sequence[Field | Section]:
        told = _l("As the provider wrote it. People who are called see it; emergency centres call it back.")
        return (replace(FROM_SETTINGS["main_number"], optional=False, help=told),)

    def _read(self) -> dict[str, Any]:
        typed = super()._read()
        number = typed.get("main_number")
        if not number:
            missing = Problem("main_number", gettext("This is missing."), gettext("An emergency call must carry a number that calls back"))
            self["main_number"].problems.append(missing)
        else:
            typed["main_number"] = with_country(number)
        return typed


class LinePart(Part, TrunkForm):
    """A line, with what its provider wrote; everything else as most providers want it."""

    BRIEF = ("name", "host", "username", "secret")
    MORE = ("port", "transport", "auth_username", "number_format", "advertised")

    def asked(self) -> Sequence[Field | Section]:
        known = {field.name: field for field in TrunkForm.fields if isinstance(field, Field)}
        kept = _l("Kept sealed. Empty: as it is.") if self.exists else ""
        brief = {
            "name": replace(known["name"], label=_l("Provider"), help=_l("What you call this line: Northwind Telecom.")),
            "username": replace(known["username"], help=_l("Empty where the provider knows the box by its address.")),
            "secret": replace(known["secret"], label=_l("Password of the line"), help=kept),
        }
        return (*(brief.get(name, known[name]) for name in self.BRIEF), *(known[name] for name in self.MORE))


class PersonForm(Form):
    """Somebody and a desk phone, in one go."""

    kind = "users"
    told = False
    fields = (
        Text(name="name", label=_l("Name"), attributes={"autocomplete": "off", "maxlength": "80"}),
        Text(name="extension", label=_l("Extension"), attributes={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def _bind(self, asked: Field) -> Any:
        row = super()._bind(asked)
        if self.given is None and asked.name == "extension":
            row.value = next_extension()
        return row


class RoomForm(Form):
    """A room or floor of the building: its address, and where somebody who comes in has to go."""

    kind = "locations"
    told = False
    fields = (
        Text(name="name", label=_l("Name of the room"), help=_l("Front desk, Floor 2"), attributes={"autocomplete": "off", "maxlength": "80"}),
        Text(name="civic.FLR", label=_l("Floor"), optional=True, attributes={"autocomplete": "off"}),
        Text(name="civic.ROOM", label=_l("Room"), optional=True, attributes={"autocomplete": "off"}),
    )

    def complete(self, value: dict[str, Any]) -> dict[str, Any]:
        building = AddressPart.of_site().held.get("civic")
        inside = {"FLR", "ROOM", "LOC", "UNIT"}
        street = {name: held for name, held in building.items() if name not in inside} if isinstance(building, Mapping) else {}
        own = {name: held for name, held in (value.get("civic") or {}).items() if held}
        return {**value, "civic": {**street, **own, "LOC": str(value.get("name") or "")}}


def next_extension() -> str:
    """The next one that is free behind those in use, as long as they are; 201 where there is none."""
    taken = {extension for extension, _ in extensions()}
    numbers = (str(held.get("extension") or "") for held in place().kind("users").values())
    own = sorted((number for number in numbers if re.fullmatch(r"[0-9]{2,8}", number, re.ASCII)), key=int)
    wanted = int(own[-1]) + 1 if own else 201
    while str(wanted) in taken:
        wanted += 1
    return str(wanted) if len(str(wanted)) <= 8 else ""


def with_country(number: str) -> str:
    """A number of the site's country as people there write it, with its country code; as it is where it is none."""
    rules = COUNTRIES.get(str(place().document().get("country")))
    if number.startswith("+") or rules is None or not number.isascii() or not number.isdigit():
        return number
    national = number.removeprefix(rules.trunk) if rules.trunk and number.startswith(rules.trunk) else number
    return f"+{rules.calling_code}{national}" if rules.is_national(national) else number
