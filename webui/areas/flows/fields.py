"""Fields of a step's settings, made of what its kind says of itself: a kind of step that is new has its form at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from werkzeug.datastructures import MultiDict

from webui.areas.lines.destination import extensions
from webui.areas.people.whom import find_one, labels, offered
from webui.forms import Field, Number, Phone, Ref, Refs, Select, Switch, Text
from webui.forms.fields import MOST, Unfit
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l

KINDS = {"user": "users", "device": "devices", "group": "groups", "mailbox": "mailboxes", "audio": "audio", "schedule": "schedules", "flow": "flows"}
"""What settings refer to -> the kind of object in the site."""
SUGGESTED = 400
ROWS = 50
WHOM = "whom"
Known = Mapping[str, Any]
"""A field as the worker's job "kinds" describes it."""
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Long(Field):
    """One text that may be long."""

    rows: int = 3
    none: bool = False
    macro: ClassVar[str] = "lines"

    def default(self) -> Any:
        return None if self.none else ""

    def read(self, raw: Any) -> Any:
        text = " ".join(raw.split())
        return None if self.none and not text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Field):
    """A list of short texts, with commas or blanks between."""

    def default(self) -> Any:
        return []

    def show(self, value: Any) -> Any:
        return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else "" if value is None else str(value)

    def read(self, raw: Any) -> Any:
        return [word for word in re.split(r"[\s,;]+", raw) if word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Json(Field):
    """What no other field can show, as JSON."""

    rows: int = 4
    macro: ClassVar[str] = "lines"

    def default(self) -> Any:
        return None

    def show(self, value: Any) -> Any:
        return "" if value is None else json.dumps(value, ensure_ascii=False)

    def read(self, raw: Any) -> Any:
        try:
            return json.loads(raw) if raw.strip() else None
        except ValueError:
            raise Unfit(gettext("This is not JSON."), gettext("For example %(example)s", example='{"a": 1}')) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom(Field):
    """Exactly one of several settings, found by what is typed: a name, an extension, a number, or one of some words."""

    ways: Sequence[Known]
    macro: ClassVar[str] = "whom"

    def show(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return ""
        for way in self.ways:
            held = value.get(way["name"])
            if held not in (None, False, ""):
                return self._shown(way, held)
        return ""

    def read(self, raw: Any) -> Any:
        text = raw.strip()
        for way in self.ways:
            if way["control"] == "switch" and text.casefold() == word(way["label"]).casefold():
                return {way["name"]: True}
            if way["control"] == "ref" and way["refers"] in KINDS and (id := find_one(text, KINDS[way["refers"]])) is not None:
                return {way["name"]: id}
        plain = Phone(name="", label="").read(re.sub(rf"^{re.escape(gettext('Extension'))}\s", "", text)) or ""
        named = {way.get("refers") or way["control"]: way["name"] for way in self.ways}
        if "extension" in named and plain in {extension for extension, _ in extensions()}:
            return {named["extension"]: plain}
        if "text" in named and re.fullmatch(r"\+?[0-9*#]+", plain, re.ASCII):
            return {named["text"]: plain}
        raise Unfit(gettext("nobody here is called %(who)s", who=text[:80]), gettext("Choose from the list, or write a number."))

    def suggested(self) -> list[str]:
        """What the browser offers while somebody types."""
        found = [word(way["label"]) for way in self.ways if way["control"] == "switch"]
        found += offered(*(KINDS[way["refers"]] for way in self.ways if way["control"] == "ref" and way["refers"] in KINDS))
        return found[:SUGGESTED]

    @staticmethod
    def _shown(way: Known, held: Any) -> str:
        match way["control"]:
            case "switch":
                return word(way["label"])
            case "ref" if way["refers"] in KINDS:
                return labels(KINDS[way["refers"]]).get(str(held), str(held))
            case "ref":
                return f"{gettext('Extension')} {held}"
            case _:
                return str(held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Field):
    """A list of groups, a line each; the browser sends `<name>:<part>` once for every line. Lines with nothing written in them do not count."""

    parts: Sequence[Field]
    macro: ClassVar[str] = "rows"

    def default(self) -> Any:
        return []

    def show(self, value: Any) -> list[Line]:
        held = [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
        return [{part.name: part.show(each if part.name == WHOM else each.get(part.name, part.default())) for part in self.parts} for each in held]

    def words(self, value: Any) -> str:
        told = [str(next(iter(line.values()), "")) for line in self.show(value)]
        return ", ".join(told) or gettext("nothing")

    def raw(self, given: MultiDict[str, str], name: str) -> list[Line]:
        columns = [given.getlist(f"{name}:{part.name}")[:ROWS] for part in self.parts]
        return [{part.name: text[:MOST] for part, text in zip(self.parts, row, strict=True)} for row in zip(*columns, strict=False) if self._counts(row)]

    def blank(self) -> Line:
        """A line to be filled in."""
        return {part.name: part.show(part.default()) for part in self.parts}

    def read(self, raw: Any) -> Any:
        return [dict(self._read(number, line)) for number, line in enumerate(raw, 1)]

    def _counts(self, row: Sequence[str]) -> bool:
        return any(text.strip() for part, text in zip(self.parts, row, strict=True) if isinstance(part, Text | Long | Whom | Words | Ref))

    def _read(self, number: int, line: Line) -> Iterator[tuple[str, Any]]:
        for part in self.parts:
            try:
                read = part.read(line[part.name])
            except Unfit as error:
                raise Unfit(gettext("Line %(n)d, %(what)s: %(why)s", n=number, what=part.label, why=error.sentence), error.hint) from None
            if part.name == WHOM:
                yield from read.items()
            elif read != part.default():
                yield part.name, read


def word(text: str) -> str:
    """A word of the worker's in the reader's language, where the catalogues have it."""
    return gettext(text) if text else ""


def made(known: Known, prefix: str = "settings.") -> Field:
    """The field of a form for a setting."""
    name, label, help = f"{prefix}{known['name']}", word(known["label"]), word(known["help"])
    required, initial = known["required"], known["default"]
    match known["control"]:
        case "text":
            return Text(name=name, label=label, help=help, none=not required, optional=not required)
        case "lines":
            return Long(name=name, label=label, help=help, none=not required, optional=not required, wide=True)
        case "number":
            unit = gettext("seconds") if known["unit"] == "seconds" else ""
            return Number(name=name, label=label, help=help, unit=unit, initial=initial or 0, none=initial is None and not required)
        case "switch":
            return Switch(name=name, label=label, help=help, on=initial is True)
        case "choice":
            options = [(each["value"], word(each["label"])) for each in known["options"]]
            return Select(name=name, label=label, help=help, options=options, initial=str(initial or ""), none=initial is None)
        case "ref" if known["refers"] in KINDS:
            return Ref(name=name, label=label, help=help, kind=KINDS[known["refers"]], nothing=None if required else _l("None"), none=not required)
        case "ref":
            return Text(name=name, label=label, help=help, none=not required)
        case "list" if known["refers"] in KINDS:
            return Refs(name=name, label=label, help=help, kind=KINDS[known["refers"]])
        case "list":
            return Words(name=name, label=label, help=help, optional=not required)
        case "rows":
            return Rows(name=name, label=label, help=help, parts=_parts(known), wide=True)
        case _:
            return Json(name=name, label=label, help=help, wide=True)


def _parts(known: Known) -> list[Field]:
    """The fields of a line. On and off become a choice: a box that is not ticked is not sent, and lines would be confused."""
    one_of = known["one_of"]
    ways = [each for each in known["fields"] if each["name"] in one_of]
    parts: list[Field] = [Whom(name=WHOM, label=word(known["title"]), ways=ways)] if ways else []
    for each in known["fields"]:
        if each["name"] not in one_of:
            made_ = made({**each, "help": ""}, "")
            parts.append(_OnOff(name=made_.name, label=made_.label) if isinstance(made_, Switch) else made_)
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnOff(Select):
    """On or off as a choice of two."""

    def choices(self, value: Any) -> list[tuple[str, Any]]:
        return [("", gettext("off")), ("on", gettext("on"))]

    def default(self) -> Any:
        return False

    def show(self, value: Any) -> Any:
        return "on" if value in (True, "on") else ""

    def read(self, raw: Any) -> Any:
        return raw == "on"
