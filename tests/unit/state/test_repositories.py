"""The repositories: what goes in comes out, in one transaction, in order."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, exc

from appliance.state.bindings import BindingsRepository
from appliance.state.callbacks import CallbacksRepository
from appliance.state.calls import CallsRepository
from appliance.state.clock import Moment, boot_id, boottime_s
from appliance.state.database import migrate, open_engine
from appliance.state.records import ChangeKind
from tests.unit.state.samples import binding, call, change, window


@pytest.fixture
def engine(tmp_path: Path):
    path = tmp_path / "state.db"
    migrate(path)
    engine = open_engine(path)
    yield engine
    engine.dispose()


# ---- bindings ----------------------------------------------------------------------------------------------------


def test_a_binding_comes_back_whole(engine: Engine) -> None:
    repository = BindingsRepository(engine)
    repository.apply([change(1), change(2, q=None, instance="", reg_id=0)])
    assert set(repository.load()) == {binding(1), binding(2, q=None, instance="", reg_id=0)}


def test_the_last_change_to_a_contact_counts(engine: Engine) -> None:
    repository = BindingsRepository(engine)
    repository.apply([change(1), change(1, ChangeKind.REMOVED), change(2, ChangeKind.REMOVED), change(2)])
    assert repository.load() == (binding(2),)
    repository.apply([change(2, ChangeKind.MOVED, cseq=8), change(3)])
    assert set(repository.load()) == {binding(2, cseq=8), binding(3)}


@pytest.mark.parametrize("kind", [ChangeKind.REMOVED, ChangeKind.REPLACED, ChangeKind.EXPIRED])
def test_what_is_gone_is_gone(engine: Engine, kind: ChangeKind) -> None:
    repository = BindingsRepository(engine)
    repository.apply([change(1), change(2)])
    repository.apply([change(1, kind)])
    assert repository.load() == (binding(2),)


def test_all_or_nothing(engine: Engine) -> None:
    repository = BindingsRepository(engine)
    with pytest.raises(exc.IntegrityError):
        repository.apply([change(1), change(2, call_id=None)])
    assert repository.load() == ()


def test_a_row_that_makes_no_sense_is_left_out(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    repository = BindingsRepository(engine)
    repository.apply([change(1), change(2)])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bindings SET received_transport = 'pigeon' WHERE device = 'phone-1'")
    with caplog.at_level(logging.WARNING):
        assert repository.load() == (binding(2),)
    assert "phone-1" in caplog.text


# ---- callback windows --------------------------------------------------------------------------------------------


def test_callback_windows(engine: Engine) -> None:
    repository = CallbacksRepository(engine)
    repository.put(window("s2", remaining_s=None, started_unix_s=2.0))
    repository.put(window("s1", started_unix_s=1.0))
    repository.put(window("s2", remaining_s=60.0, started_unix_s=2.0))
    assert repository.load() == (window("s1", started_unix_s=1.0), window("s2", remaining_s=60.0, started_unix_s=2.0))
    repository.remove("+15550100", window("s1").session)
    repository.remove("+15550199", window("s2").session)
    assert [record.session for record in repository.load()] == ["s2"]


# ---- call records ------------------------------------------------------------------------------------------------


def test_call_records_by_page_newest_first(engine: Engine) -> None:
    repository = CallsRepository(engine)
    for number in range(5):
        repository.append(call(f"s{number}"))
    first = repository.recent(2)
    assert [record.session for record in first] == ["s4", "s3"]
    rest = repository.recent(10, before=first[-1].serial)
    assert [record.session for record in rest] == ["s2", "s1", "s0"]
    assert replace(rest[-1], serial=0) == call("s0")


def test_a_call_record_written_twice_keeps_its_place(engine: Engine) -> None:
    repository = CallsRepository(engine)
    repository.append(call("s0"))
    repository.append(call("s1"))
    repository.append(call("s0", outcome="answered", answered_unix_s=1.0, talk_s=9.5))
    assert [(record.session, record.outcome, record.talk_s) for record in repository.recent()] == [("s1", "busy", 0.0), ("s0", "answered", 9.5)]


def test_old_call_records_are_trimmed(engine: Engine) -> None:
    repository = CallsRepository(engine)
    assert repository.trim(3) == 0
    for number in range(5):
        repository.append(call(f"s{number}"))
    assert repository.trim(3) == 2
    assert [record.session for record in repository.recent()] == ["s4", "s3", "s2"]


# ---- clock -------------------------------------------------------------------------------------------------------


def test_the_kernels_clock() -> None:
    first, second = Moment.now(), Moment.now()
    assert first.boot_id == second.boot_id == boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < first.at_s <= second.at_s <= boottime_s()
