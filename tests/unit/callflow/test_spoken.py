"""What a revision speaks whoever calls, so that it can be made beforehand."""

from __future__ import annotations

from typing import Any

from appliance.callflow.library import Library
from appliance.site.model.site import Site
from appliance.site.snapshot import compile


def spoken(**changes: Any) -> dict[str, list[str]]:
    return Library(compile(Site.model_validate(changes), 1, {})).spoken()


def flow(**steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": "Flow", "start": next(iter(steps)), "steps": steps}


def test_a_site_without_anything_that_speaks_needs_nothing() -> None:
    assert spoken(users={"dana": {"name": "Dana", "extension": "201"}}) == {}


def test_the_box_has_its_own_words_ready_where_it_may_need_them() -> None:
    for site in ({"mailboxes": {"a": {"name": "A"}}}, {"users": {"dana": {"name": "Dana", "extension": "201", "flow": ""}}}):
        assert any("press 1" in text for text in spoken(**site)["en-us"])


def test_texts_of_steps_are_there_in_their_language_and_those_with_variables_are_not() -> None:
    steps = {
        "hi": {"type": "say", "settings": {"text": "Bonjour", "language": "fr"}, "exits": {"next": "you"}},
        "you": {"type": "say", "settings": {"text": "You dialled {dialled}"}, "exits": {"next": "ask"}},
        "ask": {"type": "prompt", "settings": {"text": "Press one", "choices": ["1"]}, "exits": {"1": "end", "timeout": "end"}},
        "end": {"type": "hang-up", "settings": {"say": "Farewell"}},
    }
    found = spoken(language="sv", flows={"main": flow(**steps)})
    assert found["fr"] == ["Bonjour"]
    assert found["sv"][-2:] == ["Press one", "Farewell"]
    assert not any("dialled" in text for text in found["sv"])
