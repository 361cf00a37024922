"""How the command prints: tables on a terminal, aligned plain text elsewhere, JSON on request; nothing a caller wrote acts on the terminal."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.control.client import Client, default_control
from appliance.errors import HoldfastError, Problem

P = ParamSpec("P")

# Cc and Cf hold escape sequences, line ends, direction overrides and zero-width characters; Zl and Zp end lines, too; Cs, Co and Cn have no agreed look.
_ACTING = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})


def plain(value: object) -> str:
    """`value` on one line, every character that could act on a terminal or reorder the line written as an escape."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _ACTING else c for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(seconds: float) -> str:
    """`7 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def moment(unix_s: float) -> str:
    """A wall-clock time in the time zone of whoever reads it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_s))
    except (OverflowError, OSError, ValueError):  # the box's clock is far off
        return plain(unix_s)


class Screen:
    """Where a command prints. On a terminal in tables and colour; elsewhere the same words aligned with blanks, nothing cut off."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(markup=False, highlight=False, emoji=False)

    @classmethod
    def of_errors(cls) -> Screen:
        """The one that faults go to."""
        return cls(Console(stderr=True, markup=False, highlight=False, emoji=False))

    @property
    def fancy(self) -> bool:
        return self.console.is_terminal

    def line(self, value: object = "", style: str = "") -> None:
        """One line; longer ones are not cut."""
        self.text(Text(plain(value), style=style))

    def text(self, text: Text) -> None:
        """A line of our own making, already harmless."""
        if self.fancy:
            self.console.print(text, soft_wrap=True)
        else:
            click.echo(text.plain.rstrip(), file=self.console.file)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], styles: Sequence[str] = ()) -> None:
        """`styles`: one per row, as far as they go."""
        cells = [[plain(cell) for cell in row] for row in rows]
        if self.fancy:
            table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
            for row, style in zip(cells, [*styles, *[""] * len(cells)], strict=False):
                table.add_row(*(Text(cell, style=style, overflow="fold") for cell in row))
            self.console.print(table)
            return
        widths = [max([cell_len(name), *(cell_len(row[at]) for row in cells)]) for at, name in enumerate(columns)]
        for row in ([*columns], *cells):
            padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(padded).rstrip(), file=self.console.file)


def print_json(value: object) -> None:
    """One JSON document on one line, ASCII only: no text in it acts on a terminal either."""
    click.echo(json.dumps(value))


def refuse(error: HoldfastError, as_json: bool) -> NoReturn:
    """Print what is wrong, where, and what to do, and end with exit code 1."""
    if as_json:
        print_json(error.as_dict())
    else:
        complain(error)
    sys.exit(1)


def complain(error: HoldfastError) -> None:
    """Print what is wrong on stderr: a sentence and a hint, or every mistake in a document with its place."""
    screen = Screen.of_errors()
    listed: Sequence[Problem] = getattr(error, "problems", ())
    screen.line(f"Nothing was changed: {error.sentence}" if listed else error.sentence, "bold red" if listed else "")
    if listed:
        problem_table(listed, screen)
    elif error.hint:
        screen.line(f"  {error.hint}")


def problem_table(problems: Iterable[Problem], screen: Screen) -> None:
    """Where, what, and what to do; one line each."""
    screen.table(("Where", "What is wrong", "What to do"), [(each.path, each.sentence, each.hint) for each in problems])


def talks(command: Callable[Concatenate[Client, Screen, bool, P], None]) -> Callable[..., None]:
    """Make a function a command that talks to the box: it gets a client, a screen and whether JSON is wanted; faults are shown, never raised."""

    @click.option("--control", type=click.Path(path_type=Path), help="The box's control socket; else HOLDFAST_CONTROL, or the one in HOLDFAST_DATA.")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> None:
        given: dict[str, Any] = dict(options)
        control, as_json = inherited("control", given.pop("control")), bool(inherited("as_json", given.pop("as_json")))
        try:
            with Client(control or default_control(os.environ)) as client:
                command(client, Screen(), as_json, *args, **given)
        except HoldfastError as error:
            refuse(error, as_json)

    return run


def inherited(name: str, given: Any) -> Any:
    """An option given to a group holds for its commands: `holdfast calls --control X hangup 5` must not hang up on another box."""
    context = click.get_current_context().parent
    while not given and context is not None:
        given = context.params.get(name)
        context = context.parent
    return given
