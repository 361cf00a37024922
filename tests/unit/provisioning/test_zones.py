"""TZ rules: every zone of the machine's table comes apart, and its clock agrees with that of the table."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from provisioning.zones import Change, Zone, zone


def test_new_york() -> None:
    assert zone("EST5EDT,M3.2.0,M11.1.0") == Zone(-18000, 3600, Change(3, 2, 0, 2), Change(11, 1, 0, 2))


def test_half_hours_and_names_in_brackets() -> None:
    assert zone("IST-5:30") == Zone(19800)
    assert zone("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0") == Zone(37800, 1800, Change(10, 1, 0, 2), Change(4, 1, 0, 2))


def test_a_summer_that_is_the_standard() -> None:
    """Dublin: the standard time is summer's, winter takes an hour away."""
    assert zone("IST-1GMT0,M10.5.0,M3.5.0/1") == Zone(0, 3600, Change(3, 5, 0, 1), Change(10, 5, 0, 2))


@pytest.mark.parametrize("rule", ["", "EST", "EST5EDT", "EST5EDT,J60,J300", "Europe/Paris", "EST5EDT,M3.2.0", "E5\n"])
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(ValueError, match="TZ rule"):
        zone(rule)


def _rule(name: str) -> str:
    for folder in (*zoneinfo.TZPATH, str(resources.files("tzdata") / "zoneinfo") if "tzdata" in str(zoneinfo.TZPATH) else ""):
        file = Path(folder) / name
        if folder and file.is_file():
            return file.read_bytes().rstrip(b"\n").rpartition(b"\n")[2].decode()
    return ""


def test_all_zones_agree_with_the_table() -> None:
    seen = 0
    for name in sorted(zoneinfo.available_timezones()):
        rule = _rule(name)
        if not rule:
            continue
        seen += 1
        found, table = zone(rule), zoneinfo.ZoneInfo(name)
        for month in (1, 7):
            moment = datetime(2036, month, 15, 12, tzinfo=UTC)
            offset = table.utcoffset(moment)
            assert offset is not None
            assert offset.total_seconds() in {found.offset_s, found.offset_s + found.save_s}, (name, rule)
    assert seen > 100
