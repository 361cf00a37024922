"""The AT dialogue's bytes: however they are split, whatever is between them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cellular.at import (
    EMERGENCY_S,
    HURRY_S,
    MAX_LINE,
    QUIET_S,
    RESYNC_S,
    Answer,
    Channel,
    Command,
    Final,
    Line,
    Noise,
    Verdict,
    fields,
    final_of,
    masked,
)

QUERY = Command("AT+CREG?", "reg")
SERIAL = Command("AT+CGSN", "imei", bare=True)
TEXT = Command("AT+CMGS=18", "text", payload=b"0011AB")


def started(command: Command) -> Channel:
    channel = Channel()
    channel.submit(command)
    assert channel.take(0.0) == command.text.encode() + b"\r"
    return channel


@pytest.mark.parametrize(
    ("command", "said", "lines", "verdict"),
    [
        (QUERY, b"\r\n+CREG: 0,1\r\n\r\nOK\r\n", (), Verdict.OK),
        (QUERY, b"AT+CREG?\r\r\n+CREG: 0,1\r\n\r\nOK\r\n", (), Verdict.OK),
        (QUERY, b"\n+CREG: 0,1\nOK\n", (), Verdict.OK),
        (SERIAL, b"AT+CGSN\r\r\n867584030000011\r\n\r\nOK\r\n", ("867584030000011",), Verdict.OK),
        (SERIAL, b"\r\n+CREG: 5\r\n\r\n867584030000011\r\nRING\r\n\r\nOK\r\n", ("867584030000011",), Verdict.OK),
        (SERIAL, b"\r\nERROR\r\n", (), Verdict.ERROR),
        (SERIAL, b"\x00\x00\xff\r\n\xfe\x13\x01q\r\nOK\r\n", (), Verdict.OK),
    ],
)
@settings(max_examples=25)
@given(data=st.data())
def test_an_answer_is_the_same_however_it_is_split(command, said, lines, verdict, data):
    whole = started(command).feed(said, 0.0)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=len(said))))
    channel, heard = started(command), []
    for first, last in zip([0, *cuts], [*cuts, len(said)], strict=True):
        heard += channel.feed(said[first:last], 0.0)
    assert heard == whole
    assert Answer(command, lines, Final(verdict)) in heard


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_breaks_nothing_and_is_the_same_split_or_whole(chunks):
    one, many, heard = started(QUERY), started(QUERY), []
    for chunk in chunks:
        heard += many.feed(chunk, 0.0)
    assert one.feed(b"".join(chunks), 0.0) == heard
    # After an end of line the next lines count again.
    after = many.feed(b"\r\n+CREG: 0,5\r\n", 0.0)
    assert after[-1] == Line("+CREG: 0,5")


def test_a_line_without_end_takes_no_memory_and_hides_no_line_after_it():
    channel = started(QUERY)
    for _ in range(100):
        assert channel.feed(b"x" * MAX_LINE, 0.0) == []
    assert len(channel._framer._held) <= MAX_LINE
    assert channel.feed(b"x\r\nOK\r\n", 0.0) == [Noise(), Answer(QUERY, (), Final(Verdict.OK))]


def test_a_text_waits_for_the_prompt_and_its_echo_is_nothing():
    channel = started(TEXT)
    assert channel.take(0.1) == b""
    assert channel.feed(b"AT+CMGS=18\r\r\n", 0.1) == []
    assert channel.feed(b">", 0.2) == []
    assert channel.take(0.2) == b"0011AB\x1a"
    heard = channel.feed(b" 0011AB\x1a\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n", 0.3)
    assert heard == [Line("+CMGS: 7"), Answer(TEXT, (), Final(Verdict.OK))]


def test_a_text_without_prompt_is_escaped_from():
    channel = started(TEXT)
    [silent] = channel.tick(TEXT.timeout_s)
    assert silent.final.verdict is Verdict.SILENT
    assert channel.take(TEXT.timeout_s) == b"\x1b"


def test_a_late_answer_is_not_the_next_commands():
    channel = started(QUERY)
    channel.submit(SERIAL)
    assert [answer.final.verdict for answer in channel.tick(5.0)] == [Verdict.SILENT]
    assert channel.take(5.0) == b""
    assert channel.feed(b"\r\nOK\r\n", 5.0 + QUIET_S / 2) == [Noise()]
    assert channel.take(5.0 + QUIET_S) == b""
    assert channel.take(5.0 + 2 * QUIET_S) == b"AT+CGSN\r"


def test_a_modem_that_never_falls_silent_is_not_waited_for():
    channel = started(QUERY)
    channel.submit(SERIAL)
    channel.tick(5.0)
    channel.feed(b"\r\nRING\r\n", 5.0 + RESYNC_S - 0.01)
    assert channel.take(5.0 + RESYNC_S) == b"AT+CGSN\r"


def test_calls_go_before_what_waits_and_polls_are_not_doubled():
    channel = started(QUERY)
    for command, urgent in ((SERIAL, False), (SERIAL, False), (Command("ATD911;", dials=True), True), (Command("AT+VTS=1"), True), (Command("AT+VTS=1"), True)):
        channel.submit(command, urgent=urgent)
    sent = []
    while not channel.idle:
        channel.feed(b"\r\nOK\r\n", 0.0)
        sent.append(channel.take(0.0))
    assert sent == [b"ATD911;\r", b"AT+VTS=1\r", b"AT+VTS=1\r", b"AT+CGSN\r", b""]


@pytest.mark.parametrize(("prompt", "emergency", "wait_s"), [(b"", False, 0.0), (b"\r\n> ", False, HURRY_S), (b"\r\n> ", True, EMERGENCY_S)])
def test_a_call_does_not_wait_for_a_slow_text(prompt, emergency, wait_s):
    channel = started(TEXT)
    channel.feed(prompt, 0.1)
    channel.take(0.1)
    dial = Command("ATD911;", dials=True, emergency=emergency)
    channel.submit(Command("AT+QPCMV=1,0"), urgent=True)
    channel.submit(dial, urgent=True)
    heard = channel.tick(1.0)
    if wait_s:
        assert heard == []
        heard = channel.tick(1.0 + wait_s)
    assert [answer.final.verdict for answer in heard] == [Verdict.SILENT]
    assert channel.take(1.0 + wait_s) == b"\x1b"
    now = 1.0 + wait_s + 2 * QUIET_S
    assert channel.take(now) == b"AT+QPCMV=1,0\r"
    channel.feed(b"\r\nOK\r\n", now)
    assert channel.take(now) == b"ATD911;\r"
    assert channel.feed(b"\r\n+CMS ERROR: 500\r\n\r\nOK\r\n", now) == [Noise(), Answer(dial, (), Final(Verdict.OK))]


def test_words_of_a_call_end_a_dialling_command_and_are_news_at_any_other_time():
    dial = Command("ATD5550100;", "dial", dials=True)
    assert started(dial).feed(b"\r\nBUSY\r\n", 0.0) == [Answer(dial, (), Final(Verdict.BUSY))]
    assert started(QUERY).feed(b"\r\nNO CARRIER\r\n", 0.0) == [Line("NO CARRIER")]
    assert Channel().feed(b"\r\nOK\r\n", 0.0) == [Noise()]


def test_errors_with_numbers_and_with_words():
    assert final_of("+CME ERROR: 10") == Final(Verdict.CME, 10, "10")
    assert final_of("+CMS ERROR: 38") == Final(Verdict.CMS, 38, "38")
    assert final_of("+CME ERROR: SIM not inserted") == Final(Verdict.CME, None, "SIM not inserted")
    assert final_of("+CME ERROR: " + "9" * 5000).code is None
    assert final_of("no answer in time") is None


def test_fields():
    assert fields('+CLIP: "+1202",145,"",,"A, B"') == ["+1202", "145", "", "", "A, B"]
    assert fields("+COPS: 0") == ["0"]
    assert fields("RING") == [""]


def test_what_is_masked():
    assert masked("AT+CGSN 867584030000011, +12025550177, 911") == "AT+CGSN 867…11, +120…77, 911"
