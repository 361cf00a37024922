"""holdfast firewall: what is open to the outside and why, who is banned, ban somebody, let him in again."""

from __future__ import annotations

import sys

import click

from appliance.cli.local import author
from appliance.cli.output import Screen, moment, plain, print_json, talks
from appliance.control.client import BanShape, BansResult, Client, FirewallResult, UnbanResult

REASONS = {
    "password": "guessed SIP passwords", "unknown-user": "tried unknown SIP users", "scanner": "is a program that looks for boxes to abuse",
    "sign-in": "guessed passwords at the web pages", "by-hand": "banned by hand",
}  # fmt: skip
_STYLES = {"on": "green", "off": "bold red", "failed": "bold red"}


@click.group()
def firewall() -> None:
    """See what strangers outside can reach, and who is banned.

    `holdfast site set firewall.…`, then `holdfast site commit`, change what is open.
    """


@firewall.command()
@talks
def status(client: Client, screen: Screen, as_json: bool) -> None:
    """Show what is open to the outside, to whom and why. Exit code 1 when there should be a firewall and is none."""
    found: FirewallResult = client.call("firewall")
    if as_json:
        print_json(found)
    else:
        _show(found, screen)
    sys.exit(found["state"] == "failed")


def _show(found: FirewallResult, screen: Screen) -> None:
    screen.line(f"{plain(found['why'])}.", _STYLES.get(found["state"], ""))
    if found["cure"]:
        screen.line(f"  {plain(found['cure'])}.")
    for each in found["interfaces"]:
        where = "leads outside only" if each["outside_only"] else "leads outside, and the LAN is there, too"
        screen.line(f"{each['name']} ({', '.join(each['addresses']) or 'no address'}) {where}.")
    if found["open"]:
        screen.line()
        rows = [(row["ports"] or "all", ", ".join(row["sources"]) or "everybody", row["why"]) for row in found["open"]]
        screen.table(("Ports", "Open to", "Why"), rows)
        screen.line()
        screen.line(f"{found['turned_away']} packets were turned away, and {found['of_banned']} of {found['banned']} banned addresses.")


@firewall.command()
@talks
def bans(client: Client, screen: Screen, as_json: bool) -> None:
    """List who is banned, why, and until when."""
    found: BansResult = client.call("firewall.bans")
    if as_json:
        print_json(found)
    elif not found["bans"]:
        screen.line("Nobody is banned.")
    else:
        rows = [(ban["address"], REASONS.get(ban["reason"], ban["reason"]), moment(ban["since_unix_s"]), moment(ban["ends_unix_s"])) for ban in found["bans"]]
        screen.table(("Address", "Why", "Since", "Until"), rows)


@firewall.command()
@click.argument("address")
@click.option("--minutes", type=click.IntRange(0, 10080), default=0, help="How long; else as the settings say.")
@talks
def ban(client: Client, screen: Screen, as_json: bool, address: str, minutes: int) -> None:
    """Shut ADDRESS out for a while. The LAN, carriers, phones, signed-in administrators and the safe list are never banned."""
    found: BanShape = client.call("firewall.ban", address=address, minutes=minutes, by=author())
    if as_json:
        print_json(found)
    else:
        screen.line(f"{found['address']} is banned until {moment(found['ends_unix_s'])}.")


@firewall.command()
@click.argument("address")
@talks
def unban(client: Client, screen: Screen, as_json: bool, address: str) -> None:
    """Let ADDRESS in again."""
    found: UnbanResult = client.call("firewall.unban", address=address, by=author())
    if as_json:
        print_json(found)
    else:
        screen.line(f"{found['address']} is let in again.")
