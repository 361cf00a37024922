"""Log lines: one per record, printable, no secrets."""

import io
import logging

import pytest

from appliance.app import logs


@pytest.fixture
def lines():
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()

    def after(set_up_level="info", **env):
        logs.set_up(set_up_level, env, stream)
        return stream

    yield after
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)


def test_a_record_is_one_line_even_with_a_traceback(lines):
    stream = lines()
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("calls").exception("a call\r\nfailed \x1b[31m")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "error   calls: a call | failed \\x1b[31m | Traceback" in text
    assert "ValueError: first | second" in text


def test_the_level_decides_what_is_written(lines):
    stream = lines("warning")
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").warning("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


def test_under_systemd_the_priority_leads_and_the_clock_is_journalds(lines):
    stream = lines(JOURNAL_STREAM="8:123")
    logging.getLogger("sip").warning("hello")
    logging.getLogger("sip").error("world")
    assert stream.getvalue() == "<4>sip: hello\n<3>sip: world\n"


@pytest.mark.parametrize(
    "text",
    [
        'Authorization: Digest username="100", realm="box", response="HUSH", uri="sip:HUSH"',
        "Proxy-Authorization: Digest HUSH",
        "password=HUSH next",
        "{'secret': 'HUSH'}",
        '"sip_password": "HUSH HUSH"',
        "token: HUSH",
        'ha1="HUSH"',
        'nonce="HUSH", cnonce="HUSH"',
    ],
)
def test_secrets_are_masked(text):
    assert "HUSH" not in logs.masked(text)
    assert "***" in logs.masked(text)


@pytest.mark.parametrize("text", ["response: 404 in 3 ms", "the token bucket is empty", "wrong password for 100"])
def test_ordinary_words_stay(text):
    assert logs.masked(text) == text


def test_the_line_after_an_authorization_header_stays(lines):
    stream = lines()
    logging.getLogger("sip").info("Authorization: Digest HUSH\r\nVia: kept")
    assert "HUSH" not in stream.getvalue()
    assert "Via: kept" in stream.getvalue()
