"""The calls area without a browser: the CSV file and the ladder."""

import csv
import io

import pytest

from webui.areas.calls.export import HEAD, cell, lines
from webui.areas.calls.ladder import BOX, ladder

ROW = {
    "id": "s-1", "direction": "in", "from_number": "+15035550188", "from_name": "=HYPERLINK(\"http://x\")", "to_number": "207", "dialled": "", "user": "",
    "started_unix_s": 1_763_378_224.0, "talk_s": 252.04, "outcome": "answered", "code": 200, "trunk": "northwind", "path": ["flow menu", 'menu: "2" -> sales'],
}  # fmt: skip


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n1", "\ufeff=1", "\uff1d1", "\x00=1", "+1 503"])
def test_what_a_spreadsheet_would_compute_is_text(text):
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["", "207", "+15035550188", "Zoë Åberg", "a=b", "“quoted”, with comma"])
def test_what_is_harmless_stays_as_it_is(text):
    assert cell(text) == text


def test_the_file_holds_every_row_with_times_of_the_site():
    text = b"".join(lines([[ROW], [ROW | {"from_name": 'a "b", c\nd', "id": "s-2"}]], "America/Los_Angeles")).decode("utf-8-sig")
    head, first, second = csv.reader(io.StringIO(text))
    assert head == list(HEAD)
    assert first == [
        "2025-11-17T03:17:04-08:00", "in", "+15035550188", "'=HYPERLINK(\"http://x\")", "207", "", "", "answered", "200", "252.0", "northwind",
        'flow menu; menu: "2" -> sales', "s-1",
    ]  # fmt: skip
    assert second[3] == 'a "b", c\nd'


def _message(at_s, remote, sent, label, status=0):
    return {"at_s": at_s, "remote": remote, "sent": sent, "label": label, "status": status}


def test_a_ladder_has_the_box_between_who_spoke_first_and_the_others():
    made = ladder(
        [
            _message(10.0, "udp:a", False, "INVITE"), _message(10.001, "udp:a", True, "401 Unauthorized", 401), _message(10.006, "udp:b", True, "INVITE"),
            _message(10.5, "udp:b", False, "200 OK", 200), _message(10.6, "udp:c", False, "486 Busy", 486),
        ]
    )  # fmt: skip
    assert made.parties == ("udp:a", BOX, "udp:b", "udp:c")
    assert [(r.start, r.end, r.low, r.span, r.forward, r.kind) for r in made.rungs] == [
        (0, 1, 0, 2, True, ""), (1, 0, 0, 2, False, "warn"), (1, 2, 1, 2, True, ""), (2, 1, 1, 2, False, "ok"), (3, 1, 1, 3, False, "bad"),
    ]  # fmt: skip
    assert made.rungs[2].at_s == pytest.approx(0.006)


def test_no_messages_no_ladder():
    assert ladder([]).rungs == ()
