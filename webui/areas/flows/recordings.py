"""Recordings: the list to listen to, one to rename, replace or download, a new one of a file or a text, and an end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal
from flask import Response, abort, g, redirect, render_template, request, send_file, url_for
from flask_babel import get_locale
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import HoldfastError, Problem
from appliance.site import media
from appliance.site.media import MAX_SECONDS, media_path
from webui.areas.flows import AREA
from webui.forms import Field, Form, Text
from webui.forms.fields import Unfit
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext, sort_key
from webui.i18n import lazy_gettext as _l
from webui.listing import listed, marks
from webui.place import place
from webui.uploads import MOST_BYTES, received
from webui.uses import Use, used_by, uses_of

AREA.tab("recordings", lazy_gettext("Recordings"), 30, lambda: len(place().kind("audio")))
VOICES = ("en-us", "en-gb", "fr", "it", "sv", "de", "es", "es-419", "pt", "pt-br", "nl", "da", "nb", "fi", "pl")
"""Of espeak-ng, which has many more; the site's own comes first."""
MOST_TEXT = 2000


class SoundField(Field):
    """The hash of a recording; what is sent is a file, or a text for the box to speak. What was converted once is kept through every mistake elsewhere."""

    def read(self, raw: Any) -> Any:
        sent, text = request.files.get("file"), request.form.get("text", "").strip()
        try:
            if request.form.get("how") == "text":
                if text:
                    return media.speak(place().data, text[:MOST_TEXT], request.form.get("language", "")[:20])[0]
                missing = gettext("A text is missing.")
            else:
                if sent is not None and sent.filename:
                    return received(sent.stream, PurePath(sent.filename.replace("\\", "/")).name[:200])[0]
                missing = gettext("Choose a sound file.")
        except HoldfastError as error:
            raise Unfit(error.sentence, error.hint) from error
        if not raw:
            raise Unfit(missing)
        return raw


class RecordingForm(Form):
    kind = "audio"
    fields = (
        Text(name="name", label=_l("Name"), help=_l("Empty: that of the file."), attributes={"autocomplete": "off", "maxlength": "80"}),
        SoundField(name="sha256", label=_l("Sound")),
    )

    @classmethod
    def _given(cls) -> tuple[MultiDict[str, str] | None, bool]:
        given, kept = super()._given()
        sent = request.files.get("file") if request.method == "POST" else None
        if given is not None and sent is not None and sent.filename and not given.get("name", "").strip():
            given = MultiDict(list(given.items(multi=True)))
            given["name"] = PurePath(sent.filename.replace("\\", "/")).stem[:80]
        return given, kept

    def _read(self) -> dict[str, Any]:
        """The name must be one of its own: steps of flows choose recordings by it."""
        row, own = self["name"], self.path.partition(".")[2]
        name = str(row.value).strip().casefold()
        if any(key != own and str(held.get("name", "")).casefold() == name for key, held in place().kind("audio").items()):
            taken = gettext("There is a recording of this name already.")
            row.problems.append(Problem("name", taken, gettext("Choose another name, or open that one and replace its sound.")))
        typed = super()._read()
        self["sha256"].value = typed.get("sha256", self["sha256"].value)
        return typed

    @property
    def waits(self) -> bool:
        """A sound came in and is not saved, for something else is wrong."""
        return bool(self.given is not None and self["sha256"].value and self["sha256"].value != self.held.get("sha256"))


@dataclass(frozen=True, slots=True)
class Row:
    """A recording. `length` "" : its file is missing."""

    key: str
    name: str
    sha256: str
    length: str
    size: str
    uses: tuple[Use, ...]
    state: str
    words: str


@AREA.get("/recordings/")
def recordings() -> str:
    return listed("flows/recordings.html", _rows())


@AREA.route("/recordings/new", methods=["GET", "POST"])
def new_recording() -> AnyResponse | str | tuple[str, int]:
    return _edit(RecordingForm.new(), "")


@AREA.route("/audio/<key>", methods=["GET", "POST"])
def recording(key: str) -> AnyResponse | str | tuple[str, int]:
    return _edit(RecordingForm.at(f"audio.{key}"), key)


@AREA.post("/audio/<key>/delete")
def delete_recording(key: str) -> AnyResponse | tuple[str, int]:
    held = place().kind("audio").get(key, {})
    if used_by("audio", key):
        g.notice = gettext("It is still used, so it was not deleted. Choose another recording there first.")
    elif delete(f"audio.{key}", gettext("%(name)s is deleted, not applied.", name=held.get("name") or key)):
        return redirect(url_for("flows.recordings"), 303)
    return _page(RecordingForm.at(f"audio.{key}"), key), 409


@AREA.get("/sounds/<sha256>.wav")
def sound(sha256: str) -> Response:
    """A recording to listen to; by its hash, so that one that is not saved yet can be heard, too."""
    path = media_path(place().data, sha256)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not path.is_file():
        abort(404, description=gettext("There is no such recording"))
    return send_file(path, "audio/wav", conditional=True, etag=sha256)


def _edit(form: RecordingForm, key: str) -> AnyResponse | str | tuple[str, int]:
    if form.save():
        return redirect(url_for("flows.recording", key=form.path.partition(".")[2]), 303)
    return _page(form, key)


def _page(form: RecordingForm, key: str) -> str:
    held, waiting = str(form.held.get("sha256", "")), str(form["sha256"].value)
    typed = request.form if form.given is not None else MultiDict[str, str]()
    return render_template(
        "flows/recording.html", form=form, key=key, changed=place().pending().touches(f"audio.{key}"), uses=used_by("audio", key) if key else [],
        held=held, length=length(held), size=size(held), waiting=waiting if form.waits and length(waiting) else "", waiting_length=length(waiting),
        how=typed.get("how", "file"), text=typed.get("text", "")[:MOST_TEXT], voices=_voices(), voice=typed.get("language", ""),
        most_bytes=MOST_BYTES, most_minutes=MAX_SECONDS // 60, most_text=MOST_TEXT,
    )  # fmt: skip


def length(sha256: str) -> str:
    """`1:05`; "" : there is no such file."""
    seconds = media.seconds(place().data, sha256)
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}" if seconds >= 1 else "0:01"


def size(sha256: str) -> str:
    """`320 kB`, `1.2 MB`."""
    count = media.file_bytes(place().data, sha256) or 0
    number = format_decimal(count / 1e6, "0.0", locale=get_locale()) if count >= 1e6 else str(max(1, round(count / 1e3)))
    return f"{number} {'MB' if count >= 1e6 else 'kB'}"


def _voices() -> list[tuple[str, str]]:
    """The languages the box is offered to speak in, the site's own first."""
    own = str(place().document().get("language") or VOICES[0])
    return [(each, _language(each)) for each in dict.fromkeys((own, *VOICES))]


def _language(code: str) -> str:
    try:
        return str(Locale.parse(code, sep="-").get_display_name(get_locale()) or code)
    except (ValueError, UnknownLocaleError):
        return code


def _rows() -> list[Row]:
    uses, changes = uses_of("audio"), marks("audio")
    rows = []
    for key, held in place().kind("audio").items():
        name, sha256 = str(held.get("name") or key), str(held.get("sha256", ""))
        rows.append(Row(key, name, sha256, length(sha256), size(sha256), tuple(uses.get(key, ())), changes.get(key, ""), f"{key} {name}"))
    return sorted(rows, key=lambda row: sort_key(row.name))
