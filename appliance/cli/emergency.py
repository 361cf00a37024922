"""holdfast emergency: prove what emergency calls would do, of one phone now or of every phone by the candidate; the notices of those that were made."""

from __future__ import annotations

import getpass
import sys
from typing import Any

import click

from appliance.cli.local import Desk, edits
from appliance.cli.output import Screen, moment, plain, print_json, talks
from appliance.control.client import Client, EmergencyTestResult, NoticeShape, NoticesResult
from appliance.site.store import SiteStore
from appliance.site.working import run_job


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
@edits
def proof(desk: Desk) -> None:
    """Prove the candidate: every emergency number from every phone over every trunk, without calling anybody. Exit code 1 when one would not leave."""
    store = SiteStore(desk.data / "site")
    before = store.current()[1].model_dump(mode="json") if store.current_number() is not None else None
    with desk.slow("Proving emergency calls"):
        found = run_job("proof", {"document": desk.editor.show("").value, "before": before})
    if desk.as_json:
        print_json(found)
    else:
        _matrix(found, desk.screen)
    if found["problems"]:
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


def _matrix(found: dict[str, Any], screen: Screen) -> None:
    """Phones down, numbers across; in each cell what which trunk is asked for."""
    groups = found["groups"]
    if groups:
        numbers = [call["number"] for call in groups[0]["calls"]]
        rows = [(_phones(group["phones"]), group["place"], group["callback"] or "none", *(_sent(call) for call in group["calls"])) for group in groups]
        bad = ["bold red" if any(call["problem"] for call in group["calls"]) else "" for group in groups]
        screen.table(("Phones", "Place", "Call back", *numbers), rows, bad)
    for problem in found["problems"]:
        screen.line(f"{problem['path']}: {problem['sentence']}", "bold red")
        screen.line(f"  {problem['hint']}")
    for warning in found["warnings"]:
        screen.line(warning, "yellow")
    if not found["problems"]:
        screen.line(f"{found['cases']} calls proved (phones x numbers x ways to write them x trunks).")


def _phones(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:2])} and {len(names) - 2} more"


def _sent(call: dict[str, Any]) -> str:
    """`911 over Acme, Backup`; why not, where it does not leave."""
    if call["problem"]:
        return str(call["problem"])
    by_request: dict[str, list[str]] = {}
    for trunk, asked in call["sent"].items():
        by_request.setdefault(asked, []).append(trunk)
    return "; ".join(f"{asked} over {', '.join(trunks)}" for asked, trunks in by_request.items())


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
