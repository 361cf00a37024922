"""holdfast alerts: how people outside are told what is wrong, a test message to all of them, and what waits."""

from __future__ import annotations

import sys

import click

from appliance.cli.output import Screen, duration, moment, plain, print_json, talks
from appliance.control.client import AlertsResult, AlertsTestResult, Client, OutboxResult

_HOW = {"mail": "E-mail", "webhook": "Webhook", "voicemail": "Voicemail by e-mail"}
_STATES = {"waiting": "waits", "sent": "delivered", "dead": "given up"}


@click.group()
def alerts() -> None:
    """See how alerts go out, send a test message, and list what was sent.

    `holdfast site set alerts.…`, then `holdfast site commit`, change who gets them.
    """


@alerts.command()
@talks
def show(client: Client, screen: Screen, as_json: bool) -> None:
    """Show who gets alerts, whether they get through, and how many wait. Exit code 1 when they do not get through."""
    found: AlertsResult = client.call("alerts")
    if as_json:
        print_json(found)
    else:
        for way in found["ways"]:
            screen.line(f"{_HOW.get(way['how'], way['how'])}: {', '.join(plain(place) for place in way['places']) or 'not set up'}")
            if way["fault"]:
                screen.line(f"  {plain(way['fault'])}", "bold red")
                screen.line(f"  {way['cure']}")
        screen.line(f"{found['sent']} delivered, {found['waiting']} waiting, {found['given_up']} given up")
    sys.exit(any(way["fault"] for way in found["ways"]))


@alerts.command()
@talks
def test(client: Client, screen: Screen, as_json: bool) -> None:
    """Send a test message to everybody who gets alerts, by the settings in force. Exit code 1 when one was not taken."""
    found: AlertsTestResult = client.call("alerts.test")
    if as_json:
        print_json(found)
    else:
        for each in found["tried"]:
            screen.line(f"{plain(each['place'])}: {plain(each['sentence'])}", "green" if each["ok"] else "bold red")
            if each["cure"]:
                screen.line(f"  {each['cure']}")
    sys.exit(not all(each["ok"] for each in found["tried"]))


@alerts.command()
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many, the newest first.")
@talks
def outbox(client: Client, screen: Screen, as_json: bool, limit: int) -> None:
    """List the messages that were kept for delivery, and what became of them."""
    found: OutboxResult = client.call("alerts.outbox", limit=limit)
    if as_json:
        print_json(found)
        return
    if not found["items"]:
        screen.line("No message was ever to be delivered.")
        return
    rows = [
        (
            moment(each["created_unix_s"]), _STATES.get(each["state"], each["state"]), each["attempts"],
            duration(each["next_s"]) if each["state"] == "waiting" else "", each["place"], each["subject"], each["reason"],
        )
        for each in found["items"]
    ]  # fmt: skip
    screen.table(("Time", "State", "Tries", "Next in", "To", "Message", "Why not"), rows)
