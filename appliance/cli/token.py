"""holdfast token: what programs use the box's API with."""

from __future__ import annotations

import time

import click

from appliance.cli.local import Desk, edits
from appliance.cli.output import moment, print_json
from appliance.site.tokens import SCOPES, Token, Tokens

DAY_S = 86400.0


@click.group()
def token() -> None:
    """Let programs use the API: make, list and revoke tokens."""


@token.command(epilog="\b\n" + "\n".join(f"{scope:<11}{what}" for scope, what in SCOPES.items()))
@click.argument("name")
@click.option("--scopes", default="read", show_default=True, help="What it may do, with commas between.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it counts; without: until it is revoked.")
@edits
def new(desk: Desk, name: str, scopes: str, days: int | None) -> None:
    """Make the token NAME and show it, this once."""
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    made, text = Tokens(desk.data).new(name, wanted, desk.author, time.time() + days * DAY_S if days else None)
    if desk.as_json:
        print_json({**_shape(made), "token": text})
        return
    desk.screen.line(text)
    desk.screen.line(f"It may {'; '.join(SCOPES[scope] for scope in made.scopes)}. It is not shown again.", "dim")


@token.command("list")
@edits
def list_(desk: Desk) -> None:
    """List the tokens: what they may do, until when, and when they were last used."""
    found = Tokens(desk.data).all()
    if desk.as_json:
        print_json({"tokens": [_shape(each) for each in found]})
        return
    rows = [(t.name, ", ".join(t.scopes), _moment(t.expires_unix_s), _moment(t.used_unix_s), t.used_from, t.made_by) for t in found]
    desk.screen.table(("Token", "May", "Expires", "Last used", "From", "Made by"), rows)


@token.command()
@click.argument("name")
@edits
def revoke(desk: Desk, name: str) -> None:
    """Let the token NAME count no more, from its next request on."""
    gone = Tokens(desk.data).revoke(name)
    if desk.as_json:
        print_json(_shape(gone))
    else:
        desk.screen.line(f"The token {name} is revoked.")


def _shape(token: Token) -> dict[str, object]:
    return {
        "name": token.name, "scopes": list(token.scopes), "made_by": token.made_by, "made_unix_s": token.made_unix_s,
        "expires_unix_s": token.expires_unix_s, "used_unix_s": token.used_unix_s, "used_from": token.used_from,
    }  # fmt: skip


def _moment(unix_s: float | None) -> str:
    return "never" if unix_s is None else moment(unix_s)
