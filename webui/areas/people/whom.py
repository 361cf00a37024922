"""Users and phones found by what somebody typed: first letters offered by the browser, then the whole line, a number or a name."""

from __future__ import annotations

from webui.forms.fields import named
from webui.place import place


def offered(*kinds: str) -> list[str]:
    """What the browser offers while somebody types: `202 Priya Raman`."""
    return [label for kind in kinds for label in labels(kind).values()]


def labels(kind: str) -> dict[str, str]:
    """Id -> line of every object of a kind; phones without a name are called by their user name."""
    devices = place().kind("devices")
    names = {key: str(label) for key, label in named(kind)}
    return {key: f"{label} ({devices[key].get('sip_user')})" if kind == "devices" else label for key, label in names.items()}


def find_one(text: str, kind: str) -> str | None:
    """The id of the only one that is meant by `text`: its line, extension, name or SIP user name; None: none, or more than one."""
    wanted, lines = text.strip().casefold(), labels(kind)
    exact = [key for key, line in lines.items() if line.casefold() == wanted]
    if not exact:
        for field in ("extension", "name", "sip_user"):
            exact = exact or [key for key, held in place().kind(kind).items() if str(held.get(field) or "").casefold() == wanted]
    return exact[0] if len(exact) == 1 and wanted else None
