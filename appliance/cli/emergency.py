"""holdfast emergency: prove what a 911 call of a phone would do, and see the notices of those that were made."""

from __future__ import annotations

import getpass
import sys

import click

from appliance.cli.output import Screen, moment, plain, print_json, talks
from appliance.control.client import Client, EmergencyTestResult, NoticeShape, NoticesResult


@click.group()
def emergency() -> None:
    """Prove emergency calling and see its notices."""


@emergency.command()
@click.argument("extension")
@click.option("--call", is_flag=True, help="Also place a real call to the test number (933), from the box, the way an emergency call would go.")
@talks
def test(client: Client, screen: Screen, as_json: bool, extension: str, call: bool) -> None:
    """Show what an emergency call from EXTENSION would do. Nothing is sent without --call. Exit code 1 when something is wrong."""
    found: EmergencyTestResult = client.call("emergency.test", extension=extension, call=call)
    if as_json:
        print_json(found)
    else:
        _proof(found, screen)
    if found["problems"] or (found["call"] is not None and not found["call"]["answered"]):
        sys.exit(1)


@emergency.command()
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many, the newest first.")
@talks
def notices(client: Client, screen: Screen, as_json: bool, limit: int) -> None:
    """List the emergency calls that were made."""
    found: NoticesResult = client.call("emergency.notices", limit=limit)
    if as_json:
        print_json(found)
    elif not found["notices"]:
        screen.line("No emergency call was made.")
    else:
        screen.table(
            ("Notice", "When", "Dialled", "From", "Place given", "Call back", "Path", "Outcome", "Seen by"),
            [_row(notice) for notice in found["notices"]],
            ["bold red" if notice["outcome"] in ("calling", "connected") else "" for notice in found["notices"]],
        )


@emergency.command()
@click.argument("notice")
@click.option("--by", default="", help="Who has seen it; the user's name by default.")
@talks
def acknowledge(client: Client, screen: Screen, as_json: bool, notice: str, by: str) -> None:
    """Say that somebody has seen the notice NOTICE."""
    found: NoticeShape = client.call("emergency.acknowledge", notice=notice, by=by or getpass.getuser())["notice"]
    if as_json:
        print_json(found)
    else:
        screen.line(f"Notice {found['id']} was seen by {found['acknowledged_by']}.")


def place_of(notice: NoticeShape) -> str:
    """Which phone, and where it is."""
    phone = notice["extension"] or notice["device"] or f"an unknown phone at {notice['source_ip']}"
    return f"{phone} ({notice['location']})" if notice["location"] else phone


def _row(notice: NoticeShape) -> tuple[object, ...]:
    place = notice["location"] if notice["location_sent"] or not notice["location"] else f"{notice['location']} (not sent)"
    phone = notice["extension"] or notice["device"] or notice["source_ip"]
    dialled = f"{notice['dialled']} TEST" if notice["test"] else notice["dialled"]
    when = moment(notice["started_unix_s"])
    return notice["id"], when, dialled, phone, place, notice["callback_number"], notice["path"], notice["outcome"], notice["acknowledged_by"]


def _proof(found: EmergencyTestResult, screen: Screen) -> None:
    screen.line(f"An emergency call from {found['extension']} (device {found['device']}):", "bold")
    rows = (
        ("dialled", found["dialled"]),
        ("recognised as", f"{found['number']} ({found['service']})"),
        ("place", f"{found['location'] or 'none'} ({found['location_source']})" if found["location_source"] else found["location"] or "none"),
        ("call back", found["callback"] or "none"),
    )
    for title, value in rows:
        screen.line(f"  {title:<15}{plain(value)}")
    for name, value in found["civic"].items():
        screen.line(f"    {plain(name):<13}{plain(value)}")
    screen.line()
    if found["paths"]:
        screen.table(
            ("Order", "Path", "Name", "State", "Emergency", "Sent to"),
            [(n, p["id"], p["name"], p["state"], "armed" if p["armed"] else "not armed", p["uri"]) for n, p in enumerate(found["paths"], 1)],
        )
        screen.line()
        screen.line("The first INVITE:", "bold")
        for line in found["invite"].replace("\r\n", "\n").split("\n"):
            screen.line(f"  {line}")
    if found["call"] is not None:
        call = found["call"]
        screen.line()
        outcome = f"answered after {call['setup_s']:.1f} s" if call["answered"] else f"NOT answered: {call['code']} {call['reason']}"
        screen.line(f"The test call over {call['path']} was {outcome}.", "green" if call["answered"] else "bold red")
    screen.line()
    if not found["problems"]:
        screen.line("The proof holds.", "green")
    for problem in found["problems"]:
        screen.line(f"WRONG: {problem['sentence']} ({problem['path']})", "bold red")
        if problem["hint"]:
            screen.line(f"  {problem['hint']}")
