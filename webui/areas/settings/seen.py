"""Who looked at passwords: the record that is written before one is shown."""

from __future__ import annotations

from flask import render_template

from appliance.errors import Problem
from webui.areas.settings import AREA
from webui.guard import allowed
from webui.i18n import gettext, lazy_gettext
from webui.listing import found, page
from webui.place import place
from webui.problems import where

AREA.tab("seen", lazy_gettext("Who saw passwords"), 65)


@AREA.get("/seen")
@allowed("administrator")
def seen() -> str:
    rows = [(each, _what(each.name)) for each in reversed(place().vault.reveals())]
    return render_template("settings/seen.html", rows=page(found(rows, lambda row: f"{row[0].who} {row[0].name} {row[1]}")))


def _what(name: str) -> str:
    return gettext("All of them, in a sealed file") if name == "*" else where(Problem(name, ""))
