"""`holdfast wan drill` against a control server that answers as told."""

from __future__ import annotations

import json


def drill(**changes):
    return {
        "id": "d-1", "state": "over", "began_unix_s": 1000.0, "ended_unix_s": 1062.0, "seconds": 30, "left_s": 0.0, "by": "dana", "interfaces": ["wan"],
        "ended": "", "checks": [{"key": "phones", "state": "ok", "sentence": "All 12 phones inside stayed registered"}], **changes,
    }  # fmt: skip


def test_a_drill_that_goes_well(box):
    box.answers |= {"drill.start": drill(state="cut"), "drill": {"unable": "", "last": drill()}}
    result = box.run("wan", "drill", "--seconds", "20", "--yes")
    assert result.exit_code == 0, result.output
    for words in ("The internet is cut …", "All 12 phones inside stayed registered.", "by dana: 30 s, all in all", "This site is ready for an outage."):
        assert words in result.output
    assert box.asked[0][0] == "drill.start" and box.asked[0][1]["seconds"] == 20


def test_nothing_is_cut_unasked(box):
    result = box.run("wan", "drill")
    assert result.exit_code == 1 and "Nothing was cut" in result.output and box.asked == []


def test_what_is_bad_is_the_exit_code(box):
    lost = [{"key": "emergency", "state": "bad", "sentence": "No way is left for 911"}]
    box.answers["drill"] = {"unable": "", "last": drill(checks=lost)}
    result = box.run("wan", "drill", "--report")
    assert result.exit_code == 1 and "Not well: Emergency." in result.output
    box.answers["drill"] = {"unable": "", "last": drill(ended="an emergency call began")}
    result = box.run("wan", "drill", "--report")
    assert result.exit_code == 1 and "It ended before its time: an emergency call began." in result.output


def test_the_report_as_json_and_where_there_is_none(box):
    box.answers["drill"] = {"unable": "", "last": drill()}
    assert json.loads(box.run("wan", "drill", "--report", "--json").output) == drill()
    box.answers["drill"] = {"unable": "", "last": None}
    result = box.run("wan", "drill", "--report")
    assert result.exit_code == 1 and "There was no drill yet" in result.output


def test_another_drill_in_its_place_is_not_taken_for_it(box):
    box.answers |= {"drill.start": drill(state="cut"), "drill": {"unable": "", "last": drill(id="d-2")}}
    result = box.run("wan", "drill", "--yes")
    assert result.exit_code == 1 and "was not seen" in result.output


def test_it_is_ended(box):
    box.answers["drill.end"] = drill(state="cut")
    assert "The internet is given back." in box.run("wan", "drill", "--end").output
