"""Secrets that a person may see (row E3): one at a time, on record before it is shown."""

from __future__ import annotations

import logging

from flask import Blueprint, Flask, abort, jsonify, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import NotFound
from webui.guard import by_script, current
from webui.i18n import gettext
from webui.place import place

log = logging.getLogger(__name__)

reveal = Blueprint("reveal", __name__)
SHOWN = ("devices.", "trunks.", "mailboxes.")


def set_up(app: Flask) -> None:
    """`{{ k.secret("sp", _("SIP password"), reveal_url("devices.x.secret")) }}` is a field with an eye."""
    app.register_blueprint(reveal)
    app.jinja_env.globals["reveal_url"] = lambda name: url_for("reveal.secret", name=name)


@reveal.post("/reveal")
def secret() -> Response | tuple[str, int]:
    """The secret in force named by `name`, as JSON {"secret"}, for holdfast.js alone; the vault writes down who has seen it."""
    name = request.args.get("name", "")
    if not by_script() or not name.startswith(SHOWN):
        abort(404)
    try:
        value = place().vault.reveal(name, current().author, place().revision())
    except NotFound:
        return gettext("There is no password in force yet: a new one is made when the changes are applied."), 404
    log.warning("%s has seen %s", current().id, name)
    return jsonify(secret=value)
