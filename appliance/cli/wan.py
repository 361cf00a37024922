"""holdfast wan: whether the internet is there, since when, and how the box knows."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, duration, moment, print_json, talks
from appliance.control.client import Client, WanResult

INTERNET = {"unknown": "not known", "up": "up", "poor": "poor", "down": "DOWN"}
_STYLES = {"up": "green", "poor": "yellow", "down": "bold red"}
_SHOWN = {"ok": "well", "bad": "bad", "unknown": "not known"}
SHOWN = 12


@click.group()
def wan() -> None:
    """Look at the internet connection."""


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
