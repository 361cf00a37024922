"""holdfast health: how the machine under the box is, what is wrong with it and what to do."""

from __future__ import annotations

import sys

import click

from appliance.cli.output import Screen, duration, print_json, talks
from appliance.control.client import Client, HealthResult

_STYLES = {"ok": "green", "look": "yellow", "bad": "bold red"}
_WORDS = {"ok": "well", "look": "LOOK", "bad": "BAD"}


@click.command()
@talks
def health(client: Client, screen: Screen, as_json: bool) -> None:
    """Show processor, memory, disk, clock and certificates, what is wrong and its cure. Exit code 1 when something is broken."""
    found: HealthResult = client.call("health")
    if as_json:
        print_json(found)
    else:
        show(found, screen)
    sys.exit(found["level"] == "bad")


def show(found: HealthResult, screen: Screen) -> None:
    if not found["at_unix_s"]:
        screen.line("Nothing was measured yet: ask again in a few seconds.")
        return
    for check in found["checks"]:
        screen.line(f"{_WORDS.get(check['level'], check['level']):<5} {check['sentence']}", _STYLES.get(check["level"], ""))
        if check["cure"]:
            screen.line(f"      {check['cure']}")
    screen.line()
    screen.line(f"The machine has run for {duration(found['uptime_s'])}; load {', '.join(f'{each:.2f}' for each in found['load'])}")
    screen.line()
    rows = [
        (p["name"], p["pid"], f"{p['memory_bytes'] / 1e6:.0f} MB", f"{p['busy']:.0%}", f"{p['handles']}/{p['most_handles']}", p["threads"])
        for p in found["processes"]
    ]
    screen.table(("Process", "Number", "Memory", "Processor", "Handles", "Threads"), rows)
