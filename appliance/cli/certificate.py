"""holdfast certificate: what the box shows to browsers and phones over TLS, and the site's own in its place."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from appliance.cli.local import Desk, edits
from appliance.cli.output import moment, print_json
from appliance.control.client import Client
from appliance.errors import ControlError, HoldfastError
from appliance.site import certificate as certificates

USES = {"web": "Pages and API", "sip": "SIP over TLS"}
STATES = {"good": "", "soon": ", which is soon", "over": ", which is over: browsers warn and phones may refuse it", "early": ", and does not count yet"}


@click.group()
def certificate() -> None:
    """Show the box's certificates, and replace them with the site's own."""


@certificate.command()
@edits
def show(desk: Desk) -> None:
    """Show what is served: names, until when, and the fingerprint to compare with what a browser shows."""
    _tell(desk)


@certificate.command()
@click.argument("chain", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="The file with the private key; without: it is in CHAIN as well.")
@edits
def install(desk: Desk, chain: Path, key: Path | None) -> None:
    """Serve the certificate in the PEM file CHAIN (the box's first, then those that vouch for it), for the pages and for SIP over TLS.

    It is checked first: whether the key belongs to it, dates, names and chain. It takes effect at once; nobody is disconnected and calls go on.
    """
    text = _read(chain)
    certificates.install(desk.data, text, _read(key) if key is not None else text, time.time())
    _tell(desk, _renewed(desk))


@certificate.command()
@edits
def reset(desk: Desk) -> None:
    """Serve the box's own certificates again."""
    certificates.reset(desk.data)
    _tell(desk, _renewed(desk))


def _read(file: Path) -> str:
    try:
        return sys.stdin.read(certificates.LARGEST + 1) if str(file) == "-" else file.read_bytes()[: 4 * certificates.LARGEST].decode("utf-8", "replace")
    except OSError as error:
        raise HoldfastError(f"{file} cannot be read: {error.strerror or error}", "check the path and its permissions", code="read") from error


def _renewed(desk: Desk) -> str:
    """How a running box takes it."""
    try:
        with Client(desk.control) as client:
            sip = client.call("certificate.changed")["sip"]
    except ControlError as error:
        return "The box does not run; it starts with it." if error.code == "not-running" else f"SIP over TLS takes it at the next start: {error.sentence}."
    return "New connections get it from now on; calls go on." if sip else "The pages serve it now. SIP over TLS is off; see holdfast status."


def _tell(desk: Desk, outcome: str = "") -> None:
    now, found = time.time(), certificates.shown(desk.data)
    if desk.as_json:
        print_json({"certificates": [{**each.as_dict(), "state": each.state(now)} for each in found.values()], "outcome": outcome})
        return
    if not found:
        desk.screen.line("There is no certificate yet: the box makes its own at its first start.")
    for use, each in found.items():
        whose = "the site's own" if each.own else "the box's own"
        desk.screen.line(f"{USES[use]}: {each.subject} ({whose}{f', issued by {each.issuer}' if each.issuer else ', vouched for by nobody else'})")
        desk.screen.line(f"  names        {', '.join(each.names)}")
        desk.screen.line(f"  counts until {moment(each.ends_unix_s)}{STATES[each.state(now)]}")
        desk.screen.line(f"  SHA-256      {each.fingerprint}")
    if outcome:
        desk.screen.line(outcome)
