"""Tab Voicemail: the boxes of one user, with messages and greeting (row K3)."""

from __future__ import annotations

from flask import abort, render_template, request

from webui.areas.calls.words import length
from webui.areas.people import AREA
from webui.later import late, later
from webui.place import place
from webui.voicemail import contents, told


@AREA.get("/users/<key>/voicemail", endpoint="user_voicemail")
def user_voicemail(key: str) -> str:
    held = place().kind("users").get(key)
    if held is None:
        abort(404)
    boxes = {id: str(box.get("name") or id) for id, box in place().kind("mailboxes").items() if box.get("owner") == key}
    box = request.args.get("box", "")
    box = box if box in boxes else next(iter(boxes), "")
    greeting = str(place().kind("mailboxes").get(box, {}).get("greeting") or "")
    recording = str(place().kind("audio").get(greeting, {}).get("name") or "")
    found = contents(box) if box else None
    if found is not None and found.lost is not None and late(found.lost):
        return later(str(held.get("name") or key), "people")
    return render_template("people/voicemail.html", key=key, held=held, boxes=boxes, box=box, found=found, told=told, length=length, recording=recording)
