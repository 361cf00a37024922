"""Dial plans: an emergency number leaves at once whatever else is dialled, and everything else can still be dialled."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning import dialplan
from provisioning.dialplan import Sent

NUMBERS = st.lists(st.text("0123456789", min_size=2, max_size=5), min_size=1, max_size=6)


def plans(emergency: list[str]) -> dict[str, dialplan.Plan]:
    return {
        "digitmap": dialplan.read_digitmap(dialplan.digitmap(emergency)),
        "braces": dialplan.read_braces(dialplan.braces(emergency)),
        "rules": dialplan.read_rules(dialplan.at_once(emergency), 0, 4),
        "templates": dialplan.read_templates(dialplan.templates(emergency)),
    }


@settings(deadline=None)
@given(NUMBERS, st.text("0123456789", max_size=6))
def test_an_emergency_number_leaves_at_once_and_nothing_after_it_counts(emergency: list[str], after: str) -> None:
    for number in dialplan.at_once(emergency):
        for name, plan in plans(emergency).items():
            assert plan.press(number + after) == Sent(number, 0), (name, number)


@settings(deadline=None)
@given(NUMBERS, st.text("0123456789", min_size=1, max_size=12))
def test_every_other_number_waits_and_is_dialled_whole(emergency: list[str], number: str) -> None:
    if any(number.startswith(each) for each in emergency):
        return
    lone = any(each.startswith(number) for each in emergency)
    for name, plan in plans(emergency).items():
        sent = plan.press(number)
        if name == "braces" and lone:
            assert sent is None  # said in its docstring
        else:
            assert sent is not None and sent.number == number and sent.after_s >= 3, (name, number, sent)


@settings(deadline=None)
@given(NUMBERS)
def test_no_emergency_number_is_lost(emergency: list[str]) -> None:
    kept = dialplan.at_once(emergency)
    assert all(any(number.startswith(each) for each in kept) for number in emergency)


def test_star_codes_and_international_numbers() -> None:
    for name, plan in plans(["911", "112"]).items():
        for number in ("*98", "*98201", "+14155550100"):
            sent = plan.press(number)
            assert sent is not None and sent.number == number, (name, number)


def test_what_makers_ship_is_told_apart() -> None:
    """The simulator is worth something only if it sees the plans that wait."""
    assert dialplan.read_braces("{ x+ | \\+x+ | *x+ }").press("911") == Sent("911", 4)
    assert dialplan.read_braces("{ 911 | x+ }").press("911") == Sent("911", 4)
    assert dialplan.read_digitmap("911|xxxT").press("911") == Sent("911", 0)
    assert dialplan.read_digitmap("xxx.T").press("911") == Sent("911", 3)
    assert dialplan.read_rules([], 0, 4).press("911") == Sent("911", 4)
    assert dialplan.read_rules(["9xx"], 1, 4).press("9115") == Sent("911", 1)
    assert dialplan.read_templates([("*", 5)]).press("911") == Sent("911", 5)
    assert dialplan.read_digitmap("2xx").press("911") is None
    assert dialplan.read_digitmap("2xx").press("") is None
