"""holdfast restore: a backup takes the place of what is on this box, after it was verified as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import click

from appliance.cli.backup import BACKGROUND
from appliance.cli.local import Desk, edits
from appliance.cli.output import moment, print_json
from appliance.cli.passphrase import PASSPHRASE_OPTION, known_passphrase
from appliance.cli.placing import confirmed, outcome, put_in_place, restarting
from appliance.cli.progress import Progress
from appliance.errors import HoldfastError
from appliance.site import pending, restoring
from appliance.site.archive import in_force
from appliance.site.restoring import Told
from appliance.site.wording import size


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
                told = _verified(source, passphrase)
                _tell(desk, {**told, "dry_run": True})
                return
            with pending.staging(desk.data) as part:
                told = _unpacked(source, passphrase, part)
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


def _verified(source: BinaryIO, passphrase: str) -> Told:
    """Read to the end."""
    with Progress("Verifying") as progress:
        return restoring.verified(source, passphrase, progress=progress)


def _unpacked(source: BinaryIO, passphrase: str, part: Path) -> Told:
    with Progress("Unpacking") as progress:
        return restoring.unpacked(source, passphrase, part, progress)


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
