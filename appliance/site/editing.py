"""The one way to change a site, for the command line, the web and the tests: a shared candidate, put into force by a commit.

Works on the data folder alone; whether the engine runs makes no difference. After a change of what is in force (commit, undo, rollback) tell a running engine
by the method `site.activate`; it notices by itself within 2 s as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import Problem
from appliance.site.diff import Change


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of the candidate, as JSON values. `version` changes whenever `value` does, and only then; give it back with a write as `expected`."""

    path: str
    value: Any
    version: int


@dataclass(frozen=True, slots=True)
class Written:
    """What a write made of its place: the value as the document holds it (None: gone), its version, and what is wrong with the object's own fields so far."""

    path: str
    value: Any
    version: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a commit would do. `problems` empty: it would be taken. `version`: the candidate's as checked, for `commit(expected=)`.

    `normalised`: what the commit sets right by itself, part of `changes`. `proof`: the emergency proof's own figures.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    changes: tuple[Change, ...]
    normalised: tuple[Change, ...]
    proof: Mapping[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unconfirmed commit: `revision` goes back to the content of `previous` unless somebody confirms within `seconds_left`."""

    revision: int
    previous: int
    minutes: int
    seconds_left: float
    author: str


@dataclass(frozen=True, slots=True)
class Committed:
    """A revision that is current now. `waiting`: it was committed on condition."""

    revision: int
    changes: tuple[Change, ...]
    warnings: tuple[Problem, ...] = ()
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision in the history. `time`: seconds since the epoch by the box's clock. `good`: it is the last that ran well."""

    number: int
    author: str
    comment: str
    time: float
    current: bool
    good: bool


class Editor:
    """The site in `data` (the box's data folder) as `author` edits it.

    Paths: `users.dana.extension`, `name`, `interfaces[0].address`, `numbers."+1 202"`; "" is the whole document. An *object* is one entry of a kind
    (`users.dana`), a group of settings (`sip`, `outbound`, `emergency`) or `site`: the fields at the top and the interfaces. Values are JSON values; secrets
    (`devices.x.secret`, `trunks.x.secret`, `mailboxes.x.pin`, `users.x.password`) go to the vault, are never shown, and count from the commit on.

    Every method may block for the disk (and `check`, `commit` for seconds): never on an event loop. All raise StateError when the disk refuses.
    """

    def __init__(self, data: Path, author: str) -> None:
        self._data = data
        self._author = author

    def show(self, path: str = "") -> Shown:
        """What the candidate holds at `path`. Raises NotFound with a hint."""
        raise NotImplementedError

    def set(self, path: str, value: Any, expected: int | None = None) -> Written:
        """Put `value` at `path`, making the object where it is new. `expected`: the version it was read with (0: it must not exist yet).

        A value that does not fit is kept and reported; only a place that cannot exist is refused. Raises NotFound, Conflict.
        """
        raise NotImplementedError

    def delete(self, path: str, expected: int | None = None) -> Written:
        """Take `path` out: an object, a field (back to its default) or an entry of a list. Raises NotFound, Conflict."""
        raise NotImplementedError

    def replace(self, document: Mapping[str, Any], expected: int | None = None) -> Written:
        """Make `document` (a whole site as read from a file, secrets allowed) the candidate. `expected`: of `show("")`. Raises DocumentError, Conflict."""
        raise NotImplementedError

    def pending(self) -> tuple[Change, ...]:
        """How the candidate differs from what is in force, staged secrets included; empty when there is nothing to commit."""
        raise NotImplementedError

    def discard(self, paths: Sequence[str] = ()) -> tuple[Change, ...]:
        """Drop pending changes at and below `paths` (none named: all of them); returns those dropped."""
        raise NotImplementedError

    def check(self) -> Checked:
        """Everything a commit would say, without committing. Raises only when it cannot be checked at all."""
        raise NotImplementedError

    def commit(self, comment: str = "", confirm_minutes: int = 0, expected: int | None = None) -> Committed:
        """Make the candidate the current revision. `confirm_minutes` 1-1440: goes back by itself unless `confirm` comes in time; 0: for good, which also
        confirms an unconfirmed commit before it. `expected`: of `Checked.version`; other changes since raise Conflict.

        Raises DocumentError with every problem, HoldfastError "nothing-to-commit". The candidate is as it was in that case.
        """
        raise NotImplementedError

    def waiting(self) -> Waiting | None:
        """The commit that waits for its confirmation, if any."""
        raise NotImplementedError

    def confirm(self) -> int:
        """Keep the unconfirmed commit; the revision's number. Raises HoldfastError "nothing-to-confirm"."""
        raise NotImplementedError

    def undo(self) -> Committed:
        """Go back now from the unconfirmed commit; its changes are pending again. Raises HoldfastError "nothing-to-confirm"."""
        raise NotImplementedError

    def rollback(self, number: int, comment: str = "", discard: bool = False) -> Committed:
        """Make the content of revision `number` current again, as a new revision. Passwords stay as they are now.

        Raises NotFound, DocumentError (it does not hold by today's rules), HoldfastError "pending" where changes are pending and `discard` is False.
        """
        raise NotImplementedError

    def history(self, limit: int = 50) -> tuple[Entry, ...]:
        """Revisions that were in force, newest first."""
        raise NotImplementedError

    def diff(self, a: int, b: int | None = None) -> tuple[Change, ...]:
        """From revision `a` to revision `b`, or to the candidate. Raises NotFound, StateError."""
        raise NotImplementedError
