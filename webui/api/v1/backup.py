"""Everything the box has over the API: a backup as a stream, a restore in steps (send, look, put in place), back from it, and a box as new."""

from __future__ import annotations

import logging
from typing import Any, Literal

from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.errors import DocumentError, Problem, StateError
from appliance.site.pending import Plan
from webui.api.problems import Refused
from webui.api.v1.operation import Ask, File, Media, Reply, operation
from webui.api.v1.shapes import ProblemItem
from webui.backups import backups

log = logging.getLogger(__name__)

TAG = "System"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BackupBody(_Body):
    passphrase: str = Field(max_length=1000, description="Seals the file: at least 12 characters. Without it nobody can open it.")


class RestoreBody(_Body):
    upload: str = Field(min_length=1, max_length=64, description="What POST /restore/upload answered.")
    passphrase: str = Field(max_length=1000, description="The one the file was made with.")
    dry_run: bool = Field(default=True, description="Only say what is in it; false: put it in place, for which the box restarts and ends its calls.")


class ResetBody(_Body):
    confirm: str = Field(max_length=200, description="The name of the site in force, word for word.")
    keep_journal: bool = Field(default=True, description="Keep the record of emergency calls, which many countries want kept.")


class UploadAnswer(TypedDict):
    """`upload`: names it for an hour, to whoever sent it."""

    upload: str
    bytes: int


class PlacedAnswer(TypedDict):
    """`placed` "restarts": the box restarts now and has it then; "at-next-start": the engine does not run, and has it when it starts."""

    placed: Literal["restarts", "at-next-start"]


class RestoreAnswer(TypedDict):
    """What is in a backup. `bytes` of its `files`, unpacked. `problems`: mistakes by today's rules, which do not keep it from running.

    `placed` "": it was only looked at.
    """

    site: str
    revision: int
    users: int
    devices: int
    messages: int
    problems: list[ProblemItem]
    made_unix_s: float
    product: str
    files: int
    bytes: int
    placed: Literal["", "restarts", "at-next-start"]


@operation(
    "POST", "/backup", id="backup.create", tag=TAG, scope="backup", body=BackupBody, answers={200: Media("application/octet-stream")}, refusals=(409,)
)  # fmt: skip
def backup(ask: Ask) -> Response:
    """Make a backup of everything. The answer is the file, made while it is read: one that breaks off opens for nobody, so look at how the transfer ended."""
    blocks = backups().stream(ask.body.passphrase)
    log.warning("%s makes a backup", ask.who.name)
    answer = Response(blocks, content_type="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename="backup.holdfast")
    return answer


@operation(
    "POST", "/restore/upload", id="restore.upload", tag=TAG, scope="system", body=File(largest=0),
    answers={201: UploadAnswer},
)  # fmt: skip
def upload(ask: Ask) -> Reply:
    """Send a backup file, to be looked at and restored. It is kept for an hour at most, and until the pages restart."""
    made = backups().receive(ask.body, ask.who.name)
    return Reply({"upload": made.id, "bytes": made.bytes}, 201)


@operation("POST", "/restore", id="restore", tag=TAG, scope="system", body=RestoreBody, answers={200: RestoreAnswer}, refusals=(404, 409), heavy=True)
def restore(ask: Ask) -> Reply:
    """Verify an uploaded backup to its end, say what is in it, and with `dry_run` false put it in place.

    The box keeps its emergency journal, phones that are registered and open callback windows. During an emergency call nothing is put in place (409).
    """
    kept = backups()
    held = kept.upload(ask.body.upload, ask.who.name)
    told = kept.look_into(held, ask.body.passphrase)
    placed = "" if ask.body.dry_run else _placed(kept.restore(held, ask.body.passphrase), ask)
    return Reply({**told, "placed": placed})


@operation("POST", "/restore/undo", id="restore.undo", tag=TAG, scope="system", answers={200: PlacedAnswer}, refusals=(409,))
def undo(ask: Ask) -> Reply:
    """Put back what the last restore replaced. The box restarts, which ends its calls."""
    try:
        plan = backups().undo(ask.who.name)
    except StateError as error:
        if error.code != "nothing-to-undo":
            raise
        raise Refused(409, error.code, error.sentence, error.hint) from error
    return Reply({"placed": _placed(plan, ask)})


@operation("POST", "/factory-reset", id="factory-reset", tag=TAG, scope="system", body=ResetBody, answers={200: PlacedAnswer}, refusals=(409,))
def reset(ask: Ask) -> Reply:
    """Make the box as new: what the site had on it goes, for good. The box restarts, which ends its calls."""
    name = backups().present()
    if ask.body.confirm != name:
        raise DocumentError("Nothing was changed: it was not confirmed", (Problem("confirm", "is not the name of the site", f"write {name!r}"),))
    return Reply({"placed": _placed(backups().reset(ask.who.name, ask.body.keep_journal), ask)})


def _placed(plan: Plan, ask: Ask) -> Any:
    log.warning("%s has the box restart with: %s", ask.who.name, plan.says)
    return "restarts" if backups().restart(plan) else "at-next-start"
