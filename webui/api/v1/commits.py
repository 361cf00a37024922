"""Commits over the API: what is pending, whether it would do, putting it into force, and every way back."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import Conflict, ControlError, HoldfastError, NotFound
from appliance.site.confirm import MAX_MINUTES
from appliance.site.editing import Committed, Entry
from appliance.site.paths import version_of
from webui.api.v1.conditions import expected
from webui.api.v1.operation import IF_MATCH, Ask, Filled, Reply, operation
from webui.api.v1.paging import PageQuery, cut, read_number
from webui.api.v1.shapes import (
    CheckAnswer,
    CommitAnswer,
    ConfirmAnswer,
    DiscardAnswer,
    PendingAnswer,
    RevisionAnswer,
    RevisionItem,
    change_items,
    problem_items,
    waiting_item,
)
from webui.engine import engine
from webui.place import place

TAG = "Commits"
ACTIVATE_S = 10.0
ALL = 10**6


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CommitBody(_Body):
    comment: str = Field(default="", max_length=500, description="Stands in the history.")
    confirm_minutes: int = Field(default=0, ge=0, le=MAX_MINUTES, description="Goes back by itself unless confirmed in time; 0: for good.")


class RollbackBody(_Body):
    revision: int = Field(ge=1, le=10**9, description="Whose content shall be in force again.")
    comment: str = Field(default="", max_length=500, description="Stands in the history.")
    discard: bool = Field(default=False, description="Drop what is pending; else a rollback is refused while something is.")


class DiscardBody(_Body):
    paths: list[str] = Field(default_factory=list, max_length=1000, description="Changes at and below these places; none: all of them.")


@operation("GET", "/commits", id="commits.list", tag=TAG, scope="read", query=PageQuery, answers={200: Filled(RevisionItem, listed=True)})
def listed(ask: Ask) -> Reply:
    """The history, newest first. Revisions that were in force and are kept."""
    entries: tuple[Entry, ...] = place().editor(ask.who.name).history(ALL)
    if (before := read_number(ask.query.cursor)) is not None:
        entries = tuple(entry for entry in entries if entry.number < before)
    return Reply(cut([_revision(entry) for entry in entries], ask.query.limit, lambda row: str(row["number"])))


@operation(
    "POST", "/commits", id="commits.create", tag=TAG, scope="commit", body=CommitBody, answers={201: CommitAnswer}, refusals=(409,),
    conditions=(IF_MATCH,), heavy=True,
)  # fmt: skip
def commit(ask: Ask) -> Reply:
    """Put the candidate into force. With If-Match (`version` of what is pending) only what was looked at; 422 tells every mistake, and the candidate stays."""
    wanted = expected("", version_of(place().document()), needed=False)
    try:
        made = place().editor(ask.who.name).commit(ask.body.comment, ask.body.confirm_minutes, wanted)
    except Conflict as conflict:  # what is pending says more than two whole sites would
        raise Conflict("", None, None, conflict.version) from None
    return _committed(made, 201)


@operation("GET", "/commits/pending", id="commits.pending", tag=TAG, scope="read", answers={200: PendingAnswer})
def pending(ask: Ask) -> Reply:
    """What is changed and not in force, each change as a sentence and as values. Also what is in force on condition."""
    waits = place().pending()
    return Reply(
        {
            "changes": change_items(waits.changes),
            "version": version_of(place().document()),
            "since_unix_s": waits.since_unix_s if waits.changes else 0,
            "waiting": waiting_item(place().waiting()),
        }
    )


@operation("GET", "/commits/check", id="commits.check", tag=TAG, scope="read", answers={200: CheckAnswer}, heavy=True)
def check(ask: Ask) -> Reply:
    """Everything a commit would say, without committing. Flows and emergency paths included; takes a second or two."""
    found = place().editor(ask.who.name).check()
    return Reply(
        {
            "good": not found.problems,
            "problems": problem_items(found.problems),
            "warnings": problem_items(found.warnings),
            "changes": change_items(found.changes),
            "normalised": change_items(found.normalised),
            "proof": dict(found.proof),
            "version": found.version,
        }
    )


@operation("POST", "/commits/confirm", id="commits.confirm", tag=TAG, scope="commit", answers={200: ConfirmAnswer}, refusals=(409,))
def confirm(ask: Ask) -> Reply:
    """Keep the commit that waits to be confirmed."""
    return Reply({"revision": place().editor(ask.who.name).confirm()})


@operation("POST", "/commits/undo", id="commits.undo", tag=TAG, scope="commit", answers={200: CommitAnswer}, refusals=(409,))
def undo(ask: Ask) -> Reply:
    """Go back now from the commit that waits to be confirmed. Its changes are pending again, nothing is lost; administrators stay as they are in force."""
    return _committed(place().editor(ask.who.name).undo(), 200)


@operation(
    "POST", "/commits/rollback", id="commits.rollback", tag=TAG, scope="commit", body=RollbackBody, answers={201: CommitAnswer}, refusals=(404, 409), heavy=True
)
def rollback(ask: Ask) -> Reply:
    """Put the content of an earlier revision into force, as a new revision. Passwords and administrators stay as they are now."""
    return _committed(place().editor(ask.who.name).rollback(ask.body.revision, ask.body.comment, ask.body.discard), 201)


@operation("POST", "/commits/discard", id="commits.discard", tag=TAG, scope="commit", body=DiscardBody, answers={200: DiscardAnswer}, refusals=(404,))
def discard(ask: Ask) -> Reply:
    """Drop pending changes, some or all."""
    return Reply({"changes": change_items(place().editor(ask.who.name).discard(ask.body.paths))})


@operation("GET", "/commits/{number}", id="commits.get", tag=TAG, scope="read", places={"number": int}, answers={200: RevisionAnswer})
def got(ask: Ask, number: int) -> Reply:
    """One revision, and what it changed."""
    editor = place().editor(ask.who.name)
    entries = editor.history(ALL)
    at = next((index for index, entry in enumerate(entries) if entry.number == number), None)
    if at is None:
        raise NotFound(f"There is no revision {number}", "GET /api/v1/commits lists those that are kept")
    before = entries[at + 1].number if at + 1 < len(entries) else None
    changes = None if before is None else change_items(editor.diff(before, number))
    return Reply({**_revision(entries[at]), "changes": changes})


def _revision(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number, "author": entry.author, "comment": entry.comment, "time_unix_s": entry.time, "current": entry.current, "good": entry.good,
    }  # fmt: skip


def _committed(made: Committed, status: int) -> Reply:
    in_force, why = _told(made.revision)
    shape = {
        "revision": made.revision, "changes": change_items(made.changes), "warnings": problem_items(made.warnings),
        "waiting": waiting_item(made.waiting), "in_force": in_force, "engine": why,
    }  # fmt: skip
    return Reply(shape, status, location=f"/commits/{made.revision}" if status == 201 else "")


def _told(revision: int) -> tuple[bool, str]:
    """Tell the engine; whether it runs with this revision, else why not."""
    try:
        said: int = engine().call("site.activate", timeout_s=ACTIVATE_S)["revision"]
    except ControlError as error:
        return False, _why(error)
    return said == revision, "" if said == revision else f"the engine runs with revision {said}"


def _why(error: HoldfastError) -> str:
    return f"{error.sentence}. {error.hint}" if error.hint else f"{error.sentence}."
