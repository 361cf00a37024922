"""Paths as people write them: read, refused with what was meant, written to without touching the document that was there."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from appliance.errors import NotFound
from appliance.site.paths import KINDS, check_place, find, has, object_of, parse_path, put, read, remove, version_of
from appliance.site.wording import path_of
from tests.support.documents import documents

DOCUMENT: dict[str, Any] = {"name": "X", "users": {"dana": {"extension": "205"}}, "interfaces": [{"address": "10.0.0.1"}], "sip": {"ring_seconds": 60}}


@pytest.mark.parametrize(
    ("text", "loc", "whole"),
    [
        ("", (), ()),
        ("users", ("users",), ("users",)),
        ("users.dana.extension", ("users", "dana", "extension"), ("users", "dana")),
        (" name ", ("name",), ("site",)),
        ("site", ("site",), ("site",)),
        ("site.name", ("name",), ("site",)),
        ("interfaces[0].address", ("interfaces", 0, "address"), ("site",)),
        ('flows.a.steps.b.exits."x y"', ("flows", "a", "steps", "b", "exits", "x y"), ("flows", "a")),
        ("flows.a.steps.b.exits.*", ("flows", "a", "steps", "b", "exits", "*"), ("flows", "a")),
        ("sip.ring_seconds", ("sip", "ring_seconds"), ("sip",)),
    ],
)
def test_a_path_is_read(text: str, loc: tuple[str | int, ...], whole: tuple[str, ...]) -> None:
    assert parse_path(text) == loc
    assert object_of(loc) == whole
    check_place(loc)


@pytest.mark.parametrize("text", ["..", ".users", "users..dana", "[0]", "users[x]", "users.dana.", "a b", 'users."dana', "users.d\u00e4na", "users/dana"])
def test_what_is_no_path_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NotFound) as caught:
        parse_path(text)
    assert "users.dana.extension" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("user.dana", '"users"'),
        ("users.dana.extenson", '"extension"'),
        ("sip.ring_second", '"ring_seconds"'),
        ("users.dana.extension.x", "as far as it goes"),
        ("users[0]", "name"),
        ("interfaces.first", "brackets"),
        ("users.dana.secret", ""),
    ],
)
def test_a_place_that_cannot_be_is_refused_with_what_was_meant(text: str, hint: str) -> None:
    with pytest.raises(NotFound) as caught:
        check_place(parse_path(text))
    assert hint in f"{caught.value.sentence} {caught.value.hint}"


def test_writing_makes_what_is_missing_and_leaves_the_old_document_alone() -> None:
    before = copy.deepcopy(DOCUMENT)
    made = put(DOCUMENT, parse_path("users.lee.forwarding.busy[0].user"), "dana")
    assert made["users"]["lee"] == {"forwarding": {"busy": [{"user": "dana"}]}}
    assert put(made, ("interfaces", 1, "address"), "10.0.0.2")["interfaces"] == [{"address": "10.0.0.1"}, {"address": "10.0.0.2"}]
    assert remove(made, ("interfaces", 0))["interfaces"] == []
    assert remove(made, ("users", "dana"))["users"].keys() == {"lee"}
    assert before == DOCUMENT
    with pytest.raises(NotFound, match="beyond the end of a list of 1"):
        put(DOCUMENT, ("interfaces", 2), {})


def test_what_is_not_there_is_named_at_the_first_step_that_fails() -> None:
    with pytest.raises(NotFound) as caught:
        read(DOCUMENT, ("users", "dna", "extension"))
    assert caught.value.sentence == "There is no users.dna"
    assert caught.value.hint == 'did you mean "dana"?'
    with pytest.raises(NotFound):
        remove(DOCUMENT, ("trunks", "acme"))


@given(documents())
def test_every_place_of_every_document_has_a_path_that_leads_there(raw: dict[str, Any]) -> None:
    def walk(loc: tuple[str | int, ...], value: Any) -> None:
        assert has(raw, loc)
        if all(len(str(part)) <= 40 and str(part).isprintable() for part in loc):  # longer ones are cut in what people see
            assert parse_path(path_of(loc)) == loc
            check_place(loc)
        assert find(put(raw, loc, 5), loc) == 5
        if loc:
            assert not has(remove(raw, loc), loc) or isinstance(loc[-1], int)
        for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            walk((*loc, key), item)

    for kind in KINDS:
        if kind in raw:
            walk((kind,), raw[kind])


def test_a_version_stands_for_a_value() -> None:
    values = [None, {}, {"a": 1}, {"a": 1.0}, {"a": True}, {"a": "1"}, {"b": 1}, [], [1]]
    assert len({version_of(value) for value in values}) == len(values)
    assert version_of(None) == 0
    assert all(0 <= version_of(value) < 2**53 for value in values)
    assert version_of({"a": [1, {"b": "ä"}]}) == version_of({"a": [1, {"b": "ä"}]})
