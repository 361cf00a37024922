"""Names: when they are asked again, which answers count, SRV order, and what is kept on disk."""

import json

import pytest

from appliance.network.addresses import KEPT, Entry, Limits, Query, Schedule, Srv, Target, backoff_s, dump, literal, load, settled, srv_order, usable


@pytest.mark.parametrize(("ttl_s", "due_s"), [(0, 130.0), (30, 130.0), (600, 700.0), (86400, 3700.0)])
def test_an_answer_is_asked_again_after_its_ttl_within_bounds(ttl_s: float, due_s: float) -> None:
    schedule = Schedule()
    schedule.answered(100.0, ttl_s)
    assert schedule.due_s == due_s
    assert not schedule.stale(due_s)
    assert schedule.stale(due_s + 0.1)


def test_failures_back_off_and_an_answer_ends_it() -> None:
    schedule = Schedule()
    assert schedule.stale(0.0), "what was read from the disk is stale"
    waits = []
    for _ in range(8):
        schedule.failed(1000.0, 0.0)
        waits.append(schedule.due_s - 1000.0)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    schedule.answered(1000.0, 60)
    schedule.failed(2000.0, 0.0)
    assert schedule.due_s == 2002.0


def test_failing_does_not_make_a_fresh_answer_stale_before_its_time() -> None:
    schedule = Schedule()
    schedule.answered(0.0, 60)
    schedule.failed(10.0, 0.5)
    assert not schedule.stale(59.0)
    assert schedule.stale(61.0)


def test_jitter_takes_off_up_to_half() -> None:
    assert backoff_s(3, 0.0, Limits()) == 8.0
    assert 4.0 < backoff_s(3, 0.999, Limits()) < 4.1
    assert backoff_s(10_000, 0.0, Limits()) == 60.0


@pytest.mark.parametrize(
    ("query", "service"),
    [
        (Query("sip.example.net"), "_sip._udp.sip.example.net"),
        (Query("sip.example.net", 5060, "tcp"), "_sip._tcp.sip.example.net"),
        (Query("sip.example.net", 5060, "tls"), "_sips._tcp.sip.example.net"),
        (Query("sip.example.net", 5070), ""),
    ],
)
def test_srv_is_asked_only_where_no_port_was_chosen(query: Query, service: str) -> None:
    assert query.service == service


def test_names_are_kept_without_regard_to_case() -> None:
    assert Query("SIP.Example.NET", 5070).key == Query("sip.example.net", 5070).key


@pytest.mark.parametrize(
    ("host", "ip"), [("192.0.2.1", "192.0.2.1"), ("2001:DB8:0::1", "2001:db8::1"), ("sip.example.net", None), ("192.0.2.256", None), ("", None)]
)
def test_literal(host: str, ip: str | None) -> None:
    assert literal(host) == ip


@pytest.mark.parametrize(
    ("ip", "fine"),
    [
        ("192.0.2.1", True),
        ("10.0.0.1", True),
        ("127.0.0.1", True),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", True),
        ("x", False),
    ],
)
def test_usable(ip: str, fine: bool) -> None:
    assert usable(ip) is fine


def test_srv_priority_comes_before_weight_and_weight_decides_the_draw() -> None:
    backup, heavy, light = Srv(20, 100, 5060, "backup"), Srv(10, 90, 5060, "heavy"), Srv(10, 10, 5060, "light")
    assert srv_order([backup, heavy, light], lambda: 0.0) == (light, heavy, backup)
    assert srv_order([backup, heavy, light], lambda: 0.5) == (heavy, light, backup)
    assert srv_order([backup, light, heavy], lambda: 0.999) == (heavy, light, backup)


def test_srv_with_weights_of_zero_and_the_record_that_says_no() -> None:
    a, b = Srv(1, 0, 5060, "a"), Srv(1, 0, 5060, "b")
    assert set(srv_order([a, b], lambda: 0.3)) == {a, b}
    assert srv_order([Srv(0, 0, 0, "."), Srv(0, 0, 0, "")], lambda: 0.3) == ()


def test_a_rotated_answer_changes_nothing() -> None:
    one, two, three = Target("192.0.2.1"), Target("192.0.2.2"), Target("192.0.2.3")
    old = Entry((one, two))
    assert settled(old, Entry((two, one))) is old
    assert settled(old, Entry((three, two, one))) == Entry((one, three, two)), "the one in use stays first"
    assert settled(old, Entry((three, two))) == Entry((three, two))
    assert settled(None, old) is old


def test_srv_priorities_that_change_are_followed() -> None:
    old = Entry((Target("192.0.2.1", 5060, 10), Target("192.0.2.2", 5060, 20)), by_srv=True)
    new = Entry((Target("192.0.2.2", 5060, 10), Target("192.0.2.1", 5060, 20)), by_srv=True)
    assert settled(old, new) == new
    better = Entry((Target("192.0.2.9", 5060, 5), Target("192.0.2.1", 5060, 10)), by_srv=True)
    assert settled(old, better) == better


def test_stored_form_comes_back_whole() -> None:
    entries = {"_sip._udp.a.example": Entry((Target("192.0.2.1", 5080, 10), Target("2001:db8::1", 5060, 20)), True), "b.example": Entry((Target("192.0.2.2"),))}
    assert load(dump(entries)) == entries


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"names": 3}', '{"names": []}', "null", '{"names": null}'])
def test_a_broken_file_is_an_empty_cache(text: str) -> None:
    assert load(text) == {}


def test_broken_entries_are_left_out_and_the_rest_is_used() -> None:
    good = {"by_srv": False, "targets": [["192.0.2.1", 0, 0]]}
    targets: list[list[list[object]]] = [[], [["host", 0, 0]], [["0.0.0.0", 0, 0]], [["192.0.2.1", 99999, 0]], [["192.0.2.1"]]]
    broken: list[object] = [None, 7, {}, {"targets": [["192.0.2.1", 0, 0]]}, *({"by_srv": False, "targets": some} for some in targets)]
    text = json.dumps({"version": 1, "names": {"good": good, **{f"bad{i}": value for i, value in enumerate(broken)}}})
    assert load(text) == {"good": Entry((Target("192.0.2.1"),))}


def test_only_the_last_names_are_kept() -> None:
    entries = {f"h{i}": Entry((Target("192.0.2.1"),)) for i in range(KEPT + 10)}
    kept = load(dump(entries))
    assert len(kept) == KEPT
    assert "h0" not in kept
    assert f"h{KEPT + 9}" in kept
