"""The TFTP port: a request gets a port of its own, and as many at a time as one phone needs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from provisioning.tftp import FULL, NOT_FOUND, Refused, Request, Transfer, error, read_request

log = logging.getLogger(__name__)
Where = tuple[str, int]
Find = Callable[[str, str], Awaitable[bytes | None]]
"""`await find(name, ip)`: the file for the phone at that address, None: there is none for it."""
_AT_ONCE = 128
_AT_ONCE_EACH = 4
"""Transfers to one address."""


class TftpServer(asyncio.DatagramProtocol):
    """Listens for requests. `find` says what a phone gets; how often one may ask is its business, too."""

    def __init__(self, find: Find, local_ip: str) -> None:
        self._find = find
        self._local_ip = local_ip
        self._transport: asyncio.DatagramTransport | None = None
        self._running: dict[tuple[Where, str], asyncio.Task[None]] = {}
        self._each: Counter[str] = Counter()

    @classmethod
    async def listen(cls, find: Find, ip: str, port: int) -> TftpServer:
        """OSError when the port cannot be had."""
        loop = asyncio.get_running_loop()
        _, server = await loop.create_datagram_endpoint(lambda: cls(find, ip), local_addr=(ip, port))
        return server

    def close(self) -> None:
        """Stop listening and end what is under way."""
        if self._transport is not None:
            self._transport.close()
        for task in self._running.values():
            task.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        where: Where = addr[:2]
        try:
            request = read_request(data)
        except Refused as refused:
            self._say(refused.packet(), where)
            return
        if request is None or (where, request.name) in self._running:
            return
        if len(self._running) >= _AT_ONCE or self._each[where[0]] >= _AT_ONCE_EACH:
            self._say(error(FULL, "Too many files at once; ask again."), where)
            return
        key = (where, request.name)
        self._each[where[0]] += 1
        task = asyncio.get_running_loop().create_task(self._serve(request, where))
        self._running[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: tuple[Where, str]) -> None:
        task = self._running.pop(key)
        ip = key[0][0]
        self._each[ip] -= 1
        if not self._each[ip]:
            del self._each[ip]
        if not task.cancelled() and (fault := task.exception()):
            log.error("TFTP transfer of %r to %s failed", key[1], ip, exc_info=fault)

    def _say(self, packet: bytes, where: Where) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet, where)

    async def _serve(self, request: Request, where: Where) -> None:
        data = await self._find(request.name, where[0])
        if data is None:
            self._say(error(NOT_FOUND, "There is no such file."), where)
            return
        loop = asyncio.get_running_loop()
        # The transfer's own port is the server's transfer identifier (RFC 1350, section 4); connected, it hears nobody else.
        transport, peer = await loop.create_datagram_endpoint(_Peer, local_addr=(self._local_ip, 0), remote_addr=where)
        try:
            await _carry(Transfer(data, request), transport, peer)
        finally:
            transport.close()


class _Peer(asyncio.DatagramProtocol):
    """Packets of one phone, as many as a window and some strays."""

    def __init__(self) -> None:
        self.packets: asyncio.Queue[bytes] = asyncio.Queue(maxsize=64)
        self.gone = False

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.packets.full():
            self.packets.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """The phone has closed its port."""
        self.gone = True
        if not self.packets.full():
            self.packets.put_nowait(b"")


async def _carry(transfer: Transfer, transport: asyncio.DatagramTransport, peer: _Peer) -> None:
    loop = asyncio.get_running_loop()
    step, deadline = transfer.start(), loop.time() + transfer.wait_s
    while True:
        for packet in step.packets:
            transport.sendto(packet)
        if step.over or peer.gone:
            return
        if step.packets:
            deadline = loop.time() + transfer.wait_s
        try:
            async with asyncio.timeout_at(deadline):
                step = transfer.received(await peer.packets.get())
        except TimeoutError:
            step = transfer.silent()
