"""What a restore does not take from a box: its registrations and open call-back windows, what its outbox sent, its emergency journal."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from appliance.site import files

JOURNAL = "emergency.journal"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


def carry_over(now: Path, then: Path) -> None:
    """Registrations, call-back windows and the outbox of the state database `now` go into `then`, which takes its place. Both belong to nobody else.

    What cannot be read is lost, no more; may be called again when it was killed.
    """
    if not now.is_file() or not then.is_file():
        return
    try:
        with closing(sqlite3.connect(then, isolation_level=None)) as connection:
            connection.execute("ATTACH DATABASE ? AS box", (str(now),))
            connection.execute("BEGIN IMMEDIATE")
            _carry_bindings(connection)
            _carry_windows(connection)
            _carry_outbox(connection)
            connection.execute("COMMIT")
            connection.execute("DETACH DATABASE box")
    except (sqlite3.Error, OSError) as error:
        log.error("registrations and call-back windows of now could not be carried over: %s", error)


def _carry_bindings(connection: sqlite3.Connection) -> None:
    """A box that has registrations keeps them: those of the backup are of phones as they were then. Devices the restored site lacks are forgotten at start."""
    columns = _shared(connection, "bindings")
    if columns and connection.execute("SELECT 1 FROM box.bindings LIMIT 1").fetchone():
        connection.execute("DELETE FROM main.bindings")
        connection.execute(f"INSERT INTO main.bindings ({columns}) SELECT {columns} FROM box.bindings")  # noqa: S608 - column names of our own tables


def _carry_windows(connection: sqlite3.Connection) -> None:
    """All windows of now count, and of the backup's those of another run of the machine: what of this run is not open now is over."""
    columns = _shared(connection, "callback_map")
    if columns:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        connection.execute("DELETE FROM main.callback_map WHERE stored_boot = ?", (boot,))
        connection.execute(f"INSERT OR REPLACE INTO main.callback_map ({columns}) SELECT {columns} FROM box.callback_map")  # noqa: S608


def _carry_outbox(connection: sqlite3.Connection) -> None:
    """Nothing is sent twice because a backup did not know of it yet, and nothing that waits is lost."""
    columns = _shared(connection, "outbox", besides=("id",))
    if columns:
        fresh = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", ") if name != "dedupe")
        connection.execute(
            f"INSERT INTO main.outbox ({columns}) SELECT {columns} FROM box.outbox WHERE true ON CONFLICT (dedupe) DO UPDATE SET {fresh}"  # noqa: S608
        )


def _shared(connection: sqlite3.Connection, table: str, besides: Sequence[str] = ()) -> str:
    """The columns both versions of a table have, in SQL; "" when one database lacks the table."""
    here, there = ([str(row[1]) for row in connection.execute(f"PRAGMA {schema}.table_info({table})")] for schema in ("main", "box"))
    return ", ".join(name for name in here if name in there and name not in besides)


def place_journals(new: Path, data: Path, id: str) -> None:
    """The emergency journal below `new` becomes that of the data folder where that has no entry; else it is kept in `state/journals/<id>`, unless the box's
    own begins with it. May be called again when it was killed. Raises OSError, StateError.
    """
    staged, state = new / "state", data / "state"
    for folder in sorted((staged / "journals").glob("*")):
        _move_beside(folder, state / "journals" / folder.name)
    journals = [path for path in sorted(staged.glob(f"{JOURNAL}*")) if path.is_file()]
    if not journals:
        return
    decided = new / "journal"
    if not decided.exists():  # once: what was placed already must not look like the box's own later
        files.write(decided, b"beside" if any(_used(path) for path in _own_journals(state)) else b"continue")
    if decided.read_bytes() == b"continue":
        for path in journals:
            files.make_folder(state)
            path.rename(state / path.name)
        files.sync_folder(state)
        return
    own = [_used(path) for path in _own_journals(state)]
    for path in journals:
        entries = _used(path)
        if entries and not any(known.startswith(entries) for known in own):
            _move_beside(path, state / "journals" / id / path.name)


def _own_journals(state: Path) -> list[Path]:
    return [path for path in state.glob(f"{JOURNAL}*") if path.is_file() and not path.name.endswith((".spare", ".new"))]


def _used(journal: Path) -> bytes:
    """Its entries; what is only made in advance is zeros."""
    return journal.read_bytes().rstrip(b"\0")


def _move_beside(path: Path, target: Path) -> None:
    if not target.exists():
        files.make_folder(target.parent)
        path.rename(target)
        files.sync_folder(target.parent)
