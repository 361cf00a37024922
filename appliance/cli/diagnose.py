"""holdfast diagnose: what is wrong, why, and what to do about it."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, moment, print_json, talks
from appliance.control.client import Client, DiagnosisResult


@click.command()
@talks
def diagnose(client: Client, screen: Screen, as_json: bool) -> None:
    """Say why phones do not register and why calls lead nowhere, each with its cure."""
    found: DiagnosisResult = client.call("diagnosis")
    if as_json:
        print_json(found)
    elif not found["findings"]:
        screen.line("Nothing is wrong with phones and dialling: every phone is registered, and nothing was refused in the last day.")
    else:
        for each in found["findings"]:
            screen.line(f"{each['cause']}.")
            screen.line(f"  {each['cure']}.")
            if each["times"]:
                screen.line(f"  {'once' if each['times'] == 1 else str(each['times']) + ' times'}, last {moment(each['at_unix_s'])}", "dim")
