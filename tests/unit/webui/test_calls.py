"""The calls area without a browser: the CSV file and the ladder."""

import csv
import io

import pytest

from webui.areas.calls.export import HEAD, SOUND, cell, lines
from webui.areas.calls.ladder import BOX, ladder, talk_after
from webui.areas.calls.sound import pictures, score

ROW = {
    "id": "s-1", "direction": "in", "from_number": "+15035550188", "from_name": "=HYPERLINK(\"http://x\")", "to_number": "207", "dialled": "", "user": "",
    "started_unix_s": 1_763_378_224.0, "talk_s": 252.04, "outcome": "answered", "code": 200, "trunk": "northwind", "path": ["flow menu", 'menu: "2" -> sales'],
    "sound": None,
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
        'flow menu; menu: "2" -> sales', "s-1", *[""] * len(SOUND),
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


def test_the_sound_of_a_call_has_its_columns():
    way = {"packets": 500, "lost_percent": 6.1, "jitter_ms": 31.04, "score": 2.9}
    side = {"side": "called", "name": "207", "sends": way, "gets": way | {"lost_percent": None, "jitter_ms": None}, "rtt_ms": 12.3}
    sound = {"score": 2.94, "bad": True, "sides": [side], "findings": [{"cause": "=1+1"}, {"cause": "207 lost 6 %"}]}
    _, row = csv.reader(io.StringIO(b"".join(lines([[ROW | {"sound": sound}]], "UTC")).decode("utf-8-sig")))
    assert row[-len(SOUND) :] == ["2.9", "yes", "", "", "", "", "", "6.1", "31.0", "", "", "12.3", "'=1+1; 207 lost 6 %"]


@pytest.mark.parametrize(
    ("value", "bad", "shown"),
    [(4.4, False, ("ok", "4.4")), (4.1, True, ("warn", "4.1")), (3.5, True, ("warn", "3.5")), (1.0, True, ("bad", "1.0")), (None, None, ("", ""))],
)
def test_a_score_has_a_shape_and_a_number(value, bad, shown):
    assert score(value, bad) == shown


def test_pictures_show_the_ways_something_is_known_of_the_worst_first():
    course = [
        {"side": "caller", "sent_lost": [0.0, 38.0, None], "sent_jitter": [1.0, 9.0, None], "got_lost": [None] * 3, "got_jitter": [None] * 3},
        {"side": "called", "sent_lost": [0.0, 0.0, 0.0], "sent_jitter": [1.0, 1.0, 1.0], "got_lost": [None, 0.0, 60.0], "got_jitter": [None, 1.0, 1.0]},
    ]
    found = pictures({"sides": [{"side": "caller", "name": "201"}, {"side": "called", "name": "202"}]}, 5.0, course)
    assert [picture.name for picture in found] == ["The box to 202", "201 to the box"]
    assert found[1].label == "201 to the box: at most 38 % lost, jitter at most 9 ms"
    assert found[1].loss == "M0 56L0.0 56.0L150.0 6.0L300.0 56.0L300.0 56Z"
    assert [word for _, word in found[0].marks] == ["0 s", "5 s", "10 s"]
    assert pictures(None, 5.0, [course[0] | {"sent_lost": [0.0], "sent_jitter": [0.0]}]) == []


def test_people_talk_after_the_last_leg_is_acknowledged():
    def message(method, status=0, cseq="1 INVITE"):
        return {"method": method, "status": status, "cseq": cseq}

    answered = [message("INVITE"), message("INVITE"), message("", 200), message("", 200), message("ACK"), message("ACK"), message("BYE", cseq="2 BYE")]
    assert talk_after(answered) == 5
    assert talk_after(answered[:4]) == 2
    assert talk_after([message("INVITE"), message("", 486)]) == -1


def test_no_messages_no_ladder():
    assert ladder([]).rungs == ()
