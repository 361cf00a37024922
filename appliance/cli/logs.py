"""holdfast logs: what the box wrote down, read from its data folder: also when it does not run."""

from __future__ import annotations

import contextlib
import time

import click
from rich.text import Text

from appliance.cli.local import Desk, edits
from appliance.cli.output import plain, print_json
from appliance.errors import NotFound
from appliance.site.logbook import LEVELS, Entry, Wanted, newest, processes, since

_STYLES = {"debug": "dim", "warning": "yellow", "error": "bold red"}
FOLLOW_S = 0.5
BURST = 5000
"""Lines shown at once of what came since the last look."""


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with lines as they come, until Ctrl-C.")
@click.option("--level", type=click.Choice(LEVELS), default="info", show_default=True, help="Lines of this level and worse.")
@click.option("--process", default="", help="Lines of one process alone: engine, web, supervisor.")
@click.option("--search", default="", help="Lines that hold every one of these words.")
@click.option("--lines", type=click.IntRange(0, 100_000), default=50, show_default=True, help="How many at most, the newest.")
@edits
def logs(desk: Desk, follow: bool, level: str, process: str, search: str, lines: int) -> None:
    """Show the box's log, the newest line last. Passwords and tokens are masked in it; with --json each line is an object."""
    there = processes(desk.data)
    if process and process not in there:
        raise NotFound(f"No process {process!r} has written anything", f"there are: {', '.join(there) or 'none'}")
    with contextlib.suppress(KeyboardInterrupt):
        _show(desk, Wanted(level, process, search), lines, follow)


def _show(desk: Desk, wanted: Wanted, lines: int, follow: bool) -> None:
    # Where to go on from, before what is shown: nothing that comes between is lost.
    last = next(iter(newest(desk.data, Wanted("debug"), 1)), None)
    after = last.key if last else ""
    for entry in reversed(newest(desk.data, wanted, lines)):
        _print(entry, desk)
        after = max(after, entry.key)
    while follow:
        time.sleep(FOLLOW_S)
        for entry in since(desk.data, wanted, after, BURST):
            _print(entry, desk)
            after = entry.key


def _print(entry: Entry, desk: Desk) -> None:
    if desk.as_json:
        print_json(entry.as_dict())
        return
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at_unix_s))
    line = f"{when}.{int(entry.at_unix_s % 1 * 1000):03d} {entry.level:7s} {entry.process} {plain(entry.logger)}: {plain(entry.text)}"
    desk.screen.text(Text(line, style=_STYLES.get(entry.level, "")))
