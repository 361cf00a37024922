"""Who refers to an object of the candidate, in words and with the page where that can be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for

from appliance.site.sentences import Names
from appliance.site.uses import references
from appliance.site.wording import Loc
from webui.guard import may_see
from webui.i18n import gettext
from webui.place import place

PAGES = {
    "users": "people.user", "devices": "phones.device", "groups": "people.group", "numbers": "lines.number", "trunks": "lines.trunk",
    "flows": "flows.flow", "mailboxes": "flows.mailbox", "schedules": "flows.schedule", "audio": "flows.recording",
}  # fmt: skip
"""Kind -> the page of one object, where there is one."""


@dataclass(frozen=True, slots=True)
class Use:
    """`words` as a part of a sentence; `url` "" : no page of it."""

    words: str
    url: str


def used_by(kind: str, id: str) -> list[Use]:
    """Who names the object `id` of `kind`, each place once."""
    return uses_of(kind).get(id, [])


def uses_of(kind: str) -> dict[str, list[Use]]:
    """Id -> who names it, for every object of `kind` that anybody names."""
    document = place().document()
    names, found = Names(document), dict[str, dict[str, Use]]()
    for loc, of, id in references(document):
        if of == kind:
            words = _words(loc, names)
            found.setdefault(id, {})[words] = Use(words, _page(loc))
    return {id: list(held.values()) for id, held in found.items()}


def _words(loc: Loc, names: Names) -> str:
    kind, key = str(loc[0]), str(loc[1]) if len(loc) > 1 else ""
    name = names.of(kind, key)
    match kind:
        case "flows":
            return gettext("step %(step)s of the flow %(name)s", step=str(loc[3]) if len(loc) > 3 else "", name=name)
        case "mailboxes" if loc[-1] == "greeting":
            return gettext("greeting of the voicemail box %(name)s", name=name)
        case _:
            return names.subject(tuple(part for part in loc if isinstance(part, str)))


def _page(loc: Loc) -> str:
    endpoint = PAGES.get(str(loc[0]), "")
    values: Mapping[str, Any] = {"key": loc[1]} if len(loc) > 1 else {}
    return url_for(endpoint, **values) if endpoint and values and may_see(endpoint) else ""
