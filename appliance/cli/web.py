"""holdfast web: the way into the pages for whoever is at the console."""

from __future__ import annotations

import sys
import time

import click

from appliance.cli.local import Desk, edits
from appliance.cli.output import print_json
from appliance.errors import DocumentError, HoldfastError, NotFound
from appliance.site import claim
from appliance.site.model.site import Site
from appliance.site.secrets import judge
from appliance.site.store import SiteStore
from appliance.site.vault import Vault, password_hash
from appliance.site.wording import close


@click.group()
def web() -> None:
    """Claim the box in a browser, and get back in when a password is lost."""


@web.command("claim-code")
@edits
def claim_code(desk: Desk) -> None:
    """Show the code that makes the first visitor the administrator."""
    code = claim.claim_code(desk.data)
    if code is None:
        raise HoldfastError("There is no claim code", "the box has an administrator (holdfast web reset-password), or its web never ran", code="claimed")
    if desk.as_json:
        print_json({"claim_code": code})
    else:
        desk.screen.line(code)


@web.command("reset-password")
@click.argument("name")
@edits
def reset_password(desk: Desk, name: str) -> None:
    """Give the administrator or user NAME another password. It is asked for, or read from the input. Every browser signed in as NAME is signed out."""
    site, revision = _site(desk)
    first = claim.first_account(desk.data)
    # An administrator of the site first; then the one who claimed the box; then a user's portal.
    claimed = [f"administrators.{first.id}"] if first is not None else []
    known = [*(f"administrators.{key}" for key in site.administrators), *claimed, *(f"users.{key}" for key in site.users)]
    id = next((each for each in known if name in {each, each.partition(".")[2]}), None)
    if id is None:
        raise NotFound(f"Nobody signs in as {name}", close(name, [each.partition(".")[2] for each in known]) or "holdfast web claim-code makes one")
    asks = sys.stdin.isatty()
    value = click.prompt(f"New password of {name}", hide_input=True, confirmation_prompt=True, err=True) if asks else sys.stdin.readline().rstrip("\r\n")
    vault = Vault(desk.data)
    secret = f"{id}.password"
    problems = judge(secret, value, site, vault.values(revision))
    if problems:
        raise DocumentError("This password cannot be used", problems)
    if first is not None and id == f"administrators.{first.id}":
        claim.save_first_account(desk.data, claim.FirstAccount(first.id, first.name, password_hash(value)))
        if first.id not in site.administrators:
            vault.stage({secret: value})
    if id.partition(".")[2] in (site.administrators if id.startswith("administrators.") else site.users):
        vault.put({secret: value})
    if desk.as_json:
        print_json({"name": name, "account": id, "time": time.time()})
    else:
        desk.screen.line(f"{name} has a new password; browsers that were signed in with the old one are signed out.")


def _site(desk: Desk) -> tuple[Site, int]:
    """The site in force and its revision; an empty one where the box never ran. Raises StateError."""
    store = SiteStore(desk.data / "site")
    number = store.current_number()
    return (store.read(number), number) if number is not None else (Site(), 0)
