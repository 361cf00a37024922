"""The networks whose phones get their settings from the box."""

from __future__ import annotations

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from webui.areas.phones import AREA
from webui.engine import engine
from webui.forms import Form, Lines
from webui.i18n import lazy_gettext as _l
from webui.place import place

AREA.tab("networks", _l("Networks"), 20)


class NetworksForm(Form):
    fields = (
        Lines(name="networks", label=_l("Networks of phones"), optional=True,
              help=_l("One a line: 192.168.20.0/24. Empty: those on the box's own LAN interfaces. A phone behind a router is not served.")),
    )  # fmt: skip


@AREA.route("/networks", methods=["GET", "POST"])
def networks() -> Response | str:
    form = NetworksForm.at("provisioning")
    if form.save():
        return redirect(url_for("phones.networks"), 303)
    return render_template(
        "phones/networks.html", form=form, served=engine().state.phones.get("networks", ()), changed=place().pending().touches("provisioning")
    )
