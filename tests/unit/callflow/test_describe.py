"""Kinds of steps as fields of a form, the ways out of a step, and the worker jobs made of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from appliance.callflow.describe import describe, summary
from appliance.callflow.ends import ends
from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.refs import UserRef
from appliance.callflow.registry import kinds
from appliance.callflow.run import Run
from appliance.callflow.starters import STARTERS
from appliance.errors import NotFound
from appliance.site.model.flows import Flow, Step
from appliance.site.sentences import Names
from appliance.worker.kinds import kinds as kinds_job
from appliance.worker.kinds import words
from appliance.worker.outline import outline
from appliance.worker.simulate import simulate
from tests.support.sites import make_site

CONTROLS = {"text", "lines", "number", "switch", "choice", "ref", "list", "rows"}


class OddSettings(Settings):
    who: UserRef = Field(description="Who.")
    wait_seconds: int = Field(5, ge=1, le=9)
    odd: dict[str, int] = Field(default_factory=dict, title="Odd one")


class Odd(Node[OddSettings]):
    """A kind that nobody knows."""

    kind = "odd"
    title = "Odd"
    help = "Does something odd."
    settings = OddSettings

    async def run(self, run: Run, settings: OddSettings) -> Way:
        return "next"


def test_an_unknown_kind_has_a_form_by_itself() -> None:
    said = describe(Odd())
    who, wait, odd = said["fields"]
    assert who == {"name": "who", "label": "Who", "help": "Who.", "required": True, "default": None, "control": "ref", "refers": "user"}
    assert (wait["label"], wait["control"], wait["minimum"], wait["maximum"], wait["unit"]) == ("Wait", "number", 1, 9, "seconds")
    assert (odd["label"], odd["control"]) == ("Odd one", "json")
    assert said["icon"] == "flow"


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_there_is_has_proper_controls(kind: str) -> None:
    for field in describe(kinds()[kind])["fields"]:
        assert field["control"] in CONTROLS, field
        assert field["label"] and "_" not in field["label"]
        for inner in field.get("fields", ()):
            assert inner["control"] in CONTROLS, inner


def test_a_target_is_one_of_several() -> None:
    targets = next(field for field in describe(kinds()["dial"])["fields"] if field["name"] == "targets")
    assert targets["one_of"] == ["user", "device", "group", "extension", "number", "dialled"]
    assert [field["refers"] for field in targets["fields"] if field["control"] == "ref"] == ["user", "device", "group", "extension"]


def test_a_step_in_a_few_words() -> None:
    names = Names(make_site())
    assert (
        summary(kinds()["dial"], {"targets": [{"user": "user-201"}, {"number": "5550100", "delay_seconds": 5}], "ring_seconds": 9}, names)
        == "User 201, 5550100"
    )
    assert summary(kinds()["say"], {"text": "x" * 90}, names).startswith('"xxx')
    assert summary(kinds()["hang-up"], {"cause": "busy"}, names) == "Busy"
    assert summary(kinds()["dial"], {"targets": "nonsense"}, names) == ""


EXITS = (Exit("open", "open", required=True), Exit("closed", "closed", required=True), Exit("holiday", "on a holiday", instead="closed"), Exit("hm", "hm"))


def _states(**exits: str) -> dict[str, tuple[str, str]]:
    step = Step(type="schedule", exits=exits)
    found = ends(EXITS, step, Flow(name="F", start="a", steps={"a": step, "b": Step(type="hang-up")}))
    return {end.name: (end.state, end.to) for end in found}


def test_every_way_out_says_where_it_leads() -> None:
    assert _states(open="b", closed="b") == {"open": ("leads", "b"), "closed": ("leads", "b"), "holiday": ("leads", "b"), "hm": ("ends", "")}
    assert _states(open="gone", nonsense="b") == {
        "open": ("wrong", "gone"), "closed": ("missing", ""), "holiday": ("missing", ""), "hm": ("ends", ""), "nonsense": ("unknown", "b")
    }  # fmt: skip
    assert _states(closed="b", holiday="a")["holiday"] == ("leads", "a")


def _site(**steps: Any) -> dict[str, Any]:
    site = make_site()
    for device in site["devices"].values():
        del device["secret"]
    return {**site, "flows": {"main": {"name": "Main", "start": "menu", "steps": steps}}}


MENU = {"type": "prompt", "settings": {"text": "Hello", "choices": ["1"]}, "exits": {"1": "ring"}}


def test_an_outline_has_every_mistake_at_its_step() -> None:
    found = outline({"document": _site(menu=MENU, ring={"type": "dial"}, lost={"type": "hang-up"}), "flow": "main"})
    menu, ring, lost = found["steps"]
    assert [(each["name"], each["state"]) for each in menu["exits"]] == [("1", "leads"), ("timeout", "missing"), ("invalid", "missing")]
    assert [each["path"] for each in menu["problems"]] == ["flows.main.steps.menu.exits.timeout"]
    assert [each["path"] for each in ring["problems"]] == ["flows.main.steps.ring.settings.targets"]
    assert (lost["reached"], lost["problems"], found["problems"]) == (False, [], [])


def test_exits_are_known_although_settings_are_wrong() -> None:
    found = outline({"document": _site(menu={**MENU, "settings": {"choices": ["1", "2"]}}), "flow": "main"})
    assert [each["name"] for each in found["steps"][0]["exits"]] == ["1", "2", "timeout", "invalid"]


def test_what_is_wrong_with_no_step_is_told_as_well() -> None:
    site = _site(menu=MENU)
    site["flows"]["main"] |= {"start": "gone", "extensions": ["201"]}
    paths = {each["path"] for each in outline({"document": site, "flow": "main"})["problems"]}
    assert {"flows.main.start", "flows.main.extensions[0]"} <= paths


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.id)
def test_a_starter_lacks_only_what_the_installer_knows(starter: Any) -> None:
    site = make_site()
    for device in site["devices"].values():
        del device["secret"]
    found = outline({"document": {**site, "flows": {"new": starter.flow("New").model_dump(mode="json")}}, "flow": "new"})
    assert all(step["reached"] for step in found["steps"])
    assert found["problems"] == []
    for problem in (each for step in found["steps"] for each in step["problems"]):
        assert problem["path"].rpartition(".")[2] in {"targets", "schedule"}, problem


def test_a_flow_is_tried_whatever_leads_to_it() -> None:
    ring = {"type": "dial", "settings": {"targets": [{"user": "user-201"}]}}
    site = _site(menu={**MENU, "exits": {"1": "ring", "timeout": "ring"}}, ring=ring)
    found = simulate({"document": site, "situation": {"flow": "main", "keys": "1"}})
    assert [visit["step"] for visit in found["visits"]] == ["menu", "ring"]
    assert found["end"].startswith("User 201 answers")
    with pytest.raises(NotFound):
        simulate({"document": site, "situation": {"flow": "none"}})


def test_the_job_lists_kinds_and_starters() -> None:
    found = kinds_job({})
    assert {each["type"] for each in found["kinds"]} == set(kinds())
    assert [each["id"] for each in found["starters"]] == ["empty", "ring", "hours", "menu"]


def test_what_people_read_of_steps_is_there_for_translators() -> None:
    found = {text for _, _, text, _ in words()}
    assert {"Voicemail", "Rings for", "nobody reachable", "Leave a message", "Whom", "Ring, then voicemail"} <= found
    assert all(found)
