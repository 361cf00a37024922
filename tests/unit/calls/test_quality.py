"""What is said of a call's sound: scores per side, what is wrong, where, and whom it hurts."""

import pytest

from appliance.calls.listening import CALLS, POINTS, Listening
from appliance.calls.live import LiveCalls
from appliance.calls.quality import Side, judge
from appliance.sip.api import MediaStats
from appliance.types import LegId, SessionId


def stats(**fields):
    """Ten seconds without a fault."""
    clean = {
        "codec": "pcmu", "rx_packets": 500, "rx_lost": 0, "rx_jitter_ms": 1.0, "tx_packets": 500, "tx_lost": 0, "tx_jitter_ms": 1.0, "rtt_ms": 2.0,
        "forwarded": True, "tx_of": 500, "reported": True,
    }  # fmt: skip
    return MediaStats(**{**clean, **fields})


def pair(near=None, far=None, line=False):
    return [
        Side("caller", "201 Ann", False, "pcmu", LegId("a"), near or stats()),
        Side("called", "+15035550188" if line else "202 Ben", line, "pcmu", LegId("b"), far or stats()),
    ]


def only(quality):
    (finding,) = quality.findings
    return finding


def test_a_clean_call():
    quality = judge(pair())
    assert quality.score > 4.3
    assert not quality.bad
    assert quality.findings == ()
    caller, called = quality.sides
    assert (caller.sends.lost_percent, caller.gets.lost_percent, caller.hears_lost_percent, called.hears_lost_percent) == (0, 0, 0, 0)


def test_loss_before_the_box_is_told_of_the_speaker_and_hurts_the_listener():
    quality = judge(pair(near=stats(rx_packets=450, rx_lost=50, rx_bursts=50)))
    finding = only(quality)
    assert (finding.code, finding.listener, finding.speaker, finding.side) == ("loss", "202 Ben", "201 Ann", "caller")
    assert finding.cause == "202 Ben lost 10 % of what 201 Ann said, between 201 Ann and the box"
    assert "201 Ann" in finding.cure
    assert quality.bad
    assert quality.sides[0].sends.lost_percent == pytest.approx(10)
    assert quality.sides[1].hears_score == quality.score < 3.6 < quality.sides[0].hears_score


def test_loss_behind_the_box_on_a_line():
    finding = only(judge(pair(far=stats(tx_lost=40, tx_of=500), line=True)))
    assert (finding.listener, finding.side, finding.line) == ("+15035550188", "called", True)
    assert finding.cause == "+15035550188 lost 8 % of what 201 Ann said, on the line to +15035550188"
    assert "internet line" in finding.cure


def test_losses_on_both_ways_add_up_for_the_listener():
    quality = judge(pair(near=stats(rx_packets=450, rx_lost=50), far=stats(tx_lost=50, tx_of=500)))
    assert quality.sides[1].hears_lost_percent == pytest.approx(19)


def test_a_modem_without_sound_is_told_to_look_at_its_second_port():
    silent = stats(codec="pcm", rx_packets=0, silent_s=5.0, tx_of=0, reported=False)
    finding = only(judge([pair()[0], Side("called", "+15035550188", True, "pcm", LegId("b"), silent)]))
    assert finding.code == "one-way"
    assert "second port" in finding.cure


def test_one_way_audio_has_its_name_its_seconds_and_a_cure():
    quality = judge(pair(far=stats(rx_packets=0, silent_s=12.2)))
    finding = only(quality)
    assert finding.code == "one-way"
    assert finding.cause == "201 Ann heard nothing: no packets came from 202 Ben for 12 s"
    assert "202 Ben" in finding.cure
    assert (quality.score, quality.bad) == (1.0, True)
    assert "RTP ports" in only(judge(pair(far=stats(rx_packets=0, silent_s=12.2), line=True))).cure


@pytest.mark.parametrize(
    ("fields", "silent"),
    [
        ({"rx_packets": 0, "silent_s": 2.0}, False), ({"rx_packets": 0, "silent_s": 3.5}, True), ({"silent_s": 9.0}, False), ({"silent_s": 10.5}, True),
        ({"hole_s": 4.0}, False), ({"hole_s": 6.0}, True), ({"gap_s": 60.0}, False),
    ],
)  # fmt: skip
def test_when_silence_counts(fields, silent):
    assert any(f.code == "one-way" for f in judge(pair(far=stats(**fields))).findings) is silent


def test_jitter_and_delay_name_their_way():
    finding = only(judge(pair(far=stats(tx_jitter_ms=55.0))))
    assert (finding.code, finding.listener, finding.side) == ("jitter", "202 Ben", "called")
    both = judge(pair(far=stats(rtt_ms=600.0), line=True)).findings
    assert [(f.code, f.listener, f.side) for f in both] == [("delay", "201 Ann", "called"), ("delay", "+15035550188", "called")]


def test_a_far_end_without_reports_is_not_told_of():
    quality = judge(pair(far=stats(reported=False, tx_of=0)))
    assert quality.sides[1].gets.lost_percent is None
    assert quality.sides[1].gets.score is None
    assert quality.sides[1].hears_score is not None  # of the way to the box
    assert not quality.bad


def test_who_talks_to_the_box():
    quality = judge([Side("caller", "201 Ann", False, "pcmu", LegId("a"), stats(rx_packets=400, rx_lost=100))])
    assert only(quality).cause == "The box lost 20 % of what 201 Ann said, between 201 Ann and the box"
    assert judge([Side("caller", "201 Ann", False, "pcmu", LegId("a"), stats())]).score > 4.3


def test_nothing_is_known_before_the_first_packet():
    assert judge(pair(stats(rx_packets=0, tx_packets=0), stats(rx_packets=0, tx_packets=0))) is None
    assert judge([]) is None


class FakeCall:
    def __init__(self, session):
        self.id, self.there = SessionId(session), pair()

    def sides(self):
        return tuple(self.there)


def listening(*calls):
    live = LiveCalls()
    live.up = lambda: calls
    return Listening(live, None)


def test_the_course_holds_what_happened_between_two_looks():
    call = FakeCall("s")
    heard = listening(call)
    heard.take({LegId("a"): stats(rx_packets=250, tx_of=240), LegId("b"): stats(rx_packets=250, reported=False, tx_of=0)})
    heard.take({LegId("a"): stats(rx_packets=475, rx_lost=25, tx_lost=10, tx_of=490), LegId("b"): stats(rx_packets=250, reported=False, tx_of=0)})
    step_s, (caller, called) = heard.course(SessionId("s"))
    assert step_s == 5.0
    assert caller.sent_lost == [0.0, 10.0]
    assert caller.got_lost == [0.0, 4.0]
    assert called.sent_lost == [0.0, None]
    assert called.got_lost == [None, None]
    assert heard.live(SessionId("s")).sides[0].sends.lost_percent == pytest.approx(5)


def test_a_new_phone_on_one_side_begins_anew():
    call = FakeCall("s")
    heard = listening(call)
    heard.take({LegId("a"): stats(), LegId("b"): stats(rx_packets=5000)})
    call.there[1] = Side("called", "203 Cy", False, "pcmu", LegId("c"))
    heard.take({LegId("a"): stats(rx_packets=750), LegId("c"): stats(rx_packets=90, rx_lost=10)})
    assert heard.course(SessionId("s"))[1][1].sent_lost == [0.0, 10.0]


def test_hours_and_many_calls_stay_within_bounds():
    call = FakeCall("s")
    heard = listening(call)
    for look in range(10 * POINTS):
        heard.take({LegId("a"): stats(rx_packets=250 * look), LegId("b"): stats(rx_packets=250 * look)})
    step_s, courses = heard.course(SessionId("s"))
    assert all(len(row) < POINTS for course in courses for row in course.rows)
    assert step_s * len(courses[0].sent_lost) == pytest.approx(5.0 * 10 * POINTS, rel=0.1)
    many = [FakeCall(str(number)) for number in range(CALLS + 50)]
    heard = listening(*many)
    heard.take({LegId("a"): stats(), LegId("b"): stats()})
    assert heard.course(SessionId("0")) == (0.0, ())
    assert heard.course(many[-1].id)[1]
