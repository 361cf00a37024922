"""The emergency callback map on disk: who is rung when an ELIN is called back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from appliance.state import database
from appliance.state.clock import Moment
from appliance.state.records import CallbackRecord
from appliance.types import DeviceId, LocationId, SessionId

_table = database.callback_map
_PUT = insert(_table).prefix_with("OR REPLACE")
_DELETE = delete(_table).where(_table.c.elin == bindparam("b_elin"), _table.c.session == bindparam("b_session"))


class CallbacksRepository:
    """Reads and writes the `callback_map` table. SQLAlchemy's errors pass through."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, record: CallbackRecord) -> None:
        """Write or overwrite the record of (elin, session), at once."""
        with self._engine.begin() as connection:
            self.write(connection, [record])

    def remove(self, elin: str, session: SessionId) -> None:
        """Forget one window, at once."""
        with self._engine.begin() as connection:
            self.erase(connection, [(elin, session)])

    @staticmethod
    def write(connection: Connection, records: Iterable[CallbackRecord]) -> None:
        """`put` for many, inside the caller's transaction."""
        rows = [_row(record) for record in records]
        if rows:
            connection.execute(_PUT, rows)

    @staticmethod
    def erase(connection: Connection, keys: Iterable[tuple[str, SessionId]]) -> None:
        """`remove` for many, inside the caller's transaction."""
        rows = [{"b_elin": elin, "b_session": session} for elin, session in keys]
        if rows:
            connection.execute(_DELETE, rows)

    def load(self) -> tuple[CallbackRecord, ...]:
        """Every record, the oldest call first."""
        with self._engine.begin() as connection:
            return tuple(
                CallbackRecord(
                    elin=row.elin,
                    session=SessionId(row.session),
                    device=DeviceId(row.device),
                    location=LocationId(row.location),
                    remaining_s=row.remaining_s,
                    stored=Moment(row.stored_boot, row.stored_at_s),
                    started_unix_s=row.started_unix_s,
                    target=row.target,
                )
                for row in connection.execute(select(_table).order_by(_table.c.started_unix_s, _table.c.session))
            )


def _row(record: CallbackRecord) -> dict[str, Any]:
    return {
        "elin": record.elin,
        "session": record.session,
        "device": record.device,
        "location": record.location,
        "target": record.target,
        "remaining_s": record.remaining_s,
        "stored_boot": record.stored.boot_id,
        "stored_at_s": record.stored.at_s,
        "started_unix_s": record.started_unix_s,
    }
