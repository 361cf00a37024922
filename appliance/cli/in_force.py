"""After a change of what is in force: a running box is told, and the command says how it stands."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from appliance.cli.changes import change_dicts, problem_dicts, show_changes, show_waiting, show_warnings, waiting_dict
from appliance.cli.local import Desk
from appliance.cli.output import print_json
from appliance.control.client import Client
from appliance.errors import ControlError, HoldfastError
from appliance.site.editing import Committed

ACTIVATE_S = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a running box said to a new revision. `running` False: none answers. `fault`: why it did not take it, else None."""

    running: bool
    fault: HoldfastError | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"running": self.running, "in_force": self.running and self.fault is None, **({"fault": self.fault.as_dict()} if self.fault else {})}


def activate(desk: Desk) -> Told:
    """Have the running box, if there is one, put the current revision into force now; by itself it notices within two seconds."""
    try:
        with Client(desk.control, timeout_s=ACTIVATE_S) as client:
            client.call("site.activate")
    except ControlError as error:
        return Told(False) if error.code == "not-running" else Told(True, error)
    return Told(True)


def finish(desk: Desk, made: Committed) -> None:
    """Tell the box, and print what was made. Exit code 1 when a running box did not take it."""
    with desk.slow("The box puts it into force"):
        told = activate(desk)
    if desk.as_json:
        shape = {"revision": made.revision, "changes": change_dicts(made.changes), "warnings": problem_dicts(made.warnings)}
        print_json({**shape, "waiting": waiting_dict(made.waiting), **told.as_dict()})
    else:
        show_changes(made.changes, desk.screen)
        show_warnings(made.warnings, desk.screen)
        desk.screen.line(_result(made.revision, told), "" if told.fault is None else "bold red")
        if made.waiting is not None:
            show_waiting(made.waiting, desk.screen)
    if told.fault is not None:
        sys.exit(1)


def _result(revision: int, told: Told) -> str:
    if told.fault is not None:
        hint = f" ({told.fault.hint})" if told.fault.hint else ""
        return f"Revision {revision} is saved, but the running box has not taken it: {told.fault.sentence}{hint}"
    return f"Revision {revision} is in force." if told.running else f"Revision {revision} is saved. The box is not running; it will start with it."
