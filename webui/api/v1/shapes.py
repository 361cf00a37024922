"""What the API answers, where no part of the box has a shape for it already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict

from appliance.errors import Problem
from appliance.site.diff import Change
from appliance.site.editing import Waiting


class ProblemItem(TypedDict):
    """A mistake: `path` like `users.dana.extension`, what is wrong, what to do."""

    path: str
    sentence: str
    hint: str


class ChangeItem(TypedDict):
    """At `path` (`loc` in parts) `before` became `after`; the one that is missing was not there. `sentence`: the same for people.

    `hidden`: a secret changed, whose values are never shown. `order`: the entries stand in another order.
    """

    path: str
    loc: list[str]
    sentence: str
    hidden: bool
    order: bool
    before: NotRequired[Any]
    after: NotRequired[Any]


class WaitingItem(TypedDict):
    """A commit on condition: `revision` goes back to the content of `previous` unless it is confirmed within `seconds_left`."""

    revision: int
    previous: int
    minutes: int
    seconds_left: float
    author: str


class PendingAnswer(TypedDict):
    """What a commit would put into force. `version`: of the whole candidate, as If-Match of a commit. `since_unix_s`: the latest change, 0 where not known."""

    changes: list[ChangeItem]
    version: int
    since_unix_s: float
    waiting: WaitingItem | None


class CheckAnswer(TypedDict):
    """`good`: a commit would be taken now. `normalised`: changes the commit makes by itself. `proof`: figures of the emergency proof."""

    good: bool
    problems: list[ProblemItem]
    warnings: list[ProblemItem]
    changes: list[ChangeItem]
    normalised: list[ChangeItem]
    proof: dict[str, Any]
    version: int


class CommitAnswer(TypedDict):
    """A revision that was made current. `in_force`: the engine runs with it; else `engine` says why not, and it will as soon as it can."""

    revision: int
    changes: list[ChangeItem]
    warnings: list[ProblemItem]
    waiting: WaitingItem | None
    in_force: bool
    engine: str


class ConfirmAnswer(TypedDict):
    """The revision that stays."""

    revision: int


class DiscardAnswer(TypedDict):
    """What was dropped."""

    changes: list[ChangeItem]


class RevisionItem(TypedDict):
    """A revision of the site. `time_unix_s` by the box's clock; `current`: it is in force; `good`: it is the last that ran well."""

    number: int
    author: str
    comment: str
    time_unix_s: float
    current: bool
    good: bool


class RevisionAnswer(RevisionItem):
    """A revision, and what it changed against the one before it (None: that one is no longer kept)."""

    changes: list[ChangeItem] | None


class SecretItem(TypedDict):
    """A secret the site can have. `is_set`: it counts now; `staged`: another waits for the next commit."""

    name: str
    is_set: bool
    staged: bool


class RevealAnswer(TypedDict):
    """A secret, in the clear."""

    name: str
    value: str


class RevealItem(TypedDict):
    """Somebody saw a secret (`*`: all of them, for an export)."""

    time_unix_s: float
    name: str
    who: str


class MeAnswer(TypedDict):
    """Who asks, as the box writes it down, and what they may do."""

    name: str
    scopes: list[str]
    expires_unix_s: float | None


def problem_items(problems: tuple[Problem, ...] | list[Problem]) -> list[dict[str, str]]:
    return [problem.as_dict() for problem in problems]


def change_items(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [change.as_dict() for change in changes]


def waiting_item(waiting: Waiting | None) -> Mapping[str, Any] | None:
    if waiting is None:
        return None
    return {
        "revision": waiting.revision, "previous": waiting.previous, "minutes": waiting.minutes,
        "seconds_left": waiting.seconds_left, "author": waiting.author,
    }  # fmt: skip
