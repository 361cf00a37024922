"""Kinds of fields: how a value of the document looks in a form, and what is made of what was typed. Whether it may stand is the site's business."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from werkzeug.datastructures import MultiDict

from webui.i18n import gettext, lazy_gettext, sort_key
from webui.place import place

Text_ = Any
"""str, or what lazy_gettext makes."""
Options = Iterable[tuple[str, Text_]]
MOST = 100_000
"""Characters of one field that are looked at; what is longer was not typed."""


class Unfit(Exception):
    """What was typed cannot be made a value at all."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.hint = sentence, hint


@dataclass(frozen=True, slots=True)
class Section:
    """A heading between fields."""

    title: Text_
    help: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `name`: its place in the object, with points (`forwarding.voicemail`). `optional` says so behind the label. `wide`: a row of its own."""

    name: str
    label: Text_
    help: Text_ = ""
    optional: bool = False
    wide: bool = False
    attributes: Mapping[str, str] | None = None
    """More attributes of the control: {"autocomplete": "off"}."""
    macro: ClassVar[str] = "text"
    """The macro of kit.jinja that draws it."""
    type: ClassVar[str] = "text"
    several: ClassVar[bool] = False

    def default(self) -> Any:
        """What a new object begins with."""
        return ""

    def show(self, value: Any) -> Any:
        """The value as it stands in the control; any value, for the candidate may hold mistakes."""
        return "" if value is None else str(value)

    def words(self, value: Any) -> str:
        """The value for a person who compares two of them."""
        return str(self.show(value)) or gettext("nothing")

    def raw(self, given: MultiDict[str, str], name: str) -> Any:
        """What the browser sent, as `show` would give it."""
        return given.get(name, "")[:MOST]

    def read(self, raw: Any) -> Any:
        """A JSON value of what was sent. Raises Unfit."""
        return raw.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Field):
    """One line. `none`: an empty one is None in the document."""

    none: bool = False
    input: str = "text"
    """Its type in HTML: text, email, tel, url, time, date."""

    def read(self, raw: Any) -> Any:
        text = raw.strip()
        return None if self.none and not text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone(Field):
    """A telephone number with country code; blanks, points, hyphens and brackets that people write are taken out. Empty is None unless `text`."""

    text: bool = False
    type: ClassVar[str] = "tel"

    def default(self) -> Any:
        return "" if self.text else None

    def read(self, raw: Any) -> Any:
        plain = re.sub(r"[\s().\-/\u00a0\u2010-\u2015]", "", raw)
        plain = re.sub(r"^00(?=[1-9])", "+", plain)
        return plain or self.default()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mac(Field):
    """A MAC address in any notation; kept as `80:5e:c0:4a:11:7c`."""

    def read(self, raw: Any) -> Any:
        digits = re.sub(r"[\s:.\-]", "", raw).lower()
        if not digits:
            return ""
        if not re.fullmatch(r"[0-9a-f]{12}", digits):
            raise Unfit(gettext("This is not a MAC address."), gettext("It has 12 digits 0-9 and a-f, and stands on the back of the phone: 80:5e:c0:4a:11:7c"))
        return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Field):
    """A whole number. `unit` stands behind it. `none`: empty is None."""

    unit: Text_ = ""
    none: bool = False
    initial: int = 0
    macro: ClassVar[str] = "number"
    type: ClassVar[str] = "text"  # a number control loses what is no number before anybody can be told

    def default(self) -> Any:
        return None if self.none else self.initial

    def read(self, raw: Any) -> Any:
        text = raw.strip()
        if not text and self.none:
            return None
        if not re.fullmatch(r"[+-]?[0-9]{1,15}", text) or not text.isascii():
            raise Unfit(gettext("Write a whole number.") if text else gettext("A number is missing."), "")
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Field):
    """On or off."""

    on: bool = False
    macro: ClassVar[str] = "switch"

    def default(self) -> Any:
        return self.on

    def show(self, value: Any) -> Any:
        return value is True

    def words(self, value: Any) -> str:
        return gettext("on") if value is True else gettext("off")

    def raw(self, given: MultiDict[str, str], name: str) -> Any:
        return given.get(name) == "on"

    def read(self, raw: Any) -> Any:
        return bool(raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Field):
    """One of `options`: (value, label) pairs, or a function that makes them. "" stands for None where `none`."""

    options: Options | Callable[[], Options] = ()
    none: bool = False
    initial: str = ""
    macro: ClassVar[str] = "choose"

    def default(self) -> Any:
        return None if self.none and not self.initial else self.initial

    def choices(self, value: Any) -> list[tuple[str, Text_]]:
        """What can be chosen, and what is chosen even where it cannot be any more."""
        made = self.options() if callable(self.options) else self.options
        found = [(str(key), label) for key, label in made]
        held = self.show(value)
        return found if any(key == held for key, _ in found) else [*found, (held, gettext("%(value)s (does not exist)", value=held) if held else "")]

    def words(self, value: Any) -> str:
        return str(dict(self.choices(value)).get(self.show(value), "")) or gettext("nothing")

    def read(self, raw: Any) -> Any:
        return None if self.none and not raw else raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref(Select):
    """The id of an object of the site's `kind`. `nothing`: the label of none (absent: one must be chosen). `name`d by their names, in their order."""

    kind: str
    nothing: Text_ = None
    only: Callable[[str, Mapping[str, Any]], bool] | None = None
    """Which objects can be chosen."""

    def choices(self, value: Any) -> list[tuple[str, Text_]]:
        found = named(self.kind, self.only)
        held = self.show(value)
        if self.nothing is not None:
            found.insert(0, ("", self.nothing))
        elif not held:
            found.insert(0, ("", lazy_gettext("Choose…")))
        return found if any(key == held for key, _ in found) else [*found, (held, gettext("%(value)s (does not exist)", value=held))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices(Field):
    """Any of `options`, in their order; a list in the document."""

    options: Options | Callable[[], Options] = ()
    macro: ClassVar[str] = "several"
    several: ClassVar[bool] = True

    def default(self) -> Any:
        return []

    def choices(self, value: Any) -> list[tuple[str, Text_]]:
        made = self.options() if callable(self.options) else self.options
        found = [(str(key), label) for key, label in made]
        known = {key for key, _ in found}
        return [*found, *((key, gettext("%(value)s (does not exist)", value=key)) for key in self.show(value) if key not in known)]

    def show(self, value: Any) -> Any:
        return [str(item) for item in value] if isinstance(value, list | tuple) else []

    def words(self, value: Any) -> str:
        names = dict(self.choices(value))
        return ", ".join(str(names[key]) for key in self.show(value)) or gettext("nothing")

    def raw(self, given: MultiDict[str, str], name: str) -> Any:
        return [item for item in given.getlist(name) if item]

    def read(self, raw: Any) -> Any:
        return list(dict.fromkeys(raw))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs(Choices):
    """Ids of objects of the site's `kind`."""

    kind: str
    only: Callable[[str, Mapping[str, Any]], bool] | None = None

    def choices(self, value: Any) -> list[tuple[str, Text_]]:
        found = named(self.kind, self.only)
        known = {key for key, _ in found}
        return [*found, *((key, gettext("%(value)s (does not exist)", value=key)) for key in self.show(value) if key not in known)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Field):
    """A list of texts, one a line."""

    rows: int = 3
    macro: ClassVar[str] = "lines"

    def default(self) -> Any:
        return []

    def show(self, value: Any) -> Any:
        return "\n".join(str(item) for item in value) if isinstance(value, list | tuple) else "" if value is None else str(value)

    def words(self, value: Any) -> str:
        return ", ".join(self.show(value).split("\n")) or gettext("nothing")

    def read(self, raw: Any) -> Any:
        return [line.strip() for line in raw.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret(Field):
    """A password: never shown, kept in the vault; left empty, the one there is stays."""

    macro: ClassVar[str] = "password"
    type: ClassVar[str] = "password"

    def default(self) -> Any:
        return None

    def show(self, value: Any) -> Any:
        return value if isinstance(value, str) else ""

    def words(self, value: Any) -> str:
        return gettext("hidden")

    def read(self, raw: Any) -> Any:
        return raw or None


def named(kind: str, only: Callable[[str, Mapping[str, Any]], bool] | None = None) -> list[tuple[str, Text_]]:
    """(id, name) of every object of a kind in the candidate, as people order them; those with an extension have it in front."""
    found = []
    for key, held in place().kind(kind).items():
        if only is None or only(key, held):
            name = str(held.get("number" if kind == "numbers" else "name") or key)
            extension = held.get("extension")
            found.append((key, f"{extension} {name}" if extension else name))
    return sorted(found, key=lambda entry: sort_key(entry[1]))
