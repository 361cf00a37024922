"""How gunicorn serves the pages: TLS with limits on every wait, plain HTTP sent on to HTTPS, a log like the engine's."""

from __future__ import annotations

import errno
import re
import socket
import ssl
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.http import get_parser
from gunicorn.sock import ssl_wrap_socket
from gunicorn.workers.gthread import TConn, ThreadWorker

HANDSHAKE_S = 10.0
SILENCE_S = 30.0
"""The longest wait for the peer to take or send something; nobody may hold a thread longer."""
REQUEST_S = 180.0
"""The longest time for a whole request to arrive, uploads included."""
_TLS_HANDSHAKE = 0x16
"""First byte of a TLS record that opens a connection (RFC 8446 section 5.1); no HTTP method begins with it."""

stopping = threading.Event()
"""Set when this process is told to end: event streams leave then."""
_contexts: dict[tuple[str, int, int], ssl.SSLContext] = {}


class PatientSocket(ssl.SSLSocket):
    """A TLS socket whose waits are bounded; a peer too slow is one that has gone, which gunicorn knows how to take."""

    until = 0.0

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        left = self.until - time.monotonic()
        if left <= 0:
            raise ConnectionResetError(errno.ECONNRESET, "too slow")
        try:
            self.settimeout(min(left, SILENCE_S))
            return super().recv(*args, **kwargs)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "too slow") from error

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.settimeout(SILENCE_S)
            super().sendall(*args, **kwargs)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "too slow") from error


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context for these files, made anew when they are replaced: a new certificate needs no restart. One that cannot be used leaves the old in force."""
    stamp = (str(certificate), certificate.stat().st_mtime_ns, key.stat().st_mtime_ns)
    context = _contexts.get(stamp)
    if context is None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError):
            if not _contexts:
                raise
            return next(reversed(_contexts.values()))
        context.sslsocket_class = PatientSocket
        _contexts[stamp] = context
    return context


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """One connection; whoever speaks plain HTTP is told where HTTPS is."""

    sock: Any
    initialized: bool
    parser: Any

    def init(self) -> None:
        if not self.initialized:
            self.initialized = True
            try:
                self._begin()
            except (TimeoutError, ssl.SSLError) as error:  # a scanner, or a browser that does not know the certificate yet
                raise ConnectionResetError(errno.ECONNRESET, str(error)) from error
            self.parser = get_parser(self.cfg, self.sock, self.client)
        self.sock.until = time.monotonic() + REQUEST_S

    def _begin(self) -> None:
        self.sock.settimeout(HANDSHAKE_S)
        first = self.sock.recv(1, socket.MSG_PEEK)
        if first and first[0] != _TLS_HANDSHAKE:
            _send_on(self.sock, self.server)
            raise ConnectionResetError(errno.ECONNRESET, "plain HTTP")
        self.sock = ssl_wrap_socket(self.sock, self.cfg)
        self.sock.do_handshake()


def _send_on(sock: socket.socket, server: tuple[Any, ...]) -> None:
    """Answer a request in plain HTTP with the same address over HTTPS (RFC 9110 section 15.4.9)."""
    head = sock.recv(8192).decode("latin-1")
    target = re.match(r"[A-Z]+ (/[!-~]*) HTTP/1\.[01]\r?\n", head)
    host = re.search(r"(?im)^host:[ \t]*([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?[ \t]*\r?$", head)
    name = host[1] if host else f"[{server[0]}]" if ":" in server[0] else server[0]
    url = f"https://{name}:{server[1]}{target[1] if target else '/'}"
    sock.sendall(f"HTTP/1.1 308 Permanent Redirect\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("latin-1"))


class Worker(ThreadWorker):  # type: ignore[misc]
    """gthread, where a connection that says nothing costs no thread."""

    def accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK}:
                raise
            return
        self.nr_conns += 1
        connection = Connection(self.cfg, client, address, listener.getsockname())
        connection.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(connection)
        self.poller.register(client, 1, partial(self.on_pending_socket_readable, connection))

    def handle_exit(self, sig: Any, frame: Any) -> None:
        stopping.set()
        super().handle_exit(sig, frame)


class Logger(GunicornLogger):  # type: ignore[misc]
    """gunicorn's log goes where ours goes; requests are not logged."""

    def setup(self, cfg: Any) -> None:
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.access_log.disabled = True

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """What gunicorn says of its life is for whoever debugs it."""
        self.error_log.debug(msg, *args, **kwargs)
