"""holdfast schedule: what is open when, and who uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.test_flow import MENU
from tests.unit.cli.test_site import SITE, Run, answer, bad, data, good, refusal, run, write

__all__ = ["data", "run"]
HOLIDAYS = '\nholidays = [{ day = "12-25", name = "Christmas" }, { day = "2026-12-24", open = [["09:00", "12:00"]] }]\n'


@pytest.fixture
def office(run: Run, tmp_path: Path) -> Run:
    good(run("site", "import", write(tmp_path, SITE + MENU.replace('end = "17:00" }]', f'end = "17:00" }}]{HOLIDAYS}'))))
    return run


def test_schedules_are_listed_and_shown(office: Run) -> None:
    assert "flows.menu.steps.open.settings.schedule" in good(office("schedule", "list"))
    (row,) = answer(office("schedule", "list", "--json"))["schedules"]
    assert row["state"] in {"open", "closed", "holiday"}
    out = good(office("schedule", "show", "office"))
    for line in (
        "Office hours (office), times of", "  Mon  08:00-17:00", "  Sat  closed", "  12-25 every year  Christmas: closed", "  2026-12-24: 09:00-12:00",
    ):  # fmt: skip
        assert line in out, out
    shown = answer(office("schedule", "show", "office", "--json"))
    assert shown["week"]["fri"] == ["08:00-17:00"]
    assert shown["uses"] == ["flows.menu.steps.open.settings.schedule"]


def test_a_moment_is_told(office: Run) -> None:
    assert "Tue 2026-11-17 10:00: open until 17:00, then closed until Wed 2026-11-18 08:00" in good(office("schedule", "at", "office", "2026-11-17T10:00"))
    assert "closed for a holiday (Christmas) until Sat 2026-12-26 00:00" in good(office("schedule", "at", "office", "2026-12-25 18:00"))
    assert answer(office("schedule", "at", "office", "2026-12-24T11:00", "--json")) == {
        "id": "office", "time": "2026-12-24T11:00", "time_zone": answer(office("schedule", "list", "--json"))["time_zone"], "state": "open", "holiday": "",
        "until": "2026-12-24T12:00", "then": "holiday", "then_until": "2026-12-26T00:00",
    }  # fmt: skip
    good(office("schedule", "at", "office"))
    bad(office("schedule", "at", "office", "noon"), "noon is not a time", "18:30")
    bad(office("schedule", "at", "offise"), 'There is no schedule "offise"', 'did you mean "office"?')


def test_one_with_mistakes_says_so(office: Run) -> None:
    office("site", "set", "schedules.office.periods", '[{"days": ["mon"], "start": "nine", "end": "17:00"}]')
    assert "cannot be read" in good(office("schedule", "list"))
    assert refusal(office("schedule", "at", "office", "--json"))["problems"][0]["path"] == "schedules.office.periods[0].start"
