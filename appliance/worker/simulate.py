"""Worker job "simulate": what would happen to a call, by a document that need not be in force."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from appliance.callflow import simulator
from appliance.callflow.simulator import Situation
from appliance.errors import DocumentError, HoldfastError
from appliance.site.countries import COUNTRIES
from appliance.site.model.site import Site
from appliance.site.snapshot import compile
from appliance.site.wording import quoted, translate


def simulate(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"document", "situation": fields of Situation}. The document may have mistakes as long as its fields can be read; a flow that has some is
    walked as the box would: not at all.

    Returns {"visits": [{flow, step, kind, exit, leads_to, said, rang, at_s}], "end": a sentence, "how", "seconds"}. Raises DocumentError, NotFound, and
    `situation` for a situation that makes no sense.
    """
    try:
        site = Site.model_validate(given["document"])
    except ValidationError as error:
        raise DocumentError("the site document cannot be read, so nothing can be simulated", translate(error)) from None
    if site.country not in COUNTRIES:
        raise HoldfastError(f"the numbers of the country {quoted(site.country)} are not known", "correct the country first", code="document")
    try:
        situation = Situation.model_validate(given["situation"])
    except ValidationError as error:
        problem = translate(error, root=Situation)[0]
        raise HoldfastError(f"{problem.path} {problem.sentence}", problem.hint, code="situation") from None
    return asdict(simulator.simulate(compile(site, 0, {}), situation, datetime.now(UTC)))
