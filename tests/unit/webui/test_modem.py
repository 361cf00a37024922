"""Lines > Mobile modem: how it is, what is wrong and its cure, a call and a text to try it, what it is used for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ControlError
from appliance.site import sim_pin
from appliance.site.vault import Vault
from tests.support.pages import Pages
from tests.support.web import office
from webui.engine import State

MODEM: dict[str, Any] = {
    "state": "ready", "fault": "", "operator": "Acme <Mobile>", "network": "4G", "signal_dbm": -71, "roaming": False, "calls": True,
    "ports": ["/dev/at", "/dev/pcm"],
    "maker": "SIMCOM", "model": "SIM7600", "imei": "867584030000011", "imsi": "310150123456789", "volte": True, "since_s": 60.0, "trouble": "", "cure": "",
    "call": {"id": 1, "number": "+12025550177", "outgoing": True, "state": "ended", "end": "busy", "reason": ""},
    "texts": [{"id": 1, "to": "+12025550143", "parts": 2, "sent": 1, "state": "failed", "reason": "there was no network"}],
}  # fmt: skip
TEST = {"id": "t", "trunk": "mobile modem", "to": "+12025550177", "state": "failed", "code": 0, "cause": "The modem does not answer",
        "cure": "Take its power away"}  # fmt: skip


def say(monkeypatch: pytest.MonkeyPatch, modem: dict[str, Any], test: dict[str, Any] | None = None) -> None:
    status = {"cellular": modem, "trunks": [], "devices": 0, "devices_registered": 0, "line_test": test}
    monkeypatch.setattr("webui.engine.Engine.state", property(lambda _: State(status=status, modem=modem, up=True)))


def test_the_page_says_how_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, MODEM)
    shown = Pages(tmp_path, office()).get("/lines/modem")
    for sentence in (
        "Mobile modem: Ready", "Acme &lt;Mobile&gt; 4G", "good -71 dBm", "the data network (VoLTE)", "To +12025550177: was busy",
        "+12025550143 was not sent 1 of 2 parts There was no network.",
    ):  # fmt: skip
        assert sentence in shown.words, sentence


@pytest.mark.parametrize(
    ("modem", "test", "sentences"),
    [
        (MODEM | {"state": "absent", "fault": "unplugged", "trouble": "The modem was unplugged from /dev/at", "cure": "plug it in again"}, None,
         ("Mobile modem: Unplugged", "The modem was unplugged from /dev/at. Plug it in again.")),
        (MODEM | {"state": "none"}, None, ("This box has no modem.", "HOLDFAST_MODEM")),
        (MODEM | {"signal_dbm": None, "ports": ["/dev/at"], "call": None, "texts": []}, TEST,
         ("The modem does not answer. Take its power away. A call to +12025550177", "No port: calls are silent")),
        ({}, None, ("Nothing is known yet.",)),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modem: dict[str, Any], test: Any, sentences: tuple[str, ...]
) -> None:
    say(monkeypatch, modem, test)
    words = Pages(tmp_path, office()).get("/lines/modem").words
    for sentence in sentences:
        assert sentence in words, sentence


def test_the_pin_that_counts_already_is_entered_once_more_when_it_is_typed_again(tmp_path: Path) -> None:
    pages = Pages(tmp_path, office())
    form = {"enabled": "on", "use": "emergency", "destination.kind": ""}
    note = sim_pin.note(pages.data)
    note.parent.mkdir(exist_ok=True)
    note.write_text("entered")
    Vault(pages.data).put({sim_pin.NAME: "4711"})
    for typed, there in (("", True), ("1234", True), ("4711", False)):
        assert pages.post("/lines/modem", {**form, "sim.pin": typed}).status == 303
        assert note.exists() is there


def test_what_it_is_for_is_saved_and_its_pin_is_sealed(tmp_path: Path) -> None:
    pages = Pages(tmp_path, office())
    form = {
        "enabled": "on",
        "use": "emergency-and-outside",
        "sim.number": "+1 202 555 0188",
        "sim.pin": "4711",
        "destination.kind": "extension",
        "destination.extension": "201",
    }
    assert pages.post("/lines/modem", form).status == 303
    held = pages.editor().show("modem").value
    assert held["use"] == "emergency-and-outside"
    assert held["sim"] == {"number": "+12025550188"}
    assert held["destination"] == {"kind": "extension", "target": "201"}
    shown = pages.post("/lines/modem", {**form, "sim.pin": "47x1"})
    assert shown.status == 200
    assert "Is not the PIN of a SIM card" in shown.words
    assert "47x1" not in pages.get("/lines/modem").text


def test_a_call_and_a_text_are_tried_and_a_refusal_keeps_what_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def call(_: object, method: str, **params: Any) -> dict[str, Any]:
        asked.append((method, params))
        if params.get("text") == "no":
            raise ControlError("The modem cannot send texts now", "look at its state")
        return {}

    monkeypatch.setattr("webui.engine.Engine.call", call)
    pages = Pages(tmp_path, office())
    assert pages.post("/lines/modem/call", {"call-to": "202 555 0177"}, page="/lines/modem").status == 303
    assert pages.post("/lines/modem/text", {"text-to": "2025550177", "words": "hello"}, page="/lines/modem").status == 303
    assert asked == [("trunks.test", {"trunk": "mobile modem", "to": "202 555 0177"}), ("modem.sms", {"to": "2025550177", "text": "hello"})]
    assert pages.post("/lines/modem/call", {"call-to": ""}, page="/lines/modem").status == 422
    refused = pages.post("/lines/modem/text", {"text-to": "2025550177", "words": "no"}, page="/lines/modem")
    assert refused.status == 422
    assert "The modem cannot send texts now. Look at its state" in refused.words
    assert 'value="2025550177"' in refused.text
