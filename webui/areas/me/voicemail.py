"""Tab Voicemail, which is where a user is at home: his messages and his greeting."""

from __future__ import annotations

from flask import abort, render_template, request

from webui.areas.calls.words import length
from webui.areas.me import AREA, mine
from webui.i18n import gettext, lazy_gettext
from webui.later import late, later
from webui.voicemail import contents, serve, told

AREA.tab("index", lazy_gettext("Voicemail"), 10)


@AREA.get("/")
def index() -> str:
    asked, boxes = request.args.get("box", ""), mine.mailboxes()
    return _page(asked if asked in boxes else next(iter(boxes), ""), "")


@AREA.get("/voicemail/<key>")
def mailbox(key: str) -> str:
    _may(key)
    return _page(key, "")


def _may(key: str) -> None:
    """Another's box is none: its address tells nothing, not even that it is there."""
    if key not in mine.mailboxes():
        abort(404)


def _page(key: str, fault: str) -> str:
    boxes, user = mine.mailboxes(), mine.user()
    found = contents(key) if key else None
    if found is not None and found.lost is not None and late(found.lost):
        return later(gettext("Voicemail"), "me")
    greeting = boxes[key].greeting if key else None
    audio = mine.site().audio.get(greeting) if greeting else None
    return render_template(
        "me/voicemail.html", user=user, boxes=boxes, key=key, found=found, fault=fault, told=told, length=length, recording=audio.name if audio else "",
    )  # fmt: skip


serve(AREA, "/voicemail", _may, _page)
