"""Trunk health: what counts as an answer, hysteresis, and what a registration adds."""

import pytest

from appliance.sip.trunks.health import SUSPECT_S, Health, is_alive
from appliance.types import TrunkId


def health(registers: bool = False, interval_s: float = 30.0) -> Health:
    return Health(TrunkId("a"), interval_s, registers, since_s=0.0)


@pytest.mark.parametrize("code", [200, 302, 401, 403, 404, 405, 481, 500, 501, 603])
def test_any_final_answer_shows_life(code: int) -> None:
    assert is_alive(code)


@pytest.mark.parametrize("code", [0, 100, 180, 408, 503])
def test_silence_a_broken_transport_and_no_final_answer_do_not(code: int) -> None:
    assert not is_alive(code)


def test_one_success_is_up_one_failure_is_not_down_two_are() -> None:
    h = health()
    assert h.works is None
    assert h.on_options(1.0, 405, 0.5)
    assert (h.reachable, h.works, h.last_answer_s, h.options_code) == (True, True, 1.0, 405)
    assert not h.on_options(31.0, 408, 0.5)
    assert (h.reachable, h.failures) == (True, 1)
    assert h.on_options(36.0, 408, 0.5)
    assert (h.reachable, h.works, h.since_s, h.last_answer_s) == (False, False, 36.0, 1.0)
    assert not h.on_options(66.0, 503, 0.5)
    assert h.since_s == 36.0
    assert h.on_options(96.0, 200, 0.5)
    assert (h.reachable, h.failures, h.since_s) == (True, 0, 96.0)


def test_failures_must_be_in_a_row() -> None:
    h = health()
    for at, code in enumerate([200, 408, 200, 408, 200, 408]):
        h.on_options(float(at), code, 0.5)
    assert h.reachable is True


def test_a_first_failure_is_looked_into_soon_and_the_next_ones_at_the_interval() -> None:
    h = health()
    h.on_options(100.0, 200, 0.5)
    assert h.probe_at_s == pytest.approx(130.0)
    h.on_options(130.0, 408, 0.5)
    assert h.probe_at_s == pytest.approx(130.0 + SUSPECT_S)
    h.on_options(135.0, 408, 0.5)
    assert h.probe_at_s == pytest.approx(165.0)
    brief = health(interval_s=2.0)
    brief.on_options(0.0, 408, 0.5)
    assert brief.probe_at_s == pytest.approx(2.0), "never later than the interval itself"


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 27.0), (0.5, 30.0), (0.999, 33.0)])
def test_probes_are_spread(chance: float, expected: float) -> None:
    h = health()
    h.on_options(0.0, 200, chance)
    assert h.probe_at_s == pytest.approx(expected, abs=0.1)


def test_registration_is_known_by_its_answer_alone() -> None:
    h = health(registers=True)
    assert not h.on_register(1.0, 0, "", 0)
    assert h.registered is None
    assert h.on_register(2.0, 200, "OK", 300)
    assert (h.registered, h.reachable, h.works, h.since_s) == (True, True, True, 2.0)
    assert not h.on_register(200.0, 200, "OK", 300)
    assert h.since_s == 2.0
    assert h.on_register(300.0, 403, "Forbidden", 0)
    assert (h.registered, h.reachable, h.works, h.register_code, h.register_reason) == (False, True, False, 403, "Forbidden")


def test_a_200_without_lifetime_is_no_registration() -> None:
    h = health(registers=True)
    h.on_register(1.0, 200, "OK", 0)
    assert h.registered is False


def test_a_lost_registration_says_so_at_once_reachability_after_the_second() -> None:
    h = health(registers=True)
    h.on_register(1.0, 200, "OK", 300)
    assert h.on_register(2.0, 408, "Request Timeout", 0)
    assert (h.registered, h.reachable, h.works) == (False, True, False)
    assert h.on_register(3.0, 408, "Request Timeout", 0)
    assert h.reachable is False


def test_a_trunk_that_does_not_register_has_no_registration_state() -> None:
    h = health()
    assert not h.on_register(1.0, 500, "refused", 0)
    assert h.registered is None


def test_a_registered_carrier_that_never_answers_options_is_not_down() -> None:
    h = health(registers=True)
    h.on_register(1.0, 200, "OK", 300)
    for at in range(5):
        assert not h.on_options(10.0 + at, 408, 0.5)
    assert (h.reachable, h.works, h.probe_at_s) == (True, True, pytest.approx(44.0))


def test_a_registered_carrier_that_used_to_answer_options_is_down_when_it_stops() -> None:
    h = health(registers=True)
    h.on_register(1.0, 200, "OK", 300)
    h.on_options(2.0, 200, 0.5)
    h.on_options(32.0, 408, 0.5)
    assert h.on_options(37.0, 408, 0.5)
    assert (h.reachable, h.registered, h.works) == (False, True, False)


def test_another_address_is_probed_at_once_and_starts_without_failures() -> None:
    h = health()
    h.on_options(0.0, 200, 0.5)
    h.on_options(30.0, 408, 0.5)
    h.moved(31.0)
    assert h.probe_at_s == 31.0
    h.on_options(31.0, 408, 0.5)
    assert h.reachable is True


def test_a_trunk_that_is_down_is_probed_at_its_interval_after_it_moved() -> None:
    h = health()
    h.on_options(0.0, 408, 0.5)
    h.on_options(5.0, 408, 0.5)
    h.moved(6.0)
    h.on_options(6.0, 408, 0.5)
    assert (h.reachable, h.probe_at_s) == (False, pytest.approx(36.0))
