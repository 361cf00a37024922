"""holdfast secret: the passwords of phones, trunks, mailboxes and people, in the vault."""

from __future__ import annotations

import os
import sys

import click

from appliance.cli.completion import from_site
from appliance.cli.local import Desk, edits
from appliance.cli.output import moment, print_json
from appliance.control.client import Client
from appliance.errors import ControlError, DocumentError, HoldfastError, NotFound, StateError
from appliance.site import sim_pin
from appliance.site.model.site import Site
from appliance.site.secrets import SLOTS, judge, new_secret, possible
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from appliance.site.wording import close

NAME = click.argument("name", shell_complete=from_site(lambda site: [(slot.name(key), "") for slot in SLOTS for key in slot.keys(site)]))


@click.group(name="secret")
def secret() -> None:
    """See and change secrets: devices.ID.secret, trunks.ID.secret, mailboxes.ID.pin, users.ID.password, administrators.ID.password.

    Changes count at once, are no part of a commit, and no rollback takes them back.
    """


@secret.command("list")
@edits
def list_(desk: Desk) -> None:
    """List the secrets the site can have, which of them are set, and who has seen them last. Shows none."""
    vault, site, revision = _open(desk)
    there, seen = vault.names(revision), {reveal.name: reveal for reveal in vault.reveals()}
    rows = [(name, name in there, seen.get(name)) for name in possible(site)]
    if desk.as_json:
        shapes = [{"name": name, "set": is_set, "seen_by": last.who if last else "", "seen_unix_s": last.time if last else None} for name, is_set, last in rows]
        print_json({"secrets": shapes})
    else:
        lines = [(name, "yes" if is_set else "no", f"{moment(last.time)} by {last.who}" if last else "") for name, is_set, last in rows]
        desk.screen.table(("Name", "Set", "Last seen"), lines)


@secret.command("set")
@NAME
@edits
def set_(desk: Desk, name: str) -> None:
    """Change the secret NAME. It is asked for, or read from the input: on a command line others could see it."""
    vault, site, revision = _open(desk)
    _known(name, site)
    value = click.prompt(name, hide_input=True, confirmation_prompt=True, err=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    counting = vault.values(revision)
    problems = judge(name, value, site, counting)
    if problems:
        raise DocumentError("This secret cannot be used", problems)
    vault.put({name: value})
    if name == sim_pin.NAME:
        sim_pin.set_again(desk.data, value, counting)
    _tell(desk, name)


@secret.command()
@NAME
@edits
def new(desk: Desk, name: str) -> None:
    """Give the device secret NAME a new random value. Its phone must be given it, too; `reveal` shows it."""
    vault, site, _ = _open(desk)
    _known(name, site)
    if not name.startswith("devices."):
        raise HoldfastError(f"{name} is not for the box to choose", f"set it: holdfast secret set {name}", code="value")
    vault.put({name: new_secret()})
    _tell(desk, name)


@secret.command()
@NAME
@edits
def reveal(desk: Desk, name: str) -> None:
    """Show the secret NAME. That you have seen it is recorded first."""
    vault, site, revision = _open(desk)
    _known(name, site)
    value = vault.reveal(name, f"{desk.author} (uid {os.getuid()})", revision)
    if desk.as_json:
        print_json({"name": name, "value": value})
    else:
        desk.screen.line(value)


@secret.command()
@edits
def seen(desk: Desk) -> None:
    """Who has seen which secret, the newest first; `*` is all of them, in a sealed export."""
    found = Vault(desk.data).reveals()[::-1]
    if desk.as_json:
        print_json({"reveals": [{"time_unix_s": each.time, "name": each.name, "who": each.who} for each in found]})
    else:
        desk.screen.table(("When", "Who", "Saw"), [(moment(each.time), each.who, each.name) for each in found])


def _open(desk: Desk) -> tuple[Vault, Site, int]:
    """The vault, and the site in force with its revision. Raises StateError."""
    if not any((desk.data / "site" / "revisions").glob("*.json")):
        raise StateError(f"There is no site in {desk.data} yet", "start the box once, or say with --data or HOLDFAST_DATA which folder is its")
    revision, site = SiteStore(desk.data / "site").current()
    return Vault(desk.data), site, revision.number


def _known(name: str, site: Site) -> None:
    names = possible(site)
    if name not in names:
        raise NotFound(f"The site in force has no secret {name}", close(name, names) or "`holdfast secret list` shows what there is")


def _tell(desk: Desk, name: str) -> None:
    """Have a running box use it now, and say how it stands."""
    running = True
    try:
        with Client(desk.control) as client:
            client.call("secrets.changed")
    except ControlError as error:
        if error.code != "not-running":
            raise
        running = False
    if desk.as_json:
        print_json({"name": name, "running": running})
    else:
        desk.screen.line(f"{name} is changed{'' if running else '. The box is not running; it will start with it'}.")
