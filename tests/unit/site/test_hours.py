"""Opening hours: over midnight, on holidays, and on the days clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.site.hours import Outlook, State, outlook, state, week
from appliance.site.model.flows import Schedule

NEW_YORK = ZoneInfo("America/New_York")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFICE = {"days": DAYS[:5], "start": "08:30", "end": "17:00"}
NIGHT = {"days": ["fri"], "start": "22:00", "end": "06:00"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def schedule(*periods: object, holidays: object = ()) -> Schedule:
    return Schedule.model_validate({"name": "Hours", "periods": periods, "holidays": holidays})


@pytest.mark.row("A13")
@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("2026-11-17T08:29:59", State.CLOSED),
        ("2026-11-17T08:30:00", State.OPEN),
        ("2026-11-17T16:59:59", State.OPEN),
        ("2026-11-17T17:00:00", State.CLOSED),
        ("2026-11-21T10:00:00", State.CLOSED),  # a Saturday
        ("2026-11-20T22:00:00", State.OPEN),  # Friday night
        ("2026-11-21T05:59:00", State.OPEN),
        ("2026-11-21T06:00:00", State.CLOSED),
        ("2026-11-21T22:30:00", State.CLOSED),
    ],
)
def test_the_hours_of_a_week(when: str, found: State) -> None:
    assert state(schedule(OFFICE, NIGHT), at(when)) is found


def test_a_period_to_the_end_of_the_day_and_one_round_the_clock() -> None:
    late = schedule({"days": ["tue"], "start": "18:00", "end": "24:00"})
    assert state(late, at("2026-11-17T23:59:59")) is State.OPEN
    assert state(late, at("2026-11-18T00:00:00")) is State.CLOSED
    whole = schedule({"days": ["tue"], "start": "08:00", "end": "08:00"})
    assert state(whole, at("2026-11-18T07:59:00")) is State.OPEN
    assert state(whole, at("2026-11-18T08:00:00")) is State.CLOSED


def test_holidays_have_hours_of_their_own() -> None:
    days = [{"day": "12-25"}, {"day": "12-24", "open": [["09:00", "12:00"]]}, {"day": "2026-12-24", "open": [["09:00", "10:00"]]}]
    hours = schedule({**OFFICE, "days": DAYS}, holidays=days)
    assert state(hours, at("2026-12-25T10:00:00")) is State.HOLIDAY
    assert state(hours, at("2027-12-25T10:00:00")) is State.HOLIDAY
    assert state(hours, at("2027-12-24T11:00:00")) is State.OPEN
    assert state(hours, at("2027-12-24T13:00:00")) is State.HOLIDAY
    assert state(hours, at("2026-12-24T11:00:00")) is State.HOLIDAY, "the day with its year goes first"


def test_a_night_ends_where_a_holiday_begins_and_a_holidays_night_reaches_into_the_next_day() -> None:
    hours = schedule({"days": DAYS, "start": "20:00", "end": "02:00"}, holidays=[{"day": "12-25"}, {"day": "12-31", "open": [["20:00", "04:00"]]}])
    assert state(hours, at("2026-12-25T01:00:00")) is State.HOLIDAY
    assert state(hours, at("2026-12-26T01:00:00")) is State.CLOSED, "the holiday had no night"
    assert state(hours, at("2027-01-01T03:00:00")) is State.OPEN


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_on_the_days_clocks_change_the_wall_clock_counts(day: str) -> None:
    """In the spring 02:00 to 03:00 does not exist; in the autumn 01:00 to 02:00 happens twice."""
    hours = schedule({"days": ["sun"], "start": "01:30", "end": "03:30"})
    began = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=NEW_YORK).astimezone(UTC)
    for minute in range(0, 60 * 6, 5):
        local = (began + timedelta(minutes=minute)).astimezone(NEW_YORK)
        is_open = (1, 30) <= (local.hour, local.minute) < (3, 30)
        assert (state(hours, local) is State.OPEN) == is_open, local


TIMES = st.sampled_from([f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 1, 30, 59)] + ["24:00"])
PERIODS = st.lists(st.fixed_dictionaries({"days": st.sets(st.sampled_from(DAYS), max_size=7).map(sorted), "start": TIMES, "end": TIMES}), max_size=4)
HOLIDAYS = st.lists(
    st.fixed_dictionaries({"day": st.sampled_from(["12-25", "2026-12-25", "02-29", "01-01", "02-30"]), "open": st.lists(st.tuples(TIMES, TIMES), max_size=2)}),
    max_size=3,
)
MOMENTS = st.datetimes(datetime(2026, 12, 20), datetime(2027, 1, 5))


@given(
    PERIODS, HOLIDAYS, st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"])
)
def test_every_moment_has_one_answer(periods: object, holidays: object, moment: datetime, zone: str) -> None:
    hours = Schedule.model_validate({"name": "H", "periods": periods, "holidays": holidays})
    found = state(hours, moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)))
    assert found in State
    if not hours.holidays:
        assert found is not State.HOLIDAY


@given(PERIODS, MOMENTS)
def test_what_is_open_is_what_some_period_says_minute_by_minute(periods: list[dict[str, object]], moment: datetime) -> None:
    """Against another way to count: minutes since the week began, each period laid out at its full length."""
    week = 7 * 24 * 60
    now = moment.weekday() * 1440 + moment.hour * 60 + moment.minute
    is_open = False
    for period in periods:
        start, end = (int(str(period[name])[:2]) * 60 + int(str(period[name])[3:]) for name in ("start", "end"))
        length = end - start if end > start else end + 1440 - start
        for day in period["days"]:  # type: ignore[attr-defined]
            is_open = is_open or (now - DAYS.index(day) * 1440 - start) % week < length
    hours = Schedule.model_validate({"name": "H", "periods": periods})
    assert (state(hours, moment.replace(tzinfo=UTC)) is State.OPEN) == is_open


@pytest.mark.parametrize(
    ("when", "now", "until", "then", "then_until"),
    [
        ("2026-11-17T10:00", State.OPEN, "2026-11-17T17:00", State.CLOSED, "2026-11-18T08:30"),
        ("2026-11-20T18:00", State.CLOSED, "2026-11-23T08:30", State.OPEN, "2026-11-23T17:00"),  # over the weekend
        ("2026-12-24T18:00", State.CLOSED, "2026-12-25T00:00", State.HOLIDAY, "2026-12-26T00:00"),
        ("2026-12-25T12:00", State.HOLIDAY, "2026-12-26T00:00", State.CLOSED, "2026-12-28T08:30"),
    ],
)
def test_what_comes_next(when: str, now: State, until: str, then: State, then_until: str) -> None:
    hours = schedule(OFFICE, holidays=[{"day": "12-25", "name": "Christmas"}])
    found = outlook(hours, at(when))
    assert (found.state, found.until, found.then, found.then_until) == (now, at(until), then, at(then_until))
    assert (found.holiday.name if found.holiday else "") == ("Christmas" if now is State.HOLIDAY else "")


def test_what_never_changes_says_so() -> None:
    whole = [{"days": DAYS, "start": "00:00", "end": "24:00"}]
    assert outlook(schedule(*whole), at("2026-11-17T10:00")) == Outlook(State.OPEN, None)
    assert outlook(schedule(), at("2026-11-17T10:00")) == Outlook(State.CLOSED, None)
    night = outlook(schedule(NIGHT), at("2026-11-21T06:00"))
    assert night.until == at("2026-11-27T22:00")


def test_hours_from_midnight_to_midnight_end_the_next_day() -> None:
    found = outlook(schedule({"days": ["mon"], "start": "24:00", "end": "24:00"}), at("2026-11-16T10:00"))
    assert found.until is None or found.until > at("2026-11-16T10:00")


@given(PERIODS, HOLIDAYS, MOMENTS)
def test_nothing_changes_before_the_next_change(periods: object, holidays: object, moment: datetime) -> None:
    hours = Schedule.model_validate({"name": "H", "periods": periods, "holidays": holidays})
    found = outlook(hours, moment)
    end = found.until or moment + timedelta(days=10)
    step = max(timedelta(minutes=1), (end - moment) / 40)
    while moment < end:
        assert state(hours, moment) is found.state
        moment += step
    if found.until:
        assert state(hours, found.until) is found.then is not found.state


def test_a_picture_of_the_week_cuts_nights_at_midnight() -> None:
    shown = week(schedule(OFFICE, NIGHT))
    assert [(span.first, span.last, span.period) for span in shown["fri"]] == [(510, 1020, 0), (1320, 1440, 1)]
    assert [(span.first, span.last, span.period) for span in shown["sat"]] == [(0, 360, 1)]
    assert shown["sun"] == []
