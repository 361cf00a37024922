"""The holdfast command."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version

import click

from appliance.cli.calls import calls
from appliance.cli.emergency import emergency
from appliance.cli.registrations import registrations
from appliance.cli.sign_in import sign_in
from appliance.cli.site import site
from appliance.cli.status import status
from appliance.cli.trace import trace


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("holdfast"), message="Holdfast %(version)s")
def main() -> None:
    """Look after a Holdfast box. Every command has --json; HOLDFAST_CONTROL or HOLDFAST_DATA says which box."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name the terminal's character set lacks must not end the command
            stream.reconfigure(errors="backslashreplace")


for command in (status, registrations, sign_in, calls, trace, emergency, site):
    main.add_command(command)

if __name__ == "__main__":
    main()
