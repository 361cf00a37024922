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
from appliance.state.outbox import OutboxRepository
from appliance.state.records import ChangeKind, OutboxState, Own, Wanted
from appliance.state.voicemail import VoicemailRepository
from appliance.types import MailboxId
from tests.unit.state.samples import binding, call, change, item, message, window


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


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(search="0188 marg"), ["s1"]), (Wanted(search="0188"), ["s2", "s1"]), (Wanted(search="50%"), ["s3"]), (Wanted(search="_"), []),
        (Wanted(direction="out"), ["s2"]),
        (Wanted(outcome="answered"), ["s2"]), (Wanted(outcome="unanswered"), ["s3", "s1"]), (Wanted(outcome="busy", search="0188"), ["s1"]),
        (Wanted(session="s3"), ["s3"]), (Wanted(session="s9"), []),
        (Wanted(bad_sound=True), ["s2"]), (Wanted(since_unix_s=1_700_000_100.0), ["s3"]), (Wanted(until_unix_s=1_700_000_100.0), ["s2", "s1"]),
        (Wanted(own=Own("dana", ("207",), ())), []), (Wanted(own=Own("dana", ("+15035550188",), ())), ["s2"]),
    ],
)  # fmt: skip
def test_call_records_are_found_by_words_direction_outcome_and_id(engine: Engine, wanted: Wanted, found: list[str]) -> None:
    repository = CallsRepository(engine)
    repository.append(call("s1", direction="in", caller="+15035550188", caller_name="Marguerite", outcome="busy"))
    repository.append(call("s2", direction="out", caller="207", called="+15035550188", outcome="answered", bad_sound=True, score=2.9))
    later = {"started_unix_s": 1_700_000_100.0, "bad_sound": False}
    repository.append(call("s3", direction="internal", caller="201", caller_name="50% off", outcome="no-answer", **later))
    assert [record.session for record in repository.recent(wanted=wanted)] == found
    assert [record.session for record in repository.recent(before=2, wanted=wanted)] == [session for session in found if session == "s1"]


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


def test_a_call_record_says_what_flows_did(engine: Engine) -> None:
    repository = CallsRepository(engine)
    path = ("flow menu: start", 'menu: "2" -> sales', "Zoë answered")
    repository.append(call("s0", dialled="400", user="dana", path=path))
    repository.append(call("s1"))
    second, first = repository.recent()
    assert (first.dialled, first.user, first.path) == ("400", "dana", path)
    assert (second.dialled, second.user, second.path) == ("", "", ())


@pytest.mark.parametrize("text", ["", "{", "null", "7", '"abc'])
def test_a_path_nobody_can_read_costs_only_the_path(engine: Engine, text: str) -> None:
    repository = CallsRepository(engine)
    repository.append(call("s0", path=("a",), dialled="400"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE call_records SET path = ?", (text,))
    (record,) = repository.recent()
    assert (record.path, record.dialled) == ((), "400")


# ---- voicemail ---------------------------------------------------------------------------------------------------


def test_a_message_comes_back_whole_and_the_oldest_first(engine: Engine) -> None:
    repository = VoicemailRepository(engine)
    late, early, other = message("a", started_unix_s=2.0), message("b", started_unix_s=1.0, heard_unix_s=5.0), message("c", mailbox=MailboxId("sales"))
    with engine.begin() as connection:
        for one in (late, early, other):
            repository.add(connection, one)
        repository.add(connection, message("a", caller="a second of the same id"))
    assert repository.messages(MailboxId("dana")) == (early, late)
    assert repository.messages() == (early, late, other)
    assert repository.get("c") == other
    assert repository.get("d") is None


def test_messages_are_counted_heard_and_removed(engine: Engine) -> None:
    repository, dana = VoicemailRepository(engine), MailboxId("dana")
    assert repository.counts(dana) == (0, 0)
    with engine.begin() as connection:
        for id in "abc":
            repository.add(connection, message(id))
        repository.add(connection, message("x", mailbox=MailboxId("sales")))
        assert repository.heard(connection, "a", 7.0)
        assert not repository.heard(connection, "a", 8.0)
        assert not repository.heard(connection, "z", 8.0)
    assert repository.counts(dana) == (2, 1)
    assert [one.heard_unix_s for one in repository.messages(dana)] == [7.0, None, None]
    with engine.begin() as connection:
        assert repository.remove(connection, "b")
        assert not repository.remove(connection, "b")
    assert repository.counts(dana) == (1, 1)


# ---- outbox ------------------------------------------------------------------------------------------------------


def test_an_item_is_taken_once(engine: Engine) -> None:
    repository = OutboxRepository(engine)
    with engine.begin() as connection:
        first = repository.add(connection, item("one"))
        assert repository.add(connection, item("one", payload="another")) is None
        second = repository.add(connection, item("two"))
    assert first is not None
    assert second is not None
    assert first.id < second.id
    assert repository.due(Moment("boot-1", 100.0)) == (first, second)
    assert repository.due(Moment("boot-1", 100.0), limit=1) == (first,)
    assert repository.due(Moment("boot-1", 100.0), kind=first.kind) == (first, second)
    assert repository.due(Moment("boot-1", 100.0), kind="another") == (), "a queue of one kind holds up no other"


def test_an_item_is_due_at_its_time_and_after_every_boot(engine: Engine) -> None:
    repository = OutboxRepository(engine)
    with engine.begin() as connection:
        repository.add(connection, item("one", next_try=Moment("boot-1", 100.0)))
        repository.add(connection, item("two", next_try=Moment("boot-1", 50.0)))
    assert [one.dedupe for one in repository.due(Moment("boot-1", 99.9))] == ["two"]
    assert [one.dedupe for one in repository.due(Moment("boot-2", 0.0))] == ["one", "two"]


@pytest.mark.parametrize("end", [OutboxState.SENT, OutboxState.DEAD])
def test_an_item_is_over_once_and_for_good(engine: Engine, end: OutboxState) -> None:
    repository, now = OutboxRepository(engine), Moment("boot-1", 1000.0)
    with engine.begin() as connection:
        taken = repository.add(connection, item("one"))
        assert taken is not None
        assert repository.again(connection, taken.id, Moment("boot-1", 900.0))
    (waiting,) = repository.due(now)
    assert waiting == replace(taken, attempts=1, next_try=Moment("boot-1", 900.0))
    with engine.begin() as connection:
        assert repository.over(connection, taken.id, end)
        assert not repository.over(connection, taken.id, end)
        assert not repository.again(connection, taken.id, now)
        assert repository.add(connection, item("one")) is None
    assert repository.due(now) == ()
    assert (repository.count(end), repository.count(OutboxState.WAITING)) == (1, 0)


def test_of_two_deliverers_only_one_marks_it(engine: Engine) -> None:
    """Both hold the item when the first says so."""
    repository, now = OutboxRepository(engine), Moment("boot-1", 1000.0)
    with engine.begin() as connection:
        repository.add(connection, item("one"))
    (seen_by_a,), (seen_by_b,) = repository.due(now), repository.due(now)
    with engine.begin() as connection:
        assert repository.over(connection, seen_by_a.id, OutboxState.SENT)
    with engine.begin() as connection:
        assert not repository.over(connection, seen_by_b.id, OutboxState.SENT)


# ---- clock -------------------------------------------------------------------------------------------------------


def test_the_kernels_clock() -> None:
    first, second = Moment.now(), Moment.now()
    assert first.boot_id == second.boot_id == boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < first.at_s <= second.at_s <= boottime_s()
