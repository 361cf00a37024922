"""The Flask application: put together from its parts, one folder per area."""

from __future__ import annotations

from flask import Flask

from webui.config import Config


def create_app(config: Config) -> Flask:
    """The pages of the box in `config.data`."""
    app = Flask(__name__)

    @app.get("/health")
    def health() -> str:
        return "ok"

    return app
