"""holdfast trunk: try out an outside line with a call."""

from __future__ import annotations

import time

import click

from appliance.cli.completion import complete_trunk
from appliance.cli.output import Screen, print_json, talks
from appliance.control.client import Client, LineTestShape
from appliance.errors import HoldfastError

LONGEST_S = 120.0
LOOK_S = 0.3
WORDS = {"signing-in": "Signing in", "dialling": "Calling", "ringing": "It rings", "answered": "Answered: a sentence is said there"}


@click.group()
def trunk() -> None:
    """Try out outside lines."""


@trunk.command()
@click.argument("name", metavar="TRUNK", shell_complete=complete_trunk)
@click.argument("number")
@talks
def test(client: Client, screen: Screen, as_json: bool, name: str, number: str) -> None:
    """Call NUMBER over TRUNK, as what is in force says, and tell how it went. Whoever answers hears a sentence. Emergency numbers are not called."""
    try_out(client, screen, as_json, name, number)


def try_out(client: Client, screen: Screen, as_json: bool, name: str, number: str) -> None:
    """A test call over a trunk, or the modem, followed to its end."""
    now: LineTestShape = client.call("trunks.test", trunk=name, to=number)
    id, shown, deadline = now["id"], "", time.monotonic() + LONGEST_S
    while now["state"] in WORDS:
        if now["state"] != shown and not as_json:
            screen.line(f"{WORDS[now['state']]} …")
        shown = now["state"]
        time.sleep(LOOK_S)
        found = client.call("status")["line_test"]
        if found is None or found["id"] != id or time.monotonic() > deadline:
            raise HoldfastError("The end of the test call was not seen", "the engine has restarted, or somebody else tests: try again", code="timeout")
        now = found
    if as_json:
        print_json(now)
    elif now["cause"]:
        screen.line(f"{now['cause']}.", "bold red" if now["state"] == "failed" else "yellow")
        screen.line(f"  {now['cure']}.")
    else:
        screen.line("The line works: it was answered, and sound came from there.", "green")
    if now["state"] == "failed":
        raise click.exceptions.Exit(1)
