"""Voicemail over the API: messages, their sound, and what becomes of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from flask import Response
from pydantic import Field

from appliance.control.client import MessageShape
from appliance.errors import NotFound
from webui.api.v1.operation import Ask, Filled, Media, Reply, operation
from webui.api.v1.paging import PageQuery, page
from webui.api.v1.state import ask_engine
from webui.engine import Engine, engine

TAG = "Voicemail"


class MessagesQuery(PageQuery):
    mailbox: str = Field(default="", max_length=63, description="Of this mailbox alone.")


@operation(
    "GET", "/voicemail", id="voicemail.list", tag=TAG, scope="voicemail", query=MessagesQuery, answers={200: Filled(MessageShape, listed=True)}, refusals=(404,)
)
def listed(ask: Ask) -> Reply:
    """Messages, the oldest first."""
    rows = ask_engine("voicemail.list", mailbox=ask.query.mailbox)["messages"]
    return Reply(page(sorted(rows, key=lambda row: row["id"]), lambda row: row["id"], ask.query))


@operation("GET", "/voicemail/{id}", id="voicemail.get", tag=TAG, scope="voicemail", answers={200: MessageShape})
def got(ask: Ask, id: str) -> Reply:
    """One message."""
    found = next((row for row in ask_engine("voicemail.list", mailbox="")["messages"] if row["id"] == id), None)
    if found is None:
        raise NotFound("There is no such message", "GET /api/v1/voicemail lists them")
    return Reply(found)


@operation("GET", "/voicemail/{id}/audio", id="voicemail.audio", tag=TAG, scope="voicemail", answers={200: Media("audio/wav")})
def audio(ask: Ask, id: str) -> Response:
    """The message as a WAV file. Fetching it does not mark it as heard."""
    source, name = engine(), _id(id)
    first = source.call("voicemail.read", id=name, offset=0)
    pieces = Response(_pieces(source, name, first), content_type="audio/wav")
    pieces.content_length = first["bytes"]
    pieces.headers["Content-Disposition"] = f'attachment; filename="{name}.wav"'
    return pieces


def _pieces(source: Engine, id: str, piece: dict[str, Any]) -> Iterator[bytes]:
    whole, done = piece["bytes"], 0
    while True:
        data = base64.b64decode(piece["data"])
        done += len(data)
        yield data
        if done >= whole or not data:
            return
        piece = source.call("voicemail.read", id=id, offset=done)


@operation("POST", "/voicemail/{id}/heard", id="voicemail.heard", tag=TAG, scope="voicemail", answers={200: MessageShape})
def heard(ask: Ask, id: str) -> Reply:
    """Mark a message as heard. Lamps on phones follow."""
    return Reply(ask_engine("voicemail.heard", id=_id(id))["message"])


@operation("DELETE", "/voicemail/{id}", id="voicemail.delete", tag=TAG, scope="voicemail", answers={204: None})
def deleted(ask: Ask, id: str) -> Reply:
    """Delete a message for good."""
    ask_engine("voicemail.delete", id=_id(id))
    return Reply(status=204)


def _id(id: str) -> str:
    """What can be the id of a message at all; it also stands in the name of a file. Raises NotFound."""
    if len(id) > 100 or not id.isascii() or not id.replace("-", "").isalnum():
        raise NotFound("There is no such message", "GET /api/v1/voicemail lists them")
    return id
