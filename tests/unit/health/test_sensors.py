"""The board's sensors, read from files as the kernel lays them out."""

import pytest

from appliance.health import sensors
from appliance.health.reading import Power
from appliance.health.sampler import Sampler
from tests.support.sensors import PiSensors


def test_a_machine_without_sensors_says_nothing(tmp_path):
    assert sensors.temperature_c(tmp_path) is None and sensors.power(tmp_path) is None


@pytest.mark.parametrize("maker", [True, False], ids=["the maker's kernel", "any kernel"])
def test_a_pi_tells_of_heat_and_supply(tmp_path, maker):
    pi = PiSensors(tmp_path, temperature_c=61.3, maker=maker)
    assert sensors.temperature_c(tmp_path) == 61.3, "the processor's, not the hotter disk's"
    assert sensors.power(tmp_path) == (False, False)
    pi.supply(low=True)
    assert sensors.power(tmp_path) == (True, False)
    pi.supply(slowed=True)
    assert sensors.power(tmp_path) == (False, maker)


def test_what_was_once_since_the_start_is_not_now(tmp_path):
    PiSensors(tmp_path)
    (tmp_path / "devices/platform/soc/soc:firmware/get_throttled").write_text("f0000\n")
    assert sensors.power(tmp_path) == (False, False)


@pytest.mark.parametrize("text", ["", "hot\n", "-273000\n", "4294967295\n"])
def test_a_sensor_that_says_nonsense_is_none(tmp_path, text):
    (tmp_path / "class/thermal/thermal_zone0").mkdir(parents=True)
    (tmp_path / "class/thermal/thermal_zone0/temp").write_text(text)
    assert sensors.temperature_c(tmp_path) is None


def test_any_sensor_is_better_than_none(tmp_path):
    (tmp_path / "class/hwmon/hwmon0").mkdir(parents=True)
    (tmp_path / "class/hwmon/hwmon0/name").write_text("nvme\n")
    (tmp_path / "class/hwmon/hwmon0/temp1_input").write_text("40000\n")
    assert sensors.temperature_c(tmp_path) == 40.0


def test_a_sampler_remembers_when_the_supply_was_weak(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    now = [100.0]
    monkeypatch.setattr("appliance.health.sampler.time.monotonic", lambda: now[0])
    pi = PiSensors(tmp_path / "sys")
    sampler = Sampler(tmp_path, pi.root)
    assert sampler.sample().power == Power()
    pi.supply(low=True, slowed=True)
    now[0] += 5.0
    assert sampler.sample().power == Power(0.0, 0.0)
    pi.supply(slowed=True)
    now[0] += 5.0
    assert sampler.sample().power == Power(5.0, 0.0)
    pi.supply()
    now[0] += 600.0
    assert sampler.sample().power == Power(605.0, 600.0)


@pytest.mark.row("Z10")
def test_a_clock_that_was_set_stays_trusted(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    said = ["never", "set", "never", "unknown"]
    monkeypatch.setattr("appliance.health.sampler.clock.trust", lambda _: said.pop(0))
    sampler = Sampler(tmp_path, tmp_path)
    assert [sampler.sample().clock for _ in range(4)] == ["never", "set", "was-set", "was-set"]
