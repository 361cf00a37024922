"""The site itself: name, country, time zone, voice, domain; and how its SIP side behaves."""

from __future__ import annotations

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from webui.areas.settings import AREA
from webui.areas.settings.forms import SipForm, SiteForm
from webui.i18n import lazy_gettext
from webui.place import place

AREA.tab("index", lazy_gettext("Site"), 10)
AREA.tab("sip", lazy_gettext("SIP"), 15)


@AREA.route("/", methods=["GET", "POST"])
def index() -> Response | str:
    form = SiteForm.at("site")
    if form.save():
        return redirect(url_for("settings.index"), 303)
    return render_template("settings/site.html", form=form, here="settings.index", changed=place().pending().touches("site"))


@AREA.route("/sip", methods=["GET", "POST"])
def sip() -> Response | str:
    form = SipForm.at("sip")
    if form.save():
        return redirect(url_for("settings.sip"), 303)
    return render_template("settings/site.html", form=form, here="settings.sip", changed=place().pending().touches("sip"))
