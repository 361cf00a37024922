"""Voicemail in pages: the messages of one box with their sound, its greeting, and what is done with them. Areas serve them under addresses of their own."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from flask import Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import ControlError, HoldfastError
from appliance.site import media
from webui.areas import Area
from webui.areas.calls.words import length
from webui.engine import engine
from webui.guard import by_script, current
from webui.i18n import gettext
from webui.later import ask
from webui.listing import Page, page
from webui.place import place
from webui.saved import toast
from webui.uploads import received

log = logging.getLogger(__name__)

ANSWER_S = 3.0
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """What the engine knows of one box. `greeting` None: the box is in no revision in force yet. `lost`: why nothing is known."""

    rows: Page[Row]
    greeting: Row | None
    lost: ControlError | None


def contents(key: str) -> Contents:
    """The messages of a box, the newest first, and its greeting."""
    rows: list[Row] = []
    try:
        rows = ask("voicemail.list", mailbox=key)["messages"]
        greeting = ask("voicemail.greeting", mailbox=key)
    except ControlError as error:
        return Contents(page(rows[::-1]), None, None if error.code == "not-found" else error)
    return Contents(page(rows[::-1]), greeting, None)


def serve(area: Area, rule: str, may: Callable[[str], None], shown: Callable[[str, str], str]) -> None:
    """Give `area` the addresses that the macros of voicemail.jinja use, under `rule`/<box>.

    `may(box)` ends the request (404) where the box is not for who asks. `shown(box, fault)` is the page of a box, with what is wrong with a greeting.
    """

    def page_of(box: str) -> str:
        """Where the button was, of this box alone."""
        wanted = request.values.get("back", "")
        return wanted if re.fullmatch(r"/(?![/\\])[!-~]*", wanted) else url_for(f"{area.name}.mailbox", key=box)

    def back(box: str) -> AnyResponse:
        return redirect(page_of(box), 303)

    def message_sound(box: str, id: str) -> Response:
        may(box)
        found = _message(box, id)
        return _stream("voicemail.read", f"{found['id']}.wav", id=found["id"])

    def message_mark(box: str, id: str) -> AnyResponse | str:
        may(box)
        found = _message(box, id)
        method = "voicemail.new" if request.form.get("to") == "new" else "voicemail.heard"
        try:
            found = engine().call(method, id=found["id"])["message"]
        except ControlError as error:
            if by_script():
                return Response(f"{error.sentence}. {error.hint}", 503, content_type="text/plain; charset=utf-8")
            toast(f"{error.sentence}. {error.hint}")
        return render_template("voicemail-state.html", where=area.name, box=box, row=found, back=page_of(box)) if by_script() else back(box)

    def message_ask(box: str, id: str) -> str:
        may(box)
        return render_template(
            "voicemail-delete.html", area=area.name, box=box, row=_message(box, id), name=_name(box), back=page_of(box), told=told, length=length
        )

    def message_delete(box: str, id: str) -> AnyResponse:
        may(box)
        found = _message(box, id)
        try:
            engine().call("voicemail.delete", id=found["id"])
            log.warning("%s deleted the message %s of %s", current().id, found["id"], box)
            toast(gettext("The message is deleted."))
        except ControlError as error:
            toast(f"{error.sentence}. {error.hint}")
        return back(box)

    def greeting_sound(box: str) -> Response:
        may(box)
        return _stream("voicemail.greeting-read", f"{box}-greeting.wav", mailbox=box)

    def greeting_set(box: str) -> AnyResponse | tuple[str, int]:
        may(box)
        sent = request.files.get("sound")
        if sent is None or not sent.filename:
            return shown(box, gettext("Choose a sound file first.")), 422
        try:
            sha256, _ = received(sent.stream, PurePath(sent.filename.replace("\\", "/")).name[:200])
            made = engine().call("voicemail.greeting-set", mailbox=box, sha256=sha256)
            media.collect(place().data)
        except HoldfastError as error:
            return shown(box, f"{error.sentence}. {error.hint[:1].upper()}{error.hint[1:]}."), 503 if error.code == "not-running" else 422
        log.warning("%s gave the voicemail box %s a greeting", current().id, box)
        toast(gettext("Callers hear the new greeting from now on, %(n)d s.", n=round(made["seconds"])))
        return back(box)

    def greeting_clear(box: str) -> AnyResponse:
        may(box)
        try:
            engine().call("voicemail.greeting-clear", mailbox=box)
            toast(gettext("The greeting is removed. The box speaks one of its own."))
        except ControlError as error:
            toast(f"{error.sentence}. {error.hint}")
        return back(box)

    views: tuple[tuple[str, str, Callable[..., Any]], ...] = (
        ("GET", "/messages/<id>.wav", message_sound), ("POST", "/messages/<id>/mark", message_mark), ("GET", "/messages/<id>/delete", message_ask),
        ("POST", "/messages/<id>/delete", message_delete), ("GET", "/greeting.wav", greeting_sound), ("POST", "/greeting", greeting_set),
        ("POST", "/greeting/remove", greeting_clear),
    )  # fmt: skip
    for method, end, view in views:
        area.add_url_rule(f"{rule}/<box>{end}", view.__name__, view, methods=[method])


def told(row: Row) -> str:
    """Whom a message is from."""
    number, name = row["caller"], row["caller_name"]
    return f"{number} {name}".strip() if name != number else str(number)


def _messages(key: str) -> list[Row]:
    found: list[Row] = engine().ask("voicemail.list", ANSWER_S, mailbox=key)["messages"]
    return found


def _message(box: str, id: str) -> Row:
    """The message `id`, which must be one of the box: an id from elsewhere is none. 404 where it is not."""
    found = next((row for row in _messages(box) if row["id"] == id), None)
    if found is None:
        abort(404, description=gettext("There is no such message any more."))
    return found


def _name(box: str) -> str:
    return str(place().kind("mailboxes").get(box, {}).get("name") or box)


# ---- sound -------------------------------------------------------------------------------------------------------


def _stream(method: str, name: str, **named: Any) -> Response:
    """A WAV file that the engine gives in pieces, or the range of it that was asked for (RFC 9110 section 14): players jump, and some play nothing else.

    With the parameter `save` it is saved under `name`.
    """
    source, wanted = engine(), request.range
    asked = wanted.ranges[0][0] if wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1 else None
    first = source.call(method, offset=max(0, asked or 0), **named)
    whole: int = first["bytes"]
    start, stop = 0, whole
    if asked is not None and wanted is not None:
        found = wanted.range_for_length(whole)
        if found is None:
            return Response(status=416, headers={"Content-Range": f"bytes */{whole}"})
        start, stop = found
        if start != max(0, asked):  # the last bytes, counted from the end
            first = source.call(method, offset=start, **named)
    answer = Response(_pieces(lambda offset: source.call(method, offset=offset, **named), first, start, stop), 206 if asked is not None else 200)
    answer.content_type, answer.content_length = "audio/wav", stop - start
    answer.headers["Accept-Ranges"] = "bytes"
    if asked is not None:
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{whole}"
    if request.args.get("save"):
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _pieces(read: Callable[[int], Mapping[str, Any]], piece: Mapping[str, Any], start: int, stop: int) -> Iterator[bytes]:
    at = start
    while True:
        data = base64.b64decode(piece["data"])[: stop - at]
        at += len(data)
        yield data
        if at >= stop or not data:
            return
        piece = read(at)
