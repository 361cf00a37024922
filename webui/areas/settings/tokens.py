"""Tokens that programs use the API with: what each may do, a new one shown this once, and an end to one."""

from __future__ import annotations

import logging
import re
import time

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import HoldfastError, NotFound
from appliance.site.tokens import SCOPES, Tokens
from webui.areas.settings import AREA
from webui.guard import allowed, current
from webui.i18n import gettext, lazy_gettext
from webui.place import place
from webui.saved import toast

log = logging.getLogger(__name__)
_l = lazy_gettext

DAY_S = 86400.0
DAYS = ((30, _l("30 days")), (365, _l("A year")), (0, _l("Until it is revoked")))
MAY = {
    "read": _l("See the site, its history, calls, phones and traces"),
    "write": _l("Change the candidate, passwords of phones and people included"),
    "commit": _l("Apply changes, go back, discard"),
    "calls": _l("Begin, transfer and end calls, run emergency tests, acknowledge notices"),
    "voicemail": _l("List, hear and delete messages"),
    "secrets": _l("See passwords of phones and lines; every look is on record"),
    "access": _l("Change who administers the box"),
    "backup": _l("Make backups of everything, passwords included, under a passphrase of its own choice"),
    "system": _l("Restore a backup, replace certificates, reset the box"),
}
"""SCOPES in the words of these pages."""

AREA.tab("tokens", _l("API tokens"), 60)


@AREA.get("/tokens")
@allowed("administrator")
def tokens() -> str:
    return _page()


@AREA.post("/tokens")
@allowed("administrator")
def new_token() -> Response | str | tuple[str, int]:
    """The page that answers is the only one that ever shows the token."""
    name, scopes, days = request.form.get("name", "").strip()[:100], request.form.getlist("scope"), request.form.get("days", "")
    until = time.time() + int(days) * DAY_S if days in {str(each) for each, _ in DAYS if each} else None
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,39}", name):
        return _page(wrong={"name": gettext("A name has small letters, digits and . _ - and at most 40 of them: nightly-backup.")}), 422
    if not scopes:
        return _page(wrong={"scope": gettext("A token that may do nothing is of no use. Choose what it may do.")}), 422
    try:
        made, text = Tokens(place().data).new(name, scopes, current().author, until)
    except HoldfastError as error:
        if error.code != "token":
            raise
        return _page(wrong={"name": f"{error.sentence}. {error.hint[:1].upper()}{error.hint[1:]}."}), 422
    log.warning("%s made the token %s (%s)", current().id, made.name, ", ".join(made.scopes))
    return _page(made=made.name, text=text)


@AREA.post("/tokens/<name>/revoke")
@allowed("administrator")
def revoke_token(name: str) -> Response:
    try:
        Tokens(place().data).revoke(name)
    except NotFound:
        toast(gettext("The token %(name)s is gone already.", name=name[:40]))
    else:
        log.warning("%s revoked the token %s", current().id, name)
        toast(gettext("The token %(name)s is revoked; it counts no more.", name=name))
    return redirect(url_for("settings.tokens"), 303)


def _page(made: str = "", text: str = "", wrong: dict[str, str] | None = None) -> str:
    typed = request.form if wrong else {}
    return render_template(
        "settings/tokens.html", tokens=Tokens(place().data).all(), made=made, text=text, wrong=wrong or {}, name=typed.get("name", "")[:100],
        chosen=request.form.getlist("scope") if wrong else ["read"], days=DAYS, until=typed.get("days", "365"),
        scopes=[(each, MAY.get(each, SCOPES[each])) for each in SCOPES],
        now_s=time.time(),
    )  # fmt: skip
