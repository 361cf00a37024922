"""Call records (call detail records) on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection, RowMapping

from appliance.state import database
from appliance.state.records import CallRecord, Wanted
from appliance.types import SessionId

KEEP = 200_000
"""Records kept; some 60 MB."""

_table = database.call_records
_insert = insert(_table)
_PUT = _insert.on_conflict_do_update(
    index_elements=["session"], set_={column.name: _insert.excluded[column.name] for column in _table.c if column.name not in ("serial", "session")}
)


class CallsRepository:
    """Reads and writes the `call_records` table. SQLAlchemy's errors pass through."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, record: CallRecord) -> None:
        """Write one record at once; a second one of the same session overwrites it and keeps its place."""
        with self._engine.begin() as connection:
            self.write(connection, [record])

    @staticmethod
    def write(connection: Connection, records: Iterable[CallRecord]) -> None:
        """`append` for many, inside the caller's transaction. `serial` is given by the store."""
        rows = [_row(record) for record in records]
        if rows:
            connection.execute(_PUT, rows)

    def recent(self, limit: int = 100, before: int | None = None, wanted: Wanted | None = None) -> tuple[CallRecord, ...]:
        """The newest records (of those `wanted`), newest first; `before` is the `serial` of the last one seen, for the next page."""
        query = _narrowed(select(_table), wanted or Wanted()).order_by(_table.c.serial.desc()).limit(limit)
        if before is not None:
            query = query.where(_table.c.serial < before)
        with self._engine.begin() as connection:
            return tuple(_record(row) for row in connection.execute(query).mappings())

    def trim(self, keep: int = KEEP) -> int:
        """Delete all but the newest `keep` records; how many went."""
        with self._engine.begin() as connection:
            newest = connection.execute(select(func.max(_table.c.serial))).scalar()
            if newest is None:
                return 0
            return connection.execute(delete(_table).where(_table.c.serial <= newest - keep)).rowcount


def _narrowed(query: Select[Any], wanted: Wanted) -> Select[Any]:
    for column, value in ((_table.c.session, wanted.session), (_table.c.direction, wanted.direction)):
        if value:
            query = query.where(column == value)
    if wanted.outcome == "unanswered":
        query = query.where(_table.c.outcome != "answered")
    elif wanted.outcome:
        query = query.where(_table.c.outcome == wanted.outcome)
    if wanted.bad_sound:
        query = query.where(_table.c.bad_sound == 1)
    if wanted.since_unix_s:
        query = query.where(_table.c.started_unix_s >= wanted.since_unix_s)
    if wanted.until_unix_s:
        query = query.where(_table.c.started_unix_s < wanted.until_unix_s)
    if wanted.own is not None:
        own = wanted.own
        query = query.where(or_(_table.c.user == own.user, _table.c.called.in_(own.numbers), _table.c.answered_device.in_(own.devices)))
    told: ColumnElement[Any] = _table.c.caller
    for column in (_table.c.caller_name, _table.c.called, _table.c.dialled, _table.c.user, _table.c.trunk):
        told = told + " " + column
    for word in wanted.search.split():
        query = query.where(told.icontains(word, autoescape=True))
    return query


def _row(record: CallRecord) -> dict[str, Any]:
    row = asdict(record)
    del row["serial"]
    row["path"] = json.dumps(record.path)
    return row


def _record(row: RowMapping) -> CallRecord:
    try:
        path = tuple(str(step) for step in json.loads(row["path"]))
    except (ValueError, TypeError):  # not of our writing; the rest of the record still counts
        path = ()
    bad_sound = None if row["bad_sound"] is None else bool(row["bad_sound"])
    return CallRecord(**{**row, "session": SessionId(row["session"]), "path": path, "bad_sound": bad_sound})
