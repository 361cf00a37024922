"""A small real name server over UDP, that can be silent, broken or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.support.net import Namespace


class NameServer(asyncio.DatagramProtocol):
    """Answers from `zone` {(name, type): [texts]}; `mode`: "answer", "silent", "garbage", "wrong-id", "servfail"."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.mode = "answer"
        self.ttl_s = 0
        self.asked: list[tuple[str, str]] = []
        self.address = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.address = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.asked.append((name, kind))
        if self.mode == "silent":
            return
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if self.mode == "servfail":
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in self.zone:
            reply.answer.append(dns.rrset.from_text_list(question.name, self.ttl_s, "IN", kind, self.zone[name, kind]))
        elif not any(known == name for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if self.mode == "wrong-id":
            reply.id ^= 1
        self.transport.sendto(b"\xff\x00nonsense" * 20 if self.mode == "garbage" else reply.to_wire(), source)


async def name_server(at: tuple[str, int] = ("127.0.0.1", 0)) -> NameServer:
    """One at `at`, by default on a free port; its `address` is (ip, port). Close its `transport` at the end."""
    _, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=at)
    return server


@contextlib.contextmanager
def serving(ns: Namespace, at: tuple[str, int], zone: Mapping[tuple[str, str], list[str]]) -> Iterator[NameServer]:
    """One inside a namespace, on a thread of its own."""
    loop = asyncio.new_event_loop()
    with ns.entered():
        server = loop.run_until_complete(name_server(at))
    server.zone.update(zone)
    thread = threading.Thread(target=loop.run_forever, name="name server", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(server.transport.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5.0)
        loop.close()
