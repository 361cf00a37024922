"""Checks of flows: every mistake at its place, and nothing that passes can go wrong when it runs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.callflow.graph import BrokenFlow, compile, problems, warnings
from appliance.callflow.loops import Edge, Vertex, loops
from appliance.callflow.registry import kinds
from appliance.site.model.flows import Flow
from appliance.site.model.site import Site
from appliance.site.salvage import salvage
from tests.unit.callflow.fakes import flow, raw_site

MEDIA = frozenset({"a" * 64})


def found(made: dict[str, Any], **site: Any) -> list[tuple[str, str, str]]:
    """(path below the flow, sentence, hint) of each problem."""
    listed = problems(Site.model_validate(raw_site(flows={"f": made}, **site)), MEDIA)
    return [(problem.path.removeprefix("flows.f."), problem.sentence, problem.hint) for problem in listed]


END = ("end", "hang-up", {}, {})
RING = {"no-answer": "end"}


def test_the_flow_every_site_has_is_right() -> None:
    assert problems(Site(), frozenset()) == ()
    assert warnings(Site()) == ()


@pytest.mark.parametrize(
    ("made", "path", "sentence", "hint"),
    [
        (flow(("a", "dail", {}, {})), "steps.a.type", 'there is no kind of step "dail"', 'did you mean "dial"?'),
        ({"name": "F", "start": "b", "steps": {"a": {"type": "hang-up"}}}, "start", 'is "b", which is no step of this flow', "there is a"),
        ({"name": "F", "start": "a", "steps": {}}, "steps", "has no step, so a call would go nowhere", 'add a step, for example type = "dial"'),
        (flow(("a", "say", {}, {})), "steps.a.settings.text", "is missing", ""),
        (flow(("a", "say", {"txt": "Hi", "text": "Hi"}, {})), "steps.a.settings.txt", "is not a known field", 'did you mean "text"?'),
        (flow(("a", "say", {"text": "Hi {callr}"}, {})), "steps.a.settings.text", '"{callr}" stands for nothing; did you mean "caller"?', ""),
        (flow(("a", "say", {"text": "x" * 1001}, {})), "steps.a.settings.text", "is longer than 1000 characters", "use at most 1000"),
        (flow(("a", "say", {"text": "Hi", "language": "English"}, {})), "steps.a.settings.language", '"English" is not a language', 'small letters: "en-us"'),
        (flow(("a", "say", {"text": "Hi"}, {"next": "b"})), "steps.a.exits.next", 'leads to "b", which is no step of this flow', "there is a"),
        (flow(("a", "say", {"text": "Hi"}, {"nxt": "a"})), "steps.a.exits.nxt", '"nxt" is no exit of this step', 'did you mean "next"?'),
        (flow(("a", "hang-up", {}, {"next": "a"})), "steps.a.exits.next", '"next" is no exit of this step', "this step has no exits: leave it out"),
        (flow(("a", "answer", {}, {})), "steps.a.exits.next", 'is missing: "then" leads nowhere', "name the step it leads to"),
        (flow(("a", "play", {"audio": "welcom"}, {})), "steps.a.settings.audio", 'there is no audio "welcom"', 'did you mean "welcome"?'),
        (flow(("a", "ring-user", {"user": "bob"}, {})), "steps.a.settings.user", 'there is no user "bob"', "there is dana, kim, lee"),
        (flow(("a", "voicemail", {"mailbox": "x"}, {})), "steps.a.settings.mailbox", 'there is no mailbox "x"', "there is lee, office"),
        (flow(("a", "go-to-flow", {"flow": "x"}, {})), "steps.a.settings.flow", 'there is no flow "x"', "there is f, house"),
        (
            flow(("a", "schedule", {"schedule": "x"}, {"open": "end", "closed": "end"}), END),
            "steps.a.settings.schedule", 'there is no schedule "x"', "there is hours",
        ),
        (
            flow(("a", "prompt", {"text": "Hi", "choices": ["1"]}, {"timeout": "end"}), END),
            "steps.a.exits.1", 'is missing: "key 1" leads nowhere', "name the step it leads to",
        ),
        (
            flow(("a", "prompt", {"text": "Hi", "choices": ["*"], "tries": 99}, {"*": "end", "timeout": "end"}), END),
            "steps.a.settings.tries", "99 is too large", "use 10 or less",
        ),
        (
            flow(("a", "prompt", {"choices": ["1"]}, {"1": "end", "timeout": "end"}), END),
            "steps.a.settings", "says nothing; write a text or name an audio", "",
        ),
        (
            flow(("a", "string-match", {"cases": [{"exit": "x", "kind": "regex", "value": "(4"}]}, {"x": "end", "otherwise": "end"}), END),
            "steps.a.settings.cases[0]", "is no regular expression: missing ): (4", "",
        ),
        (
            flow(("a", "string-match", {"cases": [{"exit": "x", "kind": "regex", "value": "(?<=4)0"}]}, {"x": "end", "otherwise": "end"}), END),
            "steps.a.settings.cases[0]", "is no regular expression: invalid perl operator: (?<=", "",
        ),
        (
            flow(("a", "string-match", {"cases": [{"exit": "x", "kind": "regex", "value": "4" * 201}]}, {"x": "end", "otherwise": "end"}), END),
            "steps.a.settings.cases[0].value", "is longer than 200 characters", "use at most 200",
        ),
        (
            flow(("a", "string-match", {"cases": [{"exit": "x", "kind": "regex", "value": r"\pL{900}"}]}, {"x": "end", "otherwise": "end"}), END),
            "steps.a.settings.cases[0]", "is no regular expression: pattern too large - compile failed", "",
        ),
        (
            flow(("a", "dial", {"targets": [{"user": "dana"}, {"user": "dana", "group": "sales"}]}, {})),
            "steps.a.settings.targets[1]", "names user and group; name exactly one of user, device, group, extension, number, dialled = true", "",
        ),
        (flow(("a", "dial", {"targets": []}, {})), "steps.a.settings.targets", "is empty", "write at least 1"),
        (flow(("a", "dial", {"targets": [{"extension": "999"}]}, {})), "steps.a.settings.targets[0].extension", 'there is no extension "999"', "there is"),
        (flow(("a", "dial", {"targets": [{"number": "9911"}]}, {})), "steps.a.settings.targets[0].number", "9911 is an emergency number", "people call it"),
        (flow(("a", "dial", {"targets": [{"number": "911"}]}, {})), "steps.a.settings.targets[0].number", "911 is an emergency number", "people call it"),
        (flow(("a", "dial", {"targets": [{"number": "call me"}]}, {})), "steps.a.settings.targets[0].number", "is not a number that can be dialled", ""),
    ],
)  # fmt: skip
def test_each_mistake_has_its_place_its_words_and_its_cure(made: dict[str, Any], path: str, sentence: str, hint: str) -> None:
    listed = found(made)
    assert [place for place, _, _ in listed] == [path], listed
    assert listed[0][1].startswith(sentence), listed
    assert listed[0][2].startswith(hint), listed


def test_a_recording_that_is_not_on_the_box() -> None:
    listed = problems(Site.model_validate(raw_site()), frozenset())
    assert [problem.path for problem in listed] == ["audio.welcome.sha256"]


def test_exits_that_are_left_out_go_the_way_of_another() -> None:
    made = Flow.model_validate(flow(("a", "dial", {"targets": [{"user": "dana"}]}, {"no-answer": "end"}), END))
    assert compile("f", made).places["a"].exits == {"no-answer": "end", "busy": "end", "failed": "end"}


@pytest.mark.parametrize(
    ("made", "path"),
    [
        (flow(("a", "set-caller-id", {"name": "X"}, {"next": "b"}), ("b", "set-caller-id", {"name": "X"}, {"next": "a"})), "steps.a.exits.next"),
        (flow(("a", "go-to-flow", {"flow": "f"}, {})), "steps.a"),
        # Rings that fail at once: nobody is registered.
        (flow(("a", "ring-user", {"user": "dana"}, {"no-answer": "a", "busy": "end", "failed": "a"}), END), "steps.a.exits.failed"),
        (flow(("a", "dial", {"targets": [{"user": "flowman"}]}, {})), "steps.a"),
    ],
)
def test_ways_round_that_wait_for_nobody_are_refused(made: dict[str, Any], path: str) -> None:
    users = {"flowman": {"name": "F", "extension": "500", "mode": "flow", "flow": "f"}}
    listed = found(made, users=users)
    assert [place for place, _, _ in listed] == [path]
    assert "goes round for ever without waiting for anybody: a -> " in listed[0][1]


def test_a_way_round_through_two_flows_is_refused_and_names_both() -> None:
    other = flow(("x", "go-to-flow", {"flow": "f"}, {}))
    listed = problems(Site.model_validate(raw_site(flows={"f": flow(("a", "go-to-flow", {"flow": "g"}, {})), "g": other})), MEDIA)
    assert [problem.sentence for problem in listed] == ["goes round for ever without waiting for anybody: a -> g/x -> a"]


@pytest.mark.parametrize(
    "made",
    [
        flow(("a", "prompt", {"text": "Hi", "choices": ["1"]}, {"1": "a", "timeout": "a"})),
        flow(("a", "ring-user", {"user": "dana"}, {"no-answer": "a", "busy": "end", "failed": "end"}), END),
        flow(("a", "ring-user", {"user": "dana"}, {"no-answer": "b"}), ("b", "say", {"text": "Hold on"}, {"next": "a"})),
        flow(("a", "say", {"text": "Hi"}, {"next": "go"}), ("go", "go-to-flow", {"flow": "f"}, {})),
    ],
)
def test_ways_round_on_which_somebody_is_waited_for_are_fine(made: dict[str, Any]) -> None:
    assert found(made) == []


def test_steps_that_are_never_reached_are_a_warning() -> None:
    site = Site.model_validate(raw_site(flows={"f": flow(END, ("lost", "say", {"text": "Hi"}, {"next": "also"}), ("also", "hang-up", {}, {}))}))
    assert problems(site, MEDIA) == ()
    assert [warning.path for warning in warnings(site)] == ["flows.f.steps.lost", "flows.f.steps.also"]


def test_a_broken_flow_says_why() -> None:
    for steps, why in (
        ({"a": {"type": "teleport"}}, 'flow f: step a is of the unknown kind "teleport"'),
        ({"a": {"type": "say"}}, "flow f: a.text: is missing"),
        ({"b": {"type": "hang-up"}}, 'flow f begins at "a", which is no step of it'),
    ):
        with pytest.raises(BrokenFlow) as error:
            compile("f", Flow.model_validate({"name": "F", "start": "a", "steps": steps}))
        assert error.value.sentence == why


# ---- anything that could be written ----

NAMES = st.sampled_from(["a", "b", "c", "d", "end"])
EXIT_NAMES = st.sampled_from(
    ["next", "1", "2", "timeout", "invalid", "no-answer", "busy", "failed", "done", "full", "open", "closed", "x", "otherwise", "entered"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10_000)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["dana", "f", "g", "(a", "x{9}{9}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
IDS = st.sampled_from(["dana", "lee", "flowman", "sales", "door", "office", "welcome", "hours", "f", "g", "nobody"])
TARGET = st.fixed_dictionaries({}, optional={"user": IDS, "group": IDS, "number": st.sampled_from(["911", "912025550147", "?"]), "dialled": st.booleans()})
CASE = st.fixed_dictionaries(
    {"exit": st.sampled_from(["x", "y", "otherwise"]), "value": st.text(min_size=1, max_size=6)}, optional={"kind": st.sampled_from(["regex", "pattern"])}
)
SETTINGS = st.one_of(
    st.dictionaries(st.sampled_from(["text", "user", "targets", "choices", "cases", "mailbox", "tries", "zz"]), JSON, max_size=3),
    st.just({}),
    st.fixed_dictionaries({"text": st.text(max_size=10)}, optional={"choices": st.lists(st.sampled_from(["1", "2", "x"]), max_size=3)}),
    st.fixed_dictionaries({"targets": st.lists(TARGET, max_size=3)}),
    st.fixed_dictionaries({"cases": st.lists(CASE, max_size=3)}),
    st.one_of(*(st.fixed_dictionaries({name: IDS}) for name in ("user", "flow", "audio", "schedule", "mailbox", "name"))),
)
STEP = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*kinds(), "teleport"]),
        "settings": SETTINGS,
        "exits": st.dictionaries(EXIT_NAMES, st.sampled_from(["a", "b", "c", "end", "gone"]), max_size=4),
    }
)
FLOW = st.fixed_dictionaries({"name": st.just("F"), "start": NAMES, "steps": st.dictionaries(NAMES, STEP, max_size=5)})


@given(FLOW, FLOW)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_passes_field_validation_is_judged_without_an_exception_and_what_is_fine_compiles(one: dict[str, Any], two: dict[str, Any]) -> None:
    users = {"flowman": {"name": "F", "extension": "500", "mode": "flow", "flow": "f"}}
    raw = raw_site(flows={"f": one, "g": two}, users=users)
    site = Site.model_validate(raw)
    listed = problems(site, MEDIA)
    warnings(site)
    bad = {problem.path.split(".")[1] for problem in listed if problem.path.startswith("flows.")}
    for name, made in site.flows.items():
        if name not in bad:
            graph = compile(name, made)
            for place in graph.places.values():
                for exit in place.node.exits(place.settings):
                    assert not exit.required or exit.name in place.exits
                assert set(place.exits.values()) <= set(graph.places)


@given(st.dictionaries(st.sampled_from(["name", "start", "steps", "extensions", "zz"]), st.one_of(JSON, st.dictionaries(NAMES, STEP, max_size=2)), max_size=4))
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_can_be_salvaged_of_a_damaged_document_is_judged_without_an_exception(damaged: dict[str, Any]) -> None:
    site = salvage(raw_site(flows={"f": damaged}))
    problems(site, MEDIA)
    warnings(site)


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 8), max_size=4), max_size=8))
def test_a_way_round_is_found_where_there_is_one_and_is_one(raw: dict[int, list[int]]) -> None:
    edges: dict[Vertex, list[Edge]] = {("f", str(here)): [Edge(("f", str(there)), "x") for there in ways] for here, ways in raw.items()}
    listed = list(loops(edges))
    for loop in listed:
        for (here, edge), (there, _) in zip(loop, (*loop[1:], loop[0]), strict=True):
            assert edge in edges[here] and edge.to == there
    assert bool(listed) == _cyclic(raw)


def _cyclic(raw: dict[int, list[int]]) -> bool:
    """By taking away what leads nowhere, until nothing is left to take."""
    left = {here: {there for there in ways if there in raw} for here, ways in raw.items()}
    while ends := {here for here, ways in left.items() if not ways}:
        left = {here: ways - ends for here, ways in left.items() if here not in ends}
    return bool(left)


def test_a_flow_of_thousands_of_steps_is_no_trouble() -> None:
    steps = {f"s{n}": {"type": "set-caller-id", "settings": {"name": "X"}, "exits": {"next": f"s{n + 1}"}} for n in range(5000)}
    steps["s5000"] = {"type": "go-to-flow", "settings": {"flow": "f"}, "exits": {}}
    assert len(found({"name": "F", "start": "s0", "steps": steps})) == 1


def test_two_hundred_flows_are_checked_in_well_under_half_a_second() -> None:
    """The CPU time of the second run; the first one loads the kinds of steps."""
    many = {}
    for n in range(200):
        cases = [{"exit": f"c{k}", "kind": "regex", "value": f"^{n}{k}[0-9]+$"} for k in range(5)]
        many[f"flow-{n}"] = flow(
            ("match", "string-match", {"cases": cases}, {**{f"c{k}": "dial" for k in range(5)}, "otherwise": "menu"}),
            ("menu", "prompt", {"text": "Welcome", "choices": ["1", "2", "3"]}, {"1": "dial", "2": "vm", "3": "go", "timeout": "end"}),
            ("dial", "dial", {"targets": [{"user": "dana"}, {"group": "sales", "delay_seconds": 5}]}, {"no-answer": "vm"}),
            ("vm", "voicemail", {"mailbox": "office"}, {"done": "end"}),
            ("go", "go-to-flow", {"flow": f"flow-{(n + 1) % 200}"}, {}),
            END,
        )
    site = Site.model_validate(raw_site(flows=many))
    assert problems(site, MEDIA) == ()
    began = time.process_time()
    assert problems(site, MEDIA) == ()
    assert warnings(site) == ()
    assert time.process_time() - began < 0.4
