"""The outbox on disk: what is to be delivered outside, each item once, whatever happens to the box or the line meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection, Row

from appliance.state import database
from appliance.state.clock import Moment
from appliance.state.records import OutboxRecord, OutboxState

_table = database.outbox


class OutboxRepository:
    """Reads the `outbox` table; the writing methods work inside the caller's transaction (`StateWriter.run`). SQLAlchemy's errors pass through.

    Items keep their place when they are over: their `dedupe` names stay taken, so that nothing is delivered a second time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, now: Moment, limit: int = 100, kind: str = "") -> tuple[OutboxRecord, ...]:
        """What waits and may be tried at `now`, of one kind or of all, the oldest first. How long the box was off is not known: after a boot everything may."""
        query = (
            select(_table)
            .where(_table.c.state == OutboxState.WAITING, or_(_table.c.next_boot != now.boot_id, _table.c.next_at_s <= now.at_s))
            .order_by(_table.c.id)
            .limit(limit)
        )
        if kind:
            query = query.where(_table.c.kind == kind)
        with self._engine.begin() as connection:
            return tuple(_record(row) for row in connection.execute(query))

    def newest(self, limit: int, after: int = 0) -> tuple[OutboxRecord, ...]:
        """The newest first, of any state; `after`: taken since that one."""
        query = select(_table).where(_table.c.id > after).order_by(_table.c.id.desc()).limit(limit)
        with self._engine.begin() as connection:
            return tuple(_record(row) for row in connection.execute(query))

    def count(self, state: OutboxState) -> int:
        with self._engine.begin() as connection:
            return connection.execute(select(func.count()).select_from(_table).where(_table.c.state == state)).scalar_one()

    @staticmethod
    def add(connection: Connection, record: OutboxRecord) -> OutboxRecord | None:
        """Take an item; the record with its id, None when its `dedupe` name was taken before."""
        done = connection.execute(insert(_table).on_conflict_do_nothing(index_elements=["dedupe"]).values(_row(record)).returning(_table.c.id)).scalar()
        return None if done is None else replace(record, id=done)

    @staticmethod
    def over(connection: Connection, id: int, state: OutboxState) -> bool:
        """Delivered (SENT) or given up (DEAD), after one more attempt. True for the first who says so: of two deliverers of one item the other learns of it."""
        done = update(_table).where(_table.c.id == id, _table.c.state == OutboxState.WAITING).values(state=state.value, attempts=_table.c.attempts + 1)
        return connection.execute(done).rowcount > 0

    @staticmethod
    def again(connection: Connection, id: int, next_try: Moment) -> bool:
        """The attempt failed: try again from `next_try` on. False when the item is over."""
        later = {"attempts": _table.c.attempts + 1, "next_boot": next_try.boot_id, "next_at_s": next_try.at_s}
        return connection.execute(update(_table).where(_table.c.id == id, _table.c.state == OutboxState.WAITING).values(later)).rowcount > 0


def _row(record: OutboxRecord) -> dict[str, Any]:
    return {
        "dedupe": record.dedupe,
        "kind": record.kind,
        "target": record.target,
        "payload": record.payload,
        "created_unix_s": record.created_unix_s,
        "attempts": record.attempts,
        "next_boot": record.next_try.boot_id,
        "next_at_s": record.next_try.at_s,
        "state": record.state.value,
    }


def _record(row: Row[Any]) -> OutboxRecord:
    return OutboxRecord(
        id=row.id,
        dedupe=row.dedupe,
        kind=row.kind,
        target=row.target,
        payload=row.payload,
        created_unix_s=row.created_unix_s,
        attempts=row.attempts,
        next_try=Moment(row.next_boot, row.next_at_s),
        state=OutboxState(row.state),
    )
