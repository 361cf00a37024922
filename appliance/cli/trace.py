"""holdfast trace: the SIP messages of a call as a ladder or as they were, and the messages as they pass."""

from __future__ import annotations

import sys
import time

import click
from rich.text import Text

from appliance.cli.ladder import ASCII, UNICODE, ladder
from appliance.cli.output import Screen, moment, plain, print_json, talks
from appliance.control.client import Client, TraceCall, TraceMessage, TraceResult
from appliance.errors import NotFound


@click.command()
@click.argument("what", default="")
@click.option("--raw", is_flag=True, help="The messages themselves; secrets are masked.")
@click.option("--follow", is_flag=True, help="The messages as they pass, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(1, 2000), default=400, show_default=True, help="How many messages (or calls, without WHAT) at most, the newest.")
@talks
def trace(client: Client, screen: Screen, as_json: bool, what: str, raw: bool, follow: bool, limit: int) -> None:
    """Show the SIP messages of WHAT: a Call-ID, a call's id, an extension or a number (its latest call). Without WHAT, list the latest calls."""
    if follow:
        _follow(client, screen, as_json, what, raw)
        return
    found: TraceResult = client.call("trace", selector=what, limit=limit)
    if what and not found["messages"]:
        raise NotFound(f"No message of {what} is known", "`holdfast trace` lists the calls that are; older messages make room for newer ones")
    if as_json:
        print_json(found)
    elif not what:
        _calls(found["calls"], screen)
    else:
        if found["left_out"]:
            screen.line(f"{found['left_out']} earlier messages are left out; --limit shows more.")
        _dialogs(found["messages"], screen, raw)


def _dialogs(messages: list[TraceMessage], screen: Screen, raw: bool) -> None:
    first = messages[0]
    screen.line(f"{moment(first['at_s'])}  {first['from_user']} to {first['to_user']}" + (f", call {first['session']}" if first["session"] else ""), "bold")
    if raw:
        for message in messages:
            screen.line()
            _raw(message, f"{message['at_s'] - first['at_s']:+.3f} s", screen)
        return
    unicode = (screen.console.encoding or "").lower().startswith("utf")
    for line in ladder(messages, screen.console.width, UNICODE if unicode else ASCII):
        screen.text(line)


def _raw(message: TraceMessage, when: str, screen: Screen) -> None:
    screen.line(f"--- {when}  {message['local']} {'->' if message['sent'] else '<-'} {message['remote']}", "bold")
    for line in message["text"].replace("\r\n", "\n").removesuffix("\n").split("\n"):
        screen.line(line)


def _calls(calls: list[TraceCall], screen: Screen) -> None:
    if not calls:
        screen.line("No calls yet.")
        return
    rows = [(moment(c["at_s"]), c["from_user"], c["to_user"], c["status"] or "", c["messages"], c["session"], c["call_id"]) for c in calls]
    screen.table(("Began", "From", "To", "Answer", "Messages", "Call", "Call-ID"), rows)


def _follow(client: Client, screen: Screen, as_json: bool, what: str, raw: bool) -> None:
    try:
        for event in client.subscribe("trace"):
            message: TraceMessage = event.data  # type: ignore[assignment]
            if event.lost and not as_json:
                screen.line(f"({event.lost} messages came faster than this terminal)", "yellow")
            if not what or what in (message["call_id"], message["session"], message["from_user"], message["to_user"]):
                _one(message, screen, as_json, raw)
    except KeyboardInterrupt:
        sys.exit(0)


def _one(message: TraceMessage, screen: Screen, as_json: bool, raw: bool) -> None:
    if as_json:
        print_json(message)
        return
    when = time.strftime("%H:%M:%S", time.localtime(message["at_s"])) + f".{int(message['at_s'] % 1 * 1000):03d}"
    if raw:
        _raw(message, when, screen)
        screen.line()
        return
    arrow = "->" if message["sent"] else "<-"
    parties = f"{plain(message['from_user'])} to {plain(message['to_user'])}"
    screen.text(Text(f"{when}  {arrow} {plain(message['remote']):<30}  {plain(message['label']):<24}  {parties}  {plain(message['call_id'])}"))
