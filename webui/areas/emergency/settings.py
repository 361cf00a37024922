"""The default location, more numbers, calling back."""

from __future__ import annotations

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from webui.areas.emergency import AREA
from webui.areas.emergency.forms import EmergencyForm
from webui.i18n import lazy_gettext
from webui.place import place

AREA.tab("settings", lazy_gettext("Settings"), 60)


@AREA.route("/settings", methods=["GET", "POST"])
def settings() -> Response | str:
    form = EmergencyForm.at("emergency")
    if form.save():
        return redirect(url_for("emergency.settings"), 303)
    return render_template("emergency/settings.html", form=form, changed=place().pending().touches("emergency"))
