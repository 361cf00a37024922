"""holdfast modem: how the cellular modem is, and a text over it."""

from __future__ import annotations

import time

import click

from appliance.cli.output import Screen, duration, plain, print_json, talks
from appliance.cli.trunk import try_out
from appliance.control.client import CellularShape, Client, ModemResult, ModemTextShape
from appliance.errors import HoldfastError
from appliance.types import MODEM

LOOK_S = 0.3
WAIT_S = 330.0
"""A text waits for a network for five minutes."""
STATES = {
    "none": "there is none", "absent": "not there", "starting": "it starts", "no-sim": "no SIM card", "pin-needed": "the SIM card asks for its PIN",
    "puk-needed": "the SIM card asks for its PUK",
    "searching": "it searches a network", "denied": "the network refuses it", "home": "on its network, without calls",
    "roaming": "on a foreign network, without calls", "ready": "ready to call",
}  # fmt: skip


def in_short(found: CellularShape) -> str:
    """`ready to call, Mobile 4G, -71 dBm`."""
    words = [STATES.get(found["state"], found["state"])]
    if found["operator"]:
        words.append(f"{found['operator']} {found['network']}".rstrip())
    if found["signal_dbm"] is not None:
        words.append(f"{found['signal_dbm']} dBm")
    if found["roaming"]:
        words.append("roaming")
    return ", ".join(words)


@click.group()
def modem() -> None:
    """Look at the cellular modem, call and send a text over it.

    What it is used for is the site's affair: `holdfast site set modem.…`, then `holdfast site commit`;
    the PIN of its SIM card: `holdfast secret set modem.sim.pin`.
    """


@modem.command()
@talks
def status(client: Client, screen: Screen, as_json: bool) -> None:
    """Show the modem, its network, its call and the latest texts, what is wrong and its cure."""
    found: ModemResult = client.call("modem")
    if as_json:
        print_json(found)
        return
    if found["state"] == "none":
        screen.line("The box has no modem: HOLDFAST_MODEM names the port of one.")
        return
    screen.line(f"The modem is {in_short(found)}, for {duration(found['since_s'])}.", "green" if found["calls"] else "yellow")
    if found["trouble"]:
        screen.line(f"{found['trouble']}.", "bold red")
        screen.line(f"  {found['cure']}.")
    screen.line()
    rows = [
        ("Port", found["ports"][0]),
        ("Sound", found["ports"][1] if len(found["ports"]) > 1 else "none: calls are silent"),
        ("Modem", f"{found['maker']} {found['model']}".strip() or "not known"),
        ("IMEI", found["imei"] or "not known"),
        ("IMSI", found["imsi"] or "not known"),
        ("Calls go over", "the data network (VoLTE)" if found["volte"] else "the telephone network"),
    ]
    call = found["call"]
    if call is not None:
        rows.append(("Call" if call["state"] != "ended" else "Last call", _call(call["outgoing"], call["number"], call["state"], call["end"])))
    screen.table(("", ""), rows)
    if found["texts"]:
        screen.line()
        texts = [(text["id"], text["to"], text["state"], f"{text['sent']}/{text['parts']}", text["reason"]) for text in found["texts"]]
        screen.table(("Text", "To", "State", "Parts", "Why"), texts)


@modem.command()
@click.argument("number")
@talks
def call(client: Client, screen: Screen, as_json: bool, number: str) -> None:
    """Call NUMBER over the modem and tell how it went. Whoever answers hears a sentence. Emergency numbers are not called."""
    try_out(client, screen, as_json, MODEM, number)


def _call(outgoing: bool, number: str, state: str, end: str) -> str:
    return f"{'to' if outgoing else 'from'} {number or 'a hidden number'}: {state}{f' ({end})' if end else ''}"


@modem.command()
@click.argument("to", metavar="NUMBER")
@click.argument("text")
@talks
def sms(client: Client, screen: Screen, as_json: bool, to: str, text: str) -> None:
    """Send TEXT to the mobile phone NUMBER, and wait until the network has taken it."""
    now: ModemTextShape = client.call("modem.sms", to=to, text=text)
    deadline = time.monotonic() + WAIT_S
    while now["state"] not in {"sent", "failed"}:
        time.sleep(LOOK_S)
        id, found = now["id"], client.call("modem")["texts"]
        mine = next((each for each in found if each["id"] == id), None)
        if mine is None or time.monotonic() > deadline:
            raise HoldfastError("The end of the text was not seen", "`holdfast modem status` lists the texts; the engine may have restarted", code="timeout")
        now = mine
    if as_json:
        print_json(now)
    elif now["state"] == "sent":
        screen.line(f"The network took the text to {plain(now['to'])}.", "green")
    else:
        screen.line(f"The text was not sent: {now['reason']}.", "bold red")
    if now["state"] == "failed":
        raise click.exceptions.Exit(1)
