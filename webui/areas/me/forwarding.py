"""Tab Forwarding: the form of an administrator over one's own forwarding, in force as soon as it is saved."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from flask import current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import Conflict, ControlError, DocumentError, HoldfastError, Problem
from appliance.site.paths import find, version_of
from webui.areas.me import AREA, mine
from webui.areas.people.forwarding import LISTS, ForwardingForm, told
from webui.engine import engine
from webui.forms import Field
from webui.forms.form import friendly
from webui.guard import current
from webui.i18n import gettext, lazy_gettext, sort_key
from webui.i18n import lazy_gettext as _l
from webui.limits import Pace
from webui.place import place
from webui.saved import toast

log = logging.getLogger(__name__)

ACTIVATE_S = 10.0
SAVES, WITHIN_S = 30, 600.0
"""Each makes a revision, and the engine takes it over."""

AREA.tab("forwarding", lazy_gettext("Forwarding"), 20)


_HELP = {
    "forwarding.no_answer": _l("After your phones rang in vain."),
    "forwarding.busy": _l("When you are on a call, or decline one."),
    "forwarding.follow_me": _l("Where calls go at once while follow me is on."),
    "forwarding.follow_me_on": _l("Your phones do not ring, and the other two lists do not count."),
    "forwarding.voicemail": _l("Callers can leave you a message when nobody answers."),
}  # fmt: skip


class OwnForwarding(ForwardingForm):
    """Over what is in force, not over the candidate: what an administrator has not applied is not his."""

    fields = tuple(replace(field, help=_HELP[field.name]) for field in ForwardingForm.fields if isinstance(field, Field))

    @classmethod
    def own(cls) -> Self:
        given, kept = cls._given()
        held = mine.user().model_dump(mode="json")
        path = f"users.{mine.key()}"
        sent = given.get("version", "") if given is not None else ""
        form = cls(path, held, int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 18 else version_of(held), given)
        form.kept = kept
        for row in form.bound():
            row.changed = False  # nothing of it waits
        return form

    def save(self) -> bool:
        if self.given is None or request.method != "POST":
            return False
        typed = self._read()
        if self.errors():
            return False
        value: dict[str, Any] = {name.partition(".")[2]: read for name, read in typed.items()}
        path = f"{self.path}.forwarding"
        pace: Pace = current_app.extensions.setdefault("own-forwarding", Pace(SAVES, WITHIN_S))
        if wait := pace.wait_s(self.path, time.monotonic()):
            hint = gettext("Save again in %(n)d min; what you typed stays here.", n=math.ceil(wait / 60))
            self.problems.append(Problem(gettext("Forwarding"), gettext("You saved very often"), hint))
            return False
        try:
            made = place().editor(current().author).commit_alone(path, value, gettext("own forwarding"), self.version)
        except Conflict as conflict:
            theirs = {"forwarding": conflict.theirs} if isinstance(conflict.theirs, Mapping) else None
            base = {"forwarding": conflict.base} if isinstance(conflict.base, Mapping) else None
            self._conflicting(Conflict(self.path, theirs, None, conflict.version, base), typed)
            return False
        except DocumentError as error:
            self._place(self.path, [friendly(problem, self.path, place().document()) for problem in error.problems])
            return False
        except HoldfastError as error:
            self.problems.append(Problem(gettext("Forwarding"), error.sentence, error.hint))
            return False
        log.info("%s changed the own forwarding in revision %d", current().id, made.revision)
        _tell(bool(made.changes))
        return True


@AREA.route("/forwarding", methods=["GET", "POST"])
def forwarding() -> Response | str:
    form, focus = OwnForwarding.own(), ""
    if request.form.get("act"):
        focus = form.arrange(request.form["act"])
    elif form.save():
        return redirect(url_for("me.forwarding"), 303)
    people = [f"{user.extension} {user.name}" for key, user in mine.site().users.items() if key != mine.key()]
    return render_template(
        "me/forwarding.html", form=form, user=mine.user(), lists=LISTS, offered=sorted(people, key=sort_key), focus=focus, told=told,
        box=bool(mine.mailboxes()), on=find(form.held, ("forwarding", "follow_me_on"), False),
    )  # fmt: skip


def _tell(changed: bool) -> None:
    """Have the engine use it now; one that does not run takes it when it starts."""
    if not changed:
        toast(gettext("Nothing was different."))
        return
    try:
        engine().call("site.activate", timeout_s=ACTIVATE_S)
        toast(gettext("Your calls are forwarded like this from now on."))
    except ControlError:
        toast(gettext("Saved. The phone engine does not answer now; it takes this over as soon as it does."))
