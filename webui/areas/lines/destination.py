"""Where an incoming number leads: a kind, and a second choice that changes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from werkzeug.datastructures import MultiDict

from webui.forms import Field
from webui.forms.fields import MOST, named
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l
from webui.place import place

KINDS = (
    ("extension", _l("Extension")), ("group", _l("Group")), ("flow", _l("Flow")), ("voicemail", _l("Voicemail box")),
    ("number", _l("Outside number")), ("hang-up", _l("Hang up")), ("none", _l("Nowhere yet")),
)  # fmt: skip
OBJECTS = {"group": "groups", "flow": "flows", "voicemail": "mailboxes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationField(Field):
    """A `Destination`. The browser sends `<name>.kind` and a target for each kind, of which the chosen kind's counts."""

    macro: ClassVar[str] = "destination"

    def default(self) -> Any:
        return {"kind": "none", "target": ""}

    def show(self, value: Any) -> Any:
        if isinstance(value, str):
            value = {"kind": "extension", "target": value}
        held = value if isinstance(value, Mapping) else {}
        return {"kind": str(held.get("kind") or "none"), "target": str(held.get("target") or "")}

    def words(self, value: Any) -> str:
        return told(value)

    def raw(self, given: MultiDict[str, str], name: str) -> Any:
        kind = given.get(f"{name}.kind", "")[:MOST]
        return {"kind": kind, "target": given.get(f"{name}.{kind}", "")[:MOST]}

    def read(self, raw: Any) -> Any:
        target = raw["target"].strip()
        if raw["kind"] == "number":
            target = "".join(c for c in target if c not in " ().-/\u00a0")
        return {"kind": raw["kind"] or "none", "target": target if raw["kind"] not in {"none", "hang-up"} else ""}

    def kinds(self) -> Any:
        return KINDS

    def targets(self, kind: str, value: Mapping[str, str]) -> list[tuple[str, Any]]:
        """What can be chosen for `kind`, and what is chosen even where it is gone."""
        found = extensions() if kind == "extension" else named(OBJECTS[kind])
        held = value["target"] if value["kind"] == kind else ""
        if not held:
            return [("", gettext("Choose…")), *found]
        return found if any(key == held for key, _ in found) else [*found, (held, gettext("%(value)s (does not exist)", value=held))]


def extensions() -> list[tuple[str, str]]:
    """(extension, extension and name) of everything that has one."""
    found: dict[str, str] = {}
    for kind in ("devices", "mailboxes", "flows", "groups", "users"):
        for held in place().kind(kind).values():
            many = held.get("extensions")
            for extension in (held.get("extension"), *(many if isinstance(many, list | tuple) else ())):
                if extension:
                    found[str(extension)] = str(held.get("name") or "")
    return [(each, f"{each} {found[each]}") for each in sorted(found, key=lambda each: (len(each), each))]


def told(value: Any) -> str:
    """A destination in words."""
    held: Mapping[str, str] = DestinationField(name="", label="").show(value)
    kind, target = held["kind"], held["target"]
    if kind == "extension":
        return dict(extensions()).get(target, target)
    if kind in OBJECTS:
        name = str(place().kind(OBJECTS[kind]).get(target, {}).get("name") or target)
        match kind:
            case "group":
                return gettext("Group %(name)s", name=name)
            case "flow":
                return gettext("Flow %(name)s", name=name)
            case _:
                return gettext("Voicemail box %(name)s", name=name)
    return str(target or dict(KINDS).get(kind, kind))
