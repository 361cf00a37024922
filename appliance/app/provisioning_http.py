"""The process that phones ask over HTTP (`python -m appliance.app.provisioning_http`): gunicorn around `provisioning.servers.wsgi`."""

from __future__ import annotations

import http.client
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from appliance.app import logs
from appliance.app.answering import ANSWER_S, beat
from appliance.app.child import ParentLink
from appliance.app.rights import drop_capabilities
from appliance.app.settings import Settings
from appliance.errors import HoldfastError

log = logging.getLogger(__name__)

THREADS = 16


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with one worker."""

    def __init__(self, settings: Settings, parent: ParentLink) -> None:
        self._settings, self._parent = settings, parent
        super().__init__(prog="holdfast-provisioning")

    def load_config(self) -> None:
        port = self._settings.provisioning_port
        chosen = {
            "bind": [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip in self._settings.bind],
            "worker_class": "provisioning.servers.http.Worker",
            "workers": 1,
            "threads": THREADS,
            "worker_connections": 200,
            "keepalive": 5,
            "limit_request_line": 1024,
            "limit_request_fields": 40,
            "timeout": 30,
            "graceful_timeout": 1,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108  (gunicorn unlinks it at once)
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": "holdfast-provisioning",
            "when_ready": lambda _: drop_capabilities(self._settings.data),
            "post_worker_init": lambda _: threading.Thread(target=self._beat, name="heartbeat", daemon=True).start(),
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from provisioning.servers.wsgi import app  # noqa: PLC0415  (in the worker alone)

        return app

    def _beat(self) -> None:
        beat(self._parent, http.client.HTTPConnection(self._settings.bind[0], self._settings.provisioning_port, timeout=ANSWER_S))


def main() -> int:
    """Run until SIGTERM."""
    parent = ParentLink.from_env(os.environ)
    os.umask(0o077)
    try:
        settings = Settings.from_env(os.environ)
        logs.set_up(settings.log, data=settings.data, process="provisioning-http")
    except HoldfastError as error:
        return parent.refuse(error)
    Server(settings, parent).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
