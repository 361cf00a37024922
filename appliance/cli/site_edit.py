"""holdfast site edit: a part of the site in a text editor. What was typed is kept until it is in the candidate."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from appliance.cli.changes import show_changes, show_conflict, show_pending, show_problems
from appliance.cli.completion import complete_path
from appliance.cli.local import Desk, edits
from appliance.cli.output import complain, plain
from appliance.errors import Conflict, HoldfastError, NotFound
from appliance.site.editing import Editor, Shown
from appliance.site.paths import Loc, check_place, parse_path
from appliance.site.text import to_toml
from appliance.site.wording import path_of

RESTRICTED = "HOLDFAST_RESTRICTED"
"""Set in Holdfast's login shell: an editor that could start programs or open other files would be a way out of it."""


@click.command()
@click.argument("path", default="", shell_complete=complete_path)
@edits
def edit(desk: Desk, path: str) -> None:
    """Edit the candidate, or what stands at PATH in it, in a text editor (EDITOR), as TOML."""
    if desk.as_json:
        raise HoldfastError("An editor has no use for --json", "use `holdfast site set`", code="usage")
    loc = _editable(parse_path(path))
    check_place(loc)
    _Session(desk, loc).run()


class _Session:
    """One part being edited, from the first look at it until it is in the candidate or given up."""

    def __init__(self, desk: Desk, loc: Loc) -> None:
        self._desk, self._loc, self._path = desk, loc, path_of(loc)
        self._editor = desk.editor
        self._seen = _shown(self._editor, self._path)
        self._before = to_toml(self._seen.value, self._loc) if self._seen.value is not None else _new(self._loc)

    def run(self) -> None:
        with _file(_comment(self._path, self._seen) + self._before) as file:
            done = False
            while not done:
                text = _edited(file)
                if _bare(text) == _bare(self._before):
                    self._desk.screen.line("Nothing more was changed.")
                    return
                try:
                    done = self._take(text, file)
                except click.Abort:
                    raise _kept(file) from None

    def _take(self, text: str, file: Path) -> bool:
        """Put the text into the candidate; False: it is to be edited again."""
        screen = self._desk.screen
        try:
            value = _value(text, self._loc)
            written = self._write(value, self._seen.version)
        except Conflict as conflict:
            return self._settle(conflict, file)
        except HoldfastError as error:
            complain(error)
            return self._give_up(file)
        show_changes([change for change in self._editor.pending() if change.loc[: len(self._loc)] == self._loc], screen)
        if written:
            show_problems(written, screen)
            if _yes("It is kept in the candidate with its mistakes. Edit it again?"):
                self._seen, self._before = _shown(self._editor, self._path), text
                return False
        show_pending(self._editor.pending(), screen)
        return True

    def _write(self, value: Any, expected: int | None) -> Any:
        if not self._loc:
            return self._editor.replace(value, expected).problems
        return self._editor.set(self._path, value, expected).problems

    def _settle(self, conflict: Conflict, file: Path) -> bool:
        """Somebody else changed it meanwhile: both are shown, and whoever edits decides."""
        screen = self._desk.screen
        screen.line(conflict.sentence, "bold red")
        show_conflict(conflict, screen)
        answer = "stop"
        if sys.stdin.isatty():
            choices = click.Choice(["edit", "put", "stop"])
            answer = click.prompt("Edit yours again, put it in place of the other, or stop", type=choices, default="edit", err=True)
        if answer == "stop":
            raise _kept(file)
        self._seen = Shown(self._path, conflict.theirs, conflict.version)
        if answer == "edit":
            return False
        return self._take(file.read_text(encoding="utf-8"), file)

    def _give_up(self, file: Path) -> bool:
        """Asks whether to edit again. Raises HoldfastError where not: the file stays."""
        if _yes("Edit it again?"):
            return False
        raise _kept(file)


def _editable(loc: Loc) -> Loc:
    """The whole list around a position: a position has no heading of its own."""
    at = next((index for index, part in enumerate(loc) if isinstance(part, int)), None)
    return loc if at is None else loc[:at]


def _shown(editor: Editor, path: str) -> Shown:
    """What is there; nothing, at version 0, where an object is to be made."""
    try:
        return editor.show(path)
    except NotFound:
        return Shown(path, None, 0)


def _new(loc: Loc) -> str:
    return to_toml({}, loc) if len(loc) == 2 else ""


def _comment(path: str, seen: Shown) -> str:
    what = path or "the site"
    lines = [
        f"# {what if seen.value is not None else f'{what}, which is new'}. Save, and leave the editor; leave without saving to change nothing.",
        f"# What stands at its default is left out; `holdfast site show {path} --all` shows it.",
        "# Secrets are not shown. A secret, pin or password written here goes to the vault.",
    ]
    return "\n".join(lines) + "\n\n"


def _bare(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines() if not line.startswith("#")).strip()


def _value(text: str, loc: Loc) -> Any:
    """What the text has at `loc`. Raises HoldfastError where it cannot be read, or holds anything else."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise HoldfastError(f"This is not valid TOML: {plain(error)}", "correct that place; text belongs in quotes", code="toml") from None
    if loc == ("site",):
        return document
    here: Any = document
    for depth, part in enumerate(loc):
        others = [key for key in here if key != part] if isinstance(here, dict) else []
        if others or not isinstance(here, dict):
            at = path_of((*loc[:depth], others[0])) if others else path_of(loc[:depth])
            raise HoldfastError(f"{at} is not {path_of(loc)}, which is edited here", "edit it by itself, or edit the whole site", code="place")
        if part not in here:
            raise HoldfastError(f"{path_of(loc)} is gone", f"keep its heading, or delete it: holdfast site unset {path_of(loc)}", code="place")
        here = here[part]
    return here


def _yes(question: str) -> bool:
    return sys.stdin.isatty() and click.confirm(question, default=True, err=True)


def _kept(file: Path) -> HoldfastError:
    return HoldfastError("Nothing was changed", f"what you wrote is kept in {file}", code="kept")


@contextmanager
def _file(text: str) -> Iterator[Path]:
    """A file for the editor, which only its owner can read. It goes when the session ends well."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-"))
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    yield file
    shutil.rmtree(folder, ignore_errors=True)


def _edited(file: Path) -> str:
    command = editor_command()
    try:
        code = subprocess.run([*command, str(file)], check=False).returncode
    except OSError as error:
        raise HoldfastError(f"The editor {command[0]} cannot be started: {error.strerror}", "name one that is installed in EDITOR", code="editor") from error
    if code:
        raise HoldfastError(f"The editor {command[0]} ended with {code}", f"what you wrote is kept in {file}", code="editor")
    return file.read_text(encoding="utf-8", errors="replace")


def editor_command() -> list[str]:
    """The editor to start. In Holdfast's login shell only one that can neither start programs nor open other files. Raises HoldfastError."""
    if os.environ.get(RESTRICTED):
        nano = shutil.which("nano")
        if nano is None:
            raise HoldfastError("There is no editor that is safe in this shell", "use `site set`, or have nano installed", code="editor")
        return [nano, "--restricted", "--ignorercfiles"]
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if named:
        try:
            return shlex.split(named)
        except ValueError:
            raise HoldfastError(f"EDITOR is not a command: {plain(named)}", "a quote is not closed", code="editor") from None
    found = next((path for name in ("sensible-editor", "nano", "vi") if (path := shutil.which(name))), None)
    if found is None:
        raise HoldfastError("There is no text editor", "name one in EDITOR, or use `holdfast site set`", code="editor")
    return [found]
