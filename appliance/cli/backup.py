"""holdfast backup: everything the site has on this box, in one file under a passphrase."""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from pathlib import Path

import click

from appliance.cli.local import Desk, edits
from appliance.cli.output import print_json
from appliance.cli.passphrase import PASSPHRASE_OPTION, new_passphrase
from appliance.cli.progress import Progress
from appliance.errors import HoldfastError
from appliance.site.archive import Content, back_up
from appliance.site.wording import size

BACKGROUND = 10
"""nice(2): calls go first."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@PASSPHRASE_OPTION
@click.option("--overwrite", is_flag=True, help="Replace FILE where it exists.")
@edits
def backup(desk: Desk, file: Path, passphrase_file: Path | None, overwrite: bool) -> None:
    """Write a backup of the box to FILE, under a passphrase.

    In it: the site with its history and pending changes, passwords, registrations, call records, voicemail, recordings, certificates and the emergency journal.
    The box may run. Without the passphrase nobody can open the file, you included.
    """
    if file.exists() and not overwrite:
        raise HoldfastError(f"{file} exists already", "choose another name, or replace it with --overwrite", code="exists")
    passphrase = new_passphrase(passphrase_file)
    os.nice(BACKGROUND)
    made = _write(desk.data, file, passphrase)
    head = made.head
    if desk.as_json:
        print_json(
            {
                "file": str(file), "bytes": file.stat().st_size, "files": made.files, "content_bytes": made.bytes,
                "site": head.site, "revision": head.revision, "product": head.product, "made_unix_s": head.made_unix_s,
            }
        )  # fmt: skip
    else:
        desk.screen.line(f"{file}: {head.site}, revision {head.revision}; {size(file.stat().st_size)}, {made.files} files.")
        desk.screen.line("Keep the passphrase: without it the file cannot be opened.")


def _write(data: Path, file: Path, passphrase: str) -> Content:
    """The file is there whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)  # of one that was killed
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb") as into:
            with Progress("Backing up") as progress:
                made = back_up(data, into, passphrase, product=version("holdfast"), now_unix_s=time.time(), progress=progress)
            into.flush()
            os.fsync(into.fileno())
        part.replace(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise HoldfastError(f"{file} cannot be written: {error.strerror or error}", "check the path, its permissions and free space", code="write") from error
    finally:
        part.unlink(missing_ok=True)
    return made
