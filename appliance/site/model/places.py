"""Places (emergency response locations) and what emergency calls need."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, IPvAnyNetwork, StringConstraints

from appliance.site.model.base import E164, Digits, Extension, Id, Name, Part, Text


class Civic(Part):
    """A civic address in the fields of RFC 5139 / RFC 6848 (`RD` street, `HNO` number, `LOC` what a person would say)."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    A1: Text = ""
    A2: Text = ""
    A3: Text = ""
    A4: Text = ""
    PRD: Text = ""
    RD: Text = ""
    STS: Text = ""
    POD: Text = ""
    HNO: Text = ""
    HNS: Text = ""
    LMK: Text = ""
    LOC: Text = ""
    NAM: Text = ""
    PC: Text = ""
    BLD: Text = ""
    UNIT: Text = ""
    FLR: Text = ""
    ROOM: Text = ""
    PLC: Text = ""


class Location(Part):
    """An emergency response location (ERL): what the dispatcher gets for the phones in it, and the numbers that call back into it."""

    name: Name
    civic: Civic
    elins: tuple[E164, ...] = ()
    """Callback numbers of this place (ELIN pool); empty: the site's main number."""
    networks: tuple[IPvAnyNetwork, ...] = ()
    """Phones in these networks are here unless their device says otherwise."""


class Emergency(Part):
    """What the site adds to emergency calling. A country's own numbers always work and cannot be removed."""

    extra_numbers: tuple[Digits, ...] = ()
    test_numbers: tuple[Digits, ...] = ()
    """Beside 933."""
    default_location: Id | None = None
    """Where a phone is when nothing better is known; needed as soon as there is one location."""
    callback_hold_minutes: int = Field(default=60, ge=0, le=180)
    security_extensions: tuple[Extension, ...] = ()
    """Who is called when a call-back finds no phone."""
