"""holdfast restore: a backup takes the place of what is on this box, after it was verified as a whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import click

from appliance.cli.backup import BACKGROUND
from appliance.cli.local import Desk, edits
from appliance.cli.output import moment, print_json
from appliance.cli.passphrase import PASSPHRASE_OPTION, known_passphrase
from appliance.cli.placing import confirmed, outcome, put_in_place, restarting
from appliance.cli.progress import Progress, size
from appliance.errors import HoldfastError
from appliance.site import files, pending
from appliance.site.archive import Content, Head, in_force, receive
from appliance.site.working import run_job

EXAMINE_S = 900.0
"""A database of many years is checked page by page."""
SPARE_BYTES = 64 << 20
"""What must stay free on the disk: the box goes on writing."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@PASSPHRASE_OPTION
@click.option("--dry-run", is_flag=True, help="Verify FILE and say what it would put in place; change nothing.")
@click.option("--undo", is_flag=True, help="Instead of a file: put back what the last restore replaced.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Do not wait for an emergency call in progress: cut it off.")
@edits
def restore(desk: Desk, file: Path | None, passphrase_file: Path | None, dry_run: bool, undo: bool, yes: bool, force: bool) -> None:
    """Put the backup FILE in place of what is on this box. FILE is verified to the end first; where anything is wrong with it nothing is changed.

    A running box restarts with it, which ends its calls. The box keeps its emergency journal, its registrations and the call-back windows of emergency calls.
    What was there before is kept until the next restore.
    """
    if (file is None) != undo or (undo and dry_run):
        raise HoldfastError("Name a backup file, or say --undo", "holdfast restore FILE [--dry-run]; holdfast restore --undo", code="usage")
    told: dict[str, Any] = {}
    if file is None:
        confirmed(desk, yes, f"This puts back what the last restore replaced in {desk.data}.{restarting(desk)}")
        plan = pending.stage_undo(desk.data, desk.author)
    else:
        with _opened(file) as source:
            passphrase = known_passphrase(passphrase_file)
            os.nice(BACKGROUND)
            if dry_run:
                told = _verified(desk, file, source, passphrase)
                _tell(desk, {**told, "dry_run": True})
                return
            with pending.staging(desk.data) as part:
                told = _unpacked(desk, source, passphrase, part)
                if not desk.as_json:
                    _tell(desk, told)
                confirmed(desk, yes, f"This takes the place of {_present(desk.data)} in {desk.data}.{restarting(desk)}")
                says = f"the backup of {told['site']}, revision {told['revision']}, made {moment(told['made_unix_s'])}"
                plan = pending.stage(desk.data, part, "restore", says, desk.author)
    placed = put_in_place(desk, plan, force)
    if desk.as_json:
        print_json({**told, "placed": placed})
    else:
        desk.screen.line(outcome(placed))


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise HoldfastError(f"{file} cannot be read: {error.strerror or error}", "check the path and its permissions", code="read") from error


def _verified(desk: Desk, file: Path, source: BinaryIO, passphrase: str) -> dict[str, Any]:
    """Read to the end; recordings need no room for that."""
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder, files.translated(f"verify {file}"), Progress("Verifying") as progress:
        content = receive(source, passphrase, Path(folder), product=version("holdfast"), keep=_small, progress=progress)
        return _examined(desk, content, Path(folder))


def _small(path: str) -> bool:
    return path.startswith(("site/", "vault/", "state/state.db"))


def _unpacked(desk: Desk, source: BinaryIO, passphrase: str, part: Path) -> dict[str, Any]:
    def room(head: Head) -> None:
        free = shutil.disk_usage(part).free
        if free < head.bytes + SPARE_BYTES:
            raise HoldfastError(f"The backup needs {size(head.bytes)}, and {size(free)} are free", "make room on the disk of the data folder", code="no-room")

    with files.translated(f"unpack the backup in {desk.data}"), Progress("Unpacking") as progress:
        content = receive(source, passphrase, part, product=version("holdfast"), check=room, progress=progress)
    return _examined(desk, content, part)


def _examined(desk: Desk, content: Content, folder: Path) -> dict[str, Any]:
    """What is in it, as far as this version can use it; in a process that knows all of this version's formats. Raises HoldfastError."""
    with desk.slow("Examining"):
        found = run_job("examine", {"folder": str(folder)}, EXAMINE_S)
    head = content.head
    return {**found, "made_unix_s": head.made_unix_s, "product": head.product, "files": content.files, "bytes": content.bytes}


def _tell(desk: Desk, told: dict[str, Any]) -> None:
    if desk.as_json:
        print_json(told)
        return
    desk.screen.line(f"Backup of {told['site']}, revision {told['revision']}, made {moment(told['made_unix_s'])} by Holdfast {told['product']}:")
    held = f"{told['users']} users, {told['devices']} devices, {told['messages']} voicemail messages"
    desk.screen.line(f"  {held}; {told['files']} files, {size(told['bytes'])}.")
    if told["problems"]:
        desk.screen.line(f"  Its site runs, and has {len(told['problems'])} mistakes by this version's rules: `holdfast site check` lists them afterwards.")
    if told.get("dry_run"):
        desk.screen.line("It is whole and can be restored. Nothing was changed.")


def _present(data: Path) -> str:
    try:
        number, name = in_force(data)
    except HoldfastError:
        return "what is there"
    return f"{name}, revision {number},"
