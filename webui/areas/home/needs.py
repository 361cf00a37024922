"""What needs somebody, the worst first, each with the button that leads to its cure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for

from appliance.errors import HoldfastError
from webui.areas.diag.checks import cure_of, name_of
from webui.areas.emergency.places import everywhere
from webui.engine import State
from webui.guard import may_see
from webui.i18n import gettext, ngettext
from webui.vitals import emergency_number

ALARMS = {"emergency-journal": "diag.health", "state-disk": "diag.health", "state-damaged": "diag.health", "tls": "diag.health", "site": "settings.index",
          "modem": "lines.modem"}  # fmt: skip
"""Where an alarm is cured, by its code or how that begins."""
NAMED = 4
"""Phones that are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Need:
    """`kind`: the shape. `href` "": no page cures it."""

    kind: str
    title: str
    detail: str = ""
    href: str = ""
    button: str = ""


def needs(state: State) -> list[Need]:
    status = state.status
    if not status:
        return []
    found = [*around(state), *(_health(check) for check in status["health"]["problems"])]
    found += [_reason(reason) for reason in status["emergency"]["reasons"]]
    if count := unplaced(state):
        title = ngettext("One phone has no place of its own", "%(num)d phones have no place of their own", count)
        detail = gettext("A call to %(number)s from there tells only the site's default place.", number=emergency_number())
        found.append(Need("warn", title, detail, *_to("emergency.unplaced", gettext("Place them"))))
    return sorted(found, key=lambda need: ("bad", "warn", "info", "off").index(need.kind))


def around(state: State) -> list[Need]:
    """What is wrong with lines, phones and the engine's own work, as opposed to the machine under them."""
    found = [_alarm(alarm) for alarm in state.status.get("alarms", ())]
    if absent := state.registrations.get("absent", ()):
        names = [each["name"] or each["extension"] or each["sip_user"] for each in absent[:NAMED]]
        more = len(absent) - len(names)
        who = ", ".join(names) if not more else gettext("%(names)s and %(n)d more", names=", ".join(names), n=more)
        title = ngettext("One phone is not registered", "%(num)d phones are not registered", len(absent))
        found.append(Need("off", title, gettext("%(names)s. Nothing rings there.", names=who), *_to("diag.index", gettext("See why"))))
    return found


def unplaced(state: State) -> int:
    """Phones of which only the site's default place is known, or none; 0 where the site cannot be read."""
    try:
        return sum(where.how in {"default", "none"} for where in everywhere(state).values())
    except HoldfastError:
        return 0


def _alarm(alarm: Mapping[str, str]) -> Need:
    kind, _, key = alarm["code"].partition(":")
    if kind == "trunk-down":
        href, button = _to("lines.trunk", gettext("Open line"), key=key)
    else:
        where = ALARMS.get(kind) or ALARMS.get(kind.partition("-")[0], "")
        href, button = _to(where, gettext("See more"))
    return Need("bad", f"{alarm['sentence'].rstrip('.')}.", _sentence(alarm["hint"]), href, button)


def _health(check: Mapping[str, str]) -> Need:
    title = gettext("%(name)s: %(what)s.", name=name_of(check["name"]), what=check["sentence"])
    href, button = cure_of(check["name"]) or _to("diag.health", gettext("See health"))
    return Need("bad" if check["level"] == "bad" else "warn", title, _sentence(check["cure"]), href, button)


def _reason(reason: str) -> Need:
    """Why emergency calling is not armed, and where that is changed."""
    title, _, detail = reason.partition(": ")
    where, button = ("lines.index", gettext("Open lines")) if "trunk" in title else ("emergency.index", gettext("Open locations"))
    return Need("warn", f"{title}.", _sentence(detail), *_to(where, button))


def _to(endpoint: str, button: str, **values: Any) -> tuple[str, str]:
    return (url_for(endpoint, **values), button) if endpoint and may_see(endpoint) else ("", "")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
