"""The pages of the outage drill: what is said before, during and after, and that the buttons ask the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ControlError
from tests.support.pages import Pages
from tests.support.web import office
from webui.engine import State

DRILL: dict[str, Any] = {
    "id": "d-1", "state": "cut", "began_unix_s": 1000.0, "ended_unix_s": None, "seconds": 30, "left_s": 11.6, "by": "Dana", "interfaces": ["wan"], "ended": "",
    "checks": [
        {"key": "noticed", "state": "ok", "sentence": "The box noticed after 4.1 s"},
        {"key": "emergency", "state": "bad", "sentence": "No way is left for 911 <b>"},
    ],
}  # fmt: skip


def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: dict[str, Any] | None = None, unable: str = "", **state: Any) -> Pages:
    known = State(status={"trunks": [], "devices": 0, "devices_registered": 0}, drill={"unable": unable, "last": last}, up=True, **state)
    monkeypatch.setattr("webui.engine.Engine.state", property(lambda _: known))
    return Pages(tmp_path, office())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    made: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("webui.engine.Engine.call", lambda _, method, timeout_s=8.0, **params: made.append((method, params)))
    return made


def test_what_is_interrupted_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = pages(tmp_path, monkeypatch, calls={"calls": [{"emergency": False}]}).get("/lines/internet/drill")
    for sentence in (
        "One call is up.",
        "An emergency call ends the drill at once.",
        "Cut the internet",
        "Calls that go over the internet are silent meanwhile",
    ):
        assert sentence in shown.words, sentence
    assert "End it now" not in shown.words


def test_how_it_goes_and_the_button_that_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = pages(tmp_path, monkeypatch, DRILL).get("/lines/internet/drill")
    for sentence in (
        "12 seconds left.",
        "Drill under way",
        "Noticed Well: The box noticed after 4.1 s.",
        "Emergency call Not well: No way is left",
        "End it now",
    ):
        assert sentence in shown.words, sentence
    assert "911 &lt;b&gt;" in shown.text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": "over"}, "one thing was not well"),
        ({"state": "over", "checks": DRILL["checks"][:1]}, "all was well"),
        ({"state": "over", "ended": "netd was gone"}, "ended before its time"),
        ({}, "A drill is under way"),
    ],
)
def test_the_last_one_stands_beside_the_internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], sentence: str) -> None:
    shown = pages(tmp_path, monkeypatch, {**DRILL, **changes}).get("/lines/internet")
    assert sentence in shown.words and "Begin a drill" in shown.words


def test_the_report_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = pages(tmp_path, monkeypatch, {**DRILL, "state": "over", "ended": "netd was gone"}).get("/lines/internet/drill")
    assert "The last drill" in shown.words and "It ended before its time. Netd was gone." in shown.words


@pytest.mark.parametrize(
    ("state", "unable", "sentence"),
    [
        ({}, "this process has not the right to", "There can be no drill here now. Reason: this process has not the right to."),
        ({"wan": {"state": "down"}}, "", "The internet is down already."),
        ({"calls": {"calls": [{"emergency": True}]}}, "", "An emergency call is up."),
    ],
)
def test_why_there_can_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], unable: str, sentence: str) -> None:
    assert sentence in pages(tmp_path, monkeypatch, None, unable, **state).get("/lines/internet/drill").words


def test_the_buttons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, dict[str, Any]]]) -> None:
    made = pages(tmp_path, monkeypatch, DRILL)
    for form in ({"what": "start", "seconds": "60"}, {"what": "start", "seconds": "²"}, {"what": "end"}):
        assert made.post("/lines/internet/drill", form).status == 303
    assert [(method, params.get("seconds")) for method, params in asked] == [("drill.start", 60), ("drill.start", 30), ("drill.end", None)]


def test_a_refusal_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pages(tmp_path, monkeypatch)

    def refuses(*_: Any, **__: Any) -> None:
        raise ControlError("An emergency call is in progress", "try again when it is over", code="emergency-in-progress")

    monkeypatch.setattr("webui.engine.Engine.call", refuses)
    assert made.post("/lines/internet/drill", {"what": "start", "seconds": "30"}).status == 303
    assert "An emergency call is in progress. Try again when it is over." in made.get("/lines/internet/drill").words
