"""The state writer: batches, keeps callers free, and outlives disks that are full, read-only, stalled or locked."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from appliance.errors import StateError
from appliance.state import writer as writer_module
from appliance.state.bindings import BindingsRepository
from appliance.state.callbacks import CallbacksRepository
from appliance.state.calls import CallsRepository
from appliance.state.database import migrate, open_engine
from appliance.state.records import ChangeKind
from appliance.state.voicemail import VoicemailRepository
from appliance.state.writer import StateWriter, back_off_s
from tests.support.disks import ext4, fill, tmpfs
from tests.unit.state.samples import binding, call, change, message, window

REFRESHED, REMOVED, EXPIRED = ChangeKind.REFRESHED, ChangeKind.REMOVED, ChangeKind.EXPIRED


class Bench:
    """A writer on a database of its own, and what it said."""

    def __init__(self, folder: Path, capacity: int = 20_000) -> None:
        self.path = folder / "state.db"
        migrate(self.path)
        self.engine = open_engine(self.path)
        self.alarms: list[str] = []
        self.writer = StateWriter(self.engine, alarm=self.alarms.append, capacity=capacity)

    def devices(self) -> set[str]:
        return {record.device for record in BindingsRepository(self.engine).load()}

    def close(self) -> None:
        if self.writer._thread.is_alive():
            self.writer.close(5.0)
        self.engine.dispose()


def wait_for(what: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.writer.start()
    yield bench
    bench.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off without the patience a real disk deserves."""
    monkeypatch.setattr(writer_module, "back_off_s", lambda attempt: 0.05)


# ---- what is written, and when -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ChangeKind.ADDED, ChangeKind.MOVED])
def test_a_new_contact_is_written_unasked(bench: Bench, kind: ChangeKind) -> None:
    bench.writer.bindings([change(1, kind)])
    wait_for(lambda: BindingsRepository(bench.engine).load() == (binding(1),))


@pytest.mark.parametrize("kind", [REMOVED, ChangeKind.REPLACED])
def test_a_removed_contact_is_written_unasked(bench: Bench, kind: ChangeKind) -> None:
    bench.writer.bindings([change(1), change(2)])
    wait_for(lambda: len(bench.devices()) == 2)
    bench.writer.bindings([change(1, kind)])
    wait_for(lambda: bench.devices() == {"phone-2"})


def test_callback_windows_and_call_records_are_written_unasked(bench: Bench) -> None:
    bench.writer.callback(window("s1"))
    bench.writer.callback(window("s2"))
    bench.writer.callback_gone("+15550100", window("s1").session)
    bench.writer.call(call("s1"))
    wait_for(lambda: [one.session for one in CallbacksRepository(bench.engine).load()] == ["s2"])
    wait_for(lambda: [one.session for one in CallsRepository(bench.engine).recent()] == ["s1"])


def test_a_refresh_waits_for_company_and_comes_with_it(bench: Bench) -> None:
    bench.writer.bindings([change(1, REFRESHED), change(2, EXPIRED)])
    assert bench.writer._wake.empty()
    bench.writer.bindings([change(3)])
    wait_for(lambda: bench.devices() == {"phone-1", "phone-3"})


def test_refreshes_alone_are_written_when_the_oldest_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "TICK_S", 0.02)
    monkeypatch.setattr(writer_module, "REFRESH_S", 0.1)
    bench = Bench(tmp_path)
    bench.writer.bindings([change(1, REFRESHED)])
    bench.writer.start()
    wait_for(lambda: bench.devices() == {"phone-1"})
    bench.close()


def test_tick_and_patience_together_keep_the_minute() -> None:
    assert writer_module.TICK_S + writer_module.REFRESH_S < 60.0
    assert writer_module.GATHER_S < 0.2


def test_close_writes_what_is_left(bench: Bench) -> None:
    bench.writer.bindings([change(number, REFRESHED) for number in range(50)])
    assert bench.writer.close()
    assert len(bench.devices()) == 50


def test_the_last_word_on_a_contact_counts(bench: Bench) -> None:
    for cseq in range(100):
        bench.writer.bindings([change(1, REFRESHED, cseq=cseq), change(2), change(2, REMOVED), change(3, REMOVED), change(3)])
    assert bench.writer.flush()
    assert set(BindingsRepository(bench.engine).load()) == {binding(1, cseq=99), binding(3)}


def test_many_threads_may_hand_over(bench: Bench) -> None:
    def hand_over(first: int) -> None:
        for number in range(first, first + 200):
            bench.writer.bindings([change(number, REFRESHED if number % 3 else ChangeKind.ADDED)])

    threads = [threading.Thread(target=hand_over, args=(base,)) for base in range(0, 1000, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.writer.flush(20.0)
    assert len(bench.devices()) == 1000


def test_old_call_records_are_trimmed_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CallsRepository.trim, "__defaults__", (3,))
    bench = Bench(tmp_path)
    for number in range(5):
        CallsRepository(bench.engine).append(call(f"s{number}"))
    bench.writer.start()
    assert bench.writer.flush()
    assert len(CallsRepository(bench.engine).recent()) == 3
    bench.close()


# ---- room --------------------------------------------------------------------------------------------------------


def test_past_the_capacity_refreshes_go_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=100)
    bench.writer.bindings([change(number, REFRESHED) for number in range(150)])
    assert bench.writer.dropped == 50
    bench.writer.bindings([change(number) for number in range(1000, 1150)])
    assert bench.writer.dropped == 100
    bench.writer.start()
    assert bench.writer.flush()
    assert bench.devices() == {f"phone-{number}" for number in (*range(100), *range(1000, 1100))}
    bench.close()


def test_a_flood_of_refreshes_wakes_the_writer_before_it_drops(bench: Bench) -> None:
    for number in range(100_000):
        bench.writer.bindings([change(number % 50, REFRESHED, cseq=number)])
        if number % 2000 == 0:
            wait_for(lambda: len(bench.writer._inbox) < 15_000)
    assert bench.writer.flush()
    assert bench.writer.dropped == 0
    assert max(record.cseq for record in BindingsRepository(bench.engine).load()) == 99_999


# ---- disks that do not -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_a_full_disk_alarms_once_and_loses_nothing(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 2 << 20) as folder:
        bench = Bench(folder)
        bench.writer.start()
        assert bench.writer.flush()
        filler = fill(folder)
        bench.writer.bindings([change(number, user_agent="x" * 200) for number in range(300)])
        wait_for(lambda: bench.writer._failures > 3)
        bench.writer.bindings([change(0, REMOVED)])
        assert bench.writer.flush(0.1) is False
        (alarm,) = bench.alarms
        assert alarm.startswith("Operational state cannot be written to disk: ")
        assert bench.writer.fault == alarm
        filler.unlink()
        assert bench.writer.flush(20.0)
        assert bench.devices() == {f"phone-{number}" for number in range(1, 300)}
        assert bench.alarms == [alarm, ""]
        assert bench.writer.fault == ""
        bench.close()


@pytest.mark.usefixtures("quick")
def test_a_disk_that_turns_read_only(tmp_path: Path) -> None:
    with ext4(tmp_path / "disk") as disk:
        bench = Bench(disk.folder)
        bench.writer.start()
        bench.writer.bindings([change(1)])
        assert bench.writer.flush()
        disk.abort()
        bench.writer.bindings([change(2)])
        wait_for(lambda: bench.writer._failures > 2)
        assert len(bench.alarms) == 1
        assert bench.writer.close() is False
        bench.engine.dispose()


def test_a_stalled_disk_holds_up_the_writer_alone(tmp_path: Path) -> None:
    with ext4(tmp_path / "disk") as disk:
        bench = Bench(disk.folder)
        bench.writer.start()
        assert bench.writer.flush()
        disk.freeze()
        bench.writer.bindings([change(1)])
        assert bench.writer.flush(0.5) is False
        for number in range(2, 1000):  # would hang here
            bench.writer.bindings([change(number)])
            bench.writer.call(call(str(number)))
        disk.thaw()
        assert bench.writer.flush(20.0)
        assert len(bench.devices()) == 999
        bench.close()


@pytest.mark.usefixtures("quick")
def test_a_locked_database_is_waited_out(bench: Bench) -> None:
    with closing(sqlite3.connect(bench.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        bench.writer.bindings([change(1)])
        wait_for(lambda: bench.writer.fault != "")
    assert bench.writer.flush(20.0)
    assert bench.devices() == {"phone-1"}
    assert bench.alarms[1:] == [""]


@pytest.mark.parametrize("bad", [{"cseq": 2**70}, {"user_agent": "\ud800"}, {"call_id": None}, {"q": object()}], ids=lambda bad: next(iter(bad)))
def test_a_row_that_cannot_be_stored_does_not_stop_the_others(bench: Bench, bad: dict) -> None:
    bench.writer.bindings([change(1), change(2, **bad), change(3)])
    assert bench.writer.flush()
    assert bench.devices() == {"phone-1", "phone-3"}
    assert bench.writer.dropped == 1
    assert bench.alarms == []


def test_an_alarm_that_fails_does_not_end_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "back_off_s", lambda attempt: 0.01)
    path = tmp_path / "missing" / "state.db"

    def alarm(sentence: str) -> None:
        raise RuntimeError("nobody listens")

    engine = open_engine(path)
    writer = StateWriter(engine, alarm=alarm)
    writer.start()
    writer.bindings([change(1)])
    wait_for(lambda: writer._failures > 0)
    path.parent.mkdir()
    migrate(path)
    assert writer.flush(20.0)
    assert writer.close()
    engine.dispose()


def test_a_disk_that_fails_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "back_off_s", lambda attempt: 1000.0)
    engine = open_engine(tmp_path / "missing" / "state.db")
    writer = StateWriter(engine)
    writer.start()
    writer.bindings([change(1)])
    wait_for(lambda: writer._failures > 0)
    writer.bindings([change(2)])
    assert writer.flush(0.5) is False
    assert writer._failures == 1
    assert writer.close() is False
    engine.dispose()


def test_back_off_doubles_to_a_limit_with_jitter() -> None:
    assert [back_off_s(attempt, lambda: 1.0) for attempt in (1, 2, 3, 7, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]
    assert back_off_s(3, lambda: 0.0) == 1.0


# ---- what must be on disk before its caller goes on ---------------------------------------------------------------


def test_a_job_has_its_result_when_it_is_on_disk(bench: Bench) -> None:
    def job(connection: Connection) -> str:
        VoicemailRepository.add(connection, message("m1"))
        return threading.current_thread().name

    assert bench.writer.run(job).result(10.0) == "state-writer"
    with closing(sqlite3.connect(bench.path)) as other:
        assert other.execute("SELECT id FROM voicemail").fetchall() == [("m1",)]


def test_a_job_does_not_wait_for_company(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "GATHER_S", 3600.0)
    assert bench.writer.run(lambda connection: 7).result(10.0) == 7


def test_a_job_that_fails_leaves_nothing_and_disturbs_nobody(bench: Bench) -> None:
    def job(connection: Connection) -> None:
        VoicemailRepository.add(connection, message("m1"))
        raise ValueError("no")

    future = bench.writer.run(job)
    bench.writer.bindings([change(1)])
    with pytest.raises(ValueError, match="no"):
        future.result(10.0)
    assert bench.writer.flush()
    assert bench.devices() == {"phone-1"}
    assert VoicemailRepository(bench.engine).messages() == ()
    assert bench.alarms == []


def test_a_job_nobody_waits_for_any_more_is_not_done(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    future = bench.writer.run(lambda connection: VoicemailRepository.add(connection, message("m1")))
    assert future.cancel()
    done = bench.writer.run(lambda connection: VoicemailRepository.add(connection, message("m2")))
    bench.writer.start()
    done.result(10.0)
    assert [one.id for one in VoicemailRepository(bench.engine).messages()] == ["m2"]
    bench.close()


def test_a_job_on_a_full_disk_fails_at_once(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 4 << 20) as folder:
        bench = Bench(folder)
        bench.writer.start()
        filler = fill(folder)
        many = [message(f"m{number}", caller_name="x" * 1000) for number in range(500)]

        def job(connection: Connection) -> None:
            for one in many:
                VoicemailRepository.add(connection, one)

        with pytest.raises(exc.OperationalError, match="full"):
            bench.writer.run(job).result(20.0)
        filler.unlink()
        bench.writer.run(job).result(20.0)
        assert len(VoicemailRepository(bench.engine).messages()) == 500
        bench.close()


def test_jobs_before_the_end_are_done_and_after_it_refused(bench: Bench) -> None:
    before = bench.writer.run(lambda connection: VoicemailRepository.add(connection, message("m1")))
    assert bench.writer.close()
    assert before.result(0) is None
    with pytest.raises(StateError, match="stopping"):
        bench.writer.run(lambda connection: None).result(1.0)
