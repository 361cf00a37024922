"""The site document over the API: the whole, every kind of object, every group of settings. Nothing here knows any of them by name but who administers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, get_args

from pydantic import Field, create_model
from typing_extensions import TypedDict

from appliance.errors import Conflict, DocumentError, NotFound, Problem
from appliance.site.administrators import check_somebody_stays
from appliance.site.canonical import canonical_object
from appliance.site.editing import Written
from appliance.site.model.access import Administrator
from appliance.site.model.base import Id, Part
from appliance.site.model.site import Site
from appliance.site.paths import GROUPS, KINDS, SITE, TOP, Loc, find, put, remove, version_of
from appliance.site.secrets import SLOTS, Slot, split
from appliance.site.store import SiteStore
from appliance.site.wording import close, path_of
from webui.api.problems import Refused
from webui.api.v1.body import LARGEST_SITE
from webui.api.v1.conditions import expected
from webui.api.v1.operation import IF_MATCH, IF_NONE_MATCH, Ask, Document, Filled, Reply, operation
from webui.api.v1.paging import PageQuery, Query, page
from webui.api.v1.shapes import ProblemItem, problem_items
from webui.place import place

TAG = "Site"
ID = next(part.pattern for part in Id.__metadata__ if getattr(part, "pattern", None))  # type: ignore[attr-defined]  # of an Annotated
ACCESS = next(kind for kind in KINDS if get_args(Site.model_fields[kind].annotation)[1] is Administrator)
"""Writing these decides who may do everything, so it takes a scope of its own."""
_TRIES = 5

_top: dict[str, Any] = {name: (Site.model_fields[name].annotation, Site.model_fields[name]) for name in TOP}
Settings = create_model("Settings", __base__=Part, __doc__="The fields at the top of the site, and its interfaces.", **_top)


class ObjectAnswer(TypedDict):
    """An object. `value` fits its schema unless `problems` says otherwise: the candidate may hold mistakes until a commit.

    `version` stands in the ETag as well. `secrets`: which of its write-only fields the vault has. `problems`: what a commit would refuse in it.
    """

    id: str
    version: int
    value: Any
    secrets: list[str]
    problems: list[ProblemItem]


class SettingsAnswer(TypedDict):
    """Settings there is one of. `value` fits its schema unless `problems` says otherwise. `version` stands in the ETag as well."""

    version: int
    value: Any
    problems: list[ProblemItem]


class SiteQuery(Query):
    revision: int = Field(default=0, ge=0, le=10**9, description="A revision that is kept, instead of the candidate; 0: the candidate.")


# ---- the whole ---------------------------------------------------------------------------------------------------

_WHOLE = Filled(SettingsAnswer, Site)


@operation(
    "GET", "/site", id="site.get", tag=TAG, scope="read", query=SiteQuery, answers={200: _WHOLE, 304: None}, refusals=(404,), conditions=(IF_NONE_MATCH,)
)
def get_site(ask: Ask) -> Reply:
    """The whole site, without secrets. The candidate as it is edited, or a revision that is kept."""
    if number := ask.query.revision:
        value = SiteStore(place().data / "site").read(number).model_dump(mode="json")
        return Reply({"version": version_of(value), "value": value, "problems": []}, version=version_of(value))
    return _whole()


@operation(
    "PUT", "/site", id="site.put", tag=TAG, scope="write", body=Document(Site, largest=LARGEST_SITE),
    answers={200: _WHOLE}, refusals=(409, 428), conditions=(IF_MATCH,),
)  # fmt: skip
def put_site(ask: Ask) -> Reply:
    """Replace the whole candidate, as an import does. Every mistake in the document is told, and nothing is taken then. Write-only fields may stand in it."""
    before = place().document()
    if "access" not in ask.who.scopes and (_administrators(ask.body) != _administrators(before) or _sets_password(ask.body)):
        raise Refused(403, "scope", "This would change who administers the box", "it takes the scope access")
    _check_administrators(ask.body)
    place().editor(ask.who.name).replace(ask.body, expected("site", version_of(before), needed=True))
    return _whole()


def _whole() -> Reply:
    value = place().document()
    return Reply({"version": version_of(value), "value": value, "problems": problem_items(place().problems())}, version=version_of(value))


def _check_administrators(document: Mapping[str, Any], gone: Collection[str] = ()) -> None:
    """Raises DocumentError where nobody would be left who administers. `document` may hold write-only fields; `gone`: secrets that go with the next commit."""
    bare, given, _ = split(document)
    check_somebody_stays(place().document(), bare, {*place().secrets_to_come(), *given}.difference(gone), place().secrets_to_come())


def _administrators(document: Mapping[str, Any]) -> Any:
    return canonical_object((ACCESS,), split(document)[0].get(ACCESS) or {})[0]


def _sets_password(document: Mapping[str, Any]) -> bool:
    found = document.get(ACCESS)
    fields = {slot.field for slot in SLOTS if slot.kind == ACCESS}
    return isinstance(found, Mapping) and any(fields & held.keys() for held in found.values() if isinstance(held, Mapping))


# ---- kinds of objects --------------------------------------------------------------------------------------------


def _add_kind(kind: str) -> None:
    model = get_args(Site.model_fields[kind].annotation)[1]
    what, tag = model.__name__.lower(), kind.capitalize()
    writes = "access" if kind == ACCESS else "write"
    places = {"id": Id}
    one = Filled(ObjectAnswer, model)

    @operation(
        "GET", f"/{kind}", id=f"{kind}.list", tag=tag, scope="read", query=PageQuery, answers={200: Filled(ObjectAnswer, model, listed=True)},
        words=f"The {kind}, by id. As the candidate has them.",
    )  # fmt: skip
    def listed(ask: Ask) -> Reply:
        found = page(sorted(place().kind(kind).items()), lambda row: row[0], ask.query)
        return Reply({**found, "items": [_item((kind, id), held) for id, held in found["items"]]})

    @operation(
        "GET", f"/{kind}/{{id}}", id=f"{kind}.get", tag=tag, scope="read", places=places, answers={200: one, 304: None},
        conditions=(IF_NONE_MATCH,), words=f"One {what}. As the candidate has it.",
    )  # fmt: skip
    def got(ask: Ask, id: str) -> Reply:
        held = _held((kind, id))
        return Reply(_item((kind, id), held), version=version_of(held))

    @operation(
        "PUT", f"/{kind}/{{id}}", id=f"{kind}.put", tag=tag, scope=writes, places=places, body=Document(model),
        answers={200: one, 201: one}, refusals=(409, 428), conditions=(IF_MATCH, IF_NONE_MATCH),
        words=f"Make a new {what}, or replace one as a whole. Fields left out get their defaults; a write-only field left out stays as it is. "
        "If-None-Match: * makes it only where it is new; one that is there is replaced only with If-Match.",
    )  # fmt: skip
    def replaced(ask: Ask, id: str) -> Reply:
        held = place().kind(kind).get(id)
        written = _write(ask, (kind, id), ask.body, expected(path_of((kind, id)), version_of(held), needed=True))
        status, location = (201, f"/{kind}/{id}") if held is None else (200, "")
        return Reply(_item((kind, id), written.value), status, written.version, location)

    @operation(
        "PATCH", f"/{kind}/{{id}}", id=f"{kind}.patch", tag=tag, scope=writes, places=places, body=Document(model, merge=True),
        answers={200: one}, refusals=(409,), conditions=(IF_MATCH,),
        words=f"Change some fields of one {what}. A merge patch (RFC 7396): null takes a field back to its default, and a write-only field away with the next "
        "commit. Without If-Match it is applied to whatever is there.",
    )  # fmt: skip
    def patched(ask: Ask, id: str) -> Reply:
        written = _patch(ask, (kind, id))
        return Reply(_item((kind, id), written.value), version=written.version)

    @operation(
        "DELETE", f"/{kind}/{{id}}", id=f"{kind}.delete", tag=tag, scope=writes, places=places, answers={204: None},
        refusals=(409,), conditions=(IF_MATCH,), words=f"Delete one {what} from the candidate. What still refers to it is told by a check.",
    )  # fmt: skip
    def deleted(ask: Ask, id: str) -> Reply:
        path = path_of((kind, id))
        wanted = expected(path, version_of(_held((kind, id))), needed=False)
        if kind == ACCESS:
            _check_administrators(remove(place().document(), (kind, id)))
        place().editor(ask.who.name).delete(path, wanted)
        return Reply(status=204)


# ---- settings there is one of ------------------------------------------------------------------------------------


def _add_group(loc: Loc, at: str, model: type[Part], what: str) -> None:
    one = Filled(SettingsAnswer, model)

    @operation(
        "GET", at, id=f"{at[1:]}.get", tag=TAG, scope="read", answers={200: one, 304: None}, conditions=(IF_NONE_MATCH,),
        words=f"{what}. As the candidate has them.",
    )  # fmt: skip
    def got(ask: Ask) -> Reply:
        held = _held(loc)
        return Reply(_group(loc, held), version=version_of(held))

    @operation(
        "PUT", at, id=f"{at[1:]}.put", tag=TAG, scope="write", body=Document(model), answers={200: one}, refusals=(409, 428), conditions=(IF_MATCH,),
        words=f"Replace {what[0].lower()}{what[1:]}. Fields left out get their defaults.",
    )  # fmt: skip
    def replaced(ask: Ask) -> Reply:
        written = _write(ask, loc, ask.body, expected(path_of(loc), version_of(_held(loc)), needed=True))
        return Reply(_group(loc, written.value), version=written.version)

    @operation(
        "PATCH", at, id=f"{at[1:]}.patch", tag=TAG, scope="write", body=Document(model, merge=True), answers={200: one}, refusals=(409,),
        conditions=(IF_MATCH,), words=f"Change some of {what[0].lower()}{what[1:]}. A merge patch (RFC 7396): null takes a field back to its default.",
    )  # fmt: skip
    def patched(ask: Ask) -> Reply:
        written = _patch(ask, loc)
        return Reply(_group(loc, written.value), version=written.version)


# ---- shared ------------------------------------------------------------------------------------------------------


def _held(loc: Loc) -> Any:
    """The object as the candidate has it. Raises NotFound."""
    if len(loc) == 1:
        return find(place().document(), loc)
    kind, id = str(loc[0]), str(loc[1])
    held = place().kind(kind).get(id)
    if held is None:
        raise NotFound(f"There is no {path_of(loc)}" if re.fullmatch(ID, id) else f"This cannot be the id of one of the {kind}", close(id, place().kind(kind)))
    return held


def _write(ask: Ask, loc: Loc, value: Mapping[str, Any], wanted: int | None) -> Written:
    """Write a whole object. What is wrong with its own fields is refused; what it refers to may follow later. Raises DocumentError, Conflict."""
    weak: tuple[Problem, ...] = ()
    bare: Any = value
    if loc == SITE:
        weak = tuple(Problem(name, "is not a known field", close(name, TOP)) for name in value if name in Site.model_fields and name not in TOP)
    else:
        document, _, weak = split(put({}, loc, value))
        bare = find(document, loc)
    problems = (*weak, *canonical_object(loc, bare)[1])
    if problems:
        raise DocumentError("The body is not what this takes", problems)
    if loc[0] == ACCESS:
        _check_administrators(put(place().document(), loc, value))
    return place().editor(ask.who.name).set(path_of(loc), dict(value), wanted)


def _patch(ask: Ask, loc: Loc) -> Written:
    """Without a condition the patch is made on whatever is there, so that two who change different fields need not know of each other."""
    gone = [slot for slot in _slots(loc) if slot.field in ask.body and ask.body[slot.field] is None]
    if loc[0] == ACCESS and gone:
        _check_administrators(place().document(), [slot.name(str(loc[1])) for slot in gone])
    left = _TRIES
    while True:
        held, left = _held(loc), left - 1
        wanted = expected(path_of(loc), version_of(held), needed=False)
        try:
            written = _write(ask, loc, merged(held, ask.body), version_of(held) if wanted is None else wanted)
            break
        except Conflict:
            if wanted is not None or not left:
                raise
    for slot in gone:
        place().editor(ask.who.name).delete(slot.name(str(loc[1])))
    return written


def merged(value: Any, patch: Any) -> Any:
    """RFC 7396 section 2."""
    if not isinstance(patch, dict):
        return patch
    made = dict(value) if isinstance(value, Mapping) else {}
    for key, item in patch.items():
        if item is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), item)
    return made


def _slots(loc: Loc) -> list[Slot]:
    return [slot for slot in SLOTS if len(loc) == 2 and slot.kind == loc[0] and not slot.only]


def _item(loc: Loc, held: Any) -> dict[str, Any]:
    names = place().secret_names()
    return {"id": loc[1], **_group(loc, held), "secrets": [slot.field for slot in _slots(loc) if slot.name(str(loc[1])) in names]}


def _group(loc: Loc, held: Any) -> dict[str, Any]:
    return {"version": version_of(held), "value": held, "problems": problem_items([problem for problem in place().problems() if _within(problem.path, loc)])}


def _within(path: str, loc: Loc) -> bool:
    heads = TOP if loc == SITE else (path_of(loc),)
    return any(path == head or path.startswith((f"{head}.", f"{head}[")) for head in heads)


for _kind in KINDS:
    _add_kind(_kind)
for _name in GROUPS:
    _annotation = Site.model_fields[_name].annotation
    assert isinstance(_annotation, type)
    _add_group((_name,), f"/{_name}", _annotation, f"The settings of {_name}")
_add_group(SITE, "/settings", Settings, "The fields at the top of the site")
