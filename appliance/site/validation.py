"""Whether a site document holds: every mistake in it at once, each with its path and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from appliance.errors import Problem
from appliance.site.checks import CHECKS
from appliance.site.model.site import Site
from appliance.site.salvage import salvage
from appliance.site.wording import translate


def check(site: Site) -> tuple[Problem, ...]:
    """The mistakes between the parts of `site` (its fields are right, or it could not have been made); empty when it may be put into force."""
    return tuple(problem for one in CHECKS for problem in one(site))


def validate(raw: object) -> tuple[Site | None, tuple[Problem, ...]]:
    """A parsed document as (site, no problems) or (None, every problem): fields and, as far as the parts can be read, cross references."""
    if not isinstance(raw, Mapping):
        return None, (Problem("document", "must be a group of fields at its top", 'a site file begins with fields such as name = "Main office"'),)
    fields: Mapping[str, Any] = raw
    try:
        site = Site.model_validate(fields)
    except ValidationError as error:
        return None, (*translate(error), *check(salvage(fields)))
    problems = check(site)
    return (None, problems) if problems else (site, ())
