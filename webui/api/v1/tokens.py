"""Tokens over the API: which there are, another one, an end to one."""

from __future__ import annotations

import logging
import time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.errors import NotFound
from appliance.site.tokens import SCOPES, Token, Tokens
from webui.api.problems import Refused
from webui.api.v1.operation import Ask, Filled, Reply, operation
from webui.api.v1.paging import PageQuery, page
from webui.place import place

log = logging.getLogger(__name__)

TAG = "Tokens"
NAME = r"^[a-z0-9][a-z0-9._-]{0,39}$"
DAY_S = 86400.0


class TokenBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME, description="Stands in the history of what it does: nightly-backup.")
    scopes: list[Annotated[str, Field(min_length=1, max_length=20)]] = Field(
        min_length=1, max_length=len(SCOPES), description=f"What it may do, of {', '.join(SCOPES)}; none that you do not have yourself."
    )
    days: int = Field(default=0, ge=0, le=3650, description="How long it counts; 0: until it is revoked.")


class TokenItem(TypedDict):
    """`expires_unix_s` None: it counts until it is revoked. `used_unix_s`: last used, to ten minutes; None: never."""

    name: str
    scopes: list[str]
    made_by: str
    made_unix_s: float
    expires_unix_s: float | None
    used_unix_s: float | None
    used_from: str


class NewTokenAnswer(TokenItem):
    """`token`: what to send, told this once."""

    token: str


@operation("GET", "/tokens", id="tokens.list", tag=TAG, scope="access", query=PageQuery, answers={200: Filled(TokenItem, listed=True)})
def listed(ask: Ask) -> Reply:
    """The tokens, by name. Never what to send."""
    return Reply(page([_item(token) for token in Tokens(place().data).all()], lambda row: str(row["name"]), ask.query))


@operation("POST", "/tokens", id="tokens.create", tag=TAG, scope="access", body=TokenBody, answers={201: NewTokenAnswer})
def made(ask: Ask) -> Reply:
    """Make a token. What to send is told in this answer alone."""
    body: TokenBody = ask.body
    beyond = sorted(set(body.scopes) & set(SCOPES) - ask.who.scopes)
    if beyond:
        raise Refused(403, "scope", f"{ask.who.name} may not give what it does not have: {', '.join(beyond)}", "leave that out, or ask as somebody who has it")
    token, text = Tokens(place().data).new(body.name, body.scopes, ask.who.name, time.time() + body.days * DAY_S if body.days else None)
    log.warning("%s made the token %s: %s", ask.who.name, token.name, ", ".join(token.scopes))
    return Reply({**_item(token), "token": text}, 201, location=f"/tokens/{token.name}")


@operation("GET", "/tokens/{name}", id="tokens.get", tag=TAG, scope="access", answers={200: TokenItem})
def got(ask: Ask, name: str) -> Reply:
    """One token."""
    found = next((token for token in Tokens(place().data).all() if token.name == name), None)
    if found is None:
        raise NotFound("There is no such token", "GET /api/v1/tokens lists them")
    return Reply(_item(found))


@operation("DELETE", "/tokens/{name}", id="tokens.delete", tag=TAG, scope="access", answers={204: None})
def revoked(ask: Ask, name: str) -> Reply:
    """Revoke a token. It counts no more from the next request on."""
    Tokens(place().data).revoke(name)
    log.warning("%s revoked the token %s", ask.who.name, name[:40])
    return Reply(status=204)


def _item(token: Token) -> dict[str, Any]:
    return {
        "name": token.name, "scopes": list(token.scopes), "made_by": token.made_by, "made_unix_s": token.made_unix_s,
        "expires_unix_s": token.expires_unix_s, "used_unix_s": token.used_unix_s, "used_from": token.used_from,
    }  # fmt: skip
