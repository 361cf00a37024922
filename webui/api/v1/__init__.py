"""Version 1 of the API: every module here puts its operations into one table."""

from __future__ import annotations

from flask import Blueprint, Flask

from webui.api.v1 import (
    about,
    alerts,
    backup,
    certificate,
    commits,
    desk_phones,
    document,
    firewall,
    library,
    logs,
    modem,
    proof,
    secrets,
    simulate,
    state,
    system,
    tokens,
    voicemail,
    wan,
)
from webui.api.v1.caller import Gate
from webui.api.v1.operation import ROOT, add_routes
from webui.place import place

PARTS = (document, library, commits, state, alerts, modem, wan, firewall, desk_phones, system, logs, proof, voicemail, secrets, tokens, simulate, certificate,
         backup, about)  # fmt: skip


def set_up(app: Flask) -> None:
    """Make the routes. Reads nothing before the first request."""
    blueprint = Blueprint("api", __name__, url_prefix=ROOT)
    add_routes(blueprint)
    blueprint.add_url_rule("/", "page", about.page)
    blueprint.add_url_rule("/docs/<name>", "part", about.part)
    with app.app_context():
        app.extensions["api"] = Gate(place().data)
    app.register_blueprint(blueprint)
