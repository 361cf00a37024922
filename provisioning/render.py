"""A phone's files, in its maker's format."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from provisioning import dialplan
from provisioning.catalogue import Family, Model, families, models
from provisioning.phone import Phone
from provisioning.zones import Zone, zone


@cache
def _environment(format: str) -> Environment:
    def source(name: str) -> str:
        return files("provisioning").joinpath("families", name).read_text("utf-8")

    # Values of line-based formats need no escape: Phone lets no control character in.
    escape = format == "xml"
    made = Environment(loader=FunctionLoader(source), autoescape=escape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    made.filters["extract"] = lambda key, table: table[key]
    made.globals.update(at_once=dialplan.at_once, digitmap=dialplan.digitmap, braces=dialplan.braces, templates=dialplan.templates)
    return made


def _render(family: Family, template: str, phone: Phone) -> bytes:
    model = models().get(phone.model) or Model(id="", family=family.id, name="", as_written=(), lines=len(phone.lines))
    try:
        clock = zone(phone.zone)
    except ValueError:
        clock = Zone(0)  # a phone that shows UTC still calls
    text = _environment(family.format).get_template(template).render(phone=phone, family=family, model=model, zone=clock)
    return text.encode()


def first_file(family: str, phone: Phone) -> bytes:
    """The file that leads the phone to its settings. Holds no secret but the address."""
    return _render(families()[family], f"{family}.first.j2", phone)


def settings(family: str, phone: Phone) -> bytes:
    """Everything, the SIP password included."""
    return _render(families()[family], f"{family}.j2", phone)
