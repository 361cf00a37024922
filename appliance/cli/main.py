"""The holdfast command."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import click

from appliance.cli.audio import audio
from appliance.cli.backup import backup
from appliance.cli.calls import calls
from appliance.cli.completion import completion
from appliance.cli.emergency import emergency
from appliance.cli.flow import flow
from appliance.cli.registrations import registrations
from appliance.cli.reset import factory_reset
from appliance.cli.restore import restore
from appliance.cli.secret import secret
from appliance.cli.shell import is_login, login, shell
from appliance.cli.sign_in import sign_in
from appliance.cli.site import site
from appliance.cli.status import status
from appliance.cli.token import token
from appliance.cli.trace import trace
from appliance.cli.voicemail import voicemail
from appliance.cli.web import web


class _Command(click.Group):
    """The command; started as somebody's login shell, it is that."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        if args is None and is_login(sys.argv, os.environ):
            sys.exit(login(sys.argv))
        return super().main(args, *rest, **options)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("holdfast"), message="Holdfast %(version)s")
def main() -> None:
    """Look after a Holdfast box. Every command has --json; HOLDFAST_CONTROL or HOLDFAST_DATA says which box."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name the terminal's character set lacks must not end the command
            stream.reconfigure(errors="backslashreplace")


for command in (
    *(status, registrations, sign_in, calls, trace, emergency, site, flow, audio, voicemail),
    *(web, token, secret, backup, restore, factory_reset, completion, shell),
):
    main.add_command(command)

if __name__ == "__main__":
    main()
