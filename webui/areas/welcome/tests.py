"""Step 7: tests that real calls tick, what is still to be applied, and the end of the first hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, url_for
from flask_babel import format_datetime
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from appliance.site.countries import COUNTRIES
from webui.areas.phones.fleet import contacts_of
from webui.areas.welcome import AREA
from webui.areas.welcome.shell import page, put_in_force
from webui.engine import State, engine
from webui.first_hour import DONE, finish, mark
from webui.guard import by_script
from webui.i18n import gettext, ngettext
from webui.live import live
from webui.place import place
from webui.saved import toast

ANSWER_S = 3.0
CALLS = 200
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list. `kind`: a shape; `how`: what was seen, or what to do."""

    kind: str
    title: str
    how: str


@AREA.get("/tests", endpoint="tests")
def step() -> str:
    """The list alone, where the script looks again."""
    if by_script():
        return render_template("welcome/checklist.html", checks=_checks())
    return _page([])


@AREA.post("/tests/apply")
def apply_now() -> Response | tuple[str, int]:
    """Put everything in force, so that the tests show it."""
    refused = put_in_force(gettext("First hour"))
    return (_page(refused), 422) if refused else redirect(url_for("welcome.tests"), 303)


@AREA.post("/tests/finish")
def finished() -> Response | tuple[str, int]:
    """Apply what is left; the first hour is over."""
    refused = put_in_force(gettext("First hour"))
    if refused:
        return _page(refused), 422
    mark("tests", DONE)
    finish()
    toast(gettext("The first hour is over. Everything is in force."))
    return redirect(url_for("home.index"), 303)


def _page(refused: list[str]) -> str:
    return page("tests", checks=_checks(), waits=place().pending(), refused=refused)


def _checks() -> list[Check]:
    state = engine().state
    try:
        calls: Sequence[Row] = engine().ask("calls.history", ANSWER_S, limit=CALLS)["calls"]
    except ControlError as error:
        return [Check("bad", gettext("The phone engine does not answer."), f"{error.sentence}. {error.hint}")]
    answered = [row for row in calls if row["outcome"] == "answered"]
    return [_phones(state), _inside(answered), *_outside(answered), *_comes_in(answered), *_emergency(state)]


def _phones(state: State) -> Check:
    devices = place().kind("devices")
    here, of = len(contacts_of(state).keys() & devices.keys()), len(devices)
    title = ngettext("%(here)d of %(num)d phone has signed in", "%(here)d of %(num)d phones have signed in", of, here=here)
    return Check("ok" if of and here == of else "wait", title, "" if of and here == of else gettext("Type into each what stands under People and phones."))


def _inside(answered: Sequence[Row]) -> Check:
    found = next((row for row in answered if row["direction"] == "internal"), None)
    if found is None:
        return Check("wait", gettext("One phone calls another"), gettext("Dial an extension and take the call there; speak, and listen."))
    return Check("ok", gettext("%(a)s called %(b)s", a=found["from_number"], b=found["to_number"]), _when(found))


def _outside(answered: Sequence[Row]) -> list[Check]:
    if not place().kind("trunks"):
        return [Check("off", gettext("No outside line yet"), gettext("Calls inside work; no call and no emergency call leaves."))]
    found = next((row for row in answered if row["direction"] == "out"), None)
    if found is None:
        return [Check("wait", gettext("A call goes out"), gettext("Dial your mobile from a phone, or make the test call under Outside lines."))]
    return [Check("ok", gettext("%(number)s was reached outside", number=found["to_number"]), _when(found))]


def _comes_in(answered: Sequence[Row]) -> list[Check]:
    main = str(place().document().get("main_number") or "")
    if not main or not place().kind("trunks"):
        return []
    found = next((row for row in answered if row["direction"] == "in"), None)
    if found is None:
        return [Check("wait", gettext("A call comes in"), gettext("Call %(number)s from your mobile, and take it.", number=main))]
    return [Check("ok", gettext("%(a)s called %(b)s", a=found["from_number"] or gettext("Somebody"), b=found["to_number"]), _when(found))]


def _emergency(state: State) -> list[Check]:
    document = place().document()
    rules = COUNTRIES.get(str(document.get("country")))
    own = document.get("emergency")
    numbers = [*(rules.test if rules else ()), *((own.get("test_numbers") or ()) if isinstance(own, Mapping) else ())]
    if not place().kind("trunks"):
        return []
    if not numbers:
        stands = gettext("The proof in the step before stands for it. Never dial the real number to try it.")
        return [Check("info", gettext("This country has no number to try emergency calls with"), stands)]
    found = next((notice for notice in state.notices.get("notices", ()) if notice["test"] and notice["outcome"] in {"connected", "ended"}), None)
    if found is None:
        heard = gettext("A voice reads back the address and the number it would be called back on. Nobody is troubled.")
        return [Check("wait", gettext("Dial %(number)s from a phone", number=numbers[0]), heard)]
    how = {"place": found["location"] or found["extension"], "when": format_datetime(found["started_unix_s"], "HH:mm")}
    return [Check("ok", gettext("%(number)s was answered", number=found["dialled"]), gettext("From %(place)s, %(when)s", **how))]


def _when(row: Row) -> str:
    return gettext("%(when)s, %(seconds)d seconds of talk", when=format_datetime(row["started_unix_s"], "HH:mm"), seconds=round(row["talk_s"]))


@live("welcome.pulse")
def pulse(state: State) -> str:
    """Says that something happened; the page then looks at the list again."""
    up = len(state.calls.get("calls", ()))
    return ngettext("One call now", "%(num)d calls now", up) if up else gettext("No call now")
