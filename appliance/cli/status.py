"""holdfast status: what a person must know of the box, on one screen."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich.text import Text

from appliance.cli.modem import in_short
from appliance.cli.output import Screen, duration, moment, plain, print_json, talks
from appliance.cli.wan import INTERNET
from appliance.control.client import Client, NoticeShape, StatusResult, TrunkShape

_BAD, _GOOD, _DOUBT = "bold red", "green", "yellow"
_STATES = {"down": _BAD, "unknown": _DOUBT}


@click.command()
@talks
def status(client: Client, screen: Screen, as_json: bool) -> None:
    """Show how the box is: mode, registrations, calls, trunks, emergency calling, alarms."""
    found: StatusResult = client.call("status")
    if as_json:
        print_json(found)
    else:
        show(found, screen)


def show(found: StatusResult, screen: Screen) -> None:
    """Print the whole status; what is wrong comes first."""
    if found["mode"] == "rescue":
        screen.line(f"RESCUE: {found['rescue_reason'] or 'the engine crashed again and again'}", _BAD)
        screen.line("  Emergency and local calls only, with the last revision that ran well.", _BAD)
    for notice in found["emergency"]["active"]:
        screen.line(f"{'TEST CALL' if notice['test'] else 'EMERGENCY CALL'} NOW: {_notice(notice)}", _BAD)

    def row(title: str, value: object, style: str = "") -> None:
        screen.text(Text.assemble((f"{title:<15}", "bold"), (plain(value), style)))

    row("Holdfast", f"{found['version']}, up {duration(found['uptime_s'])}, process {found['pid']}")
    row("Site", f"{found['site']}, revision {found['revision']}")
    if (held := found.get("unconfirmed")) is not None:
        row("Unconfirmed", f"goes back to revision {held['previous']} in {duration(held['seconds_left'])}: `holdfast site confirm` keeps it", _DOUBT)
    row("Mode", "RESCUE" if found["mode"] == "rescue" else "normal", _BAD if found["mode"] == "rescue" else _GOOD)
    row("Listening", ", ".join(found["addresses"]) or "nowhere", "" if found["addresses"] else _BAD)
    row("Registrations", f"{found['registrations']} ({found['devices_registered']} of {found['devices']} devices)")
    row("Calls", f"{found['calls']} up, {found['free_legs']} legs free")
    row("Crashes", found["crashes"], _DOUBT if found["crashes"] else "")
    if (wan := found.get("wan")) is not None:
        row("Internet", f"{INTERNET.get(wan['state'], wan['state'])}: {wan['why']}", {"up": _GOOD, "down": _BAD}.get(wan["state"], _DOUBT))
    if (modem := found.get("cellular")) is not None and modem["state"] != "none":
        row("Modem", in_short(modem), _GOOD if modem["calls"] else _BAD if modem["fault"] else _DOUBT)
    _emergency(found, row)
    if found["missing"]:
        row("Missing", ", ".join(found["missing"]), _DOUBT)
    if found["trunks"]:
        screen.line()
        screen.table(
            ("Trunk", "Name", "Host", "State", "Calls", "Emergency", "Why"),
            [_trunk(trunk) for trunk in found["trunks"]],
            [_STATES.get(trunk["state"], "") for trunk in found["trunks"]],
        )
    if (health := found.get("health")) is not None and health["problems"]:
        screen.line()
        for check in health["problems"]:
            screen.line(f"HEALTH: {check['sentence']}", _BAD if check["level"] == "bad" else _DOUBT)
            screen.line(f"  {check['cure']}")
    if found["alarms"]:
        screen.line()
        for alarm in found["alarms"]:
            screen.line(f"ALARM since {moment(alarm['since_unix_s'])}: {alarm['sentence']}", _BAD)
            if alarm["hint"]:
                screen.line(f"  {alarm['hint']}")


def _emergency(found: StatusResult, row: Callable[..., None]) -> None:
    emergency = found["emergency"]
    row("Emergency", "armed" if emergency["armed"] else "NOT ARMED", _GOOD if emergency["armed"] else _BAD)
    for reason in emergency["reasons"]:
        row("", reason, _BAD)
    if emergency["last"] is not None:
        row("Last notice", _notice(emergency["last"]))


def place_of(notice: NoticeShape) -> str:
    """Which phone, and where it is."""
    phone = notice["extension"] or notice["device"] or f"an unknown phone at {notice['source_ip']}"
    return f"{phone} ({notice['location']})" if notice["location"] else phone


def _notice(notice: NoticeShape) -> str:
    words = [f"{moment(notice['started_unix_s'])}: {'test call ' if notice['test'] else ''}{notice['dialled']} from {place_of(notice)}, {notice['outcome']}"]
    if notice["path"]:
        words.append(f"over {notice['path']}")
    if notice["callback_number"]:
        words.append(f"call back {notice['callback_number']}")
    return ", ".join(words)


def _trunk(trunk: TrunkShape) -> tuple[object, ...]:
    calls = f"{trunk['calls']}/{trunk['max_calls']}" if trunk["max_calls"] else trunk["calls"]
    return trunk["id"], trunk["name"], trunk["host"], trunk["state"], calls, "armed" if trunk["emergency_armed"] else "not armed", trunk["reason"]
