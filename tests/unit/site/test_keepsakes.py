"""What a restore leaves to the box: registrations, open call-back windows, what was sent, the record of emergencies."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.emergency.journal import read as read_journal
from appliance.site import pending
from appliance.site.keepsakes import carry_over
from appliance.state.callbacks import CallbacksRepository
from appliance.state.clock import Moment, boot_id
from appliance.state.database import migrate, open_engine
from appliance.state.outbox import OutboxRepository
from appliance.state.records import OutboxRecord, OutboxState
from tests.unit.site.datafolder import make_data, put_state, write_journal
from tests.unit.state.samples import binding, window

NOW = Moment(boot_id(), 50.0)
BEFORE = Moment("another-boot", 50.0)


def database(folder: Path, bindings=(), windows=(), outbox=()) -> Path:
    migrate(folder / "state" / "state.db")
    put_state(folder, tuple(bindings), tuple(windows))
    engine = open_engine(folder / "state" / "state.db")
    with engine.begin() as connection:
        for name, state in outbox:
            made = OutboxRepository.add(connection, OutboxRecord(dedupe=name, kind="mail", target="t", payload="{}", created_unix_s=1.0, next_try=NOW))
            if state is not OutboxState.WAITING:
                OutboxRepository.over(connection, made.id, state)
    engine.dispose()
    return folder / "state" / "state.db"


def rows(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def carried(tmp_path: Path, now: dict, then: dict) -> Path:
    box, backup = database(tmp_path / "box", **now), database(tmp_path / "backup", **then)
    for _ in range(2):  # it may be called again
        carry_over(box, backup)
    assert not list(backup.parent.glob("*-wal"))
    return backup


def test_a_box_with_registrations_keeps_them(tmp_path):
    made = carried(tmp_path, {"bindings": [binding(1), binding(2)]}, {"bindings": [binding(1, remaining_s=5.0), binding(3)]})
    assert rows(made, "SELECT device, remaining_s FROM bindings ORDER BY device") == [("phone-1", 3599.5), ("phone-2", 3599.5)]


def test_one_without_takes_those_of_the_backup(tmp_path):
    made = carried(tmp_path, {}, {"bindings": [binding(3)]})
    assert rows(made, "SELECT device FROM bindings") == [("phone-3",)]


def test_windows_of_now_count_and_those_that_are_over_stay_over(tmp_path):
    now = [window("open", stored=NOW, remaining_s=100.0), window("since", "+15550199", stored=NOW)]
    then = [
        window("open", stored=NOW, remaining_s=3000.0),
        window("up-then", stored=NOW, remaining_s=None),  # was up when the backup was made; this box knows that it is over
        window("elsewhere", stored=BEFORE, remaining_s=900.0),  # of a machine that died: nobody knows better
    ]
    made = carried(tmp_path, {"windows": now}, {"windows": then})
    assert rows(made, "SELECT session, remaining_s FROM callback_map ORDER BY session") == [("elsewhere", 900.0), ("open", 100.0), ("since", 3600.0)]
    assert len(CallbacksRepository(open_engine(made)).load()) == 3


def test_nothing_is_sent_twice_and_nothing_that_waits_is_lost(tmp_path):
    now = [("sent-since", OutboxState.SENT), ("waits-here", OutboxState.WAITING), ("dead-here", OutboxState.DEAD)]
    then = [("waits-there", OutboxState.WAITING), ("sent-since", OutboxState.WAITING), ("dead-here", OutboxState.WAITING)]
    made = carried(tmp_path, {"outbox": now}, {"outbox": then})
    assert dict(rows(made, "SELECT dedupe, state FROM outbox")) == {
        "sent-since": OutboxState.SENT.value,
        "waits-here": OutboxState.WAITING.value,
        "dead-here": OutboxState.DEAD.value,
        "waits-there": OutboxState.WAITING.value,
    }


def test_a_database_of_an_older_version_gives_what_it_has(tmp_path):
    box, backup = database(tmp_path / "box", [binding(1)], [window(stored=NOW)]), database(tmp_path / "backup")
    with closing(sqlite3.connect(box)) as connection:
        connection.execute("DROP TABLE outbox")
        connection.execute("ALTER TABLE bindings ADD COLUMN of_a_later_version TEXT")
        connection.commit()
    carry_over(box, backup)
    assert rows(backup, "SELECT count(*) FROM bindings") == rows(backup, "SELECT count(*) FROM callback_map") == [(1,)]


@pytest.mark.parametrize("body", [b"", b"no database" * 1000, None])
def test_a_database_that_cannot_be_read_costs_only_itself(tmp_path, body):
    box, backup = database(tmp_path / "box", [binding(1)]), database(tmp_path / "backup", [binding(2)])
    if body is None:
        box.unlink()
    else:
        box.write_bytes(body)
    carry_over(box, backup)
    assert rows(backup, "SELECT device FROM bindings") == [("phone-2",)]
    assert rows(backup, "PRAGMA integrity_check") == [("ok",)]


# ---- the emergency journal ---------------------------------------------------------------------------------------


def restored(tmp_path: Path, ours: tuple[str, ...], theirs: tuple[str, ...]) -> Path:
    data, source = make_data(tmp_path / "data", journal=ours), make_data(tmp_path / "source", journal=theirs)
    with pending.staging(data) as part:
        for folder in ("site", "state"):
            (source / folder).rename(part / folder)
        pending.stage(data, part, "restore", "a test", "tester")
    pending.apply(data)
    return data / "state"


def entries(path: Path) -> list[str]:
    return [entry["entry"] for entry in read_journal(path)]


def test_a_box_without_entries_goes_on_with_the_backups(tmp_path):
    state = restored(tmp_path, (), ("a", "b"))
    assert entries(state / "emergency.journal") == ["a", "b"]
    assert not (state / "journals").exists()
    write_journal(state.parent, "c")
    assert entries(state / "emergency.journal") == ["a", "b", "c"]


def test_a_backup_of_this_very_box_adds_nothing(tmp_path):
    state = restored(tmp_path, ("a", "b"), ("a",))
    assert entries(state / "emergency.journal") == ["a", "b"]
    assert not (state / "journals").exists()


def test_another_boxs_journal_is_kept_beside(tmp_path):
    state = restored(tmp_path, ("a",), ("x", "y"))
    assert entries(state / "emergency.journal") == ["a"]
    (beside,) = (state / "journals").iterdir()
    assert entries(beside / "emergency.journal") == ["x", "y"]


def test_what_was_kept_beside_goes_into_backups_and_comes_back(tmp_path):
    data = make_data(tmp_path / "data", journal=("a",))
    source = make_data(tmp_path / "source", journal=("a",))
    (source / "state" / "journals" / "0123").mkdir(parents=True)
    (source / "state" / "journals" / "0123" / "emergency.journal").write_bytes((source / "state" / "emergency.journal").read_bytes())
    with pending.staging(data) as part:
        for folder in ("site", "state"):
            (source / folder).rename(part / folder)
        pending.stage(data, part, "restore", "a test", "tester")
    pending.apply(data)
    assert entries(data / "state" / "journals" / "0123" / "emergency.journal") == ["a"]


def test_an_empty_journal_leaves_no_trace(tmp_path):
    state = restored(tmp_path, ("a",), ())
    assert entries(state / "emergency.journal") == ["a"] and not (state / "journals").exists()
