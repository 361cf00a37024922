"""The step that pages: whom it is for, its exits, and what a simulation of it shows."""

from __future__ import annotations

from typing import Any

from appliance.callflow.registry import kinds
from appliance.callflow.runner import Flows
from appliance.callflow.simulator import Situation, simulate
from appliance.callflow.virtual import run_virtually
from appliance.calls.program import Paged
from appliance.types import GroupId
from tests.unit.callflow.fakes import DANA, NOW, FakePort, flow, serve, services, snapshot_of
from tests.unit.callflow.test_runner import dialled

STEPS = (
    ("page", "page", {"group": "sales", "seconds": 30}, {"next": "bye", "nobody": "sorry"}),
    ("bye", "say", {"text": "Done"}, {}),
    ("sorry", "say", {"text": "Nobody"}, {}),
)


def site(settings: dict[str, Any] | None = None) -> Any:
    (name, kind, given, exits), *rest = STEPS
    own = flow((name, kind, given if settings is None else settings, exits), *rest)
    return snapshot_of(flows={"own": own}, users={"dana": {"name": "Dana", "extension": "205", "flow": "own"}})


def test_a_group_or_everybody_hears_the_caller() -> None:
    port = dialled(site())
    assert ("page", Paged(GroupId("sales"))) in port.saw
    assert port.said == ["Done"]
    assert ("page", Paged()) in dialled(site({})).saw


def test_where_no_phone_is_free_the_caller_hears_so() -> None:
    async def main() -> FakePort:
        port = FakePort(site(), DANA, "700")
        port.free_phones = 0
        await serve(Flows(services()).dialling(DANA.user), port)
        return port

    assert run_virtually(main()).said == ["Nobody"]


def test_a_simulation_shows_whose_phones_speak() -> None:
    result = simulate(site({}), Situation(number="700", user="dana"), NOW)
    assert (result.visits[0].step, result.visits[0].exit) == ("page", "next")
    assert result.visits[0].rang
    silent = simulate(site({}), Situation(number="700", user="dana", others="unreachable"), NOW)
    assert (silent.visits[0].step, silent.visits[0].exit) == ("page", "nobody")


def test_its_settings_are_a_form() -> None:
    said = kinds()["page"].describe()
    assert (said["title"], said["icon"]) == ("Page", "say")
    assert set(said["settings"]["properties"]) == {"group", "seconds"}
