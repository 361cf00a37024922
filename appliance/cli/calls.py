"""holdfast calls: the calls in progress, those that were, and what can be done with one."""

from __future__ import annotations

import click

from appliance.cli.completion import complete_extension
from appliance.cli.output import Screen, duration, moment, plain, print_json, talks
from appliance.control.client import CallsResult, Client, HangupResult, HistoryResult, OriginateResult, TransferResult


@click.group(invoke_without_command=True)
@click.option("--history", type=click.IntRange(1, 1000), metavar="N", help="The last N calls instead of those in progress.")
@click.option("--search", default="", metavar="WORDS", help="With --history: only calls with these words in their numbers, names, user or trunk.")
@click.option("--user", default="", metavar="ID", help="With --history: only calls of this user.")
@click.pass_context
@talks
def calls(client: Client, screen: Screen, as_json: bool, context: click.Context, history: int | None, search: str, user: str) -> None:
    """List the calls in progress."""
    if context.invoked_subcommand is not None:
        return
    if history is None:
        _live(client.call("calls"), screen, as_json)
    else:
        _past(client.call("calls.history", limit=history, **{name: value for name, value in (("search", search), ("user", user)) if value}), screen, as_json)


@calls.command()
@click.argument("call")
@talks
def hangup(client: Client, screen: Screen, as_json: bool, call: str) -> None:
    """Hang up the call with the id CALL, as `holdfast calls` shows it."""
    found: HangupResult = client.call("calls.hangup", call=call)
    if as_json:
        print_json(found)
    else:
        screen.line(f"Call {found['call']} is told to end.")


@calls.command()
@click.argument("extension", shell_complete=complete_extension)
@click.argument("number")
@talks
def dial(client: Client, screen: Screen, as_json: bool, extension: str, number: str) -> None:
    """Ring the phones of EXTENSION, and dial NUMBER for whoever takes one up."""
    found: OriginateResult = client.call("calls.originate", extension=extension, to=number)
    if as_json:
        print_json(found)
    else:
        screen.line(f"Call {found['call']} begins: the phones of {extension} ring.")


@calls.command()
@click.argument("call")
@click.argument("number", shell_complete=complete_extension)
@click.option("--by", default="", metavar="PHONE", help="The number or device of the party in whose place it is done; else who was called.")
@talks
def transfer(client: Client, screen: Screen, as_json: bool, call: str, number: str, by: str) -> None:
    """Send the other party of the call with the id CALL on to NUMBER."""
    found: TransferResult = client.call("calls.transfer", call=call, to=number, by=by)
    if as_json:
        print_json(found)
    else:
        screen.line(f"Call {found['call']} goes on to {number}.")


def _party(number: str, name: str) -> str:
    return f"{plain(number)} {plain(name)}".strip()


def _live(found: CallsResult, screen: Screen, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif not found["calls"]:
        screen.line("No calls.")
    else:
        screen.table(
            ("Call", "From", "To", "State", "For", "Codec", "Audio"),
            [
                (
                    row["id"],
                    _party(row["from_number"], row["from_name"]),
                    _party(row["to_number"], row["to_name"]),
                    f"EMERGENCY {row['state']}" if row["emergency"] else row["state"],
                    duration(row["since_s"]),
                    row["codec"],
                    "forwarded" if row["forwarded"] else "bridged" if row["codec"] else "",
                )
                for row in found["calls"]
            ],
            ["bold red" if row["emergency"] else "" for row in found["calls"]],
        )


def _past(found: HistoryResult, screen: Screen, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif not found["calls"]:
        screen.line("No calls yet.")
    else:
        screen.table(
            ("Call", "Began", "From", "To", "Direction", "Outcome", "Talked", "Trunk", "Way through flows"),
            [
                (
                    row["id"],
                    moment(row["started_unix_s"]),
                    _party(row["from_number"], row["from_name"]),
                    row["to_number"],
                    row["direction"],
                    row["outcome"] if row["outcome"] == "answered" or not row["code"] else f"{row['outcome']} ({row['code']})",
                    duration(row["talk_s"]) if row["talk_s"] else "",
                    row["trunk"],
                    "; ".join(row["path"]),
                )
                for row in found["calls"]
            ],
        )
