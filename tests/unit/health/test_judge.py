"""What is thought of readings: levels, hysteresis, sentences with cures."""

from dataclasses import replace

import pytest

from appliance.health.judge import judge, worst
from appliance.health.limits import DAY_S, POWER_CALM_S, TEMPERATURE_C, Limit
from appliance.health.reading import CertificateReading, Power, ProcessReading, Reading

GB = 10**9
NOW = 1_800_000_000.0
WELL = Reading(
    at_unix_s=NOW, busy=0.1, busy_s=60.0, load=(0.1, 0.2, 0.3), cores=4, memory_total=4 * GB, memory_available=3 * GB, swap_total=GB, swap_used=0,
    disk_total=32 * GB, disk_free=20 * GB, temperature_c=50.0, machine_uptime_s=100.0, clock="set", write_fault="",
    processes=(ProcessReading("engine", 7, 80_000_000, 0.02, 60, 1024, 9),), certificates=(CertificateReading("web.crt", NOW + 1000 * DAY_S),),
)  # fmt: skip


def levels(before=None, **changed):
    return {check.name: check.level for check in judge(replace(WELL, **changed), before or {})}


def test_a_box_that_is_well_has_nothing_to_cure():
    checks = judge(WELL, {})
    assert {check.level for check in checks} == {"ok"} and worst(checks) == "ok"
    assert [check.cure for check in checks if check.cure] == []
    assert {check.name for check in checks} == {
        "data-folder", "disk", "clock", "memory", "swap", "processor", "load", "temperature", "handles", "certificate-web",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changed", "level"),
    [
        ("disk", {"disk_free": 2 * GB}, "look"),
        ("disk", {"disk_free": 50_000_000}, "bad"),
        ("disk", {"disk_total": 2000 * GB, "disk_free": 6 * GB}, "ok"),
        ("disk", {"disk_total": GB, "disk_free": 600_000_000}, "ok"),
        ("memory", {"memory_available": int(0.5 * GB)}, "look"),
        ("memory", {"memory_available": int(0.2 * GB)}, "bad"),
        ("swap", {"swap_used": int(0.7 * GB)}, "look"),
        ("processor", {"busy": 0.95}, "look"),
        ("processor", {"busy": 0.95, "busy_s": 5.0}, "ok"),
        ("load", {"load": (1.0, 13.0, 2.0)}, "look"),
        ("load", {"load": (50.0, 3.0, 2.0)}, "ok"),
        ("temperature", {"temperature_c": TEMPERATURE_C.look + 1}, "look"),
        ("temperature", {"temperature_c": TEMPERATURE_C.bad + 1}, "bad"),
        ("power", {"power": Power()}, "ok"),
        ("power", {"power": Power(low_ago_s=0.0)}, "bad"),
        ("power", {"power": Power(low_ago_s=POWER_CALM_S - 1)}, "bad"),
        ("power", {"power": Power(low_ago_s=POWER_CALM_S)}, "ok"),
        ("speed", {"power": Power(low_ago_s=0.0)}, "ok"),
        ("speed", {"power": Power(slowed_ago_s=5.0)}, "look"),
        ("handles", {"processes": (replace(WELL.processes[0], handles=800),)}, "look"),
        ("handles", {"processes": (replace(WELL.processes[0], handles=1000),)}, "bad"),
        ("clock", {"clock": "never"}, "look"),
        ("clock", {"clock": "unknown"}, "look"),
        ("clock", {"clock": "was-set"}, "ok"),
        ("data-folder", {"write_fault": "No space left on device"}, "bad"),
        ("data-folder", {"silent_s": 20.0}, "bad"),
        ("certificate-web", {"certificates": (CertificateReading("web.crt", NOW + 20 * DAY_S),)}, "look"),
        ("certificate-web", {"certificates": (CertificateReading("web.crt", NOW + DAY_S),)}, "bad"),
        ("certificate-web", {"certificates": (CertificateReading("web.crt", NOW - DAY_S),)}, "bad"),
        ("certificate-web", {"certificates": (CertificateReading("web.crt", None),)}, "bad"),
    ],
)
def test_each_matter_has_its_limits_and_its_cure(name, changed, level):
    (found,) = [check for check in judge(replace(WELL, **changed), {}) if check.name == name]
    assert found.level == level
    assert bool(found.cure) is (level != "ok")
    assert not found.sentence.endswith(".") and not found.cure.endswith(".")


def test_what_is_not_there_is_not_judged():
    assert not {"power", "speed"} & levels().keys()
    assert not {"swap", "temperature", "certificate-web"} & levels(swap_total=0, temperature_c=None, certificates=()).keys()
    assert levels(processes=())["handles"] == "ok"
    assert levels(disk_total=0, disk_free=0)["disk"] == "bad"


def test_a_level_is_left_with_room_to_spare():
    """75 °C on the edge for an hour is one change, not a hundred."""
    limit, before, seen = Limit(look=75.0, bad=82.0, slack=5.0), "ok", []
    for temperature in (74.0, 75.5, 74.5, 75.5, 71.0, 75.1, 69.9, 74.9):
        before = limit.level(temperature, before)
        seen.append(before)
    assert seen == ["ok", "look", "look", "look", "look", "look", "ok", "ok"]
    assert limit.level(80.0, "bad") == "bad"
    assert limit.level(80.0, "look") == "look"
    assert limit.level(76.0, "bad") == "look", "from bad it goes down step by step"
    assert levels({"disk": "look"}, disk_free=int(2.6 * GB))["disk"] == "look"
    assert levels({"disk": "ok"}, disk_free=int(2.6 * GB))["disk"] == "ok"
    assert levels({"memory": "look"}, memory_available=int(0.7 * GB))["memory"] == "look"


def test_the_worst_counts():
    assert worst(judge(replace(WELL, clock="never"), {})) == "look"
    assert worst(judge(replace(WELL, clock="never", disk_free=0), {})) == "bad"
    assert worst(()) == "ok"
