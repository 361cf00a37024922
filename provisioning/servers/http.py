"""How gunicorn serves phones: every wait bounded, so that nobody on the LAN holds the threads by saying nothing."""

from __future__ import annotations

import errno
import socket
import time
from functools import partial
from typing import Any

from gunicorn.http import get_parser
from gunicorn.workers.gthread import TConn, ThreadWorker

SILENCE_S = 5.0
REQUEST_S = 15.0
"""The longest time for a whole request to arrive, a phone's log included."""


class BoundedSocket(socket.socket):
    """A peer too slow is one that has gone, which gunicorn knows how to take."""

    until = 0.0

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        left = self.until - time.monotonic()
        try:
            if left > 0:
                self.settimeout(min(left, SILENCE_S))
                return super().recv(*args, **kwargs)
        except TimeoutError:
            pass
        raise ConnectionResetError(errno.ECONNRESET, "too slow")

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.settimeout(SILENCE_S)
            super().sendall(*args, **kwargs)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "too slow") from error


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """One connection; a request that begins has REQUEST_S to arrive."""

    sock: Any
    initialized: bool
    parser: Any

    def init(self) -> None:
        if not self.initialized:
            self.initialized = True
            self.sock = BoundedSocket(fileno=self.sock.detach())
            self.parser = get_parser(self.cfg, self.sock, self.client)
        self.sock.until = time.monotonic() + REQUEST_S


class Worker(ThreadWorker):  # type: ignore[misc]
    """gthread with such connections."""

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
