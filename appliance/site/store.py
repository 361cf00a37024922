"""Revisions of the site document on disk: each a file, one of them current, every write atomic and on the disk before it counts."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.errors import NotFound, StateError
from appliance.site import files
from appliance.site.gently import parse_json
from appliance.site.model.site import Site
from appliance.site.sample import sample_site
from appliance.site.secrets import extract

KEEP = 50
"""Revisions kept beside the current one and the last that ran well; and as many of those that somebody made for himself alone, which push no other out."""

log = logging.getLogger(__name__)


_HEAD_BYTES = 64 * 1024
"""What tells of a revision stands at the beginning of its file, before the site."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One saved state of the site. `time`: seconds since the epoch by the box's clock when it was saved. `after`: the revision in force before it, 0: none.

    `undoes`: the unconfirmed revision it took back, 0: none. `alone`: somebody changed what is his own.
    """

    number: int
    author: str
    comment: str
    time: float
    after: int = 0
    undoes: int = 0
    alone: bool = False


class SiteStore:
    """The revisions in a folder: `revisions/000001.json`, `current` and `good` (each a number), `lock`.

    Several processes may use one folder. A process killed at any moment leaves the old or the new revision current. Files: mode 0600.
    """

    def __init__(self, folder: Path, gently: bool = False) -> None:
        """`gently`: revisions are read in small steps, for a process whose other threads must get their turn."""
        self._parse: Callable[[str], Any] = parse_json if gently else json.loads
        self._folder = folder
        self._revisions = folder / "revisions"

    def save(self, site: Site, *, author: str, comment: str, now: float) -> Revision:
        """Write `site` as the next revision and make it current; both are on the disk when this returns. `now`: wall clock. Raises StateError."""
        with self.locked():
            revision = self.add(site, author=author, comment=comment, now=now)
            self.make_current(revision.number)
            return revision

    # ---- in steps, for who holds the lock -------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time, across processes. Not to be taken twice by one thread. Raises StateError."""
        with files.locked(self._folder, "the site folder"):
            with files.translated(f"use the site folder {self._folder}"):
                files.make_folder(self._revisions)
            yield

    def add(self, site: Site, *, author: str, comment: str, now: float, undoes: int = 0, alone: bool = False) -> Revision:
        """Write `site` as the next revision, which nobody uses before `make_current`. Under the lock. Raises StateError."""
        named = self.current_number() or 0
        number = max((*self._numbers(), named), default=0) + 1
        revision = Revision(number, author, comment, now, named, undoes, alone)
        body = json.dumps({**asdict(revision), "site": site.model_dump(mode="json")}, separators=(",", ":")).encode()
        files.write(self._path(number), body)
        return revision

    def make_current(self, number: int, keep: int = 0) -> None:
        """The one step that puts a revision into force; the oldest are forgotten then, but for `keep`. Under the lock. Raises StateError."""
        files.write(self._folder / "current", f"{number}\n".encode())
        numbers = self._numbers()
        if len(numbers) <= KEEP:
            return
        alone = {each for each in numbers if (head := self._head(each)) is not None and head.alone}
        kept = {number, keep, self._number_in("good"), *sorted({*numbers} - alone)[-KEEP:], *sorted(alone)[-KEEP:]}
        for old in numbers:
            if old not in kept:
                with files.translated(f"delete old site revision {old}"):
                    self._path(old).unlink(missing_ok=True)

    # ---- reading -------------------------------------------------------------------------------------------------

    def current(self) -> tuple[Revision, Site]:
        """The current revision. In an empty folder the sample site, saved as revision 1.

        Where the current one cannot be read, the last that ran well, else the newest readable: yesterday's phone system beats none. Raises StateError.
        """
        found = self._find()
        if found is not None:
            return found
        with self.locked():
            found = self._find()  # another process may have been first
            if found is not None:
                return found
            site = sample_site()
            revision = self.add(site, author="holdfast", comment="sample site, made at first start", now=time.time())
            self.make_current(revision.number)
            return revision, site

    def current_number(self) -> int | None:
        """The revision named as current, whether or not it can be read; cheap."""
        return self._number_in("current")

    def history(self) -> list[Revision]:
        """The revisions kept that were in force, newest first; one that cannot be read is left out."""
        current = self.current_number()
        numbers = sorted((number for number in self._numbers() if current is None or number <= current), reverse=True)
        found = [head for number in numbers if (head := self._head(number)) is not None]
        # A commit cut short between writing its revision and making it current left one that the next ones passed over.
        passed = {number for head in found for number in range(head.after + 1, head.number)}
        return [head for head in found if head.number not in passed]

    def read(self, number: int) -> Site:
        """The site of revision `number`. Raises NotFound, or StateError when its file is damaged."""
        return self._load(number)[1]

    def mark_good(self, number: int) -> None:
        """Remember that revision `number` ran well: what the box falls back to. Raises NotFound, StateError."""
        with self.locked():
            if not self._path(number).is_file():
                raise NotFound(f"There is no site revision {number}", "see the history for those that are kept")
            if self._number_in("good") != number:
                files.write(self._folder / "good", f"{number}\n".encode())

    def last_good(self) -> int | None:
        """The last revision that ran well, if any."""
        number = self._number_in("good")
        return number if number is not None and self._path(number).is_file() else None

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
        raise StateError(f"No site revision in {self._folder} can be read", "restore a backup, or use a site file: holdfast site import FILE --commit")

    def _load(self, number: int) -> tuple[Revision, Site]:
        path = self._path(number)
        try:
            raw = self._parse(path.read_bytes().decode())
            revision = _revision(raw)
            # Secrets are taken out at start (migrate.py); where that failed, a box without them still has emergency calls.
            # Fields are checked, cross references are not: rules that became stricter since must not stop a box that ran.
            site = Site.model_validate(extract(raw["site"])[0])
        except FileNotFoundError:
            raise NotFound(f"There is no site revision {number}", "see the history for those that are kept") from None
        except OSError as error:
            raise StateError(f"Site revision {number} cannot be read: {error}", "check the disk and the owner of the data folder") from error
        except ValidationError as error:
            # Its text would show values, secrets among them.
            raise StateError(f"Site revision {number} has {error.error_count()} fields this version does not understand", "load the site file again") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StateError(f"Site revision {number} is damaged: {type(error).__name__}", "go back to another revision or load the site file again") from error
        if revision.number != number:
            raise StateError(f"The file of site revision {number} holds revision {revision.number}", "go back to another revision or load the site file again")
        return revision, site

    def _head(self, number: int) -> Revision | None:
        """What stands before the site in a revision's file."""
        try:
            with self._path(number).open("rb") as file:
                text = file.read(_HEAD_BYTES).decode(errors="replace")
            # No text before it can hold this: there its quotes are escaped.
            return _revision(json.loads(text[: text.index(',"site":')] + "}"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("what is known of site revision %d cannot be read: %s", number, error)
            return None

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


def _revision(raw: Mapping[str, Any]) -> Revision:
    number = int(raw["number"])
    after, undoes = int(raw.get("after", number - 1)), int(raw.get("undoes", 0))
    return Revision(number, str(raw["author"]), str(raw["comment"]), float(raw["time"]), after, undoes, raw.get("alone") is True)
