"""The internet connection over the API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from appliance.control.client import DrillResult, DrillShape, WanResult
from webui.api.v1.operation import Ask, Reply, operation
from webui.api.v1.state import BOX, ask_engine


@operation("GET", "/wan/status", id="wan.status", tag=BOX, scope="read", answers={200: WanResult})
def wan(ask: Ask) -> Reply:
    """Whether the internet is there. Its state, since when, how the box knows, and the changes since the engine's start."""
    return Reply(ask_engine("wan"))


class DrillBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: int = Field(default=30, ge=10, le=300, description="How long the internet is cut.")


@operation("GET", "/wan/drill", id="wan.drill", tag=BOX, scope="read", answers={200: DrillResult})
def drill(ask: Ask) -> Reply:
    """The outage drill that is under way, or the report of the last one; and why there can be none on this machine."""
    return Reply(ask_engine("drill"))


@operation("POST", "/wan/drill", id="wan.drill.start", tag=BOX, scope="system", body=DrillBody, answers={202: DrillShape}, refusals=(409,))
def start_drill(ask: Ask) -> Reply:
    """Cut the internet for a while, on purpose. The local network is not touched; an emergency call ends it at once. GET /wan/drill tells how it goes."""
    return Reply(ask_engine("drill.start", seconds=ask.body.seconds, by=ask.who.name), 202, location="/wan/drill")


@operation("DELETE", "/wan/drill", id="wan.drill.end", tag=BOX, scope="system", answers={202: DrillShape}, refusals=(409,))
def end_drill(ask: Ask) -> Reply:
    """End the drill before its time: the internet is given back at once, and watched until it is trusted."""
    return Reply(ask_engine("drill.end", by=ask.who.name), 202, location="/wan/drill")
