"""Flows over the API: what steps there are, a flow step by step, and what would become of a call; by the candidate, a revision, or drafts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.site.store import SiteStore
from appliance.site.working import run_job
from webui.api.v1.operation import Ask, Reply, operation
from webui.api.v1.shapes import ProblemItem
from webui.place import place

LIMIT_S = 20.0
TAG = "Flows"
Doing = Literal["answers", "no-answer", "busy", "unreachable"]


class _Draft(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: int = Field(default=0, ge=0, le=10**9, description="By a revision that is kept; 0: by the candidate.")
    drafts: dict[str, dict[str, Any]] = Field(
        default_factory=dict, max_length=50, description="Flows by their ids, as they would stand in the site: used in place of what it has. Nothing is saved."
    )


class SimulationBody(_Draft):
    number: str = Field(default="", max_length=40, description="What is dialled, or the number of the site that is called from outside.")
    flow: str | None = Field(default=None, max_length=63, description="The call begins in this flow, whatever leads to it.")
    user: str | None = Field(default=None, max_length=63, description="Who dials; none: the call comes from outside.")
    caller: str = Field(default="", max_length=40, description="The number a call from outside comes from.")
    at: str | None = Field(default=None, max_length=40, description="When, like 2026-12-24T18:30, in the site's time; none: now.")
    keys: str = Field(default="", max_length=100, description="Keys the caller presses as they are asked for.")
    people: dict[str, Doing] = Field(default_factory=dict, max_length=200, description="What users, devices and outside numbers do.")
    others: Doing = Field(default="answers", description="What everybody else does.")
    internet: bool = Field(default=True, description="Whether the connection to the outside works.")


class OutlineBody(_Draft):
    flow: str = Field(min_length=1, max_length=63, description="The id of the flow.")


class VisitItem(TypedDict):
    """A step that was taken: the exit taken, what the caller heard and who rang meanwhile. `at_s`: when it ended."""

    flow: str
    step: str
    kind: str
    exit: str
    leads_to: str
    said: list[str]
    rang: list[str]
    at_s: float


class SimulationAnswer(TypedDict):
    """`end` in one sentence; `how`: "answered", "voicemail", "ended", "refused" or "emergency"; `seconds` until then."""

    visits: list[VisitItem]
    end: str
    how: str
    seconds: float


class ExitItem(TypedDict):
    """`state`: it leads to a step ("leads") or ends the call ("ends"), must lead somewhere ("missing"), leads to a step there is none of ("wrong"), or is no
    exit of the step ("unknown"). `set`: written down in the flow; else it goes the way of another exit. `number`: of the step `leads_to`, 0: none.
    """

    name: str
    label: str
    leads_to: str
    number: int
    state: str
    set: bool
    required: bool


class StepItem(TypedDict):
    """A step. `summary`: what it does in a few words; `reached`: a call can come to it; `problems`: what a commit would refuse in it."""

    number: int
    id: str
    type: str
    title: str
    icon: str
    settings: str
    summary: str
    exits: list[ExitItem]
    reached: bool
    problems: list[ProblemItem]


class OutlineAnswer(TypedDict):
    """`steps` in the order a call meets them. `problems`: those that belong to no step."""

    id: str
    name: str
    start: str
    extensions: list[str]
    steps: list[StepItem]
    problems: list[ProblemItem]


class KindItem(TypedDict):
    """A kind of step. `settings`: the JSON schema of what a step of it asks for; `fields`: the same as fields of a form."""

    type: str
    title: str
    help: str
    icon: str
    settings: dict[str, Any]
    fields: list[dict[str, Any]]


class StarterItem(TypedDict):
    """A flow to begin with. What only the installer knows is left open in it."""

    id: str
    title: str
    help: str
    flow: dict[str, Any]


class KindsAnswer(TypedDict):
    kinds: list[KindItem]
    starters: list[StarterItem]


@operation("GET", "/flow-kinds", id="flows.kinds", tag=TAG, scope="read", answers={200: KindsAnswer}, heavy=True)
def kinds(ask: Ask) -> Reply:
    """List the kinds of steps there are, with what each asks for, and flows to begin with."""
    return Reply(run_job("kinds", {}, LIMIT_S))


@operation("POST", "/flow-outlines", id="flows.outline", tag=TAG, scope="read", body=OutlineBody, answers={200: OutlineAnswer}, refusals=(404,), heavy=True)
def outline(ask: Ask) -> Reply:
    """Show a flow step by step, with every exit and everything that a commit would refuse in it. With drafts, a flow is checked before it is saved."""
    asked: OutlineBody = ask.body
    media = [path.stem for path in (place().data / "media").glob("*.wav")]
    return Reply(run_job("outline", {"document": _document(asked), "flow": asked.flow, "media": media}, LIMIT_S))


@operation(
    "POST", "/simulations", id="simulations.run", tag=TAG, scope="read", body=SimulationBody, answers={200: SimulationAnswer}, refusals=(404,), heavy=True
)
def simulate(ask: Ask) -> Reply:
    """Show what would become of a call, by the real steps, in no time. Nothing rings. The candidate may have mistakes as long as its fields can be read."""
    asked: SimulationBody = ask.body
    return Reply(run_job("simulate", {"document": _document(asked), "situation": asked.model_dump(exclude={"revision", "drafts"})}, LIMIT_S))


def _document(asked: _Draft) -> Mapping[str, Any]:
    document = SiteStore(place().data / "site").read(asked.revision).model_dump(mode="json") if asked.revision else place().document()
    held = document.get("flows")
    return {**document, "flows": {**(held if isinstance(held, Mapping) else {}), **asked.drafts}} if asked.drafts else document
