"""`holdfast modem` and its line in `holdfast status`, against a control server that answers as told."""

from __future__ import annotations

import pytest

from tests.unit.cli.test_commands import HOSTILE, status

SHORT = {"state": "ready", "fault": "", "operator": "Mobile", "network": "4G", "signal_dbm": -71, "roaming": True, "calls": True}
FOUND = {
    **SHORT, "ports": ["/dev/ttyUSB2"], "maker": "Quectel", "model": "EC25", "imei": "", "imsi": "", "volte": True, "since_s": 70.0, "trouble": "", "cure": "",
    "call": {"id": 1, "number": "", "outgoing": False, "state": "ended", "end": "far-end", "reason": ""}, "texts": [],
}  # fmt: skip
TEXT = {"id": 3, "to": "5550100", "parts": 1, "sent": 0, "state": "queued", "reason": ""}


@pytest.mark.parametrize(
    ("modem", "words"),
    [
        (SHORT, "Modem          ready to call, Mobile 4G, -71 dBm, roaming\n"),
        (SHORT | {"state": "absent", "fault": "unplugged", "operator": "", "signal_dbm": None, "roaming": False, "calls": False}, "Modem          not there\n"),
    ],
)
def test_the_status_has_a_line_of_the_modem(box, modem, words):
    box.answers["status"] = status(cellular=modem)
    assert words in box.run("status").output


def test_a_box_without_a_modem_says_nothing_of_it(box):
    box.answers["status"] = status(cellular=SHORT | {"state": "none"})
    assert "Modem" not in box.run("status").output


def test_all_of_the_modem(box):
    box.answers["modem"] = FOUND
    output = box.run("modem", "status").output
    for words in ("roaming, for 1 min 10 s", "none: calls are silent", "Quectel EC25", "(VoLTE)", "from a hidden number: ended (far-end)"):
        assert words in output
    box.answers["modem"] = FOUND | {"trouble": f"It hangs {HOSTILE}", "cure": "Take its power away", "operator": HOSTILE}
    output = box.run("modem", "status").output
    assert "  Take its power away." in output
    assert "\x1b]0" not in output
    assert "\x07" not in output


def test_a_text_whose_end_nobody_saw(box):
    box.answers |= {"modem.sms": TEXT, "modem": FOUND}
    result = box.run("modem", "sms", "5550100", "hello")
    assert result.exit_code == 1
    assert "was not seen" in result.output
    assert box.asked[0] == ("modem.sms", {"to": "5550100", "text": "hello"})


def test_a_test_call_over_the_modem(box):
    going = {
        "id": "t", "trunk": "mobile modem", "to": "+12025550177", "state": "dialling", "code": 0, "reason": "", "cause": "", "cure": "", "heard": None,
        "began_unix_s": 1.0,
    }  # fmt: skip
    box.answers |= {
        "trunks.test": going,
        "status": status(line_test=going | {"state": "failed", "code": 486, "cause": "The number is busy", "cure": "Try again"}),
    }
    result = box.run("modem", "call", "202 555 0177")
    assert (result.exit_code, result.output) == (1, "Calling …\nThe number is busy.\n  Try again.\n")
    assert box.asked[0] == ("trunks.test", {"trunk": "mobile modem", "to": "202 555 0177"})
