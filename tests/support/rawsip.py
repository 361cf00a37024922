"""A tiny SIP peer over UDP, TCP or TLS: keeps every message it receives, sends any bytes, does just enough of transactions for tests.

    with RawPeer("127.0.0.1") as peer:
        reply = peer.request("OPTIONS", "sip:box@127.0.0.1:5060", ("127.0.0.1", 5060))
        peer.send(b"garbage", ("127.0.0.1", 5060)); peer.wait_for(lambda got: got.message.status == 400)
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from tests.support.net import Namespace
from tests.support.proc import wait_until
from tests.support.sipmsg import REASONS, Headers, Message, authorization, build, challenge_of, parse, token

Target = tuple[str, int]
BRANCH = "z9hG4bK"


@dataclass
class Received:
    """A message as it arrived: from where, over what, when (monotonic seconds)."""

    message: Message
    source: Target
    transport: str
    at: float
    connection: socket.socket | None = field(default=None, repr=False)


class RawPeer:
    """Bound to `ip`:`port` (0: any) for UDP and TCP. `on_request` is called on the receive thread for each new request (retransmissions are absorbed:
    they get the last reply again and are counted in `retransmissions`). Everything received is in `received`, in order."""

    def __init__(self, ip: str = "127.0.0.1", port: int = 0, *, ns: Namespace | None = None, on_request: Callable[[Received], None] | None = None) -> None:
        self.ip = ip
        self.received: list[Received] = []
        self.retransmissions = 0
        self.on_request = on_request
        self._replies: dict[tuple[str, str], tuple[bytes, Received]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._connections: dict[tuple[Target, str], socket.socket] = {}
        self._buffers: dict[socket.socket, bytes] = {}
        self._lock = threading.RLock()
        self._ns = ns
        with self._inside():
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind((ip, port))
            self.port: int = self._udp.getsockname()[1]
            self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((ip, self.port))
            self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        for sock in (self._udp, self._listener, self._wake):
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)
        self._closing = False
        self._thread = threading.Thread(target=self._loop, name=f"rawsip-{self.port}", daemon=True)
        self._thread.start()

    def _inside(self) -> contextlib.AbstractContextManager[None]:
        return self._ns.entered() if self._ns else contextlib.nullcontext()

    # ---- receiving ------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock is self._wake:
                    with contextlib.suppress(BlockingIOError):
                        self._wake.recv(100)
                elif sock is self._udp:
                    with contextlib.suppress(OSError):  # an ICMP error from an earlier send
                        data, source = self._udp.recvfrom(65535)
                        self._take(data, source, "udp", None)
                elif sock is self._listener:
                    connection, source = self._listener.accept()
                    self._adopt(connection, source, "tcp")
                else:
                    self._read_stream(sock)

    def _adopt(self, connection: socket.socket, peer: Target, transport: str) -> None:
        connection.setblocking(False)
        with self._lock:
            self._connections[peer, transport] = connection
            self._buffers[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def _read_stream(self, sock: socket.socket) -> None:
        peer, transport = next((key for key, value in self._connections.items() if value is sock), (("", 0), "tcp"))
        try:
            data = sock.recv(65535)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        if not data:
            self._forget(sock)
            return
        buffer = self._buffers[sock] + data
        if isinstance(sock, ssl.SSLSocket):
            while sock.pending():
                buffer += sock.recv(65535)
        while True:
            buffer = buffer.lstrip(b"\r\n")
            head, separator, rest = buffer.partition(b"\r\n\r\n")
            if not separator:
                break
            length = parse(head + separator).header("content-length")
            size = int(length) if length.isdigit() else 0
            if len(rest) < size:
                break
            self._take(head + separator + rest[:size], peer, transport, sock)
            buffer = rest[size:]
        self._buffers[sock] = buffer

    def _forget(self, sock: socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)
        with self._lock:
            self._connections = {key: value for key, value in self._connections.items() if value is not sock}
            self._buffers.pop(sock, None)
        sock.close()

    def _take(self, data: bytes, source: Target, transport: str, connection: socket.socket | None) -> None:
        if not data.strip():
            return  # a keep-alive
        message = parse(data)
        got = Received(message, source, transport, time.monotonic(), connection)
        if message.is_request and message.method != "ACK":
            key = (message.branch, message.method)
            with self._lock:
                if key in self._seen:
                    self.retransmissions += 1
                    again = self._replies.get(key)
                    if again:
                        self._send_back(*again)
                    return
                self._seen.add(key)
        self.received.append(got)
        if message.is_request and self.on_request:
            self.on_request(got)

    # ---- sending --------------------------------------------------------------------------------------------------

    def send(self, data: bytes, target: Target, transport: str = "udp") -> None:
        """Any bytes to an address; TCP and TLS connections are opened once and kept."""
        if transport == "udp":
            self._udp.sendto(data, target)
            return
        self.connect(target, transport)
        with self._lock:
            self._stream_send(self._connections[target, transport], data)

    def _stream_send(self, sock: socket.socket, data: bytes) -> None:
        sock.settimeout(5.0)
        try:
            sock.sendall(data)
        finally:
            with contextlib.suppress(OSError):
                sock.setblocking(False)

    def connect(self, target: Target, transport: str = "tcp") -> Target:
        """Open a connection (TLS: any certificate is taken) unless there is one; returns the own address of it."""
        with self._lock:
            if (target, transport) not in self._connections:
                with self._inside():
                    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                sock.bind((self.ip, 0))
                sock.settimeout(5.0)
                sock.connect(target)
                if transport == "tls":
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                    sock = context.wrap_socket(sock)
                self._adopt(sock, target, transport)
            own: Target = self._connections[target, transport].getsockname()
            return own

    def disconnect(self, target: Target, transport: str = "tcp") -> None:
        """Close a connection."""
        with self._lock:
            sock = self._connections.get((target, transport))
        if sock:
            self._forget(sock)

    def _send_back(self, data: bytes, request: Received) -> None:
        if request.connection is None:
            self._udp.sendto(data, request.source)
        else:
            with contextlib.suppress(OSError), self._lock:
                self._stream_send(request.connection, data)

    def reply(
        self,
        request: Received,
        code: int,
        reason: str = "",
        *,
        headers: Headers = (),
        body: bytes | str = b"",
        to_tag: str = "",
        content_type: str = "application/sdp",
    ) -> bytes:
        """Answer a request where it came from (RFC 3581); the last reply is repeated for retransmissions. Returns the bytes sent."""
        message = request.message
        lines = [("Via", via) for via in message.all("via")]
        if "rport" in lines[0][1]:
            lines[0] = ("Via", lines[0][1].replace(";rport", f";received={request.source[0]};rport={request.source[1]}", 1))
        to = message.header("to")
        if to_tag and "tag=" not in to:
            to += f";tag={to_tag}"
        lines += [("Record-Route", value) for value in message.all("record-route")]
        lines += [("From", message.header("from")), ("To", to), ("Call-ID", message.call_id), ("CSeq", message.header("cseq")), *headers]
        if body:
            lines.append(("Content-Type", content_type))
        data = build(f"SIP/2.0 {code} {reason or REASONS.get(code, 'Answer')}", lines, body)
        with self._lock:
            self._replies[message.branch, message.method] = (data, request)
        self._send_back(data, request)
        return data

    def request_bytes(
        self,
        method: str,
        uri: str,
        *,
        target: Target | None = None,
        from_uri: str = "",
        to_uri: str = "",
        from_tag: str = "",
        to_tag: str = "",
        call_id: str = "",
        cseq: int = 1,
        branch: str = "",
        transport: str = "udp",
        contact: str | None = None,
        headers: Headers = (),
        body: bytes | str = b"",
        content_type: str = "application/sdp",
    ) -> bytes:
        """A well-formed request; every part can be set. `contact` "" leaves the header out; None is this peer's own address."""
        own = self.connect(target, transport) if transport != "udp" and target else (self.ip, self.port)
        if transport == "tcp":
            own = (self.ip, self.port)  # the listener takes connections back
        from_uri = from_uri or f"sip:tester@{self.ip}:{self.port}"
        lines = [
            ("Via", f"SIP/2.0/{transport.upper()} {own[0]}:{own[1]};rport;branch={branch or BRANCH + token()}"),
            ("Max-Forwards", "70"),
            ("From", f"<{from_uri}>;tag={from_tag or token()}"),
            ("To", f"<{to_uri or uri}>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", call_id or token()),
            ("CSeq", f"{cseq} {method}"),
        ]
        if contact is None:
            contact = f"<sip:tester@{own[0]}:{own[1]}" + (f";transport={transport}>" if transport != "udp" else ">")
        if contact:
            lines.append(("Contact", contact))
        lines += list(headers)
        if body:
            lines.append(("Content-Type", content_type))
        return build(f"{method} {uri} SIP/2.0", lines, body)

    def transact(self, data: bytes, target: Target, transport: str = "udp", *, timeout_s: float = 5.0, final: bool = True) -> Message | None:
        """Send a request (repeated as RFC 3261 timers A/E have it, over UDP) and return its final reply (or the first, with final=False); None when silent."""
        sent = parse(data)
        start = len(self.received)
        again, wait = time.monotonic(), 0.5
        deadline = again + timeout_s

        def find() -> Message | None:
            for got in self.received[start:]:
                message = got.message
                if message.branch == sent.branch and message.cseq[1] == sent.method and message.status >= (200 if final else 100):
                    return message
            return None

        any_reply = False
        while time.monotonic() < deadline:
            if time.monotonic() >= again and not any_reply:
                self.send(data, target, transport)
                again, wait = (time.monotonic() + wait, wait * 2) if transport == "udp" else (deadline, wait)
            with contextlib.suppress(AssertionError):
                return wait_until(find, min(again, deadline) - time.monotonic(), interval_s=0.002)
            any_reply = any(not got.message.is_request and got.message.branch == sent.branch for got in self.received[start:])
            if any_reply:
                again = deadline
        return None

    def request(
        self,
        method: str,
        uri: str,
        target: Target,
        *,
        user: str = "",
        secret: str = "",
        algorithm: str = "",
        transport: str = "udp",
        timeout_s: float = 5.0,
        headers: Headers = (),
        cseq: int = 1,
        call_id: str = "",
        from_tag: str = "",
        **parts: str | bytes,
    ) -> Message:
        """A non-INVITE request to its final reply; with `user`, a 401/407 is answered once by digest. AssertionError when the peer stays silent."""
        call_id, from_tag = call_id or token(), from_tag or token()

        def ask(extra: Iterable[tuple[str, str]], number: int) -> Message:
            data = self.request_bytes(
                method, uri, target=target, transport=transport, call_id=call_id, from_tag=from_tag, cseq=number, headers=[*headers, *extra], **parts  # type: ignore[arg-type]
            )
            reply = self.transact(data, target, transport, timeout_s=timeout_s)
            assert reply is not None, f"no answer to {method} {uri} from {target} within {timeout_s:g} s"
            return reply

        reply = ask((), cseq)
        if user and reply.status in (401, 407):
            challenge = challenge_of(reply, algorithm)
            assert challenge, f"no {algorithm} challenge in:\n{reply.raw.decode('utf-8', 'replace')}"
            name = "Authorization" if reply.status == 401 else "Proxy-Authorization"
            reply = ask([(name, authorization(challenge, method, uri, user, secret))], cseq + 1)
        return reply

    # ---- looking --------------------------------------------------------------------------------------------------

    def requests(self, method: str = "") -> list[Received]:
        """Requests received so far, of one method or all."""
        return [got for got in list(self.received) if got.message.is_request and (not method or got.message.method == method)]

    def wait_for(self, wanted: str | Callable[[Received], bool], timeout_s: float = 5.0, start: int = 0) -> Received:
        """The first received message from index `start` on that fits: a method name (a request of it) or a predicate."""

        def fits(got: Received) -> bool:
            return (got.message.is_request and got.message.method == wanted) if isinstance(wanted, str) else wanted(got)

        return wait_until(lambda: next((got for got in self.received[start:] if fits(got)), None), timeout_s, f"{wanted} at {self.ip}:{self.port}")

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._waker.send(b"x")
        self._thread.join(5.0)
        for sock in [self._udp, self._listener, self._wake, self._waker, *self._connections.values()]:
            sock.close()
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
