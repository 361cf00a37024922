"""The forms of the editor: a flow as a whole, and one step, asked as its kind says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from appliance.errors import Problem
from appliance.site.paths import parse_path, put
from appliance.site.wording import path_of
from webui.areas.flows.changes import steps_of
from webui.areas.flows.fields import Rows, Whom, Words, made, word
from webui.areas.flows.known import drafted, kinds
from webui.forms import Form, Select, Text
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l
from webui.place import place


class SettingsForm(Form):
    """The flow as a whole."""

    kind = "flows"

    def asked(self) -> Any:
        starts = [(step, f"{step} ({word(kinds().get(str(held.get('type')), {}).get('title', ''))})") for step, held in steps_of(self.held).items()]
        return (
            Text(name="name", label=_l("Name"), attributes={"autocomplete": "off", "maxlength": "80"}),
            Words(name="extensions", label=_l("Extensions"), optional=True, help=_l("Dialled inside to reach this flow: 300, 301.")),
            Select(name="start", label=_l("Begins at"), options=starts),
        )


class StepForm(Form):
    """The settings of one step, as its kind asks for them."""

    @classmethod
    def of(cls, key: str, step: str) -> StepForm:
        return cls.at(path_of(("flows", key, "steps", step)))

    @property
    def type(self) -> str:
        """Its kind, also where somebody deleted it while the form was filled in."""
        sent = self.given.get("type", "") if self.given is not None else ""
        return str(self.held.get("type") or sent)

    def known(self) -> Mapping[str, Any]:
        return kinds().get(self.type, {})

    def asked(self) -> Any:
        return [made(each) for each in self.known().get("fields", ())]

    def complete(self, value: dict[str, Any]) -> dict[str, Any]:
        """Without what is as it goes without saying."""
        plain = {each["name"]: each["default"] for each in self.known().get("fields", ())}
        settings = value.get("settings")
        held = settings if isinstance(settings, Mapping) else {}
        return {**value, "type": self.type, "settings": {name: item for name, item in held.items() if not (name in plain and item in (None, plain[name]))}}

    def save(self) -> bool:
        """Where somebody changed other things of the flow only, both changes are kept."""
        if super().save():
            return True
        clash = self.deleted or self.errors() or self.problems or any(row.theirs is not None for row in self.bound())
        return self.conflict and not clash and super().save()

    def _refused(self, path: str, value: Mapping[str, Any]) -> bool:
        return self.judge(drafted(path.split(".")[1], put(place().document(), parse_path(path), value)))

    def judge(self, outline: Mapping[str, Any]) -> bool:
        """Put what the worker found wrong with the settings to the fields; whether there is anything."""
        found = [Problem(**each) for step in outline["steps"] for each in step["problems"]]
        return self._place(self.path, [_told(problem) for problem in found if f"{problem.path}.".startswith(f"{self.path}.settings.")])

    def offered(self) -> list[str]:
        """What the browser offers in the lines of the form."""
        parts = [part for row in self.bound() if isinstance(row.field, Rows) for part in row.field.parts if isinstance(part, Whom)]
        return list(dict.fromkeys(text for part in parts for text in part.suggested()))

    def arrange(self, act: str) -> str:
        """Do what a button of a line says ("settings.targets:1:remove", "…:add", "…:up"); the id of what gets the focus, or ""."""
        match = re.fullmatch(r"(settings\.[a-z0-9_]+):([0-9]{1,3}):(up|remove|add)", act)
        row = next((row for row in self.bound() if match and row.name == match[1] and isinstance(row.field, Rows)), None)
        if match is None or row is None or not isinstance(row.field, Rows):
            return ""
        lines, at = list(row.value), int(match[2])
        if match[3] == "add":
            lines, at = [*lines, row.field.blank()], len(lines)
        elif at < len(lines):
            moved = lines.pop(at)
            if match[3] == "up":
                at = max(0, at - 1)
                lines.insert(at, moved)
        row.value = lines
        return f"{row.id}-{min(at, len(lines) - 1)}" if lines else f"{row.id}-add"


def _told(problem: Problem) -> Problem:
    """With the line it is in."""
    match = re.search(r"\[([0-9]+)\]", problem.path)
    return Problem(problem.path, gettext("line %(n)d %(what)s", n=int(match[1]) + 1, what=problem.sentence), problem.hint) if match else problem
