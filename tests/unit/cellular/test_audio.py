"""The sound of a call: frames at an even pace from a stream of any shape."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cellular.api import FRAME_BYTES, FRAME_S
from appliance.cellular.audio import LATE_S, MOST_FRAMES, SILENCE, START_FRAMES, JitterBuffer, Pacer, Sound


def frame(value: int) -> bytes:
    return bytes((value, 0)) * (FRAME_BYTES // 2)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 900), max_size=40))
def test_frames_are_whole_in_order_and_unchanged_however_the_bytes_come(cuts):
    stream, buffer, out = b"".join(frame(n % 200 + 1) for n in range(40)), JitterBuffer(), []
    for cut in (*cuts, len(stream)):
        buffer.push(stream[:cut])
        stream = stream[cut:]
        while len(buffer) > START_FRAMES or (not stream and len(buffer)):
            out.append(buffer.pull())
    said = [each for each in out if each != SILENCE]
    assert all(each in {frame(n % 200 + 1) for n in range(40)} for each in said)
    assert [each[0] for each in said] == sorted(each[0] for each in said)
    assert len(said) + buffer.dropped == 40


def test_it_waits_for_a_few_frames_and_again_when_it_ran_dry():
    buffer = JitterBuffer()
    buffer.push(frame(1) + frame(2))
    assert buffer.pull() == SILENCE
    buffer.push(frame(3))
    assert [buffer.pull()[0] for _ in range(4)] == [1, 2, 3, 0]
    assert buffer.dry == 1
    buffer.push(frame(4))
    assert buffer.pull() == SILENCE


def test_what_is_old_is_dropped():
    buffer = JitterBuffer()
    buffer.push(b"".join(frame(n) for n in range(1, MOST_FRAMES + 6)))
    assert buffer.dropped == 5
    assert buffer.pull() == frame(6)


def test_the_pace_is_even_whenever_it_is_asked():
    pacer = Pacer()
    times = [0.0, 0.001, 0.019, 0.021, 0.075, 0.1, 0.199, 1.0]
    assert [pacer.due(at) for at in times] == [1, 0, 0, 1, 2, 2, 4, 1]


@settings(max_examples=40)
@given(st.lists(st.floats(0.0, LATE_S / 2), min_size=1, max_size=100))
def test_as_many_frames_as_time_went_by(steps):
    pacer, now, count = Pacer(), 0.0, 0
    for step in (0.0, *steps):
        now += step
        count += pacer.due(now)
    assert abs(count - (now / FRAME_S + 1)) <= 1.001


def test_a_clock_that_was_late_or_set_back_makes_no_burst_and_no_pause():
    pacer = Pacer()
    assert pacer.due(100.0) == 1
    assert pacer.due(500.0) == 1
    assert pacer.due(3.0) == 1
    assert pacer.due(3.0 + FRAME_S) == 1


def test_silence_goes_to_the_port_where_nothing_is_said():
    sound = Sound()
    sound.say(frame(9))
    sound.received(frame(1) * START_FRAMES)
    assert sound.step(0.0) == ([frame(1)], frame(9))
    assert sound.step(2.5 * FRAME_S) == ([frame(1), frame(1)], SILENCE * 2)
    with pytest.raises(ValueError, match="320"):
        sound.say(b"12")
