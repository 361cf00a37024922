"""The WSGI application as gunicorn loads it."""

from __future__ import annotations

import os

from webui.access import prepare
from webui.app import create_app
from webui.config import Config

app = create_app(Config.from_env(os.environ))
prepare(app)
