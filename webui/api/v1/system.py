"""What the box runs on, its licences, and a fresh start, over the API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.control.client import LicenceResult, RestartResult, SystemResult
from appliance.errors import NotFound
from webui.api.v1.operation import Ask, Reply, operation
from webui.api.v1.state import BOX, ask_engine


class RestartBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    restart: Literal["engine", "everything"] = Field(description="The phone engine alone, or all of the box's software, this API too.")
    force: bool = Field(default=False, description="Also while an emergency call is up, which it cuts off.")


@operation("GET", "/system", id="system", tag=BOX, scope="read", answers={200: SystemResult})
def system(ask: Ask) -> Reply:
    """Version, board, kernel, uptime, and the libraries with their licences."""
    return Reply(ask_engine("system"))


@operation("GET", "/system/licences/{name}", id="system.licence", tag=BOX, scope="read", answers={200: LicenceResult})
def licence(ask: Ask, name: str) -> Reply:
    """The text of a licence. Of a library of `/system`, or of holdfast itself."""
    if not 0 < len(name) <= 100:
        raise NotFound("There is no such library", "GET /api/v1/system lists them")
    return Reply(ask_engine("system.licence", name=name))


@operation("POST", "/restart", id="restart", tag=BOX, scope="commit", body=RestartBody, answers={202: RestartResult}, refusals=(409,))
def restart(ask: Ask) -> Reply:
    """Start the phone engine, or everything, afresh. Calls that are up end; phones stay registered. Refused during an emergency call, unless forced."""
    said = ask_engine("box.restart", reason=f"API, {ask.who.name}"[:300], force=ask.body.force, whole=ask.body.restart == "everything")
    return Reply(said, 202)
