"""Voicemail over the API: messages, their sound, and what becomes of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response
from pydantic import Field
from typing_extensions import TypedDict

from appliance.control.client import GreetingResult, MailboxCountShape, MessageShape
from appliance.errors import NotFound, StateError
from appliance.site import media
from webui.api.v1.operation import Ask, File, Filled, Media, Reply, operation
from webui.api.v1.paging import PageQuery, page
from webui.api.v1.state import ask_engine
from webui.engine import engine
from webui.place import place
from webui.uploads import MOST_BYTES, received

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
    return _file("voicemail.read", f"{_id(id)}.wav", id=_id(id))


def _file(method: str, name: str, **named: Any) -> Response:
    """The WAV file that `method` gives in pieces."""
    source = engine()
    first = source.call(method, **named, offset=0)
    pieces = Response(_pieces(lambda offset: source.call(method, **named, offset=offset), first), content_type="audio/wav")
    pieces.content_length = first["bytes"]
    pieces.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return pieces


def _pieces(read: Callable[[int], dict[str, Any]], piece: dict[str, Any]) -> Iterator[bytes]:
    whole, done = piece["bytes"], 0
    while True:
        data = base64.b64decode(piece["data"])
        done += len(data)
        yield data
        if done >= whole or not data:
            return
        piece = read(done)


@operation("POST", "/voicemail/{id}/heard", id="voicemail.heard", tag=TAG, scope="voicemail", answers={200: MessageShape})
def heard(ask: Ask, id: str) -> Reply:
    """Mark a message as heard. Lamps on phones follow."""
    return Reply(ask_engine("voicemail.heard", id=_id(id))["message"])


@operation("POST", "/voicemail/{id}/new", id="voicemail.new", tag=TAG, scope="voicemail", answers={200: MessageShape})
def new(ask: Ask, id: str) -> Reply:
    """Mark a message as new again. Lamps on phones follow."""
    return Reply(ask_engine("voicemail.new", id=_id(id))["message"])


@operation("DELETE", "/voicemail/{id}", id="voicemail.delete", tag=TAG, scope="voicemail", answers={204: None})
def deleted(ask: Ask, id: str) -> Reply:
    """Delete a message for good."""
    ask_engine("voicemail.delete", id=_id(id))
    return Reply(status=204)


# ---- mailboxes and greetings -------------------------------------------------------------------------------------


class CountsAnswer(TypedDict):
    items: list[MailboxCountShape]


@operation("GET", "/voicemail-counts", id="voicemail.counts", tag=TAG, scope="voicemail", answers={200: CountsAnswer})
def counts(ask: Ask) -> Reply:
    """How many new and old messages each mailbox holds."""
    found = ask_engine("voicemail.counts")
    if found["fault"]:
        raise StateError(found["fault"], "check the free space and health of the disk", code="voicemail-disk")
    return Reply({"items": found["mailboxes"]})


@operation("GET", "/mailboxes/{id}/greeting", id="greeting.get", tag=TAG, scope="voicemail", answers={200: GreetingResult})
def greeting(ask: Ask, id: str) -> Reply:
    """What callers of a mailbox hear first."""
    return Reply(ask_engine("voicemail.greeting", mailbox=_mailbox(id)))


@operation("GET", "/mailboxes/{id}/greeting/audio", id="greeting.audio", tag=TAG, scope="voicemail", answers={200: Media("audio/wav")})
def greeting_audio(ask: Ask, id: str) -> Response:
    """The greeting as a WAV file. 404 where the box speaks it."""
    return _file("voicemail.greeting-read", f"{_mailbox(id)}-greeting.wav", mailbox=_mailbox(id))


@operation("PUT", "/mailboxes/{id}/greeting", id="greeting.put", tag=TAG, scope="voicemail", body=File(("audio/",), MOST_BYTES), answers={200: GreetingResult})
def greeting_put(ask: Ask, id: str) -> Reply:
    """Make the sound file that is the body the greeting of a mailbox. WAV, MP3, FLAC, OGG or AIFF, three minutes at most. Callers hear it at once."""
    name = _mailbox(id)
    ask_engine("voicemail.greeting", mailbox=name)  # that there is such a mailbox, before a minute of work
    sha256, _ = received(ask.body, name)
    made = ask_engine("voicemail.greeting-set", mailbox=name, sha256=sha256)
    media.collect(place().data)
    return Reply(made)


@operation("DELETE", "/mailboxes/{id}/greeting", id="greeting.clear", tag=TAG, scope="voicemail", answers={200: GreetingResult})
def greeting_cleared(ask: Ask, id: str) -> Reply:
    """Forget the mailbox's own greeting, given by phone or as a file. What is played then is the answer."""
    return Reply(ask_engine("voicemail.greeting-clear", mailbox=_mailbox(id)))


def _mailbox(id: str) -> str:
    """As `_id`, of a mailbox in force."""
    if len(id) > 63 or not id.isascii() or not id.replace("-", "").replace("_", "").isalnum():
        raise NotFound("There is no such mailbox", "GET /api/v1/mailboxes lists them")
    return id


def _id(id: str) -> str:
    """What can be the id of a message at all; it also stands in the name of a file. Raises NotFound."""
    if len(id) > 100 or not id.isascii() or not id.replace("-", "").isalnum():
        raise NotFound("There is no such message", "GET /api/v1/voicemail lists them")
    return id
