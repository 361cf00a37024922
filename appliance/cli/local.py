"""Commands that work on the data folder, whether the box runs or not: who edits, and what is edited."""

from __future__ import annotations

import functools
import os
import pwd
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from appliance.cli.changes import show_conflict
from appliance.cli.output import Screen, inherited, plain, refuse
from appliance.control.client import default_control, default_data
from appliance.errors import Conflict, HoldfastError
from appliance.site.editing import Editor

P = ParamSpec("P")

SLOW_S = 2.0
"""What takes longer says so."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command works: the site of one data folder, the socket of the box that may run on it, and the screen."""

    data: Path
    control: Path
    author: str
    screen: Screen
    as_json: bool

    @property
    def editor(self) -> Editor:
        return Editor(self.data, self.author)

    @contextmanager
    def slow(self, what: str) -> Iterator[None]:
        """Say `what` is being done when it takes more than two seconds, on stderr."""
        over = threading.Event()
        teller = threading.Thread(target=_tell, args=(what, over), daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()


def edits(command: Callable[Concatenate[Desk, P], None]) -> Callable[..., None]:
    """Make a function a command on the data folder: it gets a desk; faults are shown, never raised."""

    @click.option("--data", type=click.Path(path_type=Path), help="The box's data folder; else HOLDFAST_DATA.")
    @click.option("--control", type=click.Path(path_type=Path), help="The box's control socket; else HOLDFAST_CONTROL, or the one in the data folder.")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> None:
        given: dict[str, Any] = dict(options)
        data, control, as_json = (inherited(name, given.pop(name)) for name in ("data", "control", "as_json"))
        try:
            folder = data or default_data(os.environ)
            socket = control or default_control({**os.environ, "HOLDFAST_DATA": str(folder)})
            command(Desk(folder, socket, author(), Screen(), bool(as_json)), *args, **given)
        except HoldfastError as error:
            if isinstance(error, Conflict) and not as_json:
                show_conflict(error, Screen.of_errors())
            refuse(error, bool(as_json))

    return run


def author() -> str:
    """Who is at the keyboard, for the history: also behind sudo."""
    named = os.environ.get("SUDO_USER") or os.environ.get("USER")
    if named:
        return named
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def _tell(what: str, over: threading.Event) -> None:
    if over.wait(SLOW_S):
        return
    since, live = time.monotonic() - SLOW_S, sys.stderr.isatty()
    text = plain(what)
    click.echo(f"{text} …", err=True, nl=not live)
    while live and not over.wait(1.0):
        click.echo(f"\r{text} … {time.monotonic() - since:.0f} s", err=True, nl=False)
    if live:
        over.wait()
        click.echo("\r\x1b[2K", err=True, nl=False)
