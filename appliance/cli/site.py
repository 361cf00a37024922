"""holdfast site: look at the site, change its candidate, and put that into force."""

from __future__ import annotations

import json
import sys

import click

from appliance.cli.changes import change_dicts, count, problem_dicts, show_changes, show_pending, show_problems, show_waiting, waiting_dict
from appliance.cli.completion import complete_path, complete_revision
from appliance.cli.in_force import finish
from appliance.cli.local import Desk, edits
from appliance.cli.output import moment, print_json
from appliance.cli.site_edit import edit
from appliance.cli.site_files import check, export, import_, samples_
from appliance.cli.values import is_secret, typed
from appliance.errors import HoldfastError
from appliance.site.paths import parse_path
from appliance.site.text import to_toml

PATH = click.argument("path", shell_complete=complete_path)
NUMBER = click.IntRange(1, 999_999_999)


@click.group(name="site")
def site() -> None:
    """Look at the site, change it, and put changes into force.

    Changes collect in a candidate that everybody who edits shares. `commit` puts it into force, without dropping a call, and also while the box is stopped.
    """


@site.command()
@click.argument("path", default="", shell_complete=complete_path)
@click.option("--all", "complete", is_flag=True, help="Also what stands at its default.")
@edits
def show(desk: Desk, path: str, complete: bool) -> None:
    """Show the candidate, or what stands at PATH in it (users.dana, outbound.trunks). Secrets are never shown."""
    loc = parse_path(path)
    if is_secret(loc):
        raise HoldfastError("Secrets are not shown here", f"holdfast secret reveal {path}", code="secret")
    found = desk.editor.show(path)
    if desk.as_json:
        print_json({"path": found.path, "value": found.value, "version": found.version})
        return
    if isinstance(found.value, dict | list):
        for line in to_toml(found.value, loc, complete=complete).splitlines():
            desk.screen.line(line)
    else:
        desk.screen.line(found.value if isinstance(found.value, str) else json.dumps(found.value))


@site.command("set")
@PATH
@click.argument("value", required=False)
@click.option("--expect", type=click.IntRange(0), metavar="VERSION", help="Refuse when it is another version by now (`show --json` tells it; 0: it is new).")
@edits
def set_(desk: Desk, path: str, value: str | None, expect: int | None) -> None:
    """Put VALUE at PATH of the candidate: JSON, or plain text. `-` reads it from the input; a secret without VALUE is asked for."""
    loc = parse_path(path)
    if value is None:
        if not is_secret(loc):
            raise click.UsageError("What shall it be? Give a VALUE, or - to read it from the input.")
        value = click.prompt(path, hide_input=True, confirmation_prompt=True, err=True)
    elif value == "-":
        value = sys.stdin.read().removesuffix("\n")
    written = desk.editor.set(path, typed(loc, value), expect)
    if desk.as_json:
        print_json({"path": written.path, "value": written.value, "version": written.version, "problems": problem_dicts(written.problems)})
        return
    show_problems(written.problems, desk.screen)
    show_pending(desk.editor.pending(), desk.screen)


@site.command()
@PATH
@click.option("--expect", type=click.IntRange(0), metavar="VERSION", help="Refuse when it is another version by now.")
@edits
def unset(desk: Desk, path: str, expect: int | None) -> None:
    """Take PATH out of the candidate: an object, an entry of a list, or a field, which goes back to its default."""
    written = desk.editor.delete(path, expect)
    if desk.as_json:
        print_json({"path": written.path, "value": written.value, "version": written.version, "problems": problem_dicts(written.problems)})
        return
    show_problems(written.problems, desk.screen)
    show_pending(desk.editor.pending(), desk.screen)


@site.command()
@click.argument("first", metavar="[A]", type=NUMBER, required=False, shell_complete=complete_revision)
@click.argument("second", metavar="[B]", type=NUMBER, required=False, shell_complete=complete_revision)
@edits
def diff(desk: Desk, first: int | None, second: int | None) -> None:
    """Show what changes: in the candidate since the last commit, since revision A, or from revision A to B."""
    changes = desk.editor.pending() if first is None else desk.editor.diff(first, second)
    if desk.as_json:
        print_json({"changes": change_dicts(changes)})
    elif changes:
        show_changes(changes, desk.screen, every=True)
    else:
        desk.screen.line("No difference." if first is not None else "Nothing is changed.")


@site.command()
@click.option("-m", "--comment", default="", help="Why, for the history.")
@click.option("--confirm", "minutes", type=click.IntRange(1, 1440), metavar="MINUTES", help="Go back by itself unless `site confirm` comes in time.")
@click.option("--expect", type=click.IntRange(0), metavar="VERSION", help="Refuse when the candidate is another version by now (`check --json` tells it).")
@edits
def commit(desk: Desk, comment: str, minutes: int | None, expect: int | None) -> None:
    """Put the candidate into force as a new revision. With any mistake in it, list them all and change nothing."""
    with desk.slow("Checking the site"):
        made = desk.editor.commit(comment, minutes or 0, expect)
    finish(desk, made)


@site.command()
@edits
def confirm(desk: Desk) -> None:
    """Keep what was committed with --confirm."""
    number = desk.editor.confirm()
    if desk.as_json:
        print_json({"revision": number})
    else:
        desk.screen.line(f"Revision {number} stays.")


@site.command()
@edits
def undo(desk: Desk) -> None:
    """Go back at once from what was committed with --confirm. Its changes stay in the candidate; administrators stay as they are in force."""
    finish(desk, desk.editor.undo())


@site.command()
@click.argument("number", type=NUMBER, shell_complete=complete_revision)
@click.option("-m", "--comment", default="", help="Why, for the history.")
@click.option("--discard", is_flag=True, help="Drop what was changed and not committed.")
@edits
def rollback(desk: Desk, number: int, comment: str, discard: bool) -> None:
    """Put the content of revision NUMBER into force again, as a new revision. Passwords and administrators stay as they are now."""
    with desk.slow("Checking the site"):
        made = desk.editor.rollback(number, comment, discard)
    finish(desk, made)


@site.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, the newest first.")
@edits
def history(desk: Desk, limit: int) -> None:
    """List the revisions, with author and comment."""
    entries = desk.editor.history(limit)
    waiting = desk.editor.waiting()
    if desk.as_json:
        fields = ("number", "author", "comment", "time", "current", "good")
        print_json({"revisions": [{name: getattr(entry, name) for name in fields} for entry in entries], "waiting": waiting_dict(waiting)})
        return
    if not entries:
        desk.screen.line("No revision yet: the box makes the first one when it starts.")
        return
    rows = []
    for entry in entries:
        marks = [word for word, there in (("in force", entry.current), ("ran well", entry.good)) if there]
        if waiting is not None and waiting.revision == entry.number:
            marks.append("unconfirmed")
        rows.append((entry.number, moment(entry.time), entry.author, ", ".join(marks), entry.comment))
    desk.screen.table(("Revision", "When", "Who", "State", "Comment"), rows, ["bold" if entry.current else "" for entry in entries])
    if waiting is not None:
        show_waiting(waiting, desk.screen)


@site.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, shell_complete=complete_path)
@edits
def discard(desk: Desk, paths: tuple[str, ...]) -> None:
    """Drop what was changed and not committed, or only that at each PATH."""
    dropped = desk.editor.discard(paths)
    if desk.as_json:
        print_json({"dropped": change_dicts(dropped)})
        return
    desk.screen.line(f"Dropped {count(len(dropped), 'change')}{':' if dropped else '.'}")
    show_changes(dropped, desk.screen)
    if paths:
        show_pending(desk.editor.pending(), desk.screen)


for command in (edit, import_, export, samples_, check):
    site.add_command(command)
