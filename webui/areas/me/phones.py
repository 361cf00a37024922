"""Tab Phones and PIN: whether one's own phones can be rung, and the PIN by which messages are heard from elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flask import abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from appliance.site.secrets import PIN, judge
from webui.areas.me import AREA, mine
from webui.areas.phones.fleet import states
from webui.engine import State, engine
from webui.guard import current
from webui.i18n import gettext, lazy_gettext
from webui.live import live
from webui.place import place
from webui.problems import problem_text
from webui.saved import toast

log = logging.getLogger(__name__)

AREA.tab("phones", lazy_gettext("Phones and PIN"), 40)


@AREA.get("/phones", endpoint="phones")
def phones() -> str:
    return _page({})


@AREA.post("/voicemail/<key>/pin")
def pin(key: str) -> Response | tuple[str, int]:
    """It counts at once, whatever is pending."""
    if key not in mine.mailboxes():
        abort(404)
    name, value = PIN.name(key), request.form.get("pin", "").strip()[:200]
    if problems := judge(name, value, mine.site(), place().secrets()):
        return _page({key: problem_text(problems[0])}), 422
    place().vault.put({name: value})
    log.warning("%s set the PIN of %s", current().id, key)
    try:
        engine().call("secrets.changed")
        toast(gettext("The new PIN counts from now on."))
    except ControlError:
        toast(gettext("Saved. The phone engine does not answer now; it takes the new PIN as soon as it does."))
    return redirect(url_for("me.phones"), 303)


@live("me.phones", ("user",))
def own(state: State) -> Mapping[str, Markup | str]:
    """Whether each of one's own phones can be rung."""
    devices, all_of_them = mine.devices(), states(state)
    assert isinstance(all_of_them, Mapping)
    return {key: word for key, word in all_of_them.items() if key in devices}


def _page(faults: Mapping[str, str]) -> str:
    known = place().secrets()
    boxes = [(key, box, PIN.name(key) in known) for key, box in mine.mailboxes().items()]
    return render_template("me/phones.html", user=mine.user(), devices=mine.devices(), boxes=boxes, faults=faults)
