"""Worker job "check": what a commit of a document would say: every mistake, what it sets right by itself, the difference, the emergency proof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from appliance.callflow import graph
from appliance.callflow.registry import kinds
from appliance.calls.emergency_proof import prove
from appliance.errors import Problem
from appliance.site.diff import Change, diff
from appliance.site.model.site import Site
from appliance.site.normalise import normalise
from appliance.site.salvage import salvage
from appliance.site.validation import validate


def get_ready() -> None:
    kinds()


def check(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"document", "before": the document in force, or None for a box's first, "media": SHA-256 of the recordings there are, "secrets": names in
    the vault after the commit}. Documents hold no secrets.

    Returns {"problems", "warnings": as {path, sentence, hint}, "document": as it would be committed, None where that is how it came, "changes" from `before`,
    "normalised": those made here, "proof": {"cases"}}.
    """
    raw, before = given["document"], given["before"]
    media = frozenset(given["media"])
    site, mistakes = validate(raw, given["secrets"])
    problems = _once((*mistakes, *graph.problems(site or salvage(raw), media)))
    warnings: Sequence[Problem] = ()
    cases, document = 0, raw
    normalised: Sequence[Change] = ()
    if site is not None and not problems:
        right = normalise(site)
        proof = prove(right, Site.model_validate(before) if before is not None else None)
        problems, cases = list(proof.problems), proof.cases
        warnings = (*graph.warnings(right), *(Problem("emergency", sentence) for sentence in proof.warnings))
        document = right.model_dump(mode="json")
        normalised = diff(site.model_dump(mode="json"), document) if right is not site else ()
    return {
        "problems": [problem.as_dict() for problem in problems],
        "warnings": [warning.as_dict() for warning in warnings],
        "document": document if repr(document) != repr(raw) else None,
        "changes": [change.as_dict() for change in diff(before or {}, document)],
        "normalised": [change.as_dict() for change in normalised],
        "proof": {"cases": cases},
    }


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """One problem for each place: what two checks find there has one cure."""
    found: dict[str, Problem] = {}
    for problem in problems:
        found.setdefault(problem.path, problem)
    return list(found.values())
