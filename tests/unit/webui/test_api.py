"""The API's parts without a box: merge patches, conditions, cursors, strict JSON, and the rules its description keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask

from appliance.errors import Conflict, DocumentError, HoldfastError, NotFound, StateError
from appliance.site.paths import GROUPS, KINDS
from appliance.site.secrets import SLOTS
from webui.api import problems
from webui.api.v1.about import described
from webui.api.v1.conditions import expected, not_modified
from webui.api.v1.document import merged
from webui.api.v1.operation import operations
from webui.api.v1.paging import PageQuery, cursor, page, read_cursor, read_number
from webui.app import create_app
from webui.config import Config

ASKING = Flask("test")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396 appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target: Any, patch: Any, result: Any) -> None:
    before = json.dumps(target)
    assert merged(target, patch) == result
    assert json.dumps(target) == before, "what is there is not changed in place"


@pytest.mark.parametrize(
    ("headers", "current", "needed", "result"),
    [
        ({"If-Match": '"7"'}, 7, True, 7),
        ({"If-Match": '"7"'}, 8, True, 7),
        ({"If-Match": '"1", "8"'}, 8, True, 8),
        ({"If-Match": 'W/"8"'}, 8, True, -1),  # a weak tag never matches here (RFC 9110 section 13.1.1)
        ({"If-Match": "8"}, 8, True, -1),
        ({"If-Match": "*"}, 8, True, 8),
        ({"If-None-Match": "*"}, 8, True, 0),
        ({"If-None-Match": "*"}, 0, True, 0),
        ({"If-None-Match": '"8"'}, 8, True, -1),
        ({"If-None-Match": '"8"'}, 9, True, 9),
        ({}, 0, True, 0),
        ({}, 8, False, None),
        ({}, 0, False, None),
    ],
)
def test_what_a_write_is_to_find(headers: dict[str, str], current: int, needed: bool, result: int | None) -> None:
    with ASKING.test_request_context(headers=headers):
        assert expected("users.dana", current, needed=needed) == result


def test_what_a_write_must_say() -> None:
    with ASKING.test_request_context(), pytest.raises(problems.Refused) as refused:
        expected("users.dana", 8, needed=True)
    assert refused.value.status == 428
    with ASKING.test_request_context(headers={"If-Match": "*"}), pytest.raises(Conflict):
        expected("users.dana", 0, needed=True)


@pytest.mark.parametrize(("header", "have"), [('"8"', True), ('W/"8"', True), ('"1", "8"', True), ("*", True), ('"9"', False), ("", False), ("8", False)])
def test_what_somebody_has_already(header: str, have: bool) -> None:
    with ASKING.test_request_context(headers={"If-None-Match": header}):
        assert not_modified(8) == have


def test_pages_whatever_comes_and_goes() -> None:
    rows = [f"row-{number:02}" for number in range(10)]
    first = page(rows, str, PageQuery(limit=4))
    assert first["items"] == rows[:4]
    gone_and_come = [row for row in rows if row != "row-03"] + ["row-04-new"]
    second = page(sorted(gone_and_come), str, PageQuery(limit=4, cursor=first["next"]))
    assert second["items"] == ["row-04", "row-04-new", "row-05", "row-06"]
    assert page(rows, str, PageQuery(limit=10))["next"] is None
    assert page([], str, PageQuery())["items"] == []


@pytest.mark.parametrize("key", ["dana", "", "é 名", "x" * 200])
def test_a_cursor_is_read_as_it_was_written(key: str) -> None:
    text = cursor(key)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", text), "it stands in an address as it is"
    assert read_cursor(text) == key


@pytest.mark.parametrize("text", ["%", "a", "é", "_w", "AAAA AAAA", "=" * 5, "\ud800"])
def test_a_cursor_that_is_none_of_ours(text: str) -> None:
    with pytest.raises(DocumentError):
        read_cursor(text)
    with pytest.raises(DocumentError):
        read_number(text)


def test_a_number_in_a_cursor() -> None:
    assert read_number("") is None
    assert read_number(cursor("12")) == 12
    for wrong in ("-1", "1.5", "9" * 19, "٣", "x"):
        with pytest.raises(DocumentError):
            read_number(cursor(wrong))


# ---- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("x"), 404),
        (StateError("x"), 503),
        (DocumentError("x", ()), 422),
        (Conflict("users.dana", 1, 2, 3), 409),
        (HoldfastError("x", code="nothing-to-commit"), 409),
        (HoldfastError("x", code="something-new"), 422),
        (problems.Refused(418, "tea", "x"), 418),
        (KeyError("x"), 500),
    ],
)
def test_every_error_is_a_problem_document(error: Exception, status: int) -> None:
    with ASKING.test_request_context("/api/v1/x"):
        said = problems.problem(error)
    assert said.status_code == status
    assert said.content_type == problems.MEDIA
    shape = json.loads(said.data)
    assert {"type", "title", "status", "code", "detail", "hint", "problems"} <= shape.keys()
    assert b"Traceback" not in said.data
    if isinstance(error, Conflict):
        assert (shape["conflict"]["theirs"], shape["conflict"]["yours"]) == (1, 2)


def test_a_mistake_of_ours_is_a_problem_document_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    app = create_app(Config(tmp_path, tmp_path / "control.sock"))
    monkeypatch.setattr("webui.api.v1.operation.gate", broken)
    answer = app.test_client().get("/api/v1/users")
    assert (answer.status_code, answer.content_type) == (500, problems.MEDIA)
    assert "secret detail" not in answer.text
    assert "under the mark" in answer.json["hint"]


# ---- the description ---------------------------------------------------------------------------------------------


def test_the_description_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(described()).validate()


def test_every_kind_and_every_group_is_there_by_itself() -> None:
    paths = described()["paths"]
    for kind in KINDS:
        assert set(paths[f"/{kind}"]) == {"get"}
        assert set(paths[f"/{kind}/{{id}}"]) == {"get", "put", "patch", "delete"}
    for group in (*GROUPS, "settings"):
        assert set(paths[f"/{group}"]) == {"get", "put", "patch"}


def test_every_operation_says_what_it_is_and_whatever_it_answers() -> None:
    whole = described()
    for path, methods in whole["paths"].items():
        for method, each in methods.items():
            where = f"{method} {path}"
            assert each["summary"], where
            assert not each["summary"].endswith("."), where
            assert any(status.startswith("2") for status in each["responses"]), where
            for status, answer in each["responses"].items():
                assert "$ref" in answer or answer["description"], (where, status)
    assert len({each.id for each in operations}) == len(operations)
    assert len({(each.method, each.path) for each in operations}) == len(operations)


def test_secrets_are_only_written() -> None:
    text = json.dumps(described())
    assert "(row " not in text, "our own inventory is nobody's business"
    schemas = described()["components"]["schemas"]
    names = {"devices": "Device", "trunks": "Trunk", "mailboxes": "Mailbox", "users": "User", "administrators": "Administrator"}
    parts = {"mail": "AlertMail", "webhook": "AlertWebhook", "sim": "Sim"}
    assert set(names) == {slot.kind for slot in SLOTS if not slot.only}
    for slot in SLOTS:
        assert schemas[parts[slot.only] if slot.only else names[slot.kind]]["properties"][slot.field]["writeOnly"], slot
    assert schemas["User"]["properties"]["flow"]["description"].startswith("What runs when the user dials")
