"""Flows as the editor shows and changes them: pure functions from one flow to the next, fields made of kinds, ways through a picture."""

from __future__ import annotations

import html
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from appliance.callflow.describe import describe
from appliance.callflow.registry import kinds
from tests.support.box import ROOT
from tests.support.pages import Pages
from tests.support.web import DANA, PASSWORD, office
from webui.app import create_app
from webui.areas.flows import trial
from webui.areas.flows.changes import led, with_step, without
from webui.areas.flows.fields import Rows, Words, made
from webui.areas.flows.trial import path_of
from webui.config import Config
from webui.forms.fields import Unfit

FLOW: dict[str, Any] = {
    "name": "F",
    "start": "menu",
    "steps": {
        "menu": {"type": "prompt", "settings": {}, "exits": {"1": "say", "timeout": "end"}},
        "say": {"type": "say", "settings": {}, "exits": {"next": "end"}},
        "end": {"type": "hang-up", "settings": {}, "exits": {}},
    },
}


def test_a_step_that_goes_hands_its_only_way_on() -> None:
    found = without(FLOW, "say")
    assert found["steps"]["menu"]["exits"] == {"1": "end", "timeout": "end"}
    found = without(FLOW, "end")
    assert (found["steps"]["menu"]["exits"], found["steps"]["say"]["exits"]) == ({"1": "say"}, {})
    assert without(FLOW, "menu")["start"] == "say"  # it had two ways: whatever is left begins
    assert without({**FLOW, "start": "say"}, "say")["start"] == "end"
    assert FLOW["steps"]["menu"]["exits"] == {"1": "say", "timeout": "end"}


def test_a_step_is_added_under_a_name_of_its_own() -> None:
    found, id = with_step(FLOW, "say", {"text": "x"})
    assert (id, found["steps"][id], found["start"]) == ("say-2", {"type": "say", "settings": {"text": "x"}, "exits": {}}, "menu")
    found, id = with_step({"name": "E", "start": "", "steps": {}}, "dial", {})
    assert (id, found["start"]) == ("dial", "dial")


def test_an_exit_is_led_elsewhere_or_nowhere() -> None:
    assert led(FLOW, "say", "next", "menu")["steps"]["say"]["exits"] == {"next": "menu"}
    assert led(FLOW, "say", "next", "")["steps"]["say"]["exits"] == {}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The application on a site of its own, without a process."""
    from appliance.site.document import parse
    from appliance.site.store import SiteStore

    data = tmp_path_factory.mktemp("data")
    site = office()
    site["groups"] = {"sales": {"name": "Sales", "extension": "400", "users": ["user-201"]}}
    site["flows"] = {"main": FLOW | {"extensions": ["300"]}}
    SiteStore(data / "site").save(parse(site)[0], author="tests", comment="", now=0.0)
    return create_app(Config(data, data / "none.sock"))


def _dial() -> Rows:
    known = next(each for each in describe(kinds()["dial"])["fields"] if each["name"] == "targets")
    field = made(known)
    assert isinstance(field, Rows)
    return field


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("202", {"user": "user-202"}),
        ("202 User 202", {"user": "user-202"}),
        ("Sales", {"group": "sales"}),
        ("300", {"extension": "300"}),
        ("Extension 300", {"extension": "300"}),
        ("+1 212 555 0100", {"number": "+12125550100"}),
        ("what the caller dialled", {"dialled": True}),
    ],
)
def test_whom_a_line_means(app: Any, typed: str, means: dict[str, Any]) -> None:
    with app.test_request_context():
        field = _dial()
        given = MultiDict(
            [("t:whom", typed), ("t:delay_seconds", "5"), ("t:ring_seconds", "0"), ("t:whom", ""), ("t:delay_seconds", "0"), ("t:ring_seconds", "0")]
        )
        assert field.read(field.raw(given, "t")) == [{**means, "delay_seconds": 5}]
        shown = field.show([{**means, "delay_seconds": 5}])
        assert field.read(shown) == [{**means, "delay_seconds": 5}]


def test_what_a_line_cannot_mean_is_told_with_its_number(app: Any) -> None:
    with app.test_request_context(), pytest.raises(Unfit, match=r"Line 1, Whom: nobody here is called <b>Eve</b>"):
        _dial().read([{"whom": "<b>Eve</b>", "delay_seconds": "0", "ring_seconds": "0"}])
    with app.test_request_context(), pytest.raises(Unfit, match=r"Line 1, Starts after: Write a whole number"):
        _dial().read([{"whom": "202", "delay_seconds": "soon", "ring_seconds": "0"}])


def test_every_setting_of_every_kind_survives_its_form(app: Any) -> None:
    """What a form shows of the defaults reads back as the defaults."""
    with app.test_request_context():
        for node in kinds().values():
            for known in describe(node)["fields"]:
                field = made(known)
                if not known["required"]:
                    read = field.read(field.show(known["default"]))
                    assert read == known["default"] or not read, (node.kind, known["name"])


def test_a_list_of_words() -> None:
    assert Words(name="x", label="").read(" 1, 2;*  2xx ") == ["1", "2", "*", "2xx"]


def test_the_way_of_a_call_is_read_off_its_record(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "kinds", dict)
    lines = [
        "flow main",
        "menu: 1 -> say",
        "transferred to 1004",
        "gone: next -> end",
        "say: flow main as user-201",
        "say: next -> end",
        "trunk acme failed: 503",
    ]
    with app.test_request_context():
        way = path_of(lines)
    assert [(taken.flow, taken.step, taken.exit, taken.known) for taken in way] == [
        ("main", "menu", "1", True), ("main", "gone", "next", False), ("main", "say", "", True), ("main", "say", "next", True), ("main", "end", "", True)
    ]  # fmt: skip


# ---- pages -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    site = office()
    site["mailboxes"] = {"desk": {"name": "Front desk"}}
    site["numbers"] = {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "main"}}}
    ring = {"type": "dial", "settings": {"targets": [{"user": "user-202"}]}, "exits": {"no-answer": "box"}}
    main = {"name": "Main number", "start": "ring", "steps": {"ring": ring, "box": {"type": "voicemail", "settings": {"mailbox": "desk"}}}}
    site["flows"] = {"main": main, "free": {**main, "name": "Free"}}
    return Pages(tmp_path_factory.mktemp("flows"), site)


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "pages" in request.fixturenames and (editor := request.getfixturevalue("pages").editor()).pending():
        editor.discard()


RING = "/flows/flow/main/steps/ring"
LINE = {"settings.targets:whom": "202", "settings.targets:delay_seconds": "0", "settings.targets:ring_seconds": "0", "settings.ring_seconds": "0"}


def _save(pages: Pages, **typed: str) -> Any:
    names = {"whom": "settings.targets:whom", "ring": "settings.ring_seconds", "delay": "settings.targets:delay_seconds"}
    return pages.post(RING, {"form": "StepForm", "type": "dial", **LINE, **{names[name]: value for name, value in typed.items()}})


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"whom": "Nobody At All"}, "Line 1, Whom: nobody here is called Nobody At All."),
        ({"whom": "<script>alert(1)</script>"}, "nobody here is called &lt;script&gt;"),
        ({"whom": "9" * 300}, "Is not a number that can be dialled"),
        ({"whom": "911"}, "911 is an emergency number"),
        ({"whom": ""}, "Who rings"),
        ({"ring": "9999"}, "600"),
        ({"ring": "ä"}, "Write a whole number."),
        ({"delay": "-5"}, "Line 1"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_stays_typed(pages: Pages, typed: dict[str, str], said: str) -> None:
    shown = _save(pages, **typed)
    assert shown.status == 200
    assert said.casefold() in html.unescape(shown.words).casefold() or said in shown.text, shown.words
    for value in typed.values():
        assert not value or html.escape(value) in shown.text
    assert "<script>alert" not in shown.text
    assert not pages.editor().pending()


def test_a_session_that_ends_meanwhile_loses_nothing_typed(pages: Pages) -> None:
    before = pages.hidden(RING)
    pages.expire_session()
    answer = pages.post(RING, {"form": "StepForm", "type": "dial", **LINE, "settings.ring_seconds": "33", **before})
    assert answer.status == 303
    back = pages.post(answer.headers["Location"], {"user": DANA, "password": PASSWORD}).headers["Location"]
    shown = pages.get(back)
    assert shown.field("settings.ring_seconds") == "33"
    assert "What you typed is kept." in shown.words


def test_a_flow_in_use_is_not_deleted_and_another_is(pages: Pages) -> None:
    shown = pages.get("/flows/?q=12125550100")
    assert "Main number" in shown.words
    assert "Free" not in shown.words
    refused = pages.post("/flows/flow/main/delete", {}, page="/flows/flow/free")
    assert refused.status == 409
    assert "It is still used, so it was not deleted." in refused.words
    assert pages.post("/flows/flow/house/delete", {}, page="/flows/flow/free").status == 409
    held = pages.editor().show("flows.free")
    gone = pages.post("/flows/flow/free/delete", {"version": str(held.version)}, page="/flows/flow/free")
    assert gone.status == 303
    assert sorted(pages.editor().show("flows").value) == ["house", "main"]


def test_a_step_somebody_deleted_meanwhile_can_be_saved_anew(pages: Pages) -> None:
    before = pages.hidden(RING)
    pages.editor().delete("flows.main.steps.ring")
    shown = pages.post(RING, {"form": "StepForm", "type": "dial", **LINE, "settings.ring_seconds": "25", **before})
    assert "Somebody deleted this meanwhile." in shown.words
    again = pages.post(
        RING, {"form": "StepForm", "type": "dial", **LINE, "settings.ring_seconds": "25", "csrf": before["csrf"], "version": shown.field("version")}
    )
    assert again.status == 303
    held = pages.editor().show("flows.main.steps.ring").value
    assert (held["type"], held["settings"]["ring_seconds"]) == ("dial", 25)


def test_ways_out_to_what_is_not_there_are_refused(pages: Pages) -> None:
    exit = f"{RING}/exits/no-answer"
    shown = pages.post(exit, {"to": "nowhere-at-all", "was": "box"})
    assert "There is no step nowhere-at-all in this flow" in shown.words
    assert pages.post(exit, {"to": "box", "was": "something else"}).status == 303  # it leads there already
    assert "Which one counts?" in pages.post(exit, {"to": "ring", "was": "something else"}).words
    assert pages.get(f"{RING}/exits/none").status == 404
    assert pages.get("/flows/flow/main/steps/none").status == 404
    assert pages.post("/flows/flow/none/add", {"kind": "say"}, page="/flows/flow/free").status == 404
    assert not pages.editor().pending()


def test_a_flow_that_cannot_be_read_says_so(pages: Pages) -> None:
    pages.editor().set("flows.main.steps.ring.exits", "nonsense")
    shown = pages.get("/flows/flow/main?whole=1")
    assert shown.status == 200
    assert "the flow main cannot be read" in shown.words
    assert "cannot be read" in json.loads(pages.get("/flows/flow/main", X_Requested_With="holdfast").data)["fault"]
    assert pages.get(RING).status == 200


def test_the_graph_library_is_the_one_that_was_looked_at() -> None:
    folder = Path(ROOT) / "webui/areas/flows/static"
    said = (folder / "dagre.README.md").read_text()
    sum = subprocess.run(["sha256sum", folder / "dagre.min.js"], check=True, capture_output=True, text=True).stdout.split()[0]
    assert sum in said
    assert "MIT" in said
    assert json.dumps((folder / "dagre.LICENSE.txt").read_text()).count("Permission is hereby granted") == 1
