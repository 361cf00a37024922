"""Number patterns and expressions of String match and Prompt, against plainer ways to say the same."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.callflow.facts import Facts
from appliance.callflow.nodes.prompt import NODE as PROMPT
from appliance.callflow.nodes.prompt import PromptSettings, chosen, ends, whole
from appliance.callflow.nodes.string_match import NODE, Case, StringMatchSettings
from appliance.callflow.patterns import begins, expression, matches
from tests.unit.callflow.fakes import NOW, OUTSIDE, snapshot_of

SITE = snapshot_of()
KEYS = st.text(alphabet="0123456789*#", max_size=8)
PATTERN = st.text(alphabet="0123456789*#xn", min_size=1, max_size=6)


def facts(dialled: str = "", **known: Any) -> Facts:
    return Facts(SITE, dialled, OUTSIDE, None, NOW, **known)


def as_expression(pattern: str) -> str:
    body = "".join({"x": "[0-9]", "n": "[2-9]"}.get(key, re.escape(key)) for key in pattern.removesuffix("."))
    return f"{body}.+" if pattern.endswith(".") else body


@given(PATTERN, st.booleans(), KEYS)
@pytest.mark.row("E9")
def test_a_pattern_is_what_it_says(pattern: str, open_end: bool, number: str) -> None:
    written = f"{pattern}." if open_end else pattern
    assert matches(written, number) == (re.fullmatch(as_expression(written), number) is not None)


@given(PATTERN, KEYS)
def test_more_keys_are_waited_for_exactly_while_they_could_fit(pattern: str, keys: str) -> None:
    rest = pattern[len(keys) :]
    could = bool(rest) and matches(pattern, keys + rest.replace("x", "0").replace("n", "2"))
    assert begins(pattern, keys) == could


@given(st.lists(st.tuples(st.sampled_from(["exact", "prefix", "pattern"]), PATTERN), min_size=1, max_size=6), KEYS)
@pytest.mark.row("E9")
def test_the_first_line_that_fits_decides(lines: list[tuple[Any, str]], dialled: str) -> None:
    settings = StringMatchSettings(cases=tuple(Case(exit=f"e{index}", kind=kind, value=value) for index, (kind, value) in enumerate(lines)))
    fits = {"exact": str.__eq__, "prefix": lambda value, subject: subject.startswith(value), "pattern": matches}
    expected = next((f"e{index}" for index, (kind, value) in enumerate(lines) if fits[kind](value, dialled)), "otherwise")
    assert NODE.decide(facts(dialled), settings) == expected


@given(st.text(max_size=20))
def test_any_expression_is_taken_or_refused_with_a_sentence(text: str) -> None:
    try:
        expression(text).search("4000")
    except ValueError as error:
        assert str(error)


def test_an_expression_that_takes_too_much_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        expression(r"\pL{50}")


def test_no_expression_can_hold_the_box_up() -> None:
    began = time.process_time()
    Case(exit="x", kind="regex", value="(a|aa|a?)+$").fits("a" * 4000 + "!")
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("of", "known", "value"),
    [
        ("dialled", {"dialled": "4000"}, "4000"),
        ("caller", {}, "+13035550100"),
        ("caller_name", {}, "widget works"),
        ("digits", {"digits": "42"}, "42"),
        ("text", {"text": "  Open the DOOR "}, "open the door"),
    ],
)
def test_what_is_looked_at(of: Any, known: dict[str, Any], value: str) -> None:
    assert NODE.decide(facts(**known), StringMatchSettings(of=of, cases=(Case(exit="yes", value=value),))) == "yes"


def test_half_a_surrogate_pair_in_a_message_is_no_trouble() -> None:
    settings = StringMatchSettings(of="text", cases=(Case(exit="yes", kind="regex", value="hi"),))
    assert NODE.decide(facts(text="\ud83d hi"), settings) == "yes"


def asked(*choices: str, **settings: Any) -> PromptSettings:
    return PromptSettings.model_validate({"text": "Hi", "choices": choices, **settings})


@pytest.mark.row("E10")
@pytest.mark.parametrize(
    ("choices", "typed", "is_whole", "leads"),
    [
        (("1", "2"), "1", True, "1"),
        (("1", "2"), "3", True, None),
        (("1", "1x"), "1", False, "1"),  # 1 alone, or 1 and another key: waits
        (("1", "1x"), "15", True, "1x"),
        (("12", "1x"), "12", True, "12"),
        (("2xx",), "24", False, None),
        (("nxx",), "1", True, None),
        ((), "1", False, "entered"),
        ((), "", False, None),
    ],
)
def test_when_a_prompt_has_heard_enough(choices: tuple[str, ...], typed: str, is_whole: bool, leads: str | None) -> None:
    assert whole(asked(*choices), typed) == is_whole
    assert chosen(asked(*choices), typed) == leads


def test_a_hash_ends_what_is_typed_unless_it_is_a_key_of_a_choice() -> None:
    assert ends(asked("1", "1x"), "1")
    assert not ends(asked("#"), "")
    assert not ends(asked("*#1"), "*")


@given(st.lists(st.text(alphabet="0123456789*#xn", min_size=1, max_size=4), max_size=5, unique=True))
def test_every_choice_is_an_exit_that_must_lead_somewhere(choices: list[str]) -> None:
    exits = PROMPT.exits(asked(*choices))
    assert [exit.name for exit in exits if exit.required] == [*(choices or ["entered"]), "timeout"]
