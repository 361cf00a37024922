"""The Flask application: put together from its parts, one folder per area."""

from __future__ import annotations

import time
from pathlib import Path

from flask import Flask, redirect
from jinja2 import FileSystemLoader, StrictUndefined
from werkzeug.wrappers import Response

from webui import access, apply, areas, assets, guard, headers, i18n, later, live, problems, reveal, strangers, vitals
from webui.accounts import Accounts
from webui.api import v1
from webui.backups import Backups, BoxRequest
from webui.config import Config
from webui.engine import Engine
from webui.place import Place
from webui.saved import toasts
from webui.sessions import Sessions

LARGEST = 64 * 1024 * 1024
"""Bytes of a request: recordings and backups are uploaded."""


def create_app(config: Config) -> Flask:
    """The pages of the box in `config.data`. Reads and writes nothing before the first request."""
    app = Flask("webui", root_path=str(Path(__file__).resolve().parent), static_folder=None, template_folder=None)
    app.request_class = BoxRequest
    app.config.update(MAX_CONTENT_LENGTH=LARGEST, MAX_FORM_MEMORY_SIZE=guard.LARGEST_FIELDS, MAX_FORM_PARTS=5000)
    app.url_map.strict_slashes = False
    app.jinja_options = {**app.jinja_options, "autoescape": True}
    app.jinja_loader = FileSystemLoader(Path(__file__).resolve().parent / "templates")
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    place = Place(config.data)
    engine = Engine(config.control)
    app.extensions.update(place=place, engine=engine, config=config, backups=Backups(config.data))
    strangers.set_up(app, engine)
    for part in (i18n, headers, problems, assets):
        part.set_up(app)
    guard.set_up(app, guard.Guard(config, Accounts(place), Sessions(config.web)))
    for feature in (access, later, live, vitals, apply, reveal, areas, v1):
        feature.set_up(app)
    app.jinja_env.globals.update(toasts=toasts, now=time.time)

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.get("/")
    def front() -> Response:
        return redirect(areas.home_address(), 303)

    front.__dict__["roles"] = guard.EVERYBODY

    return app
