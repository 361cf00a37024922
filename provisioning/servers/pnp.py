"""The plug and play address: phones that find no other server ask the whole LAN for one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, cast

from provisioning import pnp
from provisioning.limits import Limit

log = logging.getLogger(__name__)
_IP_MULTICAST_ALL = 49
Url = Callable[[pnp.Subscribe, str], str]
"""`url(subscribe, local_ip)`: where that phone finds its settings."""


class PnpServer(asyncio.DatagramProtocol):
    """Hears the group on one of the box's addresses, and answers from it."""

    def __init__(self, local_ip: str, url: Url) -> None:
        self._local_ip, self._url = local_ip, url
        self._limit = Limit()
        self._answers: asyncio.DatagramTransport | None = None
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def listen(cls, ip: str, url: Url) -> PnpServer:
        """OSError where the group cannot be joined on `ip`."""
        loop = asyncio.get_running_loop()
        server = cls(ip, url)
        heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            # Beside the SIP port, which is the same number on the box's own addresses.
            heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Only what comes in on this address: Linux hands every member's packets to all sockets of the group (ip(7)).
            heard.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            heard.bind((pnp.GROUP, pnp.PORT))
            heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(pnp.GROUP) + socket.inet_aton(ip))
            heard.setblocking(False)
            await loop.create_datagram_endpoint(lambda: server, sock=heard)
        except OSError:
            heard.close()
            raise
        server._answers, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(ip, 0))
        return server

    def close(self) -> None:
        for transport in (self._transport, self._answers):
            if transport is not None:
                transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        ask = pnp.read(data)
        if ask is None or self._answers is None or not self._limit.allows(addr[0], time.monotonic()):
            return
        if ask.contact[0] != addr[0]:
            log.info("a plug and play request from %s wants its answer sent to %s: ignored", addr[0], ask.contact[0])
            return
        url = self._url(ask, self._local_ip)
        tag, local = secrets.token_hex(6), self._answers.get_extra_info("sockname")[:2]
        log.info("phone %s (%s %s) at %s is told where its settings are", ask.mac, ask.vendor, ask.model, addr[0])
        with contextlib.suppress(OSError):
            self._answers.sendto(pnp.accepted(ask, tag), addr[:2])
            self._answers.sendto(pnp.notify(ask, tag, local, url), ask.contact)
