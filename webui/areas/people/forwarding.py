"""Tab Forwarding: whom calls reach when nobody answers, when busy, and follow me (rows A5, A6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from flask import redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from appliance.errors import Problem
from webui.areas.people import AREA
from webui.areas.people.whom import find_one, labels, offered
from webui.forms import Field, Form, Phone, Section, Switch
from webui.forms.fields import Unfit
from webui.forms.form import Bound
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l

PARTS = ("who", "delay", "ring")
MOST = 50
Line = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps(Field):
    """A list of ForwardStep; in the form lines of `who`, `delay`, `ring`, whose blank ones do not count."""

    def default(self) -> Any:
        return []

    def show(self, value: Any) -> list[Line]:
        return [self._line(step) for step in value if isinstance(step, Mapping)] if isinstance(value, list | tuple) else []

    def words(self, value: Any) -> str:
        told = [gettext("%(who)s after %(delay)s s for %(ring)s s", **line) for line in self.show(value)]
        return ", ".join(told) or gettext("nobody")

    def raw(self, given: MultiDict[str, str], name: str) -> list[Line]:
        rows = zip(*(given.getlist(f"{name}:{part}")[:MOST] for part in PARTS), strict=False)
        return [dict(zip(PARTS, (text[:200] for text in row), strict=True)) for row in rows if row[0].strip()]

    def read(self, raw: Any) -> Any:
        return [self._step(number, line) for number, line in enumerate(raw, 1)]

    @staticmethod
    def _line(step: Mapping[str, Any]) -> Line:
        user = step.get("user")
        who = labels("users").get(str(user), str(user)) if user else str(step.get("number") or "")
        return {"who": who, "delay": str(step.get("delay_seconds", 0)), "ring": str(step.get("ring_seconds", 20))}

    @staticmethod
    def _step(number: int, line: Line) -> dict[str, Any]:
        who = line["who"].strip()
        user = find_one(who, "users")
        plain = Phone(name="number", label="").read(who)
        if user is None and not re.fullmatch(r"\+?[0-9*#]+", plain or ""):
            raise Unfit(gettext("Line %(n)d: nobody here is called %(who)s", n=number, who=who), gettext("Choose a person from the list, or write a number."))
        seconds = {}
        for part, least, most in (("delay", 0, 300), ("ring", 5, 300)):
            text = line[part].strip()
            if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not least <= int(text) <= most:
                raise Unfit(gettext("Line %(n)d: write %(least)d to %(most)d seconds", n=number, least=least, most=most))
            seconds[f"{part}_seconds"] = int(text)
        return {"user": user, "number": None if user else plain, **seconds}


LISTS = (
    Steps(name="forwarding.no_answer", label=_l("Nobody answers"), help=_l("After the phones of this person rang in vain.")),
    Steps(name="forwarding.busy", label=_l("Busy"), help=_l("When this person is on a call or declines.")),
    Steps(name="forwarding.follow_me", label=_l("Follow me"), help=_l("Where calls go at once while follow me is on.")),
)


class ForwardingForm(Form):
    """Three lists, and where they end."""

    kind = "users"
    fields: ClassVar[Sequence[Field | Section]] = (
        *LISTS,
        Switch(name="forwarding.follow_me_on", label=_l("Follow me is on"), help=_l("The own phones do not ring, and the other two lists do not count.")),
        Switch(name="forwarding.voicemail", label=_l("Voicemail at the end"), on=True, help=_l("Where this person has a voicemail box.")),
    )

    def arrange(self, act: str) -> str:
        """Do what a button of a line says ("forwarding.busy:1:up", "…:add") to what was typed; the id of what gets the focus, or ""."""
        match = re.fullmatch(r"(forwarding\.(?:no_answer|busy|follow_me)):([0-9]{1,3}):(up|down|remove|add)", act)
        if match is None:
            return ""
        row, at, what = self[match[1]], int(match[2]), match[3]
        lines = list(row.value)
        if what == "add":
            lines, at = [*lines, dict(zip(PARTS, ("", "0", "20"), strict=True))], len(lines)
        elif at < len(lines):
            moved = lines.pop(at)
            if what != "remove":
                at = max(0, at - 1) if what == "up" else min(len(lines), at + 1)
                lines.insert(at, moved)
        row.value = lines[:MOST]
        return f"{row.id}-{min(at, len(lines) - 1)}" if lines else f"{row.id}-add"


@AREA.route("/users/<key>/forwarding", methods=["GET", "POST"])
def forwarding(key: str) -> Response | str:
    form, focus = ForwardingForm.at(f"users.{key}"), ""
    if request.form.get("act"):
        focus = form.arrange(request.form["act"])
    elif form.save():
        return redirect(url_for("people.forwarding", key=key), 303)
    return render_template("people/forwarding.html", form=form, key=key, held=form.held, lists=LISTS, offered=offered("users"), focus=focus, told=told)


def told(row: Bound, problem: Problem) -> Problem:
    """A problem of the site's check with the line it is in."""
    match = re.search(rf"{re.escape(row.name)}\[([0-9]+)\]", problem.path)
    if match is None:
        return problem
    return Problem(problem.path, gettext("Line %(n)d: %(what)s", n=int(match[1]) + 1, what=problem.sentence), problem.hint)
