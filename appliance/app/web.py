"""The web process (`python -m appliance.app.web`): its certificate, gunicorn around `webui.wsgi`, and what it tells the supervisor.

The worker asks its own server over TLS, as a browser would, and beats only when it was answered: a server that hangs is started anew.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import logging
import os
import socket
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from appliance.app import logs
from appliance.app.answering import ANSWER_S, beat
from appliance.app.certificate import ensure_certificate
from appliance.app.child import ParentLink
from appliance.app.preflight import port_holder
from appliance.app.rights import drop_capabilities
from appliance.app.settings import Settings
from appliance.errors import HoldfastError, SettingsError
from appliance.site.certificate import OWN

log = logging.getLogger(__name__)

THREADS = 96
"""More than the event streams the pages may hold (webui.live.MOST_STREAMS), so that these never keep a page from being shown."""


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with one worker: what it knows of the engine, it knows once."""

    def __init__(self, settings: Settings, parent: ParentLink, certificate: Path, key: Path) -> None:
        self._settings, self._parent, self._certificate, self._key = settings, parent, certificate, key
        super().__init__(prog="holdfast-web")

    def load_config(self) -> None:
        port = self._settings.http_port
        chosen = {
            "bind": [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip in self._settings.bind],
            "worker_class": "webui.server.Worker",
            "logger_class": "webui.server.Logger",
            "workers": 1,
            "threads": THREADS,
            "worker_connections": 1000,
            "keepalive": 30,
            "limit_request_line": 8190,  # a search of some hundred letters of any script
            "timeout": 30,
            "graceful_timeout": 1,
            "certfile": str(self._certificate),
            "keyfile": str(self._key),
            "ssl_context": self._tls,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108  (gunicorn unlinks it at once)
            "control_socket_disable": True,
            "proc_name": "holdfast-web",
            "when_ready": lambda _: drop_capabilities(self._settings.data),
            "post_worker_init": lambda _: threading.Thread(target=self._beat, name="heartbeat", daemon=True).start(),
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from webui.wsgi import app  # noqa: PLC0415  (in the worker alone)

        return app

    def _tls(self, _config: Any, _default: Any) -> ssl.SSLContext:
        from webui.server import tls_context  # noqa: PLC0415

        own = self._certificate.with_name(OWN)
        if own.is_file():
            with contextlib.suppress(OSError, ssl.SSLError):
                return tls_context(own, own)
        return tls_context(self._certificate, self._key)

    def _beat(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is this very process
        beat(self._parent, http.client.HTTPSConnection(self._settings.bind[0], self._settings.http_port, timeout=ANSWER_S, context=context))


def web_certificate(settings: Settings) -> tuple[Path, Path]:
    """(certificate, key) of the web: the box's own, good for its addresses and `<name>.local`, until other files are put in their place."""
    name = socket.gethostname().partition(".")[0] or "holdfast"
    addresses = tuple(dict.fromkeys((*settings.bind, "127.0.0.1", "::1")))
    try:
        return ensure_certificate(settings.data / "tls", (f"{name}.local", name, "localhost"), addresses, file="web")
    except OSError as error:
        folder = settings.data / "tls"
        raise SettingsError(f"The web's certificate cannot be made in {folder}: {error.strerror}", "check free space and who owns the folder") from error


def check_http_port(settings: Settings) -> None:
    """Raises SettingsError naming who has the port."""
    for ip in settings.bind:
        with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, settings.http_port))
                probe.listen()
            except OSError as error:
                hint = "stop that program, or set HOLDFAST_HTTP_PORT to another port"
                if error.errno != errno.EADDRINUSE:
                    raise SettingsError(f"Port {settings.http_port}/tcp on {ip} cannot be opened: {error.strerror}", hint) from error
                holder = port_holder("tcp", ip, settings.http_port)
                raise SettingsError(f"Port {settings.http_port}/tcp on {ip} is already in use" + (f" by {holder}" if holder else ""), hint) from error


def main() -> int:
    """Run until SIGTERM. Exit code 1 with a sentence for the supervisor when it cannot run as it is set up."""
    parent = ParentLink.from_env(os.environ)
    os.umask(0o077)
    try:
        settings = Settings.from_env(os.environ)
        logs.set_up(settings.log, data=settings.data, process="web")
        check_http_port(settings)
        certificate, key = web_certificate(settings)
    except HoldfastError as error:
        return parent.refuse(error)
    Server(settings, parent, certificate, key).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
