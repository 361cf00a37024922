"""The control socket's clients: `Client` for programs that wait, `AsyncClient` for those with a loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from appliance.control import protocol
from appliance.control.drill_shapes import DrillCheck, DrillResult, DrillShape
from appliance.control.firewall_shapes import BanShape, BansResult, FirewallResult, UnbanResult
from appliance.control.machine_shapes import (
    AlertsResult,
    AlertsTestResult,
    CellularShape,
    CheckShape,
    HealthResult,
    HealthSummary,
    LibraryShape,
    LicenceResult,
    ModemResult,
    ModemTextShape,
    OutboxResult,
    SystemResult,
)
from appliance.control.protocol import MAX_FRAME, METHODS, default_control, default_data
from appliance.control.shapes import (
    AbsentShape,
    AlarmShape,
    CallShape,
    CallsResult,
    DeskPhoneShape,
    DiagnosisResult,
    EmergencyShape,
    EmergencyTestResult,
    EnrolResult,
    FindingShape,
    GreetingResult,
    HangupResult,
    HistoryResult,
    LineTestShape,
    MailboxCountShape,
    MessageReadResult,
    MessageResult,
    MessageShape,
    NetworkResult,
    NoticeShape,
    NoticesResult,
    OriginateResult,
    PageResult,
    PastCallShape,
    PhoneResult,
    PhonesResult,
    PhoneSyncResult,
    RegistrationShape,
    RegistrationsResult,
    RestartResult,
    SideShape,
    SignInResult,
    SoundResult,
    SoundShape,
    StatusResult,
    TraceCall,
    TraceMessage,
    TraceResult,
    TransferResult,
    TrunkShape,
    VoicemailCountsResult,
    VoicemailListResult,
)
from appliance.control.wan_shapes import WanResult, WanSummary, WayShape, WaysResult
from appliance.errors import ControlError, Problem

__all__ = [
    "AbsentShape",
    "AlarmShape",
    "AlertsResult",
    "AlertsTestResult",
    "AsyncClient",
    "BanShape",
    "BansResult",
    "CallShape",
    "CallsResult",
    "CellularShape",
    "CheckShape",
    "Client",
    "DeskPhoneShape",
    "DiagnosisResult",
    "DrillCheck",
    "DrillResult",
    "DrillShape",
    "EmergencyShape",
    "EmergencyTestResult",
    "EnrolResult",
    "FindingShape",
    "FirewallResult",
    "GreetingResult",
    "HangupResult",
    "HealthResult",
    "HealthSummary",
    "HistoryResult",
    "LibraryShape",
    "LicenceResult",
    "LineTestShape",
    "MailboxCountShape",
    "MessageReadResult",
    "MessageResult",
    "MessageShape",
    "ModemResult",
    "ModemTextShape",
    "NetworkResult",
    "NoticeShape",
    "NoticesResult",
    "Notification",
    "OriginateResult",
    "OutboxResult",
    "PageResult",
    "PastCallShape",
    "PhoneResult",
    "PhoneSyncResult",
    "PhonesResult",
    "RegistrationShape",
    "RegistrationsResult",
    "RemoteError",
    "RestartResult",
    "SideShape",
    "SignInResult",
    "SoundResult",
    "SoundShape",
    "StatusResult",
    "SystemResult",
    "TraceCall",
    "TraceMessage",
    "TraceResult",
    "TransferResult",
    "TrunkShape",
    "UnbanResult",
    "VoicemailCountsResult",
    "VoicemailListResult",
    "WanResult",
    "WanSummary",
    "WayShape",
    "WaysResult",
    "default_control",
    "default_data",
]

TIMEOUT_S = 10.0
_START_HINT = "Is the box running? Start it with `make run`, or `systemctl start holdfast` where installed; --control or HOLDFAST_CONTROL names its socket"
_MARGIN_S = 2.0
"""How much longer than the box's own limit a client waits for an answer."""


def _problem(data: Mapping[str, Any]) -> Problem:
    return Problem(*(str(data.get(name, "")) for name in ("path", "sentence", "hint")))


class RemoteError(ControlError):
    """The box refused. `as_dict` is what it said, with all it added. `problems`: every mistake in a document it did not take, else empty."""

    def __init__(self, data: Mapping[str, Any], message: str) -> None:
        super().__init__(str(data.get("sentence", message)), str(data.get("hint", "")), code=str(data.get("code", "control")))
        self.data = dict(data)
        listed = data.get("problems")
        self.problems = [_problem(each) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), **self.data}


@dataclass(frozen=True, slots=True)
class Notification:
    """One event of a subscription. `lost`: how many before it this client was too slow for."""

    topic: str
    data: dict[str, Any]
    lost: int


def _unreachable(path: Path, error: OSError) -> ControlError:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        return ControlError(f"No box answers at {path}", _START_HINT, code="not-running")
    if isinstance(error, PermissionError):
        return ControlError(f"This user may not use {path}", "run as root or as the user the box runs as", code="denied")
    return ControlError(f"The box at {path} cannot be reached: {error.strerror or error}", _START_HINT, code="not-running")


def _closed() -> ControlError:
    return ControlError("The box closed the connection", "it may have restarted: try again, then look at its log", code="closed")


def _late(method: str, limit_s: float) -> ControlError:
    return ControlError(f"The box did not answer {method} within {limit_s:g} s", "it may be busy or hanging: look at its log", code="timeout")


def _limit_s(method: str, timeout_s: float, patient: bool) -> float:
    known = METHODS.get(method)
    return max(timeout_s, known.timeout_s + _MARGIN_S) if known and patient else timeout_s


def _frame(id: int, method: str, params: Mapping[str, Any]) -> bytes:
    frame = protocol.request(id, method, params)
    if len(frame) > MAX_FRAME:
        raise ControlError("This is too long for the control socket", f"at most {MAX_FRAME} bytes", code="too-long")
    return frame


def _result(message: Mapping[str, Any]) -> Any:
    error = message.get("error")
    if isinstance(error, dict):
        data = error.get("data")
        raise RemoteError(data if isinstance(data, dict) else {}, str(error.get("message", "The box refused")))
    return message.get("result")


def _event(message: Mapping[str, Any]) -> Notification | None:
    params = message.get("params")
    if message.get("method") != "event" or not isinstance(params, dict):
        return None
    return Notification(str(params.get("topic")), params.get("data") or {}, int(params.get("lost", 0)))


_HELLO = {"version": protocol.VERSION, "client": "holdfast"}


class _Link:
    """One connection of the waiting client."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._serial = 0
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(path))
            self.exchange("hello", _HELLO, timeout_s)
        except OSError as error:
            self.close()
            raise _unreachable(path, error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def exchange(self, method: str, params: Mapping[str, Any], limit_s: float) -> Any:
        self._serial += 1
        frame = _frame(self._serial, method, params)
        deadline = time.monotonic() + limit_s
        try:
            self._socket.settimeout(limit_s)
            # A box that refuses us may hang up before it has read all: what it said is still to be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(frame)
            while True:
                message = self.read(deadline)
                if message.get("id") in (self._serial, None) and "method" not in message:
                    return _result(message)
        except TimeoutError as error:
            raise _late(method, limit_s) from error

    def read(self, deadline: float | None) -> dict[str, Any]:
        """The next message; raises TimeoutError or ControlError."""
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._buffer)
            if self._scanned > MAX_FRAME:
                raise ControlError("The box sent a message that is too long", "use the `holdfast` command of the same release", code="protocol")
            if deadline is None:
                self._socket.settimeout(None)
            elif (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
            else:
                raise TimeoutError
            try:
                data = self._socket.recv(262144)
            except ConnectionError as error:
                raise _closed() from error
            if not data:
                raise _closed()
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        return protocol.decode(line)


class Client:
    """Waits for each answer. Connects when first used, and again after a fault. Not for several threads at once.

    `path` None: the socket the environment names. `timeout_s` bounds connecting and each call (methods that take longer by nature have their own limit, unless
    the client is not `patient`). Every method raises ControlError with a hint; a refusal of the box is its subclass RemoteError.
    """

    def __init__(self, path: Path | None = None, *, timeout_s: float = TIMEOUT_S, patient: bool = True) -> None:
        self.path = path or default_control(os.environ)
        self._timeout_s = timeout_s
        self._patient = patient
        self._link: _Link | None = None

    def call(self, method: str, /, **params: Any) -> Any:
        """The method's result (a shape of `control.shapes`)."""
        link = self._link = self._link or _Link(self.path, self._timeout_s)
        try:
            return link.exchange(method, params, _limit_s(method, self._timeout_s, self._patient))
        except RemoteError:
            raise
        except BaseException:
            # An answer may still come: this connection is out of step.
            self.close()
            raise

    def subscribe(self, topic: str, *, wait_s: float | None = None) -> Iterator[Notification]:
        """The topic's events as they come, over a connection of their own; subscribed when this returns. Ends never; `wait_s`: the longest silence."""
        link = _Link(self.path, self._timeout_s)
        try:
            link.exchange("subscribe", {"topic": topic}, self._timeout_s)
        except BaseException:
            link.close()
            raise
        return self._events(link, topic, wait_s)

    @staticmethod
    def _events(link: _Link, topic: str, wait_s: float | None) -> Iterator[Notification]:
        try:
            while True:
                event = _event(link.read(None if wait_s is None else time.monotonic() + wait_s))
                if event is not None:
                    yield event
        except TimeoutError as error:
            raise _late(f"on topic {topic}", wait_s or 0.0) from error
        finally:
            link.close()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncClient:
    """As `Client`, on a loop; calls may run side by side. A subscription has a connection of its own: who reads it slowly delays no call."""

    def __init__(self, path: Path | None = None, *, timeout_s: float = TIMEOUT_S, patient: bool = True) -> None:
        self.path = path or default_control(os.environ)
        self._timeout_s = timeout_s
        self._patient = patient
        self._serial = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def call(self, method: str, /, **params: Any) -> Any:
        """The method's result. Raises ControlError."""
        limit_s = _limit_s(method, self._timeout_s, self._patient)
        try:
            async with asyncio.timeout(limit_s):
                async with self._connecting:
                    writer = self._writer or await self._connect()
                self._serial += 1
                serial = self._serial
                frame = _frame(serial, method, params)
                future = self._waiting[serial] = asyncio.get_running_loop().create_future()
                try:
                    writer.write(frame)
                    with contextlib.suppress(ConnectionError):  # the reader learns of it, too, and has the box's last words
                        await writer.drain()
                    return _result(await future)
                finally:
                    self._waiting.pop(serial, None)
        except TimeoutError as error:
            raise _late(method, limit_s) from error

    async def subscribe(self, topic: str, begun: Callable[[], None] | None = None) -> AsyncIterator[Notification]:
        """The topic's events as they come; subscribed at the first `anext`: `begun` is called when no event will be missed any more."""
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await self._open()
                await _ask(reader, writer, "subscribe", {"topic": topic})
        except TimeoutError as error:
            raise _late("subscribe", self._timeout_s) from error
        if begun is not None:
            begun()
        try:
            while True:
                event = _event(await _read(reader))
                if event is not None:
                    yield event
        finally:
            writer.close()

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.path), limit=MAX_FRAME)
        except OSError as error:
            raise _unreachable(self.path, error) from error
        try:
            await _ask(reader, writer, "hello", _HELLO)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _connect(self) -> asyncio.StreamWriter:
        reader, self._writer = await self._open()
        self._listening = asyncio.create_task(self._listen(reader, self._writer))
        return self._writer

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand answers to their callers until the connection ends; then tell all who wait."""
        fault: ControlError = _closed()
        try:
            while True:
                message = await _read(reader)
                id = message.get("id")
                future = self._waiting.get(id) if isinstance(id, int) else None
                if future is not None and not future.done():
                    future.set_result(message)
        except ControlError as error:
            fault = error
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(fault)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, params: Mapping[str, Any]) -> Any:
    writer.write(protocol.request(0, method, params))
    return _result(await _read(reader))


async def _read(reader: asyncio.StreamReader) -> dict[str, Any]:
    try:
        line = await reader.readline()
    except (ConnectionError, ValueError) as error:  # ValueError: longer than MAX_FRAME
        raise _closed() from error
    if not line.endswith(b"\n"):
        raise _closed()
    return protocol.decode(line)
