"""The state database: its tables, how it is opened, and the one step before start that brings it to this version."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Float, Index, Integer, MetaData, Table, Text, create_engine, event, exc
from sqlalchemy.engine import Connection

from appliance.errors import StateError

log = logging.getLogger(__name__)

HEAD = "0003"
"""The schema this version speaks: the newest revision in `migrations/versions`."""
_CHECK_LIMIT_S = 1.0
_BUSY_MS = 2_000

metadata = MetaData()

bindings = Table(
    "bindings",
    metadata,
    Column("device", Text, primary_key=True),
    Column("uri", Text, primary_key=True),
    Column("received_ip", Text, nullable=False),
    Column("received_port", Integer, nullable=False),
    Column("received_transport", Text, nullable=False),
    Column("local_ip", Text, nullable=False),
    Column("local_port", Integer, nullable=False),
    Column("local_transport", Text, nullable=False),
    Column("q", Float),
    Column("remaining_s", Float, nullable=False),
    Column("age_s", Float, nullable=False),
    Column("stored_boot", Text, nullable=False),
    Column("stored_at_s", Float, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("cseq", Integer, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("reg_id", Integer, nullable=False),
    sqlite_with_rowid=False,
)

callback_map = Table(
    "callback_map",
    metadata,
    Column("elin", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("device", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("remaining_s", Float),
    Column("stored_boot", Text, nullable=False),
    Column("stored_at_s", Float, nullable=False),
    Column("started_unix_s", Float, nullable=False),
    sqlite_with_rowid=False,
)

call_records = Table(
    "call_records",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("session", Text, nullable=False, unique=True),
    Column("direction", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("caller_name", Text, nullable=False),
    Column("caller_device", Text, nullable=False),
    Column("called", Text, nullable=False),
    Column("answered_device", Text, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("started_unix_s", Float, nullable=False),
    Column("answered_unix_s", Float),
    Column("ended_unix_s", Float, nullable=False),
    Column("talk_s", Float, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Integer, nullable=False),
    Column("dialled", Text, nullable=False, server_default=""),
    Column("user", Text, nullable=False, server_default=""),
    Column("path", Text, nullable=False, server_default="[]"),
    Column("score", Float),
    Column("bad_sound", Integer),
    Column("sound", Text, nullable=False, server_default=""),
    Index("call_records_started", "started_unix_s"),
    sqlite_autoincrement=True,
)

voicemail = Table(
    "voicemail",
    metadata,
    Column("id", Text, primary_key=True),
    Column("mailbox", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("caller_name", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("started_unix_s", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("heard_unix_s", Float),
    Column("file", Text, nullable=False),
    Index("voicemail_mailbox", "mailbox"),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dedupe", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_unix_s", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_boot", Text, nullable=False),
    Column("next_at_s", Float, nullable=False),
    Column("state", Text, nullable=False),
    Index("outbox_state", "state"),
    sqlite_autoincrement=True,
)


def open_engine(path: Path) -> Engine:
    """An engine on the database at `path`: WAL, synchronous=FULL, foreign keys on. Connects lazily; any thread may use it."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _record: Any) -> None:
    # The driver's own transactions do not cover DDL; ours do, so that a kill in mid-migration leaves nothing half done.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}", "journal_size_limit=4194304"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def migrate(path: Path) -> bool:
    """Make the database at `path` ready for this version; True when a damaged one was moved aside and a new one begun.

    The start step: runs before anything opens the database, does nothing but one read when it is up to date. Raises StateError: code `state-newer` when a
    newer version of the product wrote it (it must then not be written to), `state` when the disk refuses. Neither is a reason for the box not to start.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _damaged(path):
            _move_aside(path)
            _upgrade(path)
            return True
        _upgrade(path)
        return False
    except (OSError, sqlite3.Error, exc.DBAPIError) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        raise StateError(f"The state database {path} cannot be used: {cause}", "check the free space and the permissions of the data folder") from error


def _damaged(path: Path) -> bool:
    """Whether SQLite finds the file damaged, in bounded time: a big sound database must not delay the start."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_MS / 1000)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            deadline = time.monotonic() + _CHECK_LIMIT_S
            connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return False
        raise
    except sqlite3.DatabaseError as error:
        log.error("the state database %s is damaged: %s", path, error)
        return True
    if found[0] != "ok":
        log.error("the state database %s is damaged: %s", path, str(found[0]).splitlines()[0])
        return True
    return False


def _move_aside(path: Path) -> None:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    log.error("moved the damaged state database to %s and began an empty one: phones have to register again, call records up to now are in that file", aside)


def _version(path: Path) -> str:
    """The revision the file is at, "" when it has none."""
    if not path.exists():
        return ""
    with closing(sqlite3.connect(path, timeout=_BUSY_MS / 1000)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return ""
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def _upgrade(path: Path) -> None:
    version = _version(path)
    if version == HEAD:
        return
    # Loading Alembic takes longer than all the rest of the start: only when there is something to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(resources.files("appliance.state") / "migrations").replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version and version not in known:
        raise StateError(
            f"The state database {path} was written by a newer version (its schema is {version}, this version knows up to {HEAD})",
            "start the newer version again, or move the file away to begin with an empty one",
            code="state-newer",
        )
    engine = open_engine(path)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
    log.info("state database %s: schema %s -> %s", path, version or "none", HEAD)
