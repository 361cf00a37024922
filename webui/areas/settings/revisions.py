"""Revisions: who changed what and why, the difference of any two, and bringing one back."""

from __future__ import annotations

import re

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import DocumentError, HoldfastError
from webui.apply import tell
from webui.areas.settings import AREA
from webui.guard import current
from webui.i18n import gettext, lazy_gettext
from webui.listing import found, page
from webui.place import place

MOST = 10_000
"""Revisions looked through; the store keeps fewer."""

AREA.tab("revisions", lazy_gettext("Revisions"), 70)


@AREA.get("/revisions")
def revisions() -> str:
    entries = place().editor("").history(MOST)
    rows = found(entries, lambda entry: f"{entry.number} {entry.author} {entry.comment}")
    return render_template("settings/revisions.html", rows=page(rows), all=entries)


@AREA.get("/revisions/<int:number>")
def revision(number: int) -> str:
    """What it changed against the one before it, or against any other."""
    return _revision(number, [])


@AREA.post("/revisions/<int:number>/bring-back")
def bring_back(number: int) -> Response | tuple[str, int]:
    """Its content with today's administrators as a new revision, after the checks of every commit."""
    editor = place().editor(current().author)
    comment = request.form.get("comment", "").strip()[:500]
    try:
        made = editor.rollback(number, comment)
    except DocumentError as error:
        return _revision(number, [str(problem) for problem in error.problems]), 422
    except HoldfastError as error:
        if error.code != "pending":
            return _revision(number, [f"{error.sentence}. {error.hint}"]), 409
        return _revision(number, [gettext("Changes wait to be applied. Apply or discard them first, so that nobody's work is lost.")]), 409
    tell(made)
    return redirect(url_for("settings.revisions"), 303)


def _revision(number: int, refused: list[str]) -> str:
    entries = place().editor("").history(MOST)
    known = {entry.number: entry for entry in entries}
    if number not in known:
        abort(404, description=gettext("There is no revision %(n)d.", n=number))
    earlier = [entry.number for entry in entries if entry.number < number]
    sent = request.args.get("against", "")
    wanted = int(sent) if re.fullmatch(r"[0-9]{1,9}", sent) and sent.isascii() else 0
    against = wanted if wanted in known and wanted != number else max(earlier, default=0)
    changes = place().editor("").diff(against, number) if against else ()
    return render_template(
        "settings/revision.html", entry=known[number], against=known.get(against), changes=changes, entries=entries, refused=refused,
        waits=len(place().pending()),
    )  # fmt: skip
