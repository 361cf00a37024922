"""Parts of a document as TOML: it reads back to the same value at the same place, in the same order, without what is at its default."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.site.model.site import Site, house_flow
from appliance.site.text import WIDTH, to_toml
from tests.support.sites import add_number, add_trunk, make_site


def document(**parts: Any) -> dict[str, Any]:
    raw = add_number(add_trunk(make_site(2), "acme", "192.0.2.1", 5070), "+12025550155", "201")
    for device in raw["devices"].values():
        device.pop("secret", None)
    return Site.model_validate({**raw, **parts}).model_dump(mode="json")


STEPS = {
    "hello": {"type": "say", "settings": {"text": 'A "word" \\ of\nwelcome to ' + "everybody " * 10}, "exits": {"done": "menu"}},
    "menu": {"type": "prompt", "settings": {"digits": 1, "rules": [{"match": "1", "deep": {"a": [True, 1.5]}}]}, "exits": {"1": "end", "*": "hello"}},
    "end": {"type": "hang-up"},
}


def test_a_whole_document_reads_back_the_same() -> None:
    whole = document(flows={"menu": {"name": "Menu", "start": "hello", "steps": STEPS, "extensions": ["300", "301"]}})
    back = tomllib.loads(to_toml(whole))
    assert Site.model_validate(back).model_dump(mode="json") == whole
    assert list(back["flows"]["menu"]["steps"]) == ["hello", "menu", "end"], "the order of steps is the installer's"


def test_defaults_are_left_out_and_nothing_else() -> None:
    text = to_toml(document())
    for absent in ("ring_seconds", "rtp_first_port", "[sip]", "[flows", "call_waiting", "null"):
        assert absent not in text
    assert text.startswith('name = "Test site"\ndomain = "holdfast.test"\nmain_number')
    assert '\n\n[users.user-201]\nname = "User 201"\nextension = "201"\n' in text
    assert "ring_seconds = 60" in to_toml(document(), complete=True)
    changed = house_flow().model_dump(mode="json") | {"name": "Our dialling"}
    assert "[flows.house]" in to_toml(document(flows={"house": changed}))


def test_a_part_stands_under_its_own_heading() -> None:
    whole = document(users={"dana": {"name": "Dana", "extension": "201", "forwarding": {"busy": [{"user": "dana"}, {"number": "0", "delay_seconds": 5}]}}})
    dana = whole["users"]["dana"]
    assert to_toml(dana, ("users", "dana")) == (
        '[users.dana]\nname = "Dana"\nextension = "201"\nforwarding = { busy = [{ user = "dana" }, { number = "0", delay_seconds = 5 }] }\n'
    )
    assert to_toml("201", ("users", "dana", "extension")) == '[users.dana]\nextension = "201"\n'
    assert to_toml("Harbour", ("name",)) == 'name = "Harbour"\n'
    assert to_toml(True, ("sip", "x y")) == '[sip]\n"x y" = true\n'
    assert to_toml({"name": "Harbour"}, ("site",)) == 'name = "Harbour"\n', "the fields at the top have no heading"
    assert to_toml({}, ("users", "new")) == "[users.new]\n"
    assert to_toml({"address": "10.0.0.1", "advertised": ""}, ("interfaces", 0)) == 'address = "10.0.0.1"\n'
    assert to_toml("10.0.0.1", ("interfaces", 0, "address")) == '"10.0.0.1"\n'


def test_long_groups_and_lists_take_several_lines() -> None:
    text = to_toml({"steps": STEPS}, ("flows", "menu"))
    assert max(map(len, text.splitlines())) < 2 * WIDTH
    assert "[flows.menu.steps.menu]" in text
    assert 'exits = { 1 = "end", "*" = "hello" }' in text
    numbers = ["+12125550100"] * 20
    assert to_toml(numbers, ("locations", "a", "elins")).count("\n") > 20


def test_what_does_not_fit_is_shown_as_it_is() -> None:
    """A candidate may be wrong in any way while it is edited."""
    for wrong in ({"users": [1, "x"]}, {"users": {"a": 5, "b": {"name": [], "extension": 201, "odd key": "\x7f"}}}, {"flows": 5, "sip": "x"}):
        assert tomllib.loads(to_toml(wrong)) == wrong


keys = st.text(max_size=6) | st.sampled_from(["name", "users", "steps", "a-b", "1"])
values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(keys, inside, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(keys, values, max_size=5))
def test_any_value_reads_back(value: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(value, complete=True)) == value


@given(values, st.lists(keys, min_size=1, max_size=4))
def test_any_value_reads_back_at_its_place(value: Any, names: list[str]) -> None:
    if isinstance(value, dict) and tuple(names) == ("site",):
        return
    here: Any = tomllib.loads(to_toml(value, tuple(names), complete=True))
    for name in names:
        here = here[name]
    assert here == value


@pytest.mark.parametrize("value", [None, [None, 1], {"a": None}])
def test_nothing_is_left_out(value: Any) -> None:
    assert "null" not in to_toml({"x": value}, complete=True)
