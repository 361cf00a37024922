"""The emergency proof over the API: whether every emergency number gets out of every phone as the candidate stands."""

from __future__ import annotations

from typing_extensions import TypedDict

from appliance.site.working import run_job
from webui.api.v1.operation import Ask, Reply, operation
from webui.api.v1.shapes import ProblemItem
from webui.api.v1.state import EMERGENCY
from webui.place import place


class ProvedCallItem(TypedDict):
    """What leaves when `number` is dialled: `sent` says by the names of trunks what each is asked for. `problem` "": it gets out."""

    number: str
    sent: dict[str, str]
    problem: str


class ProvedGroupItem(TypedDict):
    """Phones of which all is the same. `place`: what the dispatcher hears, `callback`: the number that calls them back; `known`: a place is set."""

    phones: list[str]
    place: str
    callback: str
    known: bool
    calls: list[ProvedCallItem]


class ProofAnswer(TypedDict):
    """`problems` keep a commit from being taken, `warnings` do not. `cases`: how many were tried."""

    problems: list[ProblemItem]
    warnings: list[str]
    cases: int
    groups: list[ProvedGroupItem]


@operation("GET", "/emergency/proof", id="emergency.proof", tag=EMERGENCY, scope="read", answers={200: ProofAnswer}, heavy=True)
def proof(ask: Ask) -> Reply:
    """Prove the candidate. Every emergency number from every phone over every trunk, without calling anybody; takes a second or two."""
    site = place().site()
    before = site.model_dump(mode="json") if site is not None else None
    return Reply(run_job("proof", {"document": place().document(), "before": before}))
