"""What is wrong? Cause and cure of every phone that does not register and every call that led nowhere (row E14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import render_template, request

from appliance.errors import ControlError
from webui.areas.diag import AREA
from webui.i18n import gettext, lazy_gettext
from webui.later import ask, late, later
from webui.listing import found, page

MILD = frozenset({"silent", "switched-off", "no-password", "loss", "jitter", "delay"})
"""What lasts rather than happens, or hurts without stopping anything."""

AREA.tab("index", lazy_gettext("What is wrong?"), 10)


@AREA.get("/")
def index() -> str:
    findings: list[Mapping[str, Any]] = []
    lost = None
    try:
        findings = ask("diagnosis")["findings"]
    except ControlError as error:
        if late(error):
            return later(gettext("Diagnose"), "diag")
        lost = error
    rows = found(findings, lambda each: " ".join(str(each[name]) for name in ("cause", "cure", "name", "username", "user_agent")))
    return render_template("diag/index.html", rows=page(rows), lost=lost, q=request.args.get("q", ""), mild=MILD)
