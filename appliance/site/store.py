"""Revisions of the site document on disk: each a file, one of them current, every write atomic and on the disk before it counts."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.errors import NotFound, StateError
from appliance.site.model.site import Site
from appliance.site.sample import sample_site

KEEP = 50
"""Revisions kept beside the current one and the last that ran well."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Revision:
    """One saved state of the site. `time`: seconds since the epoch by the box's clock when it was saved."""

    number: int
    author: str
    comment: str
    time: float


class SiteStore:
    """The revisions in a folder: `revisions/000001.json`, `current` and `good` (each a number), `lock`.

    Several processes may use one folder. A process killed at any moment leaves the old or the new revision current. Files hold secrets: mode 0600.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._revisions = folder / "revisions"

    def save(self, site: Site, *, author: str, comment: str, now: float) -> Revision:
        """Write `site` as the next revision and make it current; both are on the disk when this returns. `now`: wall clock. Raises StateError."""
        with self._locked():
            return self._save(site, author, comment, now)

    def current(self) -> tuple[Revision, Site]:
        """The current revision. In an empty folder the sample site, made with fresh secrets and saved as revision 1.

        Where the current one cannot be read, the last that ran well, else the newest readable: yesterday's phone system beats none. Raises StateError.
        """
        found = self._find()
        if found is not None:
            return found
        with self._locked():
            found = self._find()  # another process may have been first
            if found is not None:
                return found
            site = sample_site()
            return self._save(site, "holdfast", "sample site, made at first start", time.time()), site

    def read(self, number: int) -> Site:
        """The site of revision `number`. Raises NotFound, or StateError when its file is damaged."""
        return self._load(number)[1]

    def mark_good(self, number: int) -> None:
        """Remember that revision `number` ran well: what the box falls back to. Raises NotFound, StateError."""
        with self._locked():
            if not self._path(number).is_file():
                raise NotFound(f"There is no site revision {number}", "see the history for those that are kept")
            if self._number_in("good") != number:
                self._write(self._folder / "good", f"{number}\n".encode())

    def last_good(self) -> int | None:
        """The last revision that ran well, if any."""
        number = self._number_in("good")
        return number if number is not None and self._path(number).is_file() else None

    def _save(self, site: Site, author: str, comment: str, now: float) -> Revision:
        numbers = self._numbers()
        number = max((*numbers, self._number_in("current") or 0), default=0) + 1
        revision = Revision(number, author, comment, now)
        body = json.dumps({**asdict(revision), "site": site.model_dump(mode="json")}, separators=(",", ":")).encode()
        self._write(self._path(number), body)
        self._write(self._folder / "current", f"{number}\n".encode())
        kept = {number, self._number_in("good"), *sorted(numbers)[-(KEEP - 1) :]}
        for old in numbers:
            if old not in kept:
                with _translated(f"delete old site revision {old}"):
                    self._path(old).unlink(missing_ok=True)
        return revision

    def _find(self) -> tuple[Revision, Site] | None:
        """The revision to use, None when nothing was ever saved. The folder is left as it is: readers need no right to write."""
        named = self._number_in("current")
        numbers = self._numbers()
        if named is None and not numbers:
            return None
        for number in dict.fromkeys(n for n in (named, self._number_in("good") if named else None, *sorted(numbers, reverse=True)) if n is not None):
            try:
                found = self._load(number)
            except (StateError, NotFound) as error:
                log.error("site revision %d cannot be used: %s", number, error)
                continue
            if number != named:
                log.error("the current site revision (%s) cannot be read; revision %d is used", named if named is not None else "unknown", number)
            return found
        raise StateError(f"No site revision in {self._folder} can be read", "restore a backup, or load a site file with: holdfast site load FILE")

    def _load(self, number: int) -> tuple[Revision, Site]:
        path = self._path(number)
        try:
            raw: Any = json.loads(path.read_bytes())
            revision = Revision(int(raw["number"]), str(raw["author"]), str(raw["comment"]), float(raw["time"]))
            # Fields are checked, cross references are not: rules that became stricter since must not stop a box that ran.
            site = Site.model_validate(raw["site"])
        except FileNotFoundError:
            raise NotFound(f"There is no site revision {number}", "see the history for those that are kept") from None
        except OSError as error:
            raise StateError(f"Site revision {number} cannot be read: {error}", "check the disk and the owner of the data folder") from error
        except ValidationError as error:
            # Its text would show values, secrets among them.
            raise StateError(f"Site revision {number} has {error.error_count()} fields this version does not understand", "load the site file again") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StateError(f"Site revision {number} is damaged: {type(error).__name__}", "go back to another revision or load the site file again") from error
        if revision.number != number:
            raise StateError(f"The file of site revision {number} holds revision {revision.number}", "go back to another revision or load the site file again")
        return revision, site

    def _path(self, number: int) -> Path:
        return self._revisions / f"{number:06}.json"

    def _numbers(self) -> list[int]:
        try:
            names = [path.name for path in self._revisions.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"The site folder {self._folder} cannot be read: {error}", "check the disk and the owner of the data folder") from error
        return [int(match[1]) for name in names if (match := re.fullmatch(r"([0-9]{6,})\.json", name))]

    def _number_in(self, name: str) -> int | None:
        try:
            text = (self._folder / name).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            log.error("%s cannot be read: %s", self._folder / name, error)
            return None
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, across processes; the kernel drops the lock of a killed one."""
        with _translated(f"use the site folder {self._folder}"):
            for folder in (self._folder, self._revisions):
                _make_folder(folder)
            descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with _translated(f"lock the site folder {self._folder}"):
                _own_like(self._folder, lambda uid, gid: os.fchown(descriptor, uid, gid))
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, path: Path, data: bytes) -> None:
        """Put `data` at `path` in one step: whoever looks sees what was there before or all of it, after a power cut as well."""
        new = path.with_name(f".{path.name}.new")
        with _translated(f"write {path}"):
            new.unlink(missing_ok=True)  # of a writer that was killed
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    _own_like(path.parent, lambda uid, gid: os.fchown(descriptor, uid, gid))
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                new.replace(path)
            except OSError:
                new.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(f"Cannot {what}: {error.strerror or error}", "check free space, the disk, and the owner of the data folder") from error


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _own_like(folder.parent, lambda uid, gid: os.chown(folder, uid, gid))
        _sync_folder(folder.parent)


def _own_like(folder: Path, give: Callable[[int, int], None]) -> None:
    """What root writes (the command line under sudo) must stay readable to the engine, an ordinary user that owns the folder."""
    if os.geteuid() == 0:
        there = folder.stat()
        give(there.st_uid, there.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
