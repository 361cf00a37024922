"""Out of the outbox: for each way out one task tries what waits, one message after the other, and knows what keeps it from getting through."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from appliance.alerts.delivery import Undelivered, retry_after_s
from appliance.errors import StateError
from appliance.state.clock import Moment
from appliance.state.outbox import OutboxRepository
from appliance.state.records import OutboxRecord, OutboxState

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

LOOK_S = 1.0
KEEP_S = 7 * 86400.0
"""Older than this a message helps nobody: it is given up."""
DISK_ERRORS = (SQLAlchemyError, StateError, OSError)


class Outgoing:
    """Items of one `kind`. `send` raises Undelivered; while the server itself fails, `alarm` is up, whose sentence begins with `words`. Belongs to the loop."""

    def __init__(self, box: Box, kind: str, alarm: str, words: str, send: Callable[[OutboxRecord], Awaitable[None]]) -> None:
        self._box, self._kind, self._alarm, self._words, self._send = box, kind, alarm, words, send
        self._wake = asyncio.Event()
        self._delivered: set[int] = set()
        self._all_due = True
        self.fault: Undelivered | None = None
        self.reasons: dict[int, str] = {}
        """Of the items that wait: why the last try failed."""

    def wake(self) -> None:
        """There is a new item."""
        self._wake.set()

    def try_now(self) -> None:
        """Something was changed that may help: what waits is tried at once."""
        self._all_due = True
        self._wake.set()

    def fine(self) -> None:
        self.fault = None
        self._box.alarm(self._alarm, "")

    async def run(self, outbox: OutboxRepository) -> None:
        """As long as the box."""
        while True:
            try:
                await self._round(outbox)
            except DISK_ERRORS as error:
                log.warning("the outbox cannot be read or written: %s", error)
            except Exception:
                log.exception("delivering by %s stumbled", self._kind)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _round(self, outbox: OutboxRepository) -> None:
        due = await self._box.loop.run_in_executor(None, outbox.due, self._moment(), 100, self._kind)
        mine = sorted(due, key=lambda record: not record.dedupe.startswith("emergency:"))
        for record in mine:
            try:
                if record.id not in self._delivered:  # else only the disk has not heard of it
                    await self._send(record)
                self._delivered.add(record.id)
            except Undelivered as error:
                await self._failed(record, error)
                if error.place:
                    for other in mine[mine.index(record) + 1 :]:
                        await self._failed(other, error)
                    return
            except Exception as error:  # one that makes us stumble must not hold up the others
                log.exception("message %d of the outbox made its delivery stumble", record.id)
                await self._failed(record, Undelivered(f"The box stumbled: {type(error).__name__}", place=False))
            else:
                self.fine()
                self.reasons.pop(record.id, None)
                await self._write(partial(OutboxRepository.over, id=record.id, state=OutboxState.SENT))
                self._delivered.discard(record.id)

    def _moment(self) -> Moment:
        """After a start, and where something was changed, all that waits is due."""
        if not self._all_due:
            return Moment.now()
        self._box.loop.call_later(LOOK_S, self._none_due)
        return Moment("", Moment.now().at_s)

    def _none_due(self) -> None:
        self._all_due = False

    async def _failed(self, record: OutboxRecord, error: Undelivered) -> None:
        self.reasons[record.id] = error.sentence
        if error.lost or time.time() - record.created_unix_s > KEEP_S:
            log.error("a message for %s is given up: %s", record.target, error.sentence)
            await self._write(lambda connection: OutboxRepository.over(connection, record.id, OutboxState.DEAD))
        else:
            now = Moment.now()
            later = Moment(now.boot_id, now.at_s + retry_after_s(record.attempts + 1))
            await self._write(lambda connection: OutboxRepository.again(connection, record.id, later))
        if error.place:
            self.fault = error
            self._box.alarm(self._alarm, f"{self._words}: {error.sentence}", error.hint)

    async def _write(self, job: Callable[[Connection], bool]) -> None:
        if self._box.writer is not None:
            await asyncio.wrap_future(self._box.writer.run(job))
