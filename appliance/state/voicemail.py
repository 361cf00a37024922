"""Voicemail messages on disk: what is known of each; what was said is a file beside the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection, Row

from appliance.state import database
from appliance.state.records import VoicemailRecord
from appliance.types import MailboxId, SessionId

_table = database.voicemail


class VoicemailRepository:
    """Reads the `voicemail` table; the writing methods work inside the caller's transaction (`StateWriter.run`). SQLAlchemy's errors pass through."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def messages(self, mailbox: MailboxId | None = None) -> tuple[VoicemailRecord, ...]:
        """Those of a mailbox, or of all, the oldest first."""
        query = select(_table).order_by(_table.c.started_unix_s, _table.c.id)
        if mailbox is not None:
            query = query.where(_table.c.mailbox == mailbox)
        with self._engine.begin() as connection:
            return tuple(_record(row) for row in connection.execute(query))

    def get(self, id: str) -> VoicemailRecord | None:
        with self._engine.begin() as connection:
            row = connection.execute(select(_table).where(_table.c.id == id)).first()
        return None if row is None else _record(row)

    def counts(self, mailbox: MailboxId) -> tuple[int, int]:
        """(new, old) messages of a mailbox."""
        query = select(func.count(), func.count(_table.c.heard_unix_s)).where(_table.c.mailbox == mailbox)
        with self._engine.begin() as connection:
            every, heard = connection.execute(query).one()
        return every - heard, heard

    def all_counts(self) -> dict[MailboxId, tuple[int, int]]:
        """(new, old) messages of every mailbox that has any."""
        query = select(_table.c.mailbox, func.count(), func.count(_table.c.heard_unix_s)).group_by(_table.c.mailbox)
        with self._engine.begin() as connection:
            return {MailboxId(mailbox): (every - heard, heard) for mailbox, every, heard in connection.execute(query)}

    @staticmethod
    def add(connection: Connection, record: VoicemailRecord) -> None:
        """Of two with the same id the first counts."""
        connection.execute(insert(_table).on_conflict_do_nothing(), [_row(record)])

    @staticmethod
    def heard(connection: Connection, id: str, unix_s: float) -> bool:
        """Mark as heard at `unix_s`; False when it is not there or was heard before."""
        return connection.execute(update(_table).where(_table.c.id == id, _table.c.heard_unix_s.is_(None)).values(heard_unix_s=unix_s)).rowcount > 0

    @staticmethod
    def unheard(connection: Connection, id: str) -> bool:
        """Mark as new again; False when it is not there or is new."""
        return connection.execute(update(_table).where(_table.c.id == id, _table.c.heard_unix_s.is_not(None)).values(heard_unix_s=None)).rowcount > 0

    @staticmethod
    def remove(connection: Connection, id: str) -> bool:
        """False when it was not there."""
        return connection.execute(delete(_table).where(_table.c.id == id)).rowcount > 0


def _row(record: VoicemailRecord) -> dict[str, Any]:
    return {column.name: getattr(record, column.name) for column in _table.c}


def _record(row: Row[Any]) -> VoicemailRecord:
    return VoicemailRecord(**{**row._mapping, "mailbox": MailboxId(row.mailbox), "session": SessionId(row.session)})
