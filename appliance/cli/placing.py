"""Putting what is staged in the data folder in place: at once on a box that is stopped, by a restart on one that runs."""

from __future__ import annotations

import sys
import time
from typing import Any, Literal

import click

from appliance.cli.local import Desk
from appliance.control.client import Client, RemoteError
from appliance.errors import ControlError, HoldfastError
from appliance.site import files, pending

BACK_S = 60.0
"""How long a restart is waited for."""
Placed = Literal["now", "restarted", "at-next-start"]


def confirmed(desk: Desk, yes: bool, question: str, answer: str = "") -> None:
    """Go on only with --yes or after the right answer: `answer` word for word, or a plain yes. Raises HoldfastError "not-confirmed"."""
    if yes:
        return
    refusal = HoldfastError("Nothing was changed: it was not confirmed", "say --yes when nobody is there to be asked", code="not-confirmed")
    if desk.as_json or not sys.stdin.isatty():
        raise refusal
    desk.screen.line(question)
    given = click.prompt(f"Type {answer or 'yes'!r} to go on", default="", show_default=False, err=True)
    if given.strip() != (answer or "yes"):
        raise refusal


def restarting(desk: Desk) -> str:
    """What a person should know before the answer: " The box restarts…", "" when it does not run."""
    return " The box runs: it restarts, which ends its calls." if pending.runs(desk.data) else ""


def put_in_place(desk: Desk, plan: pending.Plan, force: bool) -> Placed:
    """Have `plan` in place when this returns, where that can be. Raises HoldfastError: then nothing was changed, and the plan is withdrawn."""
    if _at_once(desk):
        return "now"
    try:
        with Client(desk.control) as client:
            pid = client.call("status")["pid"]
            client.call("box.restart", reason=plan.says, force=force)
    except RemoteError:
        if pending.withdraw(desk.data, plan):
            pending.sweep(desk.data)
            raise
        return "restarted"  # it crashed at that very moment, and came back with it
    except ControlError:
        return "at-next-start"  # it runs, and answers nobody
    return _back(desk, pid)


def _at_once(desk: Desk) -> bool:
    with pending.stopped(desk.data) as free:
        if free:
            with files.translated(f"put the files in place in {desk.data}"):
                pending.apply(desk.data)
            pending.sweep(desk.data)
        return free


def _back(desk: Desk, pid: int) -> Placed:
    """Wait until the box runs again, as another process than `pid`."""
    deadline = time.monotonic() + BACK_S
    with desk.slow("Waiting for the box to come back"):
        while time.monotonic() < deadline:
            if _at_once(desk):  # an engine without a supervisor: nobody starts it again
                return "now"
            if _pid(desk) not in {None, pid}:
                if pending.waiting(desk.data) is not None:
                    raise HoldfastError("The box has restarted and could not put it in place", "`holdfast status` says why; the next start tries again")
                pending.sweep(desk.data)
                return "restarted"
            time.sleep(0.2)
    return "at-next-start"


def _pid(desk: Desk) -> int | None:
    try:
        with Client(desk.control, timeout_s=2.0) as client:
            status: dict[str, Any] = client.call("status")
            return int(status["pid"])
    except ControlError:
        return None


def outcome(placed: Placed) -> str:
    """What is told in the end."""
    return {
        "now": "Done. The box does not run; start it when you like.",
        "restarted": "Done. The box has restarted with it.",
        "at-next-start": "It is ready, and the box has not restarted yet: it takes it at its next start. Look at its log, or stop and start it.",
    }[placed]
