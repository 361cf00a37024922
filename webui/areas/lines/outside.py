"""Outside dialling: the one group of settings."""

from __future__ import annotations

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from webui.areas.lines import AREA
from webui.areas.lines.forms import OutboundForm
from webui.i18n import lazy_gettext
from webui.place import place

AREA.tab("outside", lazy_gettext("Outside dialling"), 20)


@AREA.route("/outside", methods=["GET", "POST"])
def outside() -> Response | str:
    form = OutboundForm.at("outbound")
    if form.save():
        return redirect(url_for("lines.outside"), 303)
    return render_template("lines/outside.html", form=form, changed=place().pending().touches("outbound"))
