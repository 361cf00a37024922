"""Callback numbers: which one a call gets, whom it rings afterwards, and what a restart leaves of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.emergency.callback import RESTORE_GRACE_S, CallbackMap
from appliance.state.clock import Moment
from appliance.types import DeviceId, LocationId, SessionId

POOL = ("+12125550101", "+12125550102", "+12125550103")
HOLD_S = 3600.0


def at(seconds: float, boot: str = "boot-1") -> Moment:
    return Moment(boot, seconds)


def call(book: CallbackMap, name: str, when: float, *, device: str | None = "", pool: tuple[str, ...] = POOL, target: str = "") -> str | None:
    """Allocate for session `name`; the device is called like the session unless told."""
    who = DeviceId(device or f"phone-{name}") if device is not None else None
    record = book.allocate(SessionId(name), pool, device=who, location=LocationId("main"), now=at(when), started_unix_s=1e9 + when, target=target)
    return record.elin if record else None


@pytest.fixture
def book() -> CallbackMap:
    return CallbackMap(POOL, HOLD_S)


def test_free_numbers_first_in_their_order(book):
    assert [call(book, name, when) for when, name in enumerate("abc")] == list(POOL)


def test_then_the_number_with_the_fewest_live_calls(book):
    for when, name in enumerate("abc"):
        call(book, name, float(when))
    book.ended(SessionId("b"), at(10.0))
    # All three are taken, one call each; the tie goes to the one unused longest, which is a's: b's was used at its hang-up.
    assert call(book, "d", 20.0) == POOL[0]
    assert call(book, "e", 21.0) == POOL[2]
    assert call(book, "f", 22.0) == POOL[1]


def test_a_number_is_free_again_after_the_hold_and_the_one_unused_longest_is_taken(book):
    for when, name in enumerate("abc"):
        call(book, name, float(when))
    for when, name in ((10.0, "c"), (20.0, "a"), (30.0, "b")):
        book.ended(SessionId(name), at(when))
    assert call(book, "d", 20.0 + HOLD_S) == POOL[2]
    assert call(book, "e", 20.0 + HOLD_S) == POOL[0]


def test_a_phone_that_calls_again_keeps_its_number(book):
    assert call(book, "a", 0.0, device="desk") == POOL[0]
    book.ended(SessionId("a"), at(5.0))
    assert call(book, "b", 6.0, device="desk") == POOL[0]
    assert call(book, "c", 7.0, device="desk", pool=POOL[1:]) == POOL[1], "but not in another place"
    assert call(book, "d", 8.0, device=None, target="sip:x@192.0.2.9") == POOL[2]
    assert call(book, "e", 9.0, device=None, target="sip:x@192.0.2.9") == POOL[2]


def test_asking_twice_for_one_call_changes_nothing(book):
    assert call(book, "a", 0.0) == call(book, "a", 1.0) == POOL[0]
    assert book.active(POOL[0], at(2.0)) == 1


def test_an_empty_pool_gives_nothing(book):
    assert call(book, "a", 0.0, pool=()) is None
    assert book.ended(SessionId("a"), at(1.0)) is None


def test_a_call_back_rings_the_phone_that_called_for_the_whole_window(book):
    call(book, "a", 0.0, device="desk")
    assert book.lookup(POOL[0], at(1e6)).device == "desk", "for as long as the call is up"
    book.ended(SessionId("a"), at(100.0))
    found = book.lookup(POOL[0], at(100.0 + HOLD_S - 1))
    assert (found.device, found.session, found.location) == ("desk", "a", "main")


def test_an_elin_without_a_window_is_for_security_and_other_numbers_are_not(book):
    call(book, "a", 0.0)
    book.ended(SessionId("a"), at(1.0))
    over = book.lookup(POOL[0], at(1.0 + HOLD_S))
    assert over is not None and (over.device, over.target, over.session) == (None, "", None)
    assert book.lookup("+12125559999", at(0.0)) is None


def test_the_main_number_as_callback_number_is_ordinary_again_afterwards(book):
    call(book, "a", 0.0, device="desk", pool=("+12125550000",))
    assert book.lookup("+12125550000", at(1.0)).device == "desk"
    book.ended(SessionId("a"), at(1.0))
    assert book.lookup("+12125550000", at(1.0 + HOLD_S)) is None


def test_of_two_phones_on_one_number_the_one_something_happened_to_last_is_rung(book):
    one = POOL[:1]
    call(book, "a", 0.0, pool=one)
    call(book, "b", 10.0, pool=one)
    assert book.lookup(POOL[0], at(11.0)).device == "phone-b"
    book.ended(SessionId("a"), at(12.0))
    assert book.lookup(POOL[0], at(13.0)).device == "phone-a"


def test_a_phone_nobody_knows_is_rung_at_its_address(book):
    call(book, "a", 0.0, device=None, target="sip:anon@192.0.2.9:5062")
    found = book.lookup(POOL[0], at(1.0))
    assert (found.device, found.target) == (None, "sip:anon@192.0.2.9:5062")


def test_a_hold_of_nothing_ends_with_the_call():
    book = CallbackMap(POOL, 0.0)
    call(book, "a", 0.0)
    book.ended(SessionId("a"), at(5.0))
    assert book.lookup(POOL[0], at(5.0)).device is None
    assert book.expire(at(5.0)) == ((POOL[0], SessionId("a")),)


def test_a_new_revision_changes_no_open_window(book):
    call(book, "a", 0.0, device="desk")
    book.configure((), 60.0)
    assert book.lookup(POOL[0], at(1.0)).device == "desk"
    assert book.lookup(POOL[1], at(1.0)) is None
    assert book.ended(SessionId("a"), at(2.0)).remaining_s == 60.0


def test_expiry_names_what_is_to_be_removed_once(book):
    call(book, "a", 0.0)
    call(book, "b", 0.0)
    book.ended(SessionId("a"), at(1.0))
    assert book.expire(at(HOLD_S)) == ()
    assert book.expire(at(1.0 + HOLD_S)) == ((POOL[0], SessionId("a")),)
    assert book.expire(at(1.0 + HOLD_S)) == ()


@pytest.mark.row("Z4")
def test_windows_survive_a_kill_with_what_was_left_of_them(book):
    call(book, "a", 0.0, device="desk")
    call(book, "b", 1.0, device=None, target="sip:x@192.0.2.9")
    stored = [book.ended(SessionId("a"), at(100.0)), *[record for record in book.records(at(100.0)) if record.session == "b"]]
    again = CallbackMap(POOL, HOLD_S)
    assert again.restore(stored, at(1100.0), lived_until_s=1000.0) == ()
    assert again.lookup(POOL[0], at(100.0 + HOLD_S - 1)).device == "desk"
    assert again.lookup(POOL[0], at(100.0 + HOLD_S)).device is None
    cut = again.lookup(POOL[1], at(1100.0 + HOLD_S - 1))
    assert cut is not None and cut.target == "sip:x@192.0.2.9", "a call that was up is called back from the restart on"
    assert call(again, "c", 1200.0) == POOL[2], "numbers that are held are not free after a restart"


@pytest.mark.row("Z4")
def test_windows_survive_a_power_cut_without_a_clock(book):
    call(book, "a", 0.0, device="desk")
    call(book, "b", 1.0, device="lab")
    records = [book.ended(SessionId("a"), at(5000.0)), book.ended(SessionId("b"), at(5001.0))]
    again = CallbackMap(POOL, HOLD_S)
    assert again.restore(records, at(20.0, "boot-2"), lived_until_s=5000.0 + HOLD_S - 10.0) == ()
    assert again.lookup(POOL[0], at(20.0 + RESTORE_GRACE_S - 1, "boot-2")).device == "desk"
    assert again.lookup(POOL[0], at(20.0 + RESTORE_GRACE_S, "boot-2")).device is None


def test_after_a_power_cut_the_later_of_two_calls_on_one_number_is_rung(book):
    one = POOL[:1]
    call(book, "a", 0.0, pool=one)
    call(book, "b", 1.0, pool=one)
    again = CallbackMap(POOL, HOLD_S)
    again.restore(book.records(at(2.0)), at(20.0, "boot-2"), lived_until_s=2.0)
    assert again.lookup(POOL[0], at(21.0, "boot-2")).device == "phone-b"


def test_windows_that_ended_while_the_engine_was_down_are_named(book):
    call(book, "a", 0.0)
    record = book.ended(SessionId("a"), at(1.0))
    again = CallbackMap(POOL, HOLD_S)
    assert again.restore([record], at(2.0 + HOLD_S), lived_until_s=0.0) == ((POOL[0], SessionId("a")),)
    assert again.records(at(2.0 + HOLD_S)) == ()


@given(st.lists(st.tuples(st.sampled_from(["call", "end", "wait"]), st.integers(0, 9), st.floats(0.0, 2000.0)), max_size=60), st.integers(1, 3))
def test_a_busy_number_is_never_given_while_a_free_one_is_left(events, size):
    book, pool, now, serial = CallbackMap(POOL, HOLD_S), POOL[:size], 0.0, 0
    for what, who, seconds in events:
        now += seconds if what == "wait" else 0.001
        if what == "call":
            before = {number: book.active(number, at(now)) for number in pool}
            serial += 1
            own = [record.elin for record in book.records(at(now)) if record.device == f"phone-{who}"]
            given_number = call(book, f"s{serial}", now, device=f"phone-{who}", pool=pool)
            assert given_number in own if own else before[given_number] == min(before.values())
            assert book.lookup(given_number, at(now)).device == f"phone-{who}"
        elif what == "end" and serial:
            book.ended(SessionId(f"s{who % serial + 1}"), at(now))
        assert all(record.remaining_s is None or 0 < record.remaining_s <= HOLD_S + 1e-6 for record in book.records(at(now)))
