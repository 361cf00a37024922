"""Log lines: one per record, printable, no secrets."""

import io
import logging
import os
import time

import pytest

from appliance.app import logs
from appliance.site.logbook import Wanted, newest
from tests.support.proc import wait_until


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


# ---- the log in the data folder ---------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path, lines):
    """`kept(process)`: logging goes to that process's file, too; gives what is read there."""

    def begin(process="engine"):
        lines()
        logs.set_up("info", {}, io.StringIO(), data=tmp_path, process=process)
        return lambda: [entry.text for entry in newest(tmp_path, Wanted("debug"), 10_000)][::-1]

    return begin


def test_what_is_logged_can_be_read_in_order_with_secrets_masked(kept, tmp_path):
    read = kept()
    for n in range(50):
        logging.getLogger("sip").info("line %d\r\nsecond\tcolumn", n)
    logging.getLogger("sip").warning('Authorization: Digest response="HUSH" and password=HUSH2, token hf_abcdefgh12345678')
    logging.shutdown()
    found = read()
    assert found[:2] == ["line 0 | second column", "line 1 | second column"]
    assert len(found) == 51
    assert "***" in found[50]
    (file,) = (tmp_path / "logs").iterdir()
    assert "HUSH" not in file.read_text() and "abcdefgh" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len({entry.key for entry in newest(tmp_path, Wanted("debug"), 100)}) == 51, "no two lines share a place"


def test_lines_reach_the_disk_by_themselves_also_after_a_fork(kept):
    read = kept("web")
    logging.getLogger("a").info("of the parent")
    child = os.fork()
    if child == 0:
        logging.getLogger("a").info("of the child")
        wait_until(lambda: "of the child" in read(), 10, "the child's line")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    wait_until(lambda: set(read()) == {"of the parent", "of the child"}, 10, "both lines, each once")


def test_a_full_file_makes_room_and_nothing_grows_for_ever(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "FULL_BYTES", 5000)
    monkeypatch.setattr(logs, "BATCH_S", 0.001)
    read = kept()
    for n in range(400):
        logging.getLogger("a").info("line %03d %s", n, "x" * 30)
        if n % 20 == 0:
            logging.shutdown()
    logging.shutdown()
    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names == ["engine.log", "engine.log.1"]
    assert sum(path.stat().st_size for path in (tmp_path / "logs").iterdir()) < 20_000
    assert read()[-1].startswith("line 399")


def test_a_disk_that_refuses_costs_lines_and_nothing_else(kept, tmp_path):
    (tmp_path / "logs").write_text("in the way")
    read = kept()
    logging.getLogger("a").info("lost or late")
    logging.shutdown()
    (tmp_path / "logs").unlink()
    logging.getLogger("a").info("after")
    wait_until(lambda: "after" in read(), 10, "the line after")


def test_a_line_has_an_end(kept):
    read = kept()
    logging.getLogger("a").info("y" * 100_000)
    logging.shutdown()
    assert len(read()[0]) == logs.LONGEST_LINE


def test_a_disk_that_hangs_holds_nobody(kept, tmp_path):
    """A pipe nobody reads stands in for it: whoever opens it waits."""
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs" / "engine.log")
    kept()
    began = time.monotonic()
    for n in range(logs.WAITING + 10):
        logging.getLogger("a").info("line %d", n)
    logging.shutdown()
    assert time.monotonic() - began < 10, "the end of the process waits for a second at most"
    (handler,) = [each for each in logging.getLogger().handlers if isinstance(each, logs.FileHandler)]
    assert len(handler._waiting) == logs.WAITING, "the oldest go first"
    os.close(os.open(tmp_path / "logs" / "engine.log", os.O_RDONLY | os.O_NONBLOCK))  # lets the thread go on
