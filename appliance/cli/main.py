"""The holdfast command. What a subcommand needs is loaded with it: the Tab key and a look at the status must not wait for the site's models."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

COMMANDS = {
    "alerts": "alerts", "audio": "audio", "backup": "backup", "calls": "calls", "certificate": "certificate", "completion": "completion",
    "diagnose": "diagnose", "emergency": "emergency", "factory-reset": "reset", "firewall": "firewall", "flow": "flow", "health": "health",
    "logs": "logs", "modem": "modem", "network": "network", "phones": "phones", "registrations": "registrations", "restart": "restart",
    "restore": "restore", "schedule": "schedule", "secret": "secret", "shell": "shell", "sign-in": "sign_in", "site": "site", "status": "status",
    "system": "system", "token": "token", "trace": "trace", "trunk": "trunk", "voicemail": "voicemail", "wan": "wan", "web": "web",
}  # fmt: skip
"""Each command and the file it is in, under its own name with _ for -."""


class _Command(click.Group):
    """The command; started as somebody's login shell, it is that."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        if args is None and is_login(sys.argv, os.environ):
            sys.exit(import_module("appliance.cli.shell").login(sys.argv))
        return super().main(args, *rest, **options)

    def list_commands(self, _: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"appliance.cli.{COMMANDS[name]}"), name.replace("-", "_"))
        return found


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="holdfast", message="Holdfast %(version)s")
def main() -> None:
    """Look after a Holdfast box. Every command has --json; HOLDFAST_CONTROL or HOLDFAST_DATA says which box."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name the terminal's character set lacks must not end the command
            stream.reconfigure(errors="backslashreplace")


def is_login(argv: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether the command was started as somebody's login shell: with `-c`, by a leading hyphen in its name (login(1), sshd(8)), or because SHELL names it.

    The hyphen does not reach a script that the kernel hands to its interpreter, so that SHELL, which sshd and login set, decides there.
    """
    if argv[1:2] == ["-c"] or (argv[:1] and argv[0].startswith("-")):
        return True
    return len(argv) == 1 and Path(environment.get("SHELL", "")).name == "holdfast"


if __name__ == "__main__":
    main()
