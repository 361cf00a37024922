"""Bindings on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection, Row

from appliance.state import database
from appliance.state.clock import Moment
from appliance.state.records import BindingChange, BindingRecord
from appliance.types import Address, DeviceId, Transport

log = logging.getLogger(__name__)
_table = database.bindings
_PUT = insert(_table).prefix_with("OR REPLACE")
_DELETE = delete(_table).where(_table.c.device == bindparam("b_device"), _table.c.uri == bindparam("b_uri"))


class BindingsRepository:
    """Reads and writes the `bindings` table. SQLAlchemy's errors pass through: the caller knows whether to wait or to give up."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def apply(self, changes: Iterable[BindingChange]) -> None:
        """Write changes in one transaction; of several to the same contact the last counts."""
        with self._engine.begin() as connection:
            self.write(connection, changes)

    @staticmethod
    def write(connection: Connection, changes: Iterable[BindingChange]) -> None:
        """The same inside the caller's transaction."""
        last = {(change.record.device, change.record.uri): change for change in changes}
        gone = [{"b_device": device, "b_uri": uri} for (device, uri), change in last.items() if change.kind.gone]
        there = [_row(change.record) for change in last.values() if not change.kind.gone]
        if gone:
            connection.execute(_DELETE, gone)
        if there:
            connection.execute(_PUT, there)

    def load(self) -> tuple[BindingRecord, ...]:
        """Every record; one that makes no sense is left out and logged."""
        records = []
        with self._engine.begin() as connection:
            for row in connection.execute(select(_table)):
                try:
                    records.append(_record(row))
                except ValueError as error:
                    log.warning("left out the stored binding %s of %s: %s", row.uri, row.device, error)
        return tuple(records)


def _row(record: BindingRecord) -> dict[str, Any]:
    return {
        "device": record.device,
        "uri": record.uri,
        "received_ip": record.received.ip,
        "received_port": record.received.port,
        "received_transport": record.received.transport.value,
        "local_ip": record.local.ip,
        "local_port": record.local.port,
        "local_transport": record.local.transport.value,
        "q": record.q,
        "remaining_s": record.remaining_s,
        "age_s": record.age_s,
        "stored_boot": record.stored.boot_id,
        "stored_at_s": record.stored.at_s,
        "call_id": record.call_id,
        "cseq": record.cseq,
        "user_agent": record.user_agent,
        "instance": record.instance,
        "reg_id": record.reg_id,
    }


def _record(row: Row[Any]) -> BindingRecord:
    return BindingRecord(
        device=DeviceId(row.device),
        uri=row.uri,
        received=Address(row.received_ip, row.received_port, Transport(row.received_transport)),
        local=Address(row.local_ip, row.local_port, Transport(row.local_transport)),
        q=row.q,
        remaining_s=row.remaining_s,
        age_s=row.age_s,
        stored=Moment(row.stored_boot, row.stored_at_s),
        call_id=row.call_id,
        cseq=row.cseq,
        user_agent=row.user_agent,
        instance=row.instance,
        reg_id=row.reg_id,
    )
