"""A backup file on its way into the box: verified, unpacked, looked through, before anything of it counts."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from appliance.errors import HoldfastError
from appliance.site import files
from appliance.site.archive import Content, Head, Progress, receive
from appliance.site.wording import size
from appliance.site.working import run_job

EXAMINE_S = 900.0
"""A database of many years is checked page by page."""
SPARE_BYTES = 64 << 20
"""What must stay free on the disk: the box goes on writing."""

Told = dict[str, Any]
"""What is in a backup: {"site", "revision", "users", "devices", "messages", "problems", "made_unix_s", "product", "files", "bytes"}."""


def verified(source: BinaryIO, passphrase: str, scratch: Path | None = None, progress: Progress | None = None) -> Told:
    """Read `source` to the end; recordings need no room for that. `scratch`: a folder for what does. Raises HoldfastError."""
    with tempfile.TemporaryDirectory(prefix="holdfast-", dir=scratch) as folder, files.translated("verify the backup"):

        def small(path: str, size: int) -> bool:
            if not path.startswith(("site/", "vault/", "state/state.db")):
                return False
            _check_room(Path(folder), size)
            return True

        content = receive(source, passphrase, Path(folder), product=version("holdfast"), keep=small, progress=progress)
        return _examined(content, Path(folder))


def unpacked(source: BinaryIO, passphrase: str, part: Path, progress: Progress | None = None) -> Told:
    """Unpack `source` into the empty folder `part` (`pending.staging`), whole and looked through. Raises HoldfastError."""

    def room(head: Head) -> None:
        _check_room(part, head.bytes)

    with files.translated("unpack the backup"):
        content = receive(source, passphrase, part, product=version("holdfast"), check=room, progress=progress)
    return _examined(content, part)


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + SPARE_BYTES:
        raise HoldfastError(f"The backup needs {size(wanted)}, and {size(free)} are free", "make room on the disk of the data folder", code="no-room")


def _examined(content: Content, folder: Path) -> Told:
    """As far as this version can use it; in a process that knows all of this version's formats."""
    found: Told = run_job("examine", {"folder": str(folder)}, EXAMINE_S)
    head = content.head
    return {**found, "made_unix_s": head.made_unix_s, "product": head.product, "files": content.files, "bytes": content.bytes}
