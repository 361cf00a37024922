"""holdfast wan drill: cut the internet for a while on purpose, and see what goes on without it."""

from __future__ import annotations

import getpass
import sys
import time

import click

from appliance.cli.output import Screen, duration, moment, print_json, talks
from appliance.control.client import Client, DrillCheck, DrillShape
from appliance.errors import ControlError, HoldfastError

TITLES = {
    "cut": "Cut", "noticed": "Noticed", "phones": "Phones", "inside": "Local calls", "emergency": "Emergency", "names": "Names", "outbox": "Outbox",
    "back": "Back again",
}  # fmt: skip
STATES = {"cut": "The internet is cut", "returning": "The internet is given back, and watched until it is trusted"}
_WORDS = {"ok": "well", "bad": "BAD", "unknown": "not known"}
_STYLES = {"ok": "green", "bad": "bold red", "unknown": "yellow"}
LOOK_S = 0.5
AWAY_S = 60.0
"""An engine that was killed in the middle is back long before."""


@click.command()
@click.option("--seconds", type=click.IntRange(10, 300), default=30, show_default=True, help="How long the internet is cut.")
@click.option("--end", is_flag=True, help="End the drill that is under way.")
@click.option("--report", is_flag=True, help="Show the report of the last one, and cut nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@talks
def drill(client: Client, screen: Screen, as_json: bool, seconds: int, end: bool, report: bool, yes: bool) -> None:
    """Cut the internet for a set time and look whether everything inside goes on; calls over the internet are interrupted meanwhile.

    The local network is never touched. An emergency call ends it at once, and so does whatever kills the box's software. Exit code 1 when something is wrong.
    """
    if end:
        found: DrillShape = client.call("drill.end", by=getpass.getuser())
        if as_json:
            print_json(found)
        else:
            screen.line("The internet is given back.")
        return
    if report:
        last: DrillShape | None = client.call("drill")["last"]
        if last is None:
            raise HoldfastError("There was no drill yet", "`holdfast wan drill` begins one", code="not-found")
    else:
        _confirm(screen, as_json, seconds, yes)
        last = _watch(client, screen, client.call("drill.start", seconds=seconds, by=getpass.getuser()), as_json)
    if as_json:
        print_json(last)
    else:
        _report(screen, last)
    if last["ended"] or any(each["state"] == "bad" for each in last["checks"]):
        sys.exit(1)


def _confirm(screen: Screen, as_json: bool, seconds: int, yes: bool) -> None:
    """Raises HoldfastError."""
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise HoldfastError("Nothing was cut: it was not confirmed", "say --yes when nobody is there to be asked", code="not-confirmed")
    screen.line(f"The internet is cut for {seconds} s: calls that go over it are silent meanwhile, and this line, too, if you are connected from outside.")
    if click.prompt("Type 'yes' to go on", default="", show_default=False, err=True).strip() != "yes":
        raise HoldfastError("Nothing was cut: it was not confirmed", "type yes, or say --yes", code="not-confirmed")


def _watch(client: Client, screen: Screen, now: DrillShape, as_json: bool) -> DrillShape:
    """Until it is over; each thing as it becomes known. Raises HoldfastError."""
    id, shown, state = now["id"], set[str](), ""
    while True:
        if not as_json:
            if now["state"] != state and now["state"] in STATES:
                screen.line(f"{STATES[now['state']]} …")
            for each in now["checks"]:
                if each["key"] not in shown:
                    shown.add(each["key"])
                    screen.line(f"  {each['sentence']}.", _STYLES[each["state"]])
        state = now["state"]
        if state == "over":
            return now
        time.sleep(LOOK_S)
        found = _ask(client)
        if found is None or found["id"] != id:
            raise HoldfastError("The end of the drill was not seen", "`holdfast wan drill --report` shows the last report", code="timeout")
        now = found


def _ask(client: Client) -> DrillShape | None:
    """The last drill, from an engine that may be killed and start again meanwhile. Raises ControlError."""
    deadline = time.monotonic() + AWAY_S
    while True:
        try:
            found: DrillShape | None = client.call("drill")["last"]
        except ControlError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_S)
            client.close()
        else:
            return found


def _report(screen: Screen, drill: DrillShape) -> None:
    screen.line()
    took = duration(drill["ended_unix_s"] - drill["began_unix_s"]) if drill["ended_unix_s"] is not None else "not over yet"
    screen.line(f"Outage drill of {moment(drill['began_unix_s'])} by {drill['by']}: {drill['seconds']} s, all in all {took}.", "bold")
    if drill["ended"]:
        screen.line(f"It ended before its time: {drill['ended']}.", "bold red")
    screen.table(("What", "", ""), [_row(each) for each in drill["checks"]], [_STYLES[each["state"]] for each in drill["checks"]])
    bad = [TITLES.get(each["key"], each["key"]) for each in drill["checks"] if each["state"] == "bad"]
    if bad:
        screen.line(f"Not well: {', '.join(bad)}.", "bold red")
    elif drill["state"] == "over" and not drill["ended"]:
        screen.line("This site is ready for an outage.", "green")


def _row(each: DrillCheck) -> tuple[str, str, str]:
    return TITLES.get(each["key"], each["key"]), _WORDS.get(each["state"], each["state"]), each["sentence"]
