"""What follows when an object is deleted: those that name it stop naming it, so that what the page promised can be applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.site.checks.extensions import free_extensions
from appliance.site.paths import find, object_of, put, remove
from appliance.site.salvage import salvage
from appliance.site.uses import uses
from appliance.site.wording import Loc, path_of

_FIELDS = {("devices", "owner"), ("mailboxes", "owner"), ("users", "main_device"), ("groups", "users"), ("groups", "devices"), ("outbound", "trunks")}
_LISTS = ("no_answer", "busy", "follow_me")


def followers(document: Mapping[str, Any], kind: str, key: str) -> dict[str, Any]:
    """Path of an object -> what it becomes when the object `key` of `kind` goes: memberships, owners, main phones, lines of forwarding, the order of lines.

    Flows and incoming numbers are left: where a call goes instead is for a person to say, and the check before applying asks for it.
    """
    changed: dict[str, Any] = dict(document)
    touched: list[Loc] = []
    # From the end, so that what goes from a list moves nothing that is still to go.
    for loc in reversed(uses(document, kind, key)):
        if object_of(loc) != (kind, key) and (place := _what_goes(loc)) is not None:
            changed = remove(changed, place)
            touched.append(object_of(loc))
    if kind == "users":
        changed = _numbered(changed, [loc for loc in touched if loc[0] == "devices"], str(find(document, (kind, key, "extension"), "") or ""))
    return {path_of(loc): find(changed, loc, {}) for loc in dict.fromkeys(touched)}


def _what_goes(loc: Loc) -> Loc | None:
    """What is taken out for a reference at `loc`: the field, the entry of a list, the line of forwarding; None: it stays."""
    if loc[0] == "users" and len(loc) == 6 and loc[2] == "forwarding" and loc[3] in _LISTS:
        return loc[:5]
    field = loc[1] if loc[0] == "outbound" else loc[2] if len(loc) > 2 else ""
    return loc if (loc[0], field) in _FIELDS else None


def _numbered(document: dict[str, Any], devices: list[Loc], near: str) -> dict[str, Any]:
    """A phone that nobody owns needs a number of its own, or nobody could put it into force: a free one nearby."""
    free = free_extensions(salvage(document), near if near.isascii() and near.isdigit() else "200", len(devices))
    for loc in devices:
        if not find(document, (*loc, "extension"), None) and free:
            document = put(document, (*loc, "extension"), free.pop(0))
    return document
