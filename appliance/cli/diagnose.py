"""holdfast diagnose: what is wrong, why, and what to do about it."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, moment, print_json, talks
from appliance.control.client import Client, DiagnosisResult


@click.command()
@talks
def diagnose(client: Client, screen: Screen, as_json: bool) -> None:
    """Say why phones do not register, why calls lead nowhere and why they sound bad, each with its cure."""
    found: DiagnosisResult = client.call("diagnosis")
    if as_json:
        print_json(found)
    elif not found["findings"]:
        screen.line("Nothing is wrong: every phone is registered, nothing was refused in the last day, and every call of it sounded well.")
    else:
        for each in found["findings"]:
            screen.line(f"{each['cause']}.")
            screen.line(f"  {each['cure']}.")
            if each["times"]:
                times = "once" if each["times"] == 1 else f"{each['times']} times"
                more = f": holdfast calls show {each['call']}" if each["call"] else ""
                screen.line(f"  {times}, last {moment(each['at_unix_s'])}{more}", "dim")
