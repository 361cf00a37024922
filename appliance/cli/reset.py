"""holdfast factory-reset: the box as it was when it was new."""

from __future__ import annotations

import click

from appliance.cli.local import Desk, edits
from appliance.cli.output import print_json
from appliance.cli.placing import confirmed, outcome, put_in_place, restarting
from appliance.errors import StateError
from appliance.site import pending
from appliance.site.archive import in_force


@click.command("factory-reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--keep-journal/--no-keep-journal", default=True, show_default=True, help="Keep the record of emergency calls, which many countries want kept."
)
@click.option("--force", is_flag=True, help="Do not wait for an emergency call in progress: cut it off.")
@edits
def factory_reset(desk: Desk, yes: bool, keep_journal: bool, force: bool) -> None:
    """Make the box as new: what the site had on it goes, for good.

    That is the site with its history and passwords, registrations, call records, voicemail, recordings and certificates. A running box restarts, which ends its
    calls. Make a backup first: there is no way back.
    """
    if not desk.data.is_dir():
        raise StateError(f"There is no data folder {desk.data}", "name it with --data or HOLDFAST_DATA")
    try:
        _, name = in_force(desk.data)
    except StateError:
        name = "factory reset"
    confirmed(desk, yes, f"This removes everything of {name!r} from {desk.data}, for good.{restarting(desk)}", name)
    with pending.staging(desk.data) as part:
        plan = pending.stage(desk.data, part, "reset", "factory reset", desk.author, keep_journal=keep_journal)
    placed = put_in_place(desk, plan, force)
    if desk.as_json:
        print_json({"site": name, "journal_kept": keep_journal, "placed": placed})
    else:
        desk.screen.line(outcome(placed))
