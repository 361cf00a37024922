"""Calls in words: how they ended, which way they went, how long they lasted, who took part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.i18n import gettext, lazy_gettext
from webui.place import place

_l = lazy_gettext

DIRECTIONS = {"in": _l("From outside"), "out": _l("To outside"), "internal": _l("Inside"), "emergency": _l("Emergency")}
_OUTCOMES = {
    "answered": ("ok", _l("Answered"), ""),
    "normal": ("off", _l("Ended"), ""),
    "busy": ("warn", _l("Busy"), _l("Who was called was on another call, or has set the phone to busy.")),
    "no-answer": ("warn", _l("Nobody answered"), _l("It rang, and nobody picked up.")),
    "declined": ("warn", _l("Declined"), _l("Who was called pressed the key that refuses a call.")),
    "cancelled": ("off", _l("Caller gave up"), _l("The caller hung up before anybody answered.")),
    "answered-elsewhere": ("off", _l("Answered elsewhere"), ""),
    "unreachable": ("bad", _l("Not reachable"),
                    _l("No phone of who was called is signed in, or the number is none. See Phones for who is silent, and Flows for where the number leads.")),
    "refused": ("bad", _l("Refused"), _l("The other side took the call for none it may carry. The answer to the INVITE below says why.")),
    "no-flow": ("bad", _l("No flow"), _l("No flow is set for who dialled, so nothing happens. Choose one under People.")),
    "congestion": ("bad", _l("No line was free"), _l("Every way out was in use or down. See Lines.")),
    "timeout": ("bad", _l("No reply"), _l("The other side did not answer a single message: it is switched off, or the network between is cut.")),
    "vanished": ("bad", _l("Lost"), _l("One side fell silent in the middle of the call: its network or its power went away.")),
    "error": ("bad", _l("Failed"), _l("The call could not be set up. The last answer below says why.")),
}  # fmt: skip


def outcome(word: str) -> tuple[str, Any, Any]:
    """(shape, word, what it means and what to do, or "") of an outcome in a call record."""
    return _OUTCOMES.get(word, ("off", word.replace("-", " ").capitalize(), ""))


def outcomes() -> list[tuple[str, Any]]:
    """What the log can be narrowed to."""
    causes = [(name, word) for name, (_, word, _) in _OUTCOMES.items() if name not in {"answered", "normal"}]
    return [("answered", _OUTCOMES["answered"][1]), ("unanswered", _l("Not answered, for whatever reason")), *causes]


def length(seconds: float) -> str:
    """`252` as "4 min 12 s"."""
    whole = round(seconds)
    if whole < 60:
        return gettext("%(s)d s", s=whole)
    if whole < 3600:
        return gettext("%(min)d min %(s)d s", min=whole // 60, s=whole % 60)
    return gettext("%(h)d h %(min)d min", h=whole // 3600, min=whole % 3600 // 60)


def people() -> Mapping[str, str]:
    """Extension -> name, of users and groups in force."""
    site = place().site()
    if site is None:
        return {}
    return {each.extension: each.name for kind in (site.groups, site.users) for each in kind.values() if each.extension}


def party(number: str, name: str, known: Mapping[str, str]) -> str:
    """`207 Priya Raman`: a number with the name that came with it, else the one the site has."""
    told = name or known.get(number, "")
    return f"{number} {told}".strip() if told != number else number
