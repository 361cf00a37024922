"""What would become of a call, over the API: by the candidate or a revision, without a telephone."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.site.store import SiteStore
from appliance.site.working import run_job
from webui.api.v1.operation import Ask, Reply, operation
from webui.place import place

LIMIT_S = 20.0
Doing = Literal["answers", "no-answer", "busy", "unreachable"]


class SimulationBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str = Field(min_length=1, max_length=40, description="What is dialled, or the number of the site that is called from outside.")
    user: str | None = Field(default=None, max_length=63, description="Who dials; none: the call comes from outside.")
    caller: str = Field(default="", max_length=40, description="The number a call from outside comes from.")
    at: str | None = Field(default=None, max_length=40, description="When, like 2026-12-24T18:30, in the site's time; none: now.")
    keys: str = Field(default="", max_length=100, description="Keys the caller presses as they are asked for.")
    people: dict[str, Doing] = Field(default_factory=dict, max_length=200, description="What users, devices and outside numbers do.")
    others: Doing = Field(default="answers", description="What everybody else does.")
    internet: bool = Field(default=True, description="Whether the connection to the outside works.")
    revision: int = Field(default=0, ge=0, le=10**9, description="By a revision that is kept; 0: by the candidate.")


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


@operation(
    "POST", "/simulations", id="simulations.run", tag="Flows", scope="read", body=SimulationBody, answers={200: SimulationAnswer}, refusals=(404,), heavy=True
)
def simulate(ask: Ask) -> Reply:
    """Show what would become of a call, by the real steps, in no time. Nothing rings. The candidate may have mistakes as long as its fields can be read."""
    asked: SimulationBody = ask.body
    document = SiteStore(place().data / "site").read(asked.revision).model_dump(mode="json") if asked.revision else place().document()
    return Reply(run_job("simulate", {"document": document, "situation": asked.model_dump(exclude={"revision"})}, LIMIT_S))
