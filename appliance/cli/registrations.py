"""holdfast registrations: which phones ring, where they are, and which do not."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, duration, print_json, talks
from appliance.control.client import Client, RegistrationsResult


@click.command()
@talks
def registrations(client: Client, screen: Screen, as_json: bool) -> None:
    """List the contacts that are registered, and the devices that are not."""
    found: RegistrationsResult = client.call("registrations")
    if as_json:
        print_json(found)
        return
    if found["registrations"]:
        rows = sorted(found["registrations"], key=lambda row: (row["extension"], row["device"], row["received"]))
        screen.table(
            ("Extension", "Name", "Device", "From", "Expires in", "Place", "Phone"),
            [(r["extension"], r["name"], r["device"], r["received"], duration(r["expires_s"]), r["location"], r["user_agent"]) for r in rows],
        )
    else:
        screen.line("No phone is registered.")
    if found["absent"]:
        screen.line()
        screen.line("Not registered:")
        absent = sorted(found["absent"], key=lambda row: (row["extension"], row["device"]))
        screen.table(("Extension", "Name", "Device", "SIP user"), [(r["extension"], r["name"], r["device"], r["sip_user"]) for r in absent])
