"""holdfast wan: whether the internet is there, since when, and how the box knows."""

from __future__ import annotations

import click

from appliance.cli.drill import drill
from appliance.cli.output import Screen, duration, moment, print_json, talks
from appliance.control.client import Client, WanResult, WayShape, WaysResult

INTERNET = {"unknown": "not known", "up": "up", "poor": "poor", "down": "DOWN"}
_STYLES = {"up": "green", "poor": "yellow", "down": "bold red"}
_SHOWN = {"ok": "well", "bad": "bad", "unknown": "not known"}
SHOWN = 12
_KINDS = {"trunk": "line", "gateway": "gateway in the house", "modem": "mobile network"}
_UPLINKS = {"outside": "works", "gateway": "leads to its gateway alone", "silent": "is silent", "cut": "has no link", "unknown": "not known"}
_STANDINGS = {"works": "works", "unknown": "not known", "failing": "fails", "cut": "cut off"}


@click.group()
def wan() -> None:
    """Look at the internet connection, and try out what happens without it."""


wan.add_command(drill)


@wan.command()
@talks
def status(client: Client, screen: Screen, as_json: bool) -> None:
    """Show whether the internet is there, since when, how the box knows, and the latest changes."""
    found: WanResult = client.call("wan")
    if as_json:
        print_json(found)
        return
    screen.line(
        f"The internet is {INTERNET.get(found['state'], found['state'])} since {moment(found['since_unix_s'])}: {found['why']}.",
        _STYLES.get(found["state"], ""),
    )
    if found["trusted_in_s"] is not None:
        screen.line(f"It is better now, and trusted in {duration(found['trusted_in_s'])} if it stays so.")
    screen.line()
    evidence = [(_SHOWN.get(e["state"], e["state"]), e["sentence"], moment(e["since_unix_s"]) if e["since_unix_s"] else "") for e in found["evidence"]]
    screen.table(("How Holdfast knows", "", "Since"), evidence)
    if len(found["uplinks"]) > 1:
        screen.line()
        screen.table(
            ("Way to the internet", "Gateway", "", "In use"),
            [(u["interface"], u["gateway"], _UPLINKS.get(u["state"], u["state"]), "yes" if u["used"] else "") for u in found["uplinks"]],
        )
        if found["uplinks_note"]:
            screen.line(f"{found['uplinks_note']}.")
    screen.line()
    _ways(screen, found["ways"])
    if found["changes"]:
        screen.line()
        screen.table(
            ("Change", "Internet", "Why"), [(moment(c["at_unix_s"]), INTERNET.get(c["state"], c["state"]), c["why"]) for c in found["changes"][:SHOWN]]
        )
    screen.line()
    screen.line(
        f"A lost link counts after {found['link_seconds']:g} s, silence after {found['silence_seconds']:g} s; "
        f"it is trusted again after {found['trust_seconds']:g} s (`holdfast site show wan`)."
    )


def _ways(screen: Screen, ways: WaysResult) -> None:
    outside = {way["id"]: str(place) for place, way in enumerate(ways["outside"], 1)}
    rows = []
    for place, way in enumerate(ways["emergency"], 1):
        standing = _STANDINGS.get(way["standing"], way["standing"])
        rows.append((way["name"], _KINDS.get(way["kind"], way["kind"]), str(place), outside.get(way["id"], "not"), standing, way["reason"]))
    if not rows:
        screen.line("There is no way out: add a trunk.", "bold red")
        return
    screen.table(("Way out", "", f"{ways['number']} takes it", "Outside calls", "", "Why"), rows)
    screen.line(f"With the internet down a {ways['number']} goes: {_named(ways['emergency_without_internet'])}; then everything else all the same.")
    screen.line(f"With the internet down an outside call goes: {_named(ways['outside_without_internet'])}.")


def _named(ways: list[WayShape]) -> str:
    return ", then ".join(way["name"] for way in ways) or "nowhere"
