"""The site as the pages see it: what is in force and the shared candidate, read anew only when their files changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flask import current_app

from appliance.errors import Problem, StateError
from appliance.site.diff import Change
from appliance.site.editing import Editor, Entry, Shown, Waiting
from appliance.site.model.site import Site
from appliance.site.paths import SITE, TOP, find, object_of, parse_path, read, version_of
from appliance.site.secrets import possible
from appliance.site.store import SiteStore
from appliance.site.validation import validate
from appliance.site.vault import Vault

T = TypeVar("T")
Stamp = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits to be applied. `objects`: paths of the objects that differ, like `users.dana`; `since_unix_s`: the latest change, 0 where not known."""

    changes: tuple[Change, ...]
    objects: frozenset[str]
    since_unix_s: float

    def __len__(self) -> int:
        return len(self.changes)

    def touches(self, path: str, field: str = "") -> bool:
        """Whether the object at `path`, or a field of it, differs from what is in force."""
        if (path,) == SITE:
            return any(self.touches(name) for name in ((field,) if field else TOP))
        wanted = f"{path}.{field}" if field else path
        return any(_touches(change.path, wanted) for change in self.changes)


class Place:
    """One per process, for all its threads. Methods may block for the disk and raise StateError."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.store = SiteStore(data / "site")
        self.vault = Vault(data)
        self._kept: dict[str, tuple[Stamp, Any]] = {}
        self._lock = threading.Lock()

    def editor(self, author: str) -> Editor:
        return Editor(self.data, author)

    # ---- in force ------------------------------------------------------------------------------------------------

    def revision(self) -> int:
        """The number of the revision in force, 0: nothing was ever saved."""
        return self.store.current_number() or 0

    def site(self) -> Site | None:
        """The site in force; None: the box never ran."""
        number = self.revision()
        return self._cached("site", (number,), lambda: self.store.read(number)) if number else None

    def applied(self) -> tuple[Entry, ...]:
        """The latest revisions, newest first."""
        return self._cached("applied", (self.revision(),), lambda: self.editor("").history(10))

    def time_zone(self) -> str:
        """Never raises: a page about a broken disk has times on it, too."""
        try:
            site = self.site()
        except StateError:
            site = None
        return site.time_zone if site is not None else "UTC"

    def secrets(self) -> Mapping[str, str]:
        """What counts in the revision in force."""
        number = self.revision()
        return self._cached("secrets", (number, self.vault.stamp()), lambda: self.vault.values(number))

    def secret_names(self) -> frozenset[str]:
        """The secrets there are, those that wait for a commit as well."""
        number = self.revision()
        return self._cached("secret names", (number, self.vault.stamp()), lambda: self.vault.names(number, staged=True))

    def secrets_to_come(self) -> frozenset[str]:
        """The secrets that count after the next commit: one kept from an earlier object of the same id does not."""
        number, site = self.revision(), self.site()
        own = possible(site) if site is not None else frozenset()
        return self._cached(
            "secrets to come", (number, self.vault.stamp()), lambda: frozenset({*self.vault.names(number).intersection(own), *self.vault.staged()})
        )

    def secret_stamp(self) -> Stamp:
        """Changes whenever a secret or the revision may have."""
        return (self.revision(), self.vault.stamp())

    # ---- the candidate -------------------------------------------------------------------------------------------

    def stamp(self) -> Stamp:
        """Changes whenever the candidate or what is in force may have; cheap."""
        return (*(_stamp(self.data / "site" / name) for name in ("candidate.json", "current", "confirm.json")), self.vault.stamp())

    def document(self) -> Mapping[str, Any]:
        """The candidate, whole, as JSON values; not to be changed."""
        found: Mapping[str, Any] = self._cached("document", self.stamp(), lambda: self.editor("").show("").value)
        return found

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the candidate as far as the document alone shows it; a check knows more (flows, emergency paths)."""
        stamp = self.stamp()  # first: what somebody writes meanwhile must not count as looked at
        document = self.document()
        return self._cached("problems", stamp, lambda: validate(document)[1])

    def show(self, path: str) -> Shown:
        """`Editor.show` from the candidate as it was last read. Raises NotFound."""
        document, loc = self.document(), parse_path(path)
        return Shown(path, read(document, loc), version_of(find(document, object_of(loc), None)))

    def kind(self, kind: str) -> Mapping[str, Any]:
        """The objects of one kind in the candidate; what is no object (somebody is editing) is left out."""
        held = self.document().get(kind)
        return {key: value for key, value in held.items() if isinstance(value, Mapping)} if isinstance(held, Mapping) else {}

    def pending(self) -> Pending:
        return self._cached("pending", self.stamp(), self._pending)

    def waiting(self) -> Waiting | None:
        """The commit on trial, if there is one."""
        return self.editor("").waiting() if (self.data / "site" / "confirm.json").exists() else None

    def _pending(self) -> Pending:
        changes = self.editor("").pending()
        try:
            since = (self.data / "site" / "candidate.json").stat().st_mtime
        except OSError:
            since = 0.0
        return Pending(changes, frozenset(".".join(change.loc[:2]) for change in changes), since)

    def _cached(self, name: str, stamp: Stamp, make: Callable[[], T]) -> T:
        with self._lock:
            held = self._kept.get(name)
            if held is not None and held[0] == stamp:
                value: T = held[1]
                return value
            value = make()
            self._kept[name] = (stamp, value)
            return value


def place() -> Place:
    """That of the application."""
    found: Place = current_app.extensions["place"]
    return found


def _touches(changed: str, path: str) -> bool:
    """One is the other or lies within it: a new object has all its fields changed."""
    return any(a == b or a.startswith((f"{b}.", f"{b}[")) for a, b in ((changed, path), (path, changed)))


def _stamp(path: Path) -> Stamp:
    try:
        there = path.stat()
    except OSError:
        return ()
    return there.st_mtime_ns, there.st_ino, there.st_size
