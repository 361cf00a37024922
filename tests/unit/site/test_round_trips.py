"""Whatever a site document holds survives: files out and in, the one form, and every difference applied and taken back."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.site.canonical import canonical
from appliance.site.diff import ABSENT, ORDERED, Change, apply, diff, undo
from appliance.site.document import dump_json, dump_toml
from appliance.site.gently import parse_json
from appliance.site.model.site import Site
from tests.support.documents import documents

slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def same(a: Any, b: Any) -> bool:
    """Equal as JSON: neither 1 and true nor 1 and 1.0 are the same."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


@slow
@given(documents())
def test_a_document_survives_toml_and_json(raw: dict[str, Any]) -> None:
    site = Site.model_validate(raw)
    assert Site.model_validate(tomllib.loads(dump_toml(site))) == site
    assert Site.model_validate(json.loads(dump_json(site))) == site
    assert same(tomllib.loads(dump_toml(Site.model_validate(tomllib.loads(dump_toml(site))))), tomllib.loads(dump_toml(site)))


@slow
@given(documents())
def test_the_one_form_is_the_models_own_and_stays_as_it_is(raw: dict[str, Any]) -> None:
    made = canonical(raw)
    assert same(made, Site.model_validate(raw).model_dump(mode="json"))
    assert same(canonical(made), made)


@slow
@given(documents(), documents())
def test_a_difference_applied_gives_the_other_document_and_taken_back_the_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    a, b = canonical(first), canonical(second)
    changes = diff(a, b)
    assert same(apply(changes, a), b)
    assert same(undo(changes, b), a)
    assert all(list(apply(changes, a)[kind]) == list(b[kind]) and list(undo(changes, b)[kind]) == list(a[kind]) for kind in ORDERED)
    assert diff(b, apply(changes, a)) == ()
    assert (changes == ()) == (same(a, b) and all(list(a[kind]) == list(b[kind]) for kind in ORDERED))
    for change in changes:
        assert change.sentence
        assert "\n" not in change.sentence
        assert Change.from_dict(json.loads(json.dumps(change.as_dict()))) == change


@slow
@given(documents(), documents(), st.data())
def test_one_change_is_taken_back_alone(first: dict[str, Any], second: dict[str, Any], data: st.DataObject) -> None:
    a, b = canonical(first), canonical(second)
    changes = [change for change in diff(a, b) if not change.order]
    if changes:
        one = data.draw(st.sampled_from(changes))
        back = undo([one], b)
        left = [change for change in diff(a, back) if not change.order]
        assert left == [change for change in changes if change != one]


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.sampled_from(["", "x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


messes = st.dictionaries(st.sampled_from(["users", "sip", "flows", "name", "x"]), plain, max_size=4)


@given(messes, messes)
def test_documents_full_of_mistakes_differ_like_any_other(a: dict[str, Any], b: dict[str, Any]) -> None:
    changes = diff(a, b)
    assert same(apply(changes, a), b)
    assert same(undo(changes, b), a)
    assert all(change.before is not ABSENT or change.after is not ABSENT for change in changes)
    assert all(change.sentence for change in changes)


@given(st.recursive(plain, lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12), st.integers(0, 4))
def test_json_read_in_small_steps_is_the_same(value: Any, depth: int) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=2), json.dumps(value, ensure_ascii=False)):
        assert same(parse_json(text, depth), value)


@given(st.text(alphabet='{}[]":,ab1 \n', max_size=12))
def test_json_read_in_small_steps_refuses_what_is_not_json(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        try:
            parse_json(text)
        except ValueError:
            return
        raise AssertionError(f"{text!r} was taken") from None
    assert same(parse_json(text), expected)
