"""The state database: made, kept, moved aside when damaged, refused when newer, killed in mid-migration."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import appliance.state
from appliance.errors import StateError
from appliance.state import database
from appliance.state.bindings import BindingsRepository
from appliance.state.callbacks import CallbacksRepository
from appliance.state.calls import CallsRepository
from appliance.state.database import HEAD, migrate, open_engine
from tests.support.disks import fill, tmpfs
from tests.unit.state.samples import call


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.db"


def query(path: Path, text: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(text).fetchall()


def execute(path: Path, *texts: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for text in texts:
            connection.execute(text)
        connection.commit()


def test_a_new_box_gets_the_schema_the_code_speaks(path: Path) -> None:
    assert migrate(path) is False
    engine = open_engine(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), database.metadata) == []
        assert [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")] == ["wal", 2, 1]
    engine.dispose()


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(appliance.state.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_what_is_there_stays(path: Path) -> None:
    migrate(path)
    engine = open_engine(path)
    CallsRepository(engine).append(call("one"))
    assert migrate(path) is False
    assert [record.session for record in CallsRepository(engine).recent()] == ["one"]
    engine.dispose()


def test_a_start_with_nothing_to_do_does_not_load_alembic(path: Path) -> None:
    migrate(path)
    code = "import sys; from pathlib import Path; from appliance.state.database import migrate; migrate(Path(sys.argv[1])); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("damage", ["text", "header", "page", "short"])
def test_a_damaged_database_is_moved_aside_and_the_start_goes_on(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    migrate(path)
    engine = open_engine(path)
    repository = CallsRepository(engine)
    for number in range(200):
        repository.append(call(str(number)))
    engine.dispose()
    sound = path.read_bytes()
    assert len(sound) > 20_000
    path.write_bytes(
        {
            "text": b"this is not a database\n" * 100,
            "header": b"\xff" * 100 + sound[100:],
            "page": sound[:4096] + os.urandom(len(sound) - 4096),
            "short": sound[: len(sound) // 2 + 77],
        }[damage]
    )
    broken = path.read_bytes()
    with caplog.at_level(logging.ERROR):
        assert migrate(path) is True
    (aside,) = path.parent.glob("state.db.damaged-*")
    assert aside.read_bytes() == broken
    assert "damaged" in caplog.text
    assert aside.name in caplog.text
    assert query(path, "SELECT count(*) FROM call_records") == [(0,)]
    assert migrate(path) is False


def test_damage_twice_in_a_second_keeps_both_files(path: Path) -> None:
    for number in range(3):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not a database %d" % number * 100)
        assert migrate(path) is True
    assert len(list(path.parent.glob("state.db.damaged-*"))) == 3


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert migrate(path) is False
    assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    migrate(path)
    execute(path, "UPDATE alembic_version SET version_num = '9999'", "CREATE TABLE of_tomorrow (x)")
    before = path.read_bytes()
    with pytest.raises(StateError) as caught:
        migrate(path)
    assert caught.value.code == "state-newer"
    assert "newer version" in caught.value.sentence
    assert "9999" in caught.value.sentence
    assert caught.value.hint
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.damaged-*"))


def test_a_folder_in_the_way_is_one_clear_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StateError, match=r"cannot be used: unable to open") as caught:
        migrate(path)
    assert caught.value.code == "state"


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 1 << 20) as folder:
        fill(folder)
        with pytest.raises(StateError, match="full"):
            migrate(folder / "state.db")


def test_a_locked_database_is_not_taken_for_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_MS", 50)
    migrate(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateError, match="locked"):
            migrate(path)
    assert migrate(path) is False


_FIRST_TABLES = """
from pathlib import Path
import sys
from alembic import command
from alembic.config import Config
from appliance.state.database import open_engine
import appliance.state
config = Config()
config.set_main_option("script_location", str(Path(appliance.state.__file__).parent / "migrations"))
engine = open_engine(Path(sys.argv[1]))
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
engine.dispose()
"""


@pytest.fixture
def of_version_1(path: Path) -> Path:
    """A database as the first release left it, with a row in every table."""
    path.parent.mkdir()
    subprocess.run([sys.executable, "-c", _FIRST_TABLES, str(path)], check=True)
    execute(
        path,
        "INSERT INTO bindings VALUES ('phone-1', 'sip:a@x', '192.0.2.1', 5060, 'udp', '192.0.2.9', 5060, 'udp', NULL, 60, 0, 'b', 1, 'c', 1, '', '', 0)",
        "INSERT INTO callback_map VALUES ('+15550100', 's1', 'phone-1', 'lobby', '', NULL, 'b', 1, 2)",
        "INSERT INTO call_records VALUES (7, 's1', 'out', '201', 'Dana', '', '+15550123', '', 'acme', '', 1.0, 2.0, 3.0, 1.0, 'answered', 200)",
    )
    assert query(path, "SELECT version_num FROM alembic_version") == [("0001",)]
    return path


def test_a_database_of_the_first_release_is_brought_up_with_its_rows(of_version_1: Path) -> None:
    path = of_version_1
    assert migrate(path) is False
    engine = open_engine(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), database.metadata) == []
    (record,) = CallsRepository(engine).recent()
    assert (record.serial, record.session, record.trunk, record.talk_s) == (7, "s1", "acme", 1.0)
    assert (record.dialled, record.user, record.path) == ("", "", ())
    assert (record.score, record.bad_sound, record.sound) == (None, None, "")  # not measured
    CallsRepository(engine).append(call("s2", path=("a",)))
    assert [record.serial for record in CallsRepository(engine).recent()] == [8, 7]
    assert [one.device for one in BindingsRepository(engine).load()] == ["phone-1"]
    assert [one.elin for one in CallbacksRepository(engine).load()] == ["+15550100"]
    engine.dispose()


@pytest.mark.parametrize("statement", ["ALTER TABLE call_records", "CREATE TABLE voicemail", "CREATE INDEX outbox_state", "UPDATE alembic_version"])
def test_killed_between_two_versions_it_is_the_older_one(of_version_1: Path, statement: str) -> None:
    path = of_version_1
    done = subprocess.run([sys.executable, "-c", _KILLED_AFTER, str(path), statement], check=False)
    assert done.returncode == -signal.SIGKILL
    assert query(path, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert query(path, "SELECT count(*) FROM sqlite_master WHERE name IN ('voicemail', 'outbox')") == [(0,)]
    assert migrate(path) is False
    assert query(path, "SELECT session, path FROM call_records") == [("s1", "[]")]
    assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]


_KILLED_AFTER = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from appliance.state.database import migrate

@event.listens_for(Engine, "after_cursor_execute")
def _(connection, cursor, statement, *rest):
    if sys.argv[2] in statement:
        os.kill(os.getpid(), signal.SIGKILL)

migrate(Path(sys.argv[1]))
"""


def test_killed_in_mid_migration_it_begins_again(path: Path) -> None:
    """The child is killed by the kernel as soon as the first table exists inside the open transaction."""
    done = subprocess.run([sys.executable, "-c", _KILLED_AFTER, str(path), "CREATE TABLE call_records"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert query(path, "SELECT name FROM sqlite_master") == []
    assert migrate(path) is False
    assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]
