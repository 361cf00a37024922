"""The engine's end of the control socket: rights by peer, methods, and subscriptions that never hold the engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.control import protocol
from appliance.control.listener import listen
from appliance.control.protocol import Method, ProtocolError, RpcCode, RpcRequest
from appliance.control.shapes import HelloResult
from appliance.errors import ControlError, HoldfastError

log = logging.getLogger(__name__)

ADMIN = "admin"
MAX_CLIENTS = 512
RESERVED_FOR_ADMINS = 32
"""Connections other roles cannot take: a web process gone wild must not lock the engineer out."""
MAX_RUNNING = 256
"""Handlers running at once, over all clients."""
MAX_IN_FLIGHT = 8
"""Requests of one client running at once; it is not read from meanwhile."""
MAX_SUBSCRIPTIONS = 16
STALL_S = 10.0
"""A client that takes nothing for so long is disconnected."""
LINGER_S = 2.0
"""How long a client that is sent away may take to read why: hanging up on what it still writes would lose that for it."""
MAX_LINGERING = 64
QUEUE_EVENTS = 1000
QUEUE_BYTES = 1024 * 1024
_HIGH_WATER = 256 * 1024
_PEERCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who calls, as the kernel says (SO_PEERCRED, unix(7))."""

    pid: int
    uid: int
    gid: int
    role: str


Handler = Callable[[dict[str, Any], Peer], Awaitable[Any]]
"""Takes checked parameters with their defaults. Raises HoldfastError for what the caller should read; anything else is a bug and logged."""


class _Subscription:
    """What waits for one slow subscriber: bounded, the oldest dropped first."""

    __slots__ = ("_bytes", "_waiting", "id", "lost", "since_unix_s", "topic")

    def __init__(self, id: int, topic: str) -> None:
        self.id = id
        self.topic = topic
        self.since_unix_s = time.time()
        self.lost = 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0

    def push(self, data: bytes) -> None:
        self._waiting.append(data)
        self._bytes += len(data)
        while len(self._waiting) > QUEUE_EVENTS or (self._bytes > QUEUE_BYTES and len(self._waiting) > 1):
            self._bytes -= len(self._waiting.popleft())
            self.lost += 1

    def pop(self) -> bytes | None:
        """The next frame to send."""
        if not self._waiting:
            return None
        data = self._waiting.popleft()
        self._bytes -= len(data)
        lost, self.lost = self.lost, 0
        return protocol.notification(self.id, self.topic, data, lost)


class _Connection(asyncio.Protocol):
    """One client. It is read only while its requests can be taken, so its memory is bounded by what it has us do."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self.peer = Peer(0, -1, -1, "")
        self.subscriptions: dict[int, _Subscription] = {}
        self._serial = 0
        self._buffer = bytearray()
        self._scanned = 0
        self._greeted = False
        self._in_flight = 0
        self._full = False
        self._ending = False
        self._eof = False
        self._timer: asyncio.TimerHandle | None = None

    # ---- transport ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        try:
            self.peer = self._server.identify(transport.get_extra_info("socket"))
            self._server.admit(self)
        except ControlError as error:
            log.warning("control client refused (uid %d, pid %d): %s", self.peer.uid, self.peer.pid, error)
            if self._server.may_linger(self):
                self._end(protocol.refusal(None, error, RpcCode.DENIED))
            else:
                transport.abort()
            return
        self._timer = self._loop.call_later(protocol.HELLO_S, self.abort, "said no hello")

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        self._buffer.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        if not self._ending:
            self._buffer += data
            self._pump()

    def eof_received(self) -> bool:
        """The client will send no more; what it asked for is still answered."""
        self._eof = True
        self._end_when_idle()
        return not self._ending

    def pause_writing(self) -> None:
        self._full = True
        self._stalled_after(self._server.stall_s)
        self._steer()

    def resume_writing(self) -> None:
        self._full = False
        if self._ending or self._transport.is_closing():
            return
        if self._timer is not None:
            self._timer.cancel()
        for subscription in self.subscriptions.values():
            self._flush(subscription)
        self._pump()
        self._end_when_idle()

    def _stalled_after(self, limit_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(limit_s, self.abort, "takes nothing")

    def abort(self, why: str) -> None:
        log.warning("control client of uid %d (pid %d) disconnected: it %s", self.peer.uid, self.peer.pid, why)
        self._transport.abort()

    def _end(self, last: bytes) -> None:
        """Say a last word, and hang up when the client has, or after LINGER_S. Nothing it sends is kept."""
        self._ending = True
        self._buffer.clear()
        self.subscriptions.clear()
        self._send(last)
        self._transport.write_eof()
        self._transport.resume_reading()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, self._transport.abort)

    def _end_when_idle(self) -> None:
        if self._eof and not self._ending and self._in_flight == 0 and not self._full and not self._transport.is_closing():
            self._stalled_after(self._server.stall_s)
            self._transport.close()

    def _send(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def _answer(self, frame: bytes) -> None:
        if not self._ending:
            self._send(frame)

    # ---- requests ----

    def _steer(self) -> None:
        """Read on, or not: a client with enough running, or that does not take its answers, waits."""
        if self._transport.is_closing() or self._eof or self._ending:
            return
        if self._full or self._in_flight >= MAX_IN_FLIGHT:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _pump(self) -> None:
        while not (self._ending or self._full or self._in_flight >= MAX_IN_FLIGHT):
            end = self._buffer.find(b"\n", self._scanned)
            limit = protocol.MAX_FRAME if self._greeted else protocol.MAX_HELLO_FRAME
            if max(end, 0) > limit or (end < 0 and len(self._buffer) > limit):
                self._end(protocol.refusal(None, ProtocolError("This message is too long", f"at most {limit} bytes"), RpcCode.INVALID_REQUEST))
                return
            if end < 0:
                self._scanned = len(self._buffer)
                break
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._scanned = 0
            try:
                self._take(protocol.parse_request(line))
            except ProtocolError as error:
                frame = protocol.refusal(error.id, error, error.rpc)
                if error.fatal or not self._greeted:
                    self._end(frame)
                else:
                    self._send(frame)
        self._steer()

    def _take(self, request: RpcRequest) -> None:
        if not self._greeted:
            self._hello(request)
        elif request.method == "subscribe":
            self._subscribe(request)
        elif request.method == "unsubscribe":
            number = protocol.checked(protocol.UnsubscribeParams, request.params, request.id)["subscription"]
            self._reply(request, {"removed": self.subscriptions.pop(number, None) is not None})
        else:
            self._call(request)

    def _reply(self, request: RpcRequest, result: Any) -> None:
        if request.id is not None:
            self._send(protocol.answer(request.id, result))

    def _hello(self, request: RpcRequest) -> None:
        if request.method != "hello":
            raise ProtocolError("The first request is hello", '{"method": "hello", "params": {"version": 1}}', id=request.id)
        wanted = protocol.checked(protocol.HelloParams, request.params, request.id)["version"]
        if wanted != protocol.VERSION:
            hint = "use the `holdfast` command of the same release"
            raise ProtocolError(f"The box speaks version {protocol.VERSION}, not {wanted}", hint, rpc=RpcCode.VERSION, id=request.id)
        self._greeted = True
        if self._timer is not None:
            self._timer.cancel()
        self._reply(request, self._server.greeting(self.peer))

    def _subscribe(self, request: RpcRequest) -> None:
        topic = protocol.checked(protocol.TopicParams, request.params, request.id)["topic"]
        allowed = protocol.TOPICS.get(topic)
        if allowed is None or not _may(self.peer, allowed):
            raise ProtocolError(f"There is no topic {topic!r} for you", "hello names the topics", rpc=RpcCode.DENIED, id=request.id)
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise ProtocolError(f"One client has at most {MAX_SUBSCRIPTIONS} subscriptions", "unsubscribe first", rpc=RpcCode.BUSY, id=request.id)
        self._serial += 1
        # Made before the answer is out: what its client then causes is later than the subscription.
        subscription = _Subscription(self._serial, topic)
        self._reply(request, {"subscription": self._serial})
        self.subscriptions[self._serial] = subscription

    def _call(self, request: RpcRequest) -> None:
        found = self._server.find(request, self.peer)
        params = protocol.checked(found[0].params, request.params, request.id)
        self._in_flight += 1
        self._server.spawn(self._serve(request, *found, params))

    async def _serve(self, request: RpcRequest, method: Method, handler: Handler, params: dict[str, Any]) -> None:
        """Run one handler to its end, even when its client is gone: half a change would be worse than an unread answer."""
        try:
            frame = await _outcome(request, method, handler, params, self.peer)
        finally:
            self._in_flight -= 1
        if request.id is not None:
            self._answer(frame)
        self._pump()
        self._end_when_idle()

    # ---- events ----

    def publish(self, topic: str, data: bytes) -> None:
        for subscription in self.subscriptions.values():
            if subscription.topic == topic:
                subscription.push(data)
                self._flush(subscription)

    def _flush(self, subscription: _Subscription) -> None:
        while not self._full and not self._transport.is_closing():
            frame = subscription.pop()
            if frame is None:
                return
            self._transport.write(frame)

    def close(self) -> None:
        self._ending = True
        self._transport.abort()


async def _outcome(request: RpcRequest, method: Method, handler: Handler, params: dict[str, Any], peer: Peer) -> bytes:
    """The frame that answers a request, whatever its handler does."""
    deadline = asyncio.timeout(method.timeout_s)
    try:
        async with deadline:
            result = await handler(params, peer)
        frame = protocol.answer(request.id, result)
    except HoldfastError as error:
        return protocol.refusal(request.id, error)
    except Exception as error:
        if isinstance(error, TimeoutError) and deadline.expired():
            late = ControlError(f"{method.name} did not end within {method.timeout_s:g} s", "look at `holdfast status`", code="timeout")
            return protocol.refusal(request.id, late, RpcCode.TIMEOUT)
        log.exception("control method %s failed", method.name)
        bug = ControlError(f"{method.name} failed inside the box", "its log says why", code="internal")
        return protocol.refusal(request.id, bug, RpcCode.INTERNAL)
    if len(frame) > protocol.MAX_FRAME:
        return protocol.refusal(request.id, ControlError("The answer is too long", "ask for less", code="too-long"))
    return frame


class Server:
    """Belongs to the asyncio loop. `roles`: role -> uids that have it; root and the box's own user are `admin`, everybody else is refused.

    Register the methods, then `start`. `publish` is cheap without subscribers and never waits for one.
    """

    def __init__(self, path: Path, *, release: str = "", roles: Mapping[str, Collection[int]] | None = None, stall_s: float = STALL_S) -> None:
        self.path = path
        self.stall_s = stall_s
        self._release = release
        self._roles = {uid: role for role, uids in (roles or {}).items() for uid in uids}
        self._handlers: dict[str, tuple[Method, Handler]] = {}
        self._connections: set[_Connection] = set()
        self._lingering: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._inode = (0, 0)

    def register(self, method: Method, handler: Handler) -> None:
        """`method` is one of `protocol.METHODS`."""
        self._handlers[method.name] = (method, handler)

    async def start(self) -> None:
        """Listen. Raises ControlError when another box answers at this path or it cannot be used."""
        listening, self._inode = listen(self.path)
        try:
            self._listener = await asyncio.get_running_loop().create_unix_server(lambda: _Connection(self), sock=listening)
        except BaseException:
            listening.close()
            raise

    async def close(self) -> None:
        """Stop listening, drop all clients, cancel what runs, remove the socket if it is still ours."""
        if self._listener is not None:
            self._listener.close()
        for connection in (*self._connections, *self._lingering):
            connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._inode:
                self.path.unlink()

    def publish(self, topic: str, data: Mapping[str, Any]) -> None:
        """Send `data` to the topic's subscribers. What JSON cannot carry is a bug: logged, sent to nobody."""
        if not self.wanted(topic):
            return
        try:
            encoded = protocol.encode(data)[:-1]
        except (TypeError, ValueError):
            log.exception("event on topic %s cannot be sent", topic)
            return
        for connection in tuple(self._connections):
            connection.publish(topic, encoded)

    def wanted(self, topic: str) -> bool:
        """Whether anybody subscribes to `topic`."""
        return self.wanted_since(topic) is not None

    def wanted_since(self, topic: str) -> float | None:
        """When the oldest subscription to `topic` that stands was made, Unix seconds; None: there is none."""
        return min((s.since_unix_s for connection in self._connections for s in connection.subscriptions.values() if s.topic == topic), default=None)

    @property
    def clients(self) -> int:
        return len(self._connections)

    # ---- for connections ----

    def identify(self, connected: socket.socket) -> Peer:
        """Who is at the other end of `connected`; role "" when it has none."""
        pid, uid, gid = _PEERCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))
        role = ADMIN if uid in (0, os.getuid()) else self._roles.get(uid, "")
        return Peer(pid, uid, gid, role)

    def admit(self, connection: _Connection) -> None:
        """Take a new client in. Raises ControlError."""
        role = connection.peer.role
        if not role:
            raise ControlError(f"User {connection.peer.uid} may not use this box's control socket", "run as root or as the user the box runs as", code="denied")
        if len(self._connections) >= MAX_CLIENTS - (0 if role == ADMIN else RESERVED_FOR_ADMINS):
            raise ControlError("Too many clients are connected to the box", "close some of them", code="busy")
        self._connections.add(connection)

    def may_linger(self, connection: _Connection) -> bool:
        """Whether a client that is not let in may be told why: a flood of them is not."""
        if len(self._lingering) >= MAX_LINGERING:
            return False
        self._lingering.add(connection)
        return True

    def forget(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self._lingering.discard(connection)

    def greeting(self, peer: Peer) -> HelloResult:
        methods = [name for name, (method, _) in self._handlers.items() if _may(peer, method.roles)]
        topics = [name for name, roles in protocol.TOPICS.items() if _may(peer, roles)]
        return {"version": protocol.VERSION, "release": self._release, "role": peer.role, "methods": methods, "topics": topics}

    def find(self, request: RpcRequest, peer: Peer) -> tuple[Method, Handler]:
        """The handler of a request. Raises ProtocolError when there is none, the peer may not, or the box has its hands full."""
        found = self._handlers.get(request.method)
        if found is None:
            raise ProtocolError(f"There is no method {request.method[:80]!r}", "hello names the methods", rpc=RpcCode.UNKNOWN_METHOD, id=request.id)
        if not _may(peer, found[0].roles):
            hint = "run as root or as the user the box runs as"
            raise ProtocolError(f"{request.method} is not for {peer.role}", hint, rpc=RpcCode.DENIED, id=request.id)
        if len(self._tasks) >= MAX_RUNNING:
            raise ProtocolError("The box has its hands full", "try again in a moment", rpc=RpcCode.BUSY, id=request.id)
        return found

    def spawn(self, serving: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(serving)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _may(peer: Peer, roles: frozenset[str]) -> bool:
    return peer.role == ADMIN or peer.role in roles
