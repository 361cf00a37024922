"""holdfast phones: desk phones that ask the box for their settings."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, duration, plain, print_json, talks
from appliance.control.client import Client, EnrolResult, PhonesResult, PhoneSyncResult


@click.group(name="phones")
def phones() -> None:
    """See desk phones that ask for settings, let them in, make them fetch what changed. The box must run."""


@phones.command("list")
@talks
def list_(client: Client, screen: Screen, as_json: bool) -> None:
    """List the phones that asked, the latest first: those without an owner wait for one."""
    found: PhonesResult = client.call("phones.list")
    if as_json:
        print_json(found)
        return
    screen.line(f"Phones get settings in {', '.join(found['networks']) or 'no network'}.")
    screen.line("`holdfast site set provisioning.networks …`, then `holdfast site commit`, change that.")
    if found["open_s"]:
        screen.line(f"Every phone of the site may take its settings for {duration(found['open_s'])}.")
    if not found["phones"]:
        screen.line("No phone has asked for settings. They ask when they start: unplug one and plug it in again.")
        return
    screen.table(
        ("MAC address", "Address", "Phone", "Belongs to", "Asked", "State"),
        [
            (
                phone["mac"],
                f"{phone['ip']} and {phone['refused_ip']}" if phone["refused_ip"] else phone["ip"],
                plain(f"{phone['family']} {phone['model']}".strip()),
                phone["device"] or "nobody yet",
                f"{duration(phone['seen_s'])} ago",
                phone["reason"] or ("has its settings" if phone["current"] else "has older settings" if phone["fetched_unix_s"] else "is fetching"),
            )
            for phone in found["phones"]
        ],
        ["bold" if not phone["device"] else "" for phone in found["phones"]],
    )


@phones.command()
@click.argument("mac", default="")
@click.option("--minutes", type=click.IntRange(1, 60), default=5, show_default=True, help="How long the phone may take its settings for the first time.")
@talks
def enrol(client: Client, screen: Screen, as_json: bool, mac: str, minutes: int) -> None:
    """Let the phone with the address MAC take its settings, or every phone whose MAC address the site has."""
    found: EnrolResult = client.call("phones.enrol", mac=mac, minutes=minutes)
    if as_json:
        print_json(found)
    else:
        who = f"Phone {found['mac']}" if found["mac"] else "Every phone of the site"
        screen.line(f"{who} may take its settings for {duration(found['open_s'])}. Restart it if it does not ask by itself.")


@phones.command()
@click.argument("mac")
@talks
def forget(client: Client, screen: Screen, as_json: bool, mac: str) -> None:
    """Give the phone MAC nothing any more until it is let in again; what it has it keeps."""
    found: EnrolResult = client.call("phones.forget", mac=mac)
    if as_json:
        print_json(found)
    else:
        screen.line(f"Phone {found['mac']} gets nothing until `holdfast phones enrol {found['mac']}`.")


@phones.command()
@click.argument("macs", metavar="[MAC]...", nargs=-1)
@talks
def sync(client: Client, screen: Screen, as_json: bool, macs: tuple[str, ...]) -> None:
    """Tell these phones (none given: all that have settings from the box) to fetch their settings now."""
    found: PhoneSyncResult = client.call("phones.sync", macs=list(macs))
    if as_json:
        print_json(found)
        return
    for mac in found["told"]:
        screen.line(f"{mac}: {'fetches its settings' if mac in found['taken'] else 'did not answer; it fetches them when it starts'}")
    if not found["told"]:
        screen.line("No phone has its settings from the box yet.")
