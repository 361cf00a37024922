"""Whether a site document holds: every mistake in it at once, each with its path and what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from appliance.errors import Problem
from appliance.site.checks import CHECKS
from appliance.site.checks import secrets as secrets_missing
from appliance.site.model.site import Site
from appliance.site.salvage import salvage
from appliance.site.wording import translate


def check(site: Site, secrets: Collection[str] | None = None) -> tuple[Problem, ...]:
    """The mistakes between the parts of `site` (its fields are right, or it could not have been made); empty when it may be put into force.

    `secrets`: the names that are in the vault when it is (`Vault.names`, staged ones too); None: not known, so none is missed.
    """
    found = tuple(problem for one in CHECKS for problem in one(site))
    return found if secrets is None else (*found, *secrets_missing(site, secrets))


def validate(raw: object, secrets: Collection[str] | None = None) -> tuple[Site | None, tuple[Problem, ...]]:
    """A parsed document as (site, no problems) or (None, every problem): fields and, as far as the parts can be read, cross references.

    `raw` holds no secrets: `site.secrets.split` took them out. `secrets` as in `check`.
    """
    if not isinstance(raw, Mapping):
        return None, (Problem("document", "must be a group of fields at its top", 'a site file begins with fields such as name = "Main office"'),)
    fields: Mapping[str, Any] = raw
    try:
        site = Site.model_validate(fields)
    except ValidationError as error:
        found = translate(error)
        # What is wrong with a field itself need not be told once more for what it cannot refer to.
        told = {problem.path for problem in found}
        return None, (*found, *(problem for problem in check(salvage(fields), secrets) if problem.path not in told))
    problems = check(site, secrets)
    return (None, problems) if problems else (site, ())
