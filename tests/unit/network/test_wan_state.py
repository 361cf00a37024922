"""Whether the internet is there: losses, silence, nonsense, return, and that flapping is never faster than the settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.network.wan_state import Answer, Kind, Path, Source, State, Times, Wan

UP, CUT = Path("wan", "203.0.113.1", True), Path("wan", "203.0.113.1", False)
GATEWAY, CARRIER = Source(Kind.GATEWAY, "the gateway"), Source(Kind.TRUNK, "Acme")
OTHER, NEAR = Source(Kind.TRUNK, "Beta"), Source(Kind.NEAR_NAMES, "the name server 192.0.2.1")


def made(*sources: Source) -> Wan:
    wan = Wan()
    wan.paths(0.0, [UP])
    wan.sources(0.0, sources or (GATEWAY, CARRIER))
    return wan


def well(wan: Wan, begin: float, end: float, *sources: Source) -> float:
    """Everybody answers each second."""
    now = begin
    while now <= end:
        for source in sources or (GATEWAY, CARRIER):
            wan.heard(now, source, Answer.GOOD)
        now += 1.0
    return now - 1.0


def test_the_first_answer_is_believed_at_once() -> None:
    wan = made()
    assert wan.state is State.UNKNOWN
    wan.heard(1.0, GATEWAY, Answer.GOOD)
    assert wan.state is State.UNKNOWN, "a gateway says nothing of what is behind it"
    change = wan.heard(2.0, CARRIER, Answer.GOOD)
    assert change is not None and (change.before, wan.state, wan.since_s) == (State.UNKNOWN, State.UP, 2.0)


def test_a_lost_link_is_down_after_its_time_and_a_short_blink_is_not() -> None:
    wan = made()
    well(wan, 0, 3)
    assert wan.paths(4.0, [CUT]) is None and wan.next_s(4.0) == 4.5
    assert wan.paths(4.3, [UP]) is None and wan.tick(5.0) is None and wan.state is State.UP
    wan.paths(6.0, [CUT])
    assert wan.tick(6.4) is None
    change = wan.tick(6.5)
    assert change is not None and change.state is State.DOWN and "wan lost the link" in change.why


def test_silence_is_down_although_the_link_and_the_gateway_are_well() -> None:
    wan = made()
    well(wan, 0, 10)
    for now in (11.3, 12.6):
        wan.heard(now, GATEWAY, Answer.GOOD)
        assert wan.heard(now, CARRIER, Answer.SILENT) is None
    assert wan.tick(13.9) is None
    change = wan.tick(wan.next_s(13.9))
    assert change is not None and change.at_s == 14.0 and change.why == "Acme is silent, the link is up"
    assert [(e.source, e.state) for e in wan.evidence()] == [("wan", "ok"), ("the gateway", "ok"), ("Acme", "bad")]


def test_one_lost_answer_is_nothing_and_a_box_that_slept_is_no_outage() -> None:
    wan = made()
    well(wan, 0, 5)
    assert wan.tick(500.0) is None
    wan.heard(501.0, CARRIER, Answer.SILENT)
    assert wan.tick(502.0) is None and wan.state is State.UP and wan.doubted(CARRIER)


@pytest.mark.parametrize("answer", [Answer.NONSENSE, Answer.SILENT])
def test_one_of_two_that_fails_is_poor_and_says_so(answer: Answer) -> None:
    wan = made(GATEWAY, CARRIER, OTHER)
    well(wan, 0, 5, CARRIER, OTHER)
    for now in (6.0, 7.0, 8.0, 9.0):
        wan.heard(now, CARRIER, Answer.GOOD)
        wan.heard(now, OTHER, answer, "NXDOMAIN")
    assert wan.state is State.POOR and wan.why.startswith("Beta ") and wan.why.endswith("; Acme answers")


def test_names_that_are_nonsense_are_not_up() -> None:
    wan = made(Source(Kind.NAMES, "names"))
    for now in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
        wan.heard(now, Source(Kind.NAMES, "names"), Answer.NONSENSE, "NXDOMAIN")
    assert wan.state is State.DOWN and wan.why == "names answers nonsense, the link is up"
    assert wan.evidence()[-1].text == "names answers nonsense: NXDOMAIN"


def test_a_near_name_server_does_not_show_that_anybody_is_outside() -> None:
    wan = made(NEAR, CARRIER)
    for now in range(8):
        wan.heard(float(now), NEAR, Answer.GOOD)
        wan.heard(float(now), CARRIER, Answer.SILENT)
    assert wan.state is State.DOWN


def test_it_is_trusted_after_its_time_without_a_break() -> None:
    wan = made()
    well(wan, 0, 3)
    wan.paths(4.0, [CUT])
    wan.tick(5.0)
    wan.paths(10.0, [UP])
    well(wan, 10, 35)
    wan.paths(36.0, [CUT])
    wan.paths(36.1, [UP])
    well(wan, 37, 65)
    assert wan.state is State.DOWN, "the blink began the watch anew"
    well(wan, 66, 68)
    assert wan.state is State.UP and [change.state for change in wan.changes] == [State.UP, State.DOWN, State.UP]


def test_a_second_way_out_with_a_cable_is_not_down() -> None:
    wan = made()
    well(wan, 0, 3)
    wan.paths(4.0, [CUT, Path("wan2", "100.64.2.1", True)])
    wan.tick(6.0)
    assert wan.state is State.POOR and wan.way == Path("wan2", "100.64.2.1", True)


def test_no_gateway_at_all_is_down_and_said() -> None:
    wan = Wan()
    wan.paths(0.0, [])
    change = wan.tick(1.0)
    assert change is not None and change.state is State.DOWN and "no gateway" in wan.evidence()[0].text


EVENTS = st.lists(
    st.tuples(st.floats(0.05, 5.0), st.sampled_from(["cut", "link", "good", "silent", "nonsense", "other-good", "other-silent", "tick"])), max_size=300
)


@given(EVENTS, st.floats(0, 3), st.floats(2, 10), st.floats(1, 40))
def test_flapping_is_never_faster_than_the_settings(events: list[tuple[float, str]], link_s: float, silence_s: float, trust_s: float) -> None:
    wan = Wan(Times(link_s, silence_s, trust_s))
    wan.paths(0.0, [UP])
    wan.sources(0.0, (CARRIER, OTHER))
    now, cut_at, last_good = 0.0, None, 0.0
    for after_s, event in events:
        now += after_s
        if event in {"cut", "link"}:
            cut_at = (cut_at if cut_at is not None else now) if event == "cut" else None
            change = wan.paths(now, [CUT if event == "cut" else UP])
        elif event == "tick":
            change = wan.tick(now)
        else:
            answer = Answer.GOOD if "good" in event else Answer.NONSENSE if event == "nonsense" else Answer.SILENT
            last_good = now if answer is Answer.GOOD else last_good
            change = wan.heard(now, OTHER if event.startswith("other") else CARRIER, answer)
        if change is not None and change.state is State.DOWN:
            cut_long = cut_at is not None and now - cut_at >= link_s
            assert cut_long or now - last_good >= silence_s, "down has its reason, long enough"
    better = [c for c in wan.changes if c.before is not State.UNKNOWN and (c.before, c.state) in {("down", "up"), ("down", "poor"), ("poor", "up")}]
    for change in better:
        before = max(c.at_s for c in wan.changes if c.at_s < change.at_s)
        assert change.at_s - before >= trust_s, "nothing gets better before it is trusted"


@given(st.floats(0.2, 1.4), st.floats(0, 1))
def test_loss_in_one_direction_is_down_within_its_time(every_s: float, phase: float) -> None:
    """Questions leave and no answer comes; the link and the gateway are well."""
    wan = made()
    last = well(wan, 0, 10)
    now = last + phase * every_s
    while now < last + 4.0 + every_s:
        wan.heard(now, GATEWAY, Answer.GOOD)
        wan.heard(now, CARRIER, Answer.SILENT)
        wan.tick(wan.next_s(now))
        now += every_s
    assert wan.state is State.DOWN and wan.since_s - last <= 5.4
