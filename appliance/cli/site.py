"""holdfast site: check a site file, and put one into force."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.control.client import Client, RemoteError, default_control, default_data
from appliance.errors import DocumentError, HoldfastError
from appliance.site.document import parse, read_file
from appliance.site.install import install
from appliance.site.model.site import Site
from appliance.site.store import SiteStore
from appliance.site.vault import Vault

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
FILE_ARGUMENT = click.argument("file", type=click.Path(path_type=Path))


@click.group(name="site")
def site() -> None:
    """Check site files and put them into force."""


@site.command()
@FILE_ARGUMENT
@JSON_OPTION
def check(file: Path, as_json: bool) -> None:
    """List every mistake in the site file FILE. Changes nothing; exit code 1 when there is one."""
    try:
        found, _ = parse(read_file(file))
    except DocumentError as error:
        _refuse(error, as_json)
    if as_json:
        click.echo(json.dumps({"problems": [], **_counts(found)}))
    else:
        click.echo(f"{file.name} is good: {_summary(found)}.")


@site.command()
@FILE_ARGUMENT
@JSON_OPTION
@click.option("--comment", default="", help="Why, for the history; the file's name by default.")
@click.option("--data", type=click.Path(path_type=Path), help="The box's data folder; else HOLDFAST_DATA.")
@click.option("--control", type=click.Path(path_type=Path), help="The box's control socket; else HOLDFAST_CONTROL, or the one in the data folder.")
def load(file: Path, as_json: bool, comment: str, data: Path | None, control: Path | None) -> None:
    """Put the site file FILE into force as a new revision, or, with any mistake in it, list them all and change nothing.

    A running box takes it at once without dropping a call; a stopped one starts with it.
    """
    asked = {"author": _author(), "comment": comment or f"loaded from {file.name}"}
    try:
        folder = data or default_data(os.environ)
        socket_path = control or default_control({**os.environ, "HOLDFAST_DATA": str(folder)})
        raw = read_file(file)
        found, secrets = parse(raw)
        running = _answers(socket_path)
        revision = _hand_over(socket_path, raw, asked) if running else install(SiteStore(folder / "site"), Vault(folder), found, secrets, **asked).number
    except HoldfastError as error:
        _refuse(error, as_json)
    if as_json:
        click.echo(json.dumps({"problems": [], "revision": revision, "running": running, **_counts(found)}))
    elif running:
        click.echo(f"Revision {revision} is in force: {_summary(found)}.")
    else:
        click.echo(f"Saved as revision {revision} in {folder}: {_summary(found)}. The box is not running; it will start with it.")


def _refuse(error: HoldfastError, as_json: bool) -> NoReturn:
    """Print what is wrong and end with exit code 1."""
    if as_json:
        click.echo(json.dumps(error.as_dict()))
    elif isinstance(error, DocumentError | RemoteError) and error.problems:
        table = Table("Where", "What is wrong", "What to do", title=f"Nothing was changed: {error.sentence}", title_justify="left", show_lines=False)
        for problem in error.problems:
            # Text, not strings: brackets in a path are no markup.
            table.add_row(*(Text(cell, overflow="fold") for cell in (problem.path, problem.sentence, problem.hint)))
        Console().print(table)
    else:
        click.echo(f"{error.sentence}" + (f"\n  {error.hint}" if error.hint else ""), err=True)
    raise SystemExit(1)


def _hand_over(path: Path, raw: dict[str, Any], asked: dict[str, str]) -> int:
    """Have the running box take the document (method `site.load`); the number of the revision it made. Raises ControlError."""
    answer: Any = Client(path).call("site.load", document=raw, **asked)
    return int(answer["revision"])


def _answers(path: Path) -> bool:
    """Whether a box listens on this control socket. A leftover socket of a killed one refuses, and a stopped box has none."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except OSError:
            return True  # it exists and cannot be used from here: the client says why
    return True


def _author() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"user {os.getuid()}"


def _counts(found: Site) -> dict[str, int]:
    return {"users": len(found.users), "devices": len(found.devices), "trunks": len(found.trunks), "locations": len(found.locations)}


def _summary(found: Site) -> str:
    return ", ".join(f"{count} {name if count != 1 else name[:-1]}" for name, count in _counts(found).items())
