"""holdfast calls: the calls in progress, those that were, and what can be done with one."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from appliance.cli.completion import complete_extension
from appliance.cli.output import Screen, duration, moment, plain, print_json, talks
from appliance.control.client import (
    CallsResult,
    Client,
    HangupResult,
    HistoryResult,
    OriginateResult,
    PageResult,
    SideShape,
    SoundResult,
    SoundShape,
    TransferResult,
)

DAY = click.DateTime(["%Y-%m-%d"])


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
@click.option("--last", "limit", type=click.IntRange(1, 1000), default=50, metavar="N", help="How many at most; else 50.")
@click.option("--search", default="", metavar="WORDS", help="Only calls with these words in their numbers, names, user or trunk.")
@click.option("--user", default="", metavar="ID", help="Only calls of this user.")
@click.option("--bad-sound", is_flag=True, help="Only calls that sounded bad.")
@click.option("--from", "since", type=DAY, help="Only calls of this day and later, as 2026-05-31.")
@click.option("--to", "until", type=DAY, help="Only calls of this day and before.")
@talks
def history(
    client: Client, screen: Screen, as_json: bool, limit: int, search: str, user: str, bad_sound: bool, since: datetime | None, until: datetime | None
) -> None:
    """List the calls that are over, the newest first, with their score."""
    wanted: dict[str, str | bool | float] = {"search": search, "user": user, "bad_sound": bad_sound}
    if since is not None:
        wanted["since_unix_s"] = since.timestamp()
    if until is not None:
        wanted["until_unix_s"] = (until + timedelta(days=1)).timestamp()
    _past(client.call("calls.history", limit=limit, **{name: value for name, value in wanted.items() if value}), screen, as_json)


@calls.command()
@click.argument("call")
@talks
def show(client: Client, screen: Screen, as_json: bool, call: str) -> None:
    """Say how the call with the id CALL sounds, or sounded: scores, loss, jitter, and what is wrong with it."""
    found: SoundResult = client.call("calls.sound", call=call)
    if as_json:
        print_json(found)
    elif found["sound"] is None:
        screen.line("Nothing is known of its sound yet." if found["up"] else "Its sound was not measured: nobody talked, or an older release wrote it.")
    else:
        _sound(found["sound"], screen)


def _sound(sound: SoundShape, screen: Screen) -> None:
    for finding in sound["findings"]:
        screen.line(f"{plain(finding['cause'])}.", "bold")
        screen.line(f"  {plain(finding['cure'])}.")
    rows = []
    for side in sound["sides"]:
        for name, way in ((f"{side['name']} to the box", side["sends"]), (f"the box to {side['name']}", side["gets"])):
            rows.append(
                (
                    name, _known(way["score"], "{:.1f}"), _known(way["lost_percent"], "{:.1f} %"), _known(way["jitter_ms"], "{:.0f} ms"), way["packets"],
                    _known(side["rtt_ms"], "{:.0f} ms"), _gap(side) if way is side["sends"] else "", side["codec"],
                    "forwarded" if side["forwarded"] else "bridged",
                )
            )  # fmt: skip
    screen.table(("Way", "Score", "Lost", "Jitter", "Packets", "Round trip", "Longest gap", "Codec", "Audio"), rows)
    for side in sound["sides"]:
        if side["hears_score"] is not None:
            screen.line(f"{plain(side['name'])} heard {side['hears_score']:.1f} of 5, {side['hears_lost_percent'] or 0.0:.1f} % lost.")


def _known(value: float | None, how: str) -> str:
    return "not told" if value is None else how.format(value)


def _gap(side: SideShape) -> str:
    return f"{side['gap_s']:.1f} s" if side["gap_s"] >= 1 else f"{1000 * side['gap_s']:.0f} ms"


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
@click.argument("to", nargs=-1, shell_complete=complete_extension)
@click.option("--everybody", is_flag=True, help="Every phone of the site.")
@click.option("--phone", default="", metavar="EXTENSION", shell_complete=complete_extension, help="Its phones ring first: who takes one up speaks.")
@click.option("--say", "text", default="", metavar="TEXT", help="This is spoken.")
@click.option("--play", "audio", default="", metavar="ID", help="This recording of the site is played.")
@click.option("--seconds", type=click.IntRange(5, 900), default=120, help="It ends after this time at the latest; else 120.")
@talks
def page(
    client: Client, screen: Screen, as_json: bool, to: tuple[str, ...], everybody: bool, phone: str, text: str, audio: str, seconds: int
) -> None:  # fmt: skip
    """Have free phones pick up by themselves and hear somebody, a text or a recording. TO: extensions and groups."""
    found: PageResult = client.call("calls.page", to=list(to), everybody=everybody, phone=phone, text=text, audio=audio, seconds=seconds)
    if as_json:
        print_json(found)
    else:
        phones = "one phone" if found["phones"] == 1 else f"{found['phones']} phones"
        screen.line(f"Call {found['call']} begins: the phones of {phone} ring, then {phones} listen." if phone else f"Call {found['call']}: {phones} listen.")


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


def _score(score: float | None, bad: bool | None) -> str:
    return "" if score is None else f"{score:.1f}{' bad' if bad else ''}"


def _party(number: str, name: str) -> str:
    return f"{plain(number)} {plain(name)}".strip()


def _live(found: CallsResult, screen: Screen, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif not found["calls"]:
        screen.line("No calls.")
    else:
        screen.table(
            ("Call", "From", "To", "State", "For", "Codec", "Audio", "Sound"),
            [
                (
                    row["id"],
                    _party(row["from_number"], row["from_name"]),
                    _party(row["to_number"], row["to_name"]),
                    f"EMERGENCY {row['state']}" if row["emergency"] else row["state"],
                    duration(row["since_s"]),
                    row["codec"],
                    "forwarded" if row["forwarded"] else "bridged" if row["codec"] else "",
                    _score(row["score"], row["bad_sound"]),
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
            ("Call", "Began", "From", "To", "Direction", "Outcome", "Talked", "Sound", "Trunk", "Way through flows"),
            [
                (
                    row["id"],
                    moment(row["started_unix_s"]),
                    _party(row["from_number"], row["from_name"]),
                    row["to_number"],
                    row["direction"],
                    row["outcome"] if row["outcome"] == "answered" or not row["code"] else f"{row['outcome']} ({row['code']})",
                    duration(row["talk_s"]) if row["talk_s"] else "",
                    _score(row["sound"]["score"], row["sound"]["bad"]) if row["sound"] else "",
                    row["trunk"],
                    "; ".join(row["path"]),
                )
                for row in found["calls"]
            ],
        )
