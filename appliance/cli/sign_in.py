"""holdfast sign-in: what to type into a phone."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, print_json, talks
from appliance.control.client import Client, SignInResult


@click.command("sign-in")
@click.argument("extension")
@talks
def sign_in(client: Client, screen: Screen, as_json: bool, extension: str) -> None:
    """Show what to type into the phones of EXTENSION, passwords included. The box logs that they were shown."""
    found: SignInResult = client.call("devices.sign-in", extension=extension)
    if as_json:
        print_json(found)
        return
    for device in found["devices"]:
        screen.line(f"{device['name']} (device {device['device']}):")
        screen.table(
            ("Field", "Value"),
            [
                ("User name", device["sip_user"]),
                ("Password", device["secret"]),
                ("Domain", found["domain"]),
                ("Server, proxy", " or ".join(found["servers"])),
            ],
        )
