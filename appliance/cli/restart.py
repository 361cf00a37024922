"""holdfast restart: the phone engine, or all of the box's software, started afresh."""

from __future__ import annotations

import sys

import click

from appliance.cli.output import Screen, print_json, talks
from appliance.control.client import Client, RestartResult
from appliance.errors import HoldfastError


@click.command()
@click.option("--whole", is_flag=True, help="All of the box's software, the web pages and the supervisor too.")
@click.option("--force", is_flag=True, help="Also while an emergency call is up, which it CUTS OFF.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@talks
def restart(client: Client, screen: Screen, as_json: bool, whole: bool, force: bool, yes: bool) -> None:
    """Start the phone engine afresh: calls that are up end; phones stay registered and ring again within 5 s."""
    calls = client.call("status")["calls"]
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise HoldfastError("Nothing was restarted: it was not confirmed", "say --yes when nobody is there to be asked", code="not-confirmed")
        screen.line(f"{'All of the software restarts' if whole else 'The phone engine restarts'}, which ends {calls} call{'' if calls == 1 else 's'}.")
        if click.prompt("Type 'yes' to go on", default="", show_default=False, err=True).strip() != "yes":
            raise HoldfastError("Nothing was restarted: it was not confirmed", "type yes, or say --yes", code="not-confirmed")
    made: RestartResult = client.call("box.restart", reason="holdfast restart", force=force, whole=whole)
    if as_json:
        print_json(made)
    else:
        screen.line(f"It restarts now; {made['calls']} call{' ends' if made['calls'] == 1 else 's end'}. `holdfast status` says when it is back.")
