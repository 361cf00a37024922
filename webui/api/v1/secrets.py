"""Secrets over the API: which there are, seeing one (which is on record), and who saw what. They are set as write-only fields of their objects."""

from __future__ import annotations

import logging

from pydantic import BaseModel, ConfigDict, Field

from appliance.control.client import SignInResult
from appliance.site.model.site import Site
from appliance.site.secrets import possible
from webui.api.v1.operation import Ask, Filled, Reply, operation
from webui.api.v1.paging import PageQuery, cut, page, read_number
from webui.api.v1.shapes import RevealAnswer, RevealItem, SecretItem
from webui.api.v1.state import NAME, ask_engine
from webui.place import place

log = logging.getLogger(__name__)

TAG = "Secrets"


class RevealBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200, description="Like devices.dana-desk.secret.")


class SignInBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    extension: str = Field(pattern=NAME, description="Whose phones: an extension with phones.")


@operation("GET", "/secrets", id="secrets.list", tag=TAG, scope="secrets", query=PageQuery, answers={200: Filled(SecretItem, listed=True)})
def listed(ask: Ask) -> Reply:
    """The secrets the site in force can have, by name, and whether they are set. Never what they are."""
    here = place()
    names = sorted(possible(here.site() or Site()))
    counting, staged = here.vault.names(here.revision()), here.vault.staged()
    rows = [{"name": name, "is_set": name in counting, "staged": name in staged} for name in names]
    return Reply(page(rows, lambda row: str(row["name"]), ask.query))


@operation("POST", "/secrets/reveal", id="secrets.reveal", tag=TAG, scope="secrets", body=RevealBody, answers={200: RevealAnswer}, refusals=(404,))
def reveal(ask: Ask) -> Reply:
    """See a secret that counts now. Who saw it, and when, is on record before it is shown; passwords of people cannot be seen."""
    value = place().vault.reveal(ask.body.name, ask.who.name, place().revision())
    log.warning("the secret %s was shown to %s", ask.body.name, ask.who.name)
    return Reply({"name": ask.body.name, "value": value})


@operation("POST", "/secrets/sign-in", id="secrets.sign-in", tag=TAG, scope="secrets", body=SignInBody, answers={200: SignInResult}, refusals=(404,))
def sign_in(ask: Ask) -> Reply:
    """What to type into the phones of an extension. Server, user names and passwords; that they were shown is on record."""
    return Reply(ask_engine("devices.sign-in", extension=ask.body.extension, by=ask.who.name[:80]))


@operation("GET", "/secrets/reveals", id="secrets.reveals", tag=TAG, scope="secrets", query=PageQuery, answers={200: Filled(RevealItem, listed=True)})
def reveals(ask: Ask) -> Reply:
    """Who saw which secret, newest first."""
    seen = list(enumerate(place().vault.reveals()))
    seen = seen[: read_number(ask.query.cursor)]
    found = cut(seen[::-1], ask.query.limit, lambda row: str(row[0]))
    return Reply({**found, "items": [{"time_unix_s": each.time, "name": each.name, "who": each.who} for _, each in found["items"]]})
