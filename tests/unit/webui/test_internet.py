"""The page of the internet connection, and its sign on top of every page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import Pages
from tests.support.web import office
from webui.areas.lines.internet import Piece, _pieces
from webui.engine import State

DAY = 86400.0


def test_the_lane_of_today() -> None:
    changes = [{"at_unix_s": DAY * 0.5, "state": "up"}, {"at_unix_s": DAY * 0.25, "state": "down"}, {"at_unix_s": DAY * 0.125, "state": "up"}]
    assert _pieces(changes, 0.0, DAY * 0.75) == [Piece("x", 75.0, 25.0), Piece("x", 0.0, 12.5), Piece("d", 25.0, 25.0)]


def test_what_began_yesterday_goes_on() -> None:
    assert _pieces([{"at_unix_s": -50.0, "state": "down"}], 0.0, DAY * 0.5) == [Piece("x", 50.0, 50.0), Piece("d", 0.0, 50.0)]


PRI = {"id": "pri", "name": "PRI", "kind": "gateway", "standing": "works", "reason": "Answers; needs no internet", "enabled": True}
ACME = {"id": "acme", "name": "Acme", "kind": "trunk", "standing": "cut", "reason": "The internet has no link", "enabled": True}
WAN = {
    "state": "down", "since_unix_s": 1000.0, "why": "Acme is silent, the link is up", "interface": "wan", "gateway": "192.0.2.1",
    "evidence": [{"source": "Acme", "state": "bad", "sentence": "Acme <is> silent", "since_unix_s": 1000.0}],
    "ways": {
        "number": "911",
        "emergency": [PRI, ACME],
        "outside": [PRI], "emergency_without_internet": [PRI], "outside_without_internet": [],
    },
    "uplinks": [
        {"interface": "wan", "gateway": "192.0.2.1", "state": "silent", "used": False},
        {"interface": "lte", "gateway": "100.64.2.1", "state": "outside", "used": True},
    ],
    "uplinks_note": "lte is used: wan is silent",
    "changes": [], "trusted_in_s": 12.0, "started_unix_s": 900.0, "link_seconds": 0.5, "silence_seconds": 4.0, "trust_seconds": 30.0,
}  # fmt: skip


def test_the_page_says_how_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "webui.engine.Engine.state", property(lambda _: State(status={"wan": WAN, "trunks": [], "devices": 0, "devices_registered": 0}, wan=WAN, up=True))
    )
    words = Pages(tmp_path, office()).get("/lines/internet")
    assert words.status == 200
    for sentence in ("Internet down", "The internet is down. Calls inside work.", "Acme is silent, the link is up.", "watched for 30 s before it is trusted"):
        assert sentence in words.words, sentence
    for sentence in (
        "With the internet down, 911 goes over: PRI. After that everything else is tried all the same.", "With the internet down, no outside call is left.",
        "lte is used: wan is silent.", "wan 192.0.2.1: is silent", "lte 100.64.2.1: leads to the internet in use",
        "PRI gateway in the house first first Answers; needs no internet.", "Acme line as number 2 no The internet has no link.",
    ):  # fmt: skip
        assert sentence in words.words, sentence
    assert "Acme &lt;is&gt; silent" in words.text


def test_the_times_are_saved_and_refused_where_they_make_no_sense(tmp_path: Path) -> None:
    pages = Pages(tmp_path, office())
    form = {"link_milliseconds": "800", "silence_seconds": "6", "trust_seconds": "45", "probes": "192.0.2.7:443"}
    assert pages.post("/lines/internet", form).status == 303
    assert pages.editor().show("wan").value == {"link_milliseconds": 800, "silence_seconds": 6, "trust_seconds": 45, "probes": ["192.0.2.7:443"]}
    shown = pages.post("/lines/internet", {**form, "silence_seconds": "1", "probes": "192.0.2.7:port"})
    assert shown.status == 200 and "2 or more" in shown.words and "192.0.2.7:port" in shown.text
