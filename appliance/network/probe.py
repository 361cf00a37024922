"""Questions to the outside that need no rights: a port that is closed, a port that is open, a name server. None waits for longer than it is given."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket

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


async def answers_over(interface: str, address: str, port: int, transport: str, timeout_s: float) -> bool:
    """Whether anybody at `address` shows life over this interface, whatever the routes say: an answer to a question for names or to OPTIONS, a connection.

    `transport`: "dns", "udp" (SIP), else a connection is tried. A refusal shows life as well.
    """
    datagram = transport in {"dns", "udp"}
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM) as asked:
        asked.setblocking(False)
        try:
            # Needs no rights on a socket that is not bound yet (Linux 5.7).
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            async with asyncio.timeout(timeout_s):
                await loop.sock_connect(asked, (address, port))
                if datagram:
                    await loop.sock_sendall(asked, _name_question() if transport == "dns" else _options(asked.getsockname(), address, port))
                    await loop.sock_recv(asked, 2048)
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError):
            return False
    return True


def _name_question() -> bytes:
    return dns.message.make_query(".", dns.rdatatype.NS).to_wire()


def _options(own: tuple[str, int], address: str, port: int) -> bytes:
    """A request anybody who speaks SIP answers (RFC 3261 section 11)."""
    mark = secrets.token_hex(8)
    lines = (
        f"OPTIONS sip:{address}:{port} SIP/2.0", f"Via: SIP/2.0/UDP {own[0]}:{own[1]};rport;branch=z9hG4bK{mark}", f"From: <sip:holdfast@{own[0]}>;tag={mark}",
        f"To: <sip:{address}:{port}>", f"Call-ID: {mark}@{own[0]}", "CSeq: 1 OPTIONS", "Max-Forwards: 70", "Content-Length: 0", "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


def split_probe(text: str) -> tuple[str, int]:
    """(`192.0.2.7`, 443) of `192.0.2.7:443`; port 443 where none is written."""
    if literal(text) is not None:
        return text, 443
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdigit() and 0 < int(port) < 65536 else (text, 443)
