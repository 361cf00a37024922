"""HTTP for phones: first files at any path, settings at each phone's own address."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from flask import Flask, Response, abort, request

from appliance.control.client import Client
from appliance.errors import ControlError
from provisioning.answers import File, Where, file_for, question, understand, wants_settings
from provisioning.limits import Limit
from provisioning.neighbours import neighbour

log = logging.getLogger(__name__)
LONGEST_UPLOAD = 1 << 20
"""A phone's log; it is thrown away."""
_TRY_AGAIN_S = 10


def make_app() -> Flask:
    """Asks the engine for everything; keeps nothing."""
    app = Flask("provisioning", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_UPLOAD
    limit, lock = Limit(), threading.Lock()

    @app.before_request
    def _not_too_often() -> Response | None:
        with lock:
            allowed = limit.allows(request.remote_addr or "", time.monotonic())
        return None if allowed else Response("Too many requests.\n", 429, {"Retry-After": "2"}, mimetype="text/plain")

    @app.get("/health")
    def health() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @app.get("/p/<token>/<path:name>")
    def settings(token: str, name: str) -> Response:
        known = understand(name, request.user_agent.string, neighbour(request.remote_addr or ""))
        if not wants_settings(name):
            abort(404)
        asked = question(known, _where(), token[:64], settings=True)
        return _answer(file_for(known, _engine(asked.method, asked.params), settings=True))

    @app.get("/<path:name>")
    def first(name: str) -> Response:
        known = understand(name, request.user_agent.string, neighbour(request.remote_addr or ""))
        asked = question(known, _where())
        return _answer(file_for(known, _engine(asked.method, asked.params)) if asked.method else None)

    @app.put("/<path:name>")
    @app.post("/<path:name>")
    def upload(name: str) -> Response:
        known = understand(name, request.user_agent.string, "")
        if known.role != "upload":
            abort(404)
        request.get_data(cache=False)
        return Response(status=200)

    return app


def _answer(file: File | None) -> Response:
    if file is None:
        return Response("There is no such file for this phone.\n", 404, mimetype="text/plain")
    return Response(file.body, headers={"Cache-Control": "no-store"}, content_type=file.content_type)


def _where() -> Where:
    listener: Any = request.environ.get("gunicorn.socket")
    local = listener.getsockname()[0] if listener is not None else request.environ["SERVER_NAME"]
    return Where(request.remote_addr or "", local, int(request.environ["SERVER_PORT"]), "http")


def _engine(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A connection for each request: phones ask seldom, and no thread waits for another's answer."""
    try:
        with Client() as client:
            result: dict[str, Any] = client.call(method, **params)
            return result
    except ControlError as error:
        log.warning("the engine gave no answer for %s: %s", params["ip"], error.sentence)
        abort(Response("The box is starting; ask again.\n", 503, {"Retry-After": str(_TRY_AGAIN_S)}, mimetype="text/plain"))


app = make_app()
