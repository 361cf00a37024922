"""What is asked of a location, and of emergency calling."""

from __future__ import annotations

from typing import Any

from webui.forms import Form, Lines, Number, Ref, Section, Text
from webui.i18n import lazy_gettext as _l
from webui.place import place

FIELDS = (
    ("HNO", _l("House number")), ("HNS", _l("House number suffix")), ("PRD", _l("Direction before the street")), ("RD", _l("Street")),
    ("STS", _l("Kind of street")), ("POD", _l("Direction behind the street")), ("A3", _l("Town")), ("A1", _l("State or region")), ("PC", _l("Postcode")),
    ("A2", _l("County")), ("A4", _l("Part of the town")),
)  # fmt: skip
INSIDE = (
    ("NAM", _l("Name of the place")), ("BLD", _l("Building")), ("FLR", _l("Floor")), ("UNIT", _l("Unit")), ("ROOM", _l("Room")),
    ("LMK", _l("Landmark")), ("PLC", _l("Kind of place")), ("LOC", _l("As a person would say it")),
)  # fmt: skip


def _civic(fields: tuple[tuple[str, Any], ...]) -> tuple[Text, ...]:
    return tuple(
        Text(name=f"civic.{name}", label=label, optional=name not in {"RD", "HNO", "A3"}, attributes={"autocomplete": "off"}) for name, label in fields
    )


class LocationForm(Form):
    """An emergency response location, its address in the fields of RFC 5139."""

    kind = "locations"
    fields = (
        Text(name="name", label=_l("Name"), help=_l("What people here call it: Building A, floor 2."), attributes={"autocomplete": "off", "maxlength": "80"}),
        Section(_l("Address"), _l("The dispatcher gets these fields as they stand here.")),
        *_civic(FIELDS),
        Text(name="civic.country", label=_l("Country"), help=_l("Two letters: US."), attributes={"autocomplete": "off", "maxlength": "2"}),
        Section(_l("Inside"), _l("Where somebody who comes in has to go.")),
        *_civic(INSIDE),
        Section(_l("Calling back, and which phones are here")),
        Lines(name="elins", label=_l("Callback numbers (ELIN)"), optional=True, help=_l("One a line, with country code. None: the main number of the site.")),
        Lines(name="networks", label=_l("Networks"), optional=True, help=_l("Phones in them are here unless the phone says otherwise: 192.168.20.0/24.")),
    )  # fmt: skip

    def _bind(self, asked: Any) -> Any:
        row = super()._bind(asked)
        if self.given is None and not self.exists and asked.name == "civic.country":
            row.value = str(place().document().get("country") or "US")
        return row


class EmergencyForm(Form):
    """What the site adds to emergency calling."""

    fields = (
        Ref(name="default_location", label=_l("Default location"), kind="locations", none=True, nothing=_l("None"),
            help=_l("Where a phone is when nothing better is known.")),
        Section(_l("Numbers"), _l("The country's own emergency numbers always work and cannot be taken out.")),
        Lines(name="extra_numbers", label=_l("More emergency numbers"), optional=True, help=_l("One a line.")),
        Lines(name="test_numbers", label=_l("More test numbers"), optional=True, help=_l("One a line. They go the way of emergency calls.")),
        Section(_l("Calling back")),
        Number(name="callback_hold_minutes", label=_l("A callback finds the phone for"), unit=_l("minutes"), initial=60),
        Lines(name="security_extensions", label=_l("Security"), optional=True, help=_l("Extensions, one a line: called when a callback finds no phone.")),
    )  # fmt: skip
