"""Recordings and opening hours over the API: sounds in and out, texts spoken, what is open when, and who uses an object."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal

from flask import Response, send_file
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from appliance.errors import DocumentError, NotFound, Problem
from appliance.site import media
from appliance.site.hours import outlook, wall_clock, zone_of
from appliance.site.leads import Leads
from appliance.site.media import media_path
from appliance.site.model.base import Id
from appliance.site.model.flows import Schedule
from appliance.site.paths import KINDS
from appliance.site.sentences import Names
from appliance.site.uses import uses
from appliance.site.wording import close, path_of, quoted, translate
from webui.api.v1.document import ID
from webui.api.v1.operation import Ask, File, Filled, Media, Reply, operation
from webui.api.v1.paging import PageQuery, Query, page
from webui.place import place
from webui.uploads import MOST_BYTES, received

AUDIO, SCHEDULES = "Audio", "Schedules"
PLACES = {"id": Id}


class SoundItem(TypedDict):
    """A recording of the candidate. `seconds`, `bytes` None: its file is missing. `uses`: paths of what plays it."""

    id: str
    name: str
    sha256: str
    seconds: float | None
    bytes: int | None
    uses: list[str]


class SoundQuery(Query):
    name: str = Field(default="", max_length=80, description="What a new recording is called; empty: as its id. One that is there keeps its name.")


class SpeechBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1, max_length=2000, description="What is said.")
    language: str = Field(default="", max_length=20, description="A voice of the box, like en-us, de or fr; empty: the site's.")
    name: str = Field(default="", max_length=80, description="What a new recording is called; empty: as its id. One that is there keeps its name.")


class OutlookAnswer(TypedDict):
    """How a schedule stands at `time`, what it changes to next (`until`, `then`) and when that ends; moments by the clock of the site, in `time_zone`.

    `holiday`: the name of the holiday it is, None: it is none. None for `until`: nothing changes within a year.
    """

    time: str
    time_zone: str
    state: Literal["open", "closed", "holiday"]
    holiday: str | None
    until: str | None
    then: Literal["open", "closed", "holiday"] | None
    then_until: str | None


class OutlookQuery(Query):
    time: str = Field(default="", max_length=40, description="Like 2026-12-24T18:00, by the clock of the site; empty: now.")


class UseItem(TypedDict):
    """A place that names the object, as a path and in words."""

    path: str
    words: str


class StopItem(TypedDict):
    """A place a call comes to. `kind`: a kind of objects, `number` (outside), `extension` (one that nobody has), `hang-up` or `none`.

    `lost`: the caller reaches nobody there.
    """

    kind: str
    id: str
    words: str
    lost: bool


class LeadsAnswer(TypedDict):
    """`levels`: the stops of a call, by how many hops they are away."""

    levels: list[list[StopItem]]


class UsesAnswer(TypedDict):
    uses: list[UseItem]


@operation("GET", "/sounds", id="sounds.list", tag=AUDIO, scope="read", query=PageQuery, answers={200: Filled(SoundItem, listed=True)})
def sounds(ask: Ask) -> Reply:
    """The recordings of the candidate with their length and size, by id."""
    found = page(sorted(place().kind("audio")), lambda id: id, ask.query)
    return Reply({**found, "items": [_sound(id) for id in found["items"]]})


@operation("GET", "/audio/{id}/sound", id="sound.get", tag=AUDIO, scope="read", places=PLACES, answers={200: Media("audio/wav")})
def sound(ask: Ask, id: str) -> Response:
    """The recording as a WAV file, as the box plays it. As the candidate has it."""
    sha256 = str(_audio(id).get("sha256", ""))
    path = media_path(place().data, sha256)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not path.is_file():
        raise NotFound(f"The file of the recording {id} is missing", f"put it again: PUT /api/v1/audio/{id}/sound")
    return send_file(path, "audio/wav", as_attachment=True, download_name=f"{id}.wav", conditional=False, etag=False)


@operation(
    "PUT", "/audio/{id}/sound", id="sound.put", tag=AUDIO, scope="write", places=PLACES, query=SoundQuery, body=File(("audio/",), MOST_BYTES),
    answers={200: SoundItem, 201: SoundItem}, refusals=(409,),
)  # fmt: skip
def put_sound(ask: Ask, id: str) -> Reply:
    """Make a recording of the file that is the body, or replace the sound of one. WAV, MP3, FLAC, OGG or AIFF, 15 minutes at most; the Content-Type may be any
    of audio as well."""
    _may_be(id)
    return _keep(ask, id, ask.query.name, received(ask.body, id)[0])


@operation(
    "POST", "/audio/{id}/speech", id="sound.speak", tag=AUDIO, scope="write", places=PLACES, body=SpeechBody,
    answers={200: SoundItem, 201: SoundItem}, refusals=(409,), heavy=True,
)  # fmt: skip
def speak(ask: Ask, id: str) -> Reply:
    """Make a recording of a text that the box speaks, or replace the sound of one."""
    _may_be(id)
    asked: SpeechBody = ask.body
    voice = asked.language or str(place().document().get("language") or "en-us")
    return _keep(ask, id, asked.name, media.speak(place().data, asked.text, voice)[0])


@operation(
    "GET", "/schedules/{id}/outlook", id="schedule.outlook", tag=SCHEDULES, scope="read", places=PLACES, query=OutlookQuery, answers={200: OutlookAnswer},
    refusals=(404,),
)  # fmt: skip
def schedule_outlook(ask: Ask, id: str) -> Reply:
    """Whether a schedule is open now or at another moment, until when, and what comes then. As the candidate has it."""
    document, there = place().document(), place().kind("schedules")
    if id not in there:
        raise NotFound(f"There is no schedule {quoted(id)}", close(id, there))
    try:
        schedule = Schedule.model_validate(there[id])
    except ValidationError as error:
        raise DocumentError(f"the schedule {id} cannot be read", translate(error, ("schedules", id))) from None
    at = _moment(ask.query.time) if ask.query.time else wall_clock(document)
    return Reply({"time": at.isoformat(timespec="minutes"), "time_zone": str(zone_of(document)), **outlook(schedule, at).as_dict()})


@operation("GET", "/numbers/{id}/leads", id="number.leads", tag="Numbers", scope="read", places=PLACES, answers={200: LeadsAnswer})
def number_leads(ask: Ask, id: str) -> Reply:
    """Where a call to an incoming number can lead, hop by hop. An outline of the candidate; a simulation says what becomes of one call."""
    document, there = place().document(), place().kind("numbers")
    if id not in there:
        raise NotFound(f"There is no number {quoted(id)}", close(id, there))
    names = Names(document)
    levels = Leads(document).behind(there[id].get("destination"))
    stops = [[{"kind": stop.kind, "id": stop.id, "words": stop.words(names), "lost": stop.lost} for stop in level] for level in levels]
    return Reply({"levels": stops})


@operation("GET", "/uses/{kind}/{id}", id="uses.list", tag="Site", scope="read", places=PLACES, answers={200: UsesAnswer})
def used(ask: Ask, kind: str, id: str) -> Reply:
    """Who names an object of the candidate. A commit is refused where something names one that is gone."""
    document = place().document()
    if kind not in KINDS:
        raise NotFound(f"There is no kind {quoted(kind)}", close(kind, KINDS) or f"one of {', '.join(KINDS)}")
    names = Names(document)
    found = [{"path": path_of(loc), "words": names.subject(tuple(part for part in loc if isinstance(part, str)))} for loc in uses(document, kind, id)]
    return Reply({"uses": found})


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong("time", "is not a moment", "for example 2026-12-24T18:00") from None
    if not 1970 <= found.year <= 9000:
        raise _wrong("time", "is too far away", "a year from 1970 to 9000")
    return found.astimezone(zone_of(place().document())).replace(tzinfo=None) if found.tzinfo is not None else found


def _wrong(name: str, sentence: str, hint: str) -> DocumentError:
    return DocumentError("The query is not what this takes", (Problem(name, sentence, hint),))


def _may_be(id: str) -> None:
    """Refuse what cannot be an id before anything is converted. Raises NotFound."""
    if not re.fullmatch(ID, id):
        raise NotFound(f"{quoted(id)} cannot be the id of a recording", 'small letters, digits and hyphens: "main-menu"')


def _audio(id: str) -> Any:
    there = place().kind("audio")
    if id not in there:
        raise NotFound(f"There is no recording {quoted(id)}", close(id, there) or "GET /api/v1/sounds lists them")
    return there[id]


def _keep(ask: Ask, id: str, name: str, sha256: str) -> Reply:
    """Only the sound changes where it was there: others may have written the rest meanwhile."""
    there = id in place().kind("audio")
    editor = place().editor(ask.who.name)
    if there:
        editor.set(f"audio.{id}.sha256", sha256)
    else:
        editor.set(f"audio.{id}", {"name": name or id, "sha256": sha256}, 0)
    return Reply(_sound(id), 200 if there else 201, location="" if there else f"/audio/{id}")


def _sound(id: str) -> dict[str, Any]:
    held = _audio(id)
    sha256 = str(held.get("sha256", ""))
    seconds, size = media.seconds(place().data, sha256), media.file_bytes(place().data, sha256)
    paths = [path_of(loc) for loc in uses(place().document(), "audio", id)]
    return {"id": id, "name": str(held.get("name", "")), "sha256": sha256, "seconds": seconds, "bytes": size, "uses": paths}
