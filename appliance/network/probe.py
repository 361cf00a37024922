"""Questions to the outside that need no rights: a port that is closed, a port that is open, a name server. None waits for longer than it is given."""

from __future__ import annotations

import asyncio
import contextlib

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from appliance.network.addresses import literal, usable
from appliance.network.wan_state import Answer

DISCARD = 9


async def gateway_answers(address: str, timeout_s: float) -> bool:
    """Whether `address` refuses a datagram to a port where nobody listens (ICMP, RFC 792). Sending also makes the kernel look for it on the wire."""
    loop = asyncio.get_running_loop()
    refused: asyncio.Future[None] = loop.create_future()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Refusal(refused), remote_addr=(address, DISCARD))
    except OSError:
        return False
    try:
        transport.sendto(b"\0")
        await asyncio.wait({refused}, timeout=timeout_s)
        return refused.done()
    finally:
        refused.cancel()
        transport.close()


class _Refusal(asyncio.DatagramProtocol):
    def __init__(self, refused: asyncio.Future[None]) -> None:
        self._refused = refused

    def _done(self) -> None:
        if not self._refused.done():
            self._refused.set_result(None)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._done()

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, ConnectionRefusedError):
            self._done()


async def host_answers(address: str, port: int, timeout_s: float) -> tuple[Answer, str]:
    """Whether anybody takes a connection there, or refuses it; both show a host that lives."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return Answer.GOOD, "refuses the connection"
    except (OSError, TimeoutError):
        return Answer.SILENT, ""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Answer.GOOD, "takes a connection"


async def names_answer(server: str, port: int, host: str, timeout_s: float) -> tuple[Answer, str]:
    """Whether the name server gives for `host` what a working one gives; `host` "": the root's servers are asked for."""
    kind = dns.rdatatype.A if host else dns.rdatatype.NS
    try:
        answer = await dns.asyncquery.udp(dns.message.make_query(host or ".", kind), server, timeout_s, port, ignore_trailing=True)
    except (dns.exception.Timeout, OSError):
        return Answer.SILENT, ""
    except dns.exception.DNSException:
        return Answer.NONSENSE, "no DNS answer"
    if answer.rcode() != dns.rcode.NOERROR:
        return Answer.NONSENSE, dns.rcode.to_text(answer.rcode())
    wrong = [item.to_text() for each in answer.answer if each.rdtype == dns.rdatatype.A for item in each if not usable(item.to_text())]
    return (Answer.NONSENSE, f"{host} would be at {wrong[0]}") if wrong else (Answer.GOOD, "")


def split_probe(text: str) -> tuple[str, int]:
    """(`192.0.2.7`, 443) of `192.0.2.7:443`; port 443 where none is written."""
    if literal(text) is not None:
        return text, 443
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdigit() and 0 < int(port) < 65536 else (text, 443)
