"""A page: free phones pick up by themselves and hear somebody, a text or a recording."""

from __future__ import annotations

import logging
import re
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from webui.areas.calls import AREA
from webui.areas.calls.whom import groups, phones, recordings
from webui.engine import engine
from webui.guard import current
from webui.i18n import gettext, ngettext
from webui.saved import toast

log = logging.getLogger(__name__)

SPEECH_S = 45.0
"""A long text is spoken first; that takes some seconds on a small box."""
WHAT = ("phone", "text", "audio")


@AREA.route("/page", methods=["GET", "POST"])
def page() -> Response | str | tuple[str, int]:
    given = request.values
    what = given.get("what", "") if given.get("what") in WHAT else "phone"
    shown: dict[str, Any] = {
        "groups": groups(), "phones": phones(), "recordings": recordings(), "what": what, "chosen": given.getlist("group")[:100],
        "everybody": "everybody" in given, "others": given.get("others", "").strip()[:400], **{name: given.get(name, "")[:1000] for name in WHAT},
    }  # fmt: skip
    wrong: dict[str, str] = {}
    if request.method == "POST":
        to = [] if shown["everybody"] else [*shown["chosen"], *re.split(r"[\s,;]+", shown["others"])]
        to = [each for each in to if each]
        if not to and not shown["everybody"]:
            wrong["whom"] = gettext("Choose a group, type extensions, or switch on every phone.")
        if not shown[what].strip():
            wrong[what] = {
                "phone": gettext("Choose the phone to speak from."), "text": gettext("Type what shall be said."), "audio": gettext("Choose a recording."),
            }[what]  # fmt: skip
        if not wrong:
            try:
                made = engine().call("calls.page", timeout_s=SPEECH_S, to=to[:100], everybody=shown["everybody"], **{what: shown[what][:1000]})
            except ControlError as error:
                wrong["all"] = f"{error.sentence}. {error.hint}".strip()
            else:
                log.info("%s pages %s", current().id, ", ".join(to) or "everybody")
                heard = ngettext("One phone listens.", "%(num)d phones listen.", made["phones"])
                toast(gettext("Pick up %(phone)s and speak after the tone.", phone=shown["phone"]) if what == "phone" else heard)
                return redirect(url_for("calls.now"), 303)
    page_ = render_template("calls/page.html", wrong=wrong, **shown)
    return (page_, 422) if wrong else page_
