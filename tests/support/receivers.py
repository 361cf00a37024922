"""Servers that get what the box sends outside: one that takes mail as a provider does, and one that takes webhooks."""

from __future__ import annotations

import email
import email.policy
import ssl
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.certificates import Issuer, key_pem


class MailServer:
    """Takes mail over STARTTLS with a password: `.messages`, each as often as it came.

    `name`: what its certificate says; `trust`: the file of what vouches for it, for SSL_CERT_FILE.
    """

    def __init__(self, folder: Path, port: int, user: str = "box", password: str = "good password", *, ip: str = "127.0.0.1", name: str = "127.0.0.1") -> None:
        self.ip, self.port = ip, port
        self.messages: list[EmailMessage] = []
        self.refused: set[str] = set()
        self._user, self._password = user, password
        issuer = Issuer()
        pem, key = issuer.issue(name)
        self.trust, own = folder / "trusted.pem", folder / "mail.pem"
        self.trust.write_text(issuer.pem)
        own.write_text(pem + key_pem(key))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(own)
        self._server: Controller | None = None

    def start(self) -> Self:
        self._server = Controller(self, self.ip, self.port, tls_context=self._tls, require_starttls=True, auth_required=True, authenticator=self._authenticate)
        self._server.start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        fits = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == (self._user, self._password)
        return AuthResult(success=fits, handled=False)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.refused:
            return "550 No such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        made = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        self.messages.append(made)
        return "250 Taken"


class Hook:
    """Takes POST requests: `.taken` is (headers, body) of each. `status`: what it answers."""

    def __init__(self, port: int, ip: str = "127.0.0.1") -> None:
        self.ip, self.port, self.status = ip, port, 204
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> Self:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if hook.status < 300:
                    hook.taken.append((dict(self.headers.items()), body))

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((self.ip, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
