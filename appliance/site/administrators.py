"""Who may sign in to administer the box: there is always somebody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from appliance.errors import DocumentError, Problem
from appliance.site.secrets import ADMINISTRATOR


def administering(document: Mapping[str, Any], secrets: Collection[str]) -> frozenset[str]:
    """Ids of those in `document` who may do everything and can sign in: `secrets` are the names of the passwords there are."""
    held = document.get("administrators")
    people = held if isinstance(held, Mapping) else {}
    return frozenset(
        key for key, person in people.items()
        if isinstance(person, Mapping) and person.get("role", "administrator") == "administrator" and person.get("enabled", True) is True
        and ADMINISTRATOR.name(key) in secrets
    )  # fmt: skip


def check_somebody_stays(before: Mapping[str, Any], after: Mapping[str, Any], secrets: Collection[str], were: Collection[str] | None = None) -> None:
    """Raises DocumentError where `after` (with `secrets`) leaves nobody who administers, and `before` (with the secrets that `were`; None: the same) had
    somebody: the box could be claimed by whoever comes next.
    """
    there = administering(before, secrets if were is None else were)
    if there and not administering(after, secrets):
        key = min(there)
        problem = Problem(f"administrators.{key}", "is the last one who administers the box", "make another administrator with a password first")
        raise DocumentError("Somebody must administer the box", (problem,))
