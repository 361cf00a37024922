"""The one thread that writes operational state: callers hand over and go on, it batches, and it survives a disk that does not."""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine, exc
from sqlalchemy.engine import Connection

from appliance.errors import StateError
from appliance.state.bindings import BindingsRepository
from appliance.state.callbacks import CallbacksRepository
from appliance.state.calls import CallsRepository
from appliance.state.records import BindingChange, CallbackRecord, CallRecord
from appliance.types import SessionId

log = logging.getLogger(__name__)

GATHER_S = 0.1
"""What is urgent waits this long for company: with the commit it is on disk within 250 ms."""
REFRESH_S = 45.0
TICK_S = 10.0
"""Refreshes are looked at every tick and written when the oldest is REFRESH_S old: within 60 s together."""
_ERRORS = (exc.SQLAlchemyError, sqlite3.Error, OSError, ValueError, TypeError, OverflowError)


@dataclass(frozen=True, slots=True)
class _CallbackGone:
    elin: str
    session: SessionId


T = TypeVar("T")
_Payload = BindingChange | CallbackRecord | _CallbackGone | CallRecord


@dataclass(frozen=True, slots=True)
class _Entry:
    """One row to write. Of two with the same key the later counts."""

    key: Hashable
    payload: _Payload
    urgent: bool


def back_off_s(attempt: int, jitter: Callable[[], float] = random.random) -> float:
    """Seconds to wait after the nth failure in a row (from 1): 0.5 doubling to 30, of which a half is chance."""
    whole = min(30.0, 0.5 * 2.0 ** min(attempt - 1, 10))
    return whole * (0.5 + 0.5 * jitter())


class StateWriter:
    """Writes bindings, callback windows and call records behind the callers' backs.

    The methods that take records never block, never raise and may be called from any thread; an append to a deque is all they do. What is urgent (new,
    moved or removed contacts, callback windows, call records) is on disk within 250 ms, refreshes and expiries within 60 s. While the disk refuses,
    everything is kept (of one contact only the last) and tried again with back-off; past `capacity` rows new refreshes are dropped, past twice that
    everything new. What must be on disk before its caller goes on (`run`) is not kept: it succeeds now or fails.

    `alarm(sentence)` is called on the writer's thread when writing begins to fail, `alarm("")` when it works again.
    """

    def __init__(self, engine: Engine, *, alarm: Callable[[str], None] = lambda sentence: None, capacity: int = 20_000) -> None:
        self._engine = engine
        self._alarm = alarm
        self._capacity = capacity
        self._inbox: deque[_Entry | threading.Event] = deque()
        self._armed = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._pending: dict[Hashable, _Entry] = {}
        self._urgent = False
        self._oldest_s = 0.0
        self._failures = 0
        self._retry_at_s = 0.0
        self._barriers: list[threading.Event] = []
        self._jobs: deque[tuple[Callable[[Connection], Any], Future[Any]]] = deque()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self.fault = ""
        """Why writing fails at present, "" when it works."""
        self.dropped = 0
        """Rows dropped for want of room since the start."""

    def start(self) -> None:
        self._thread.start()

    def bindings(self, changes: Iterable[BindingChange]) -> None:
        """What the registrar changed."""
        for change in changes:
            self._put(_Entry(("binding", change.record.device, change.record.uri), change, change.kind.urgent))

    def callback(self, record: CallbackRecord) -> None:
        """A callback window was opened or changed."""
        self._put(_Entry(("callback", record.elin, record.session), record, True))

    def callback_gone(self, elin: str, session: SessionId) -> None:
        """A callback window ended."""
        self._put(_Entry(("callback", elin, session), _CallbackGone(elin, session), True))

    def call(self, record: CallRecord) -> None:
        """A call ended."""
        self._put(_Entry(("call", record.session), record, True))

    def run(self, job: Callable[[Connection], T]) -> Future[T]:
        """Have `job` write in a transaction of its own; its result once that is on disk, or the exception (SQLAlchemy's, StateError after `close`)."""
        future: Future[T] = Future()
        self._jobs.append((job, future))
        if self._ended:
            self._refuse_jobs()
        else:
            self._arm()
        return future

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all handed over so far is on disk; False when it is not by then. Never on the SIP thread or the loop."""
        done = threading.Event()
        self._inbox.append(done)
        self._arm()
        return done.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left and end the thread; False when the disk did not take it in time."""
        self._closing.set()
        self._arm()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self._pending

    # ---- on the callers' threads ---------------------------------------------------------------------------------

    def _put(self, entry: _Entry) -> None:
        waiting = len(self._inbox)
        if waiting >= (2 * self._capacity if entry.urgent else self._capacity):
            self.dropped += 1
            return
        self._inbox.append(entry)
        # A refresh wakes nobody: thousands a second would take the interpreter from the SIP thread as often.
        if not self._armed and (entry.urgent or waiting >= self._capacity // 4):
            self._arm()

    def _arm(self) -> None:
        self._armed = True
        self._wake.put(None)

    # ---- on the writer's thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            self._ended = True
            self._refuse_jobs()

    def _loop(self) -> None:
        try:
            CallsRepository(self._engine).trim()
        except _ERRORS as error:
            log.warning("old call records could not be trimmed: %s", _cause(error))
        while True:
            try:
                if self._step():
                    return
            except Exception:
                log.exception("the state writer stumbled")
                self._closing.wait(1.0)

    def _step(self) -> bool:
        """Wait for something to do and do it; True when the thread is to end."""
        try:
            self._wake.get(timeout=self._patience_s())
        except queue.Empty:
            pass
        else:
            if not self._closing.is_set() and not self._jobs:
                self._closing.wait(GATHER_S)
        self._armed = False  # before the drain: what comes after it wakes us again
        self._run_jobs()
        self._drain()
        closing = self._closing.is_set()
        now = time.monotonic()
        due = self._urgent or bool(self._barriers) or (bool(self._pending) and now >= self._oldest_s + REFRESH_S)
        if closing or (due and now >= self._retry_at_s):
            self._flush()
        return closing

    def _patience_s(self) -> float:
        if self._failures and (self._pending or self._barriers):
            return max(0.0, min(TICK_S, self._retry_at_s - time.monotonic()))
        return TICK_S

    def _run_jobs(self) -> None:
        while self._jobs:
            job, future = self._jobs.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                with self._engine.begin() as connection:
                    result = job(connection)
            except BaseException as error:  # noqa: BLE001 - handed to who asked for it
                future.set_exception(error)
            else:
                future.set_result(result)

    def _refuse_jobs(self) -> None:
        while self._jobs:
            with contextlib.suppress(IndexError):  # two threads may empty it
                future = self._jobs.popleft()[1]
                if future.set_running_or_notify_cancel():
                    future.set_exception(StateError("The box is stopping: nothing is stored any more", "try again when it runs"))

    def _drain(self) -> None:
        while self._inbox:
            entry = self._inbox.popleft()
            if isinstance(entry, threading.Event):
                self._barriers.append(entry)
                continue
            if entry.key not in self._pending and len(self._pending) >= (2 * self._capacity if entry.urgent else self._capacity):
                self.dropped += 1
                continue
            if not self._pending:
                self._oldest_s = time.monotonic()
            self._pending[entry.key] = entry
            self._urgent = self._urgent or entry.urgent

    def _flush(self) -> None:
        entries = list(self._pending.values())
        try:
            if entries:
                self._commit_all(entries)
        except _ERRORS as error:
            self._failed(error)
            return
        self._pending.clear()
        self._urgent = False
        self._failures = 0
        self._retry_at_s = 0.0
        for barrier in self._barriers:
            barrier.set()
        self._barriers.clear()
        if self.fault:
            self.fault = ""
            log.warning("operational state is written to disk again (%d rows had waited)", len(entries))
            self._alarm("")

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._retry_at_s = time.monotonic() + back_off_s(self._failures)
        if not self.fault:
            self.fault = f"Operational state cannot be written to disk: {_cause(error)}"
            log.error("%s; kept in memory and tried again", self.fault)
            self._alarm(self.fault)

    def _commit_all(self, entries: Sequence[_Entry]) -> None:
        """All in one transaction; when one row is to blame, each by itself without that row. Raises when the disk is to blame."""
        try:
            self._commit(entries)
        except _ERRORS as error:
            if _disk_is_to_blame(error):
                raise
        else:
            return
        for entry in entries:
            try:
                self._commit([entry])
            except _ERRORS as error:
                if _disk_is_to_blame(error):
                    raise
                self.dropped += 1
                log.error("a row of operational state cannot be stored and is dropped: %s: %s", entry.key, _cause(error))

    def _commit(self, entries: Sequence[_Entry]) -> None:
        payloads = [entry.payload for entry in entries]
        with self._engine.begin() as connection:
            BindingsRepository.write(connection, [one for one in payloads if isinstance(one, BindingChange)])
            CallbacksRepository.write(connection, [one for one in payloads if isinstance(one, CallbackRecord)])
            CallbacksRepository.erase(connection, [(one.elin, one.session) for one in payloads if isinstance(one, _CallbackGone)])
            CallsRepository.write(connection, [one for one in payloads if isinstance(one, CallRecord)])


def _cause(error: Exception) -> BaseException:
    """SQLite's own error without the layers around it."""
    return error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error


def _disk_is_to_blame(error: Exception) -> bool:
    """Full, read-only, gone, locked or damaged; otherwise it is the row."""
    cause = _cause(error)
    return isinstance(cause, (sqlite3.OperationalError, OSError)) or type(cause) is sqlite3.DatabaseError
