"""A form over one object of the candidate: shown with its version, saved only if it is still the one that was shown, every problem at its field."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from flask import abort, g, request
from werkzeug.datastructures import MultiDict

from appliance.errors import Conflict, DocumentError, NotFound, Problem
from appliance.site.editing import Editor
from appliance.site.paths import SITE, find, parse_path, put, version_of
from appliance.site.secrets import split
from appliance.site.validation import validate
from appliance.site.wording import path_of
from webui.forms.fields import Field, Secret, Section, Unfit
from webui.guard import current, kept_form
from webui.i18n import gettext
from webui.place import place
from webui.removal import followers
from webui.saved import Part, remember, remember_all, toast

GONE = object()


@dataclass(slots=True)
class Bound:
    """A field as a form shows it: `value` as it stands in the control, `problems` beneath. `theirs`: what somebody else made of it meanwhile, in words."""

    field: Field
    value: Any
    problems: list[Problem] = dataclasses.field(default_factory=list)
    theirs: str | None = None
    mine: str = ""
    changed: bool = False
    """Differs from what is in force."""

    @property
    def id(self) -> str:
        return f"f-{self.field.name.replace('.', '-')}"

    @property
    def name(self) -> str:
        return self.field.name

    def choices(self) -> list[tuple[str, Any]]:
        made: list[tuple[str, Any]] = self.field.choices(self.value)  # type: ignore[attr-defined]
        return made


class Form:
    """Subclass it with `kind` (or nothing for settings there is one of) and `fields`. In a view:

        form = UserForm.at(f"users.{key}")          # 404 where there is none; UserForm.new() for a new one
        if form.save():                             # False on GET, and where something is wrong: the form then shows it
            return redirect(url_for("people.index"))
        return render_template("people/user.html", form=form)
    """

    kind: ClassVar[str] = ""
    fields: ClassVar[Sequence[Field | Section]] = ()
    told: ClassVar[bool] = True
    """Saving is said on the next page, with Undo."""

    def __init__(self, path: str, value: Mapping[str, Any] | None, version: int, given: MultiDict[str, str] | None = None) -> None:
        """`path` "" : a new object, whose id `key_for` makes. `given`: what was sent, or kept when a session ended."""
        self.path, self.version, self.given = path, version, given
        self.held: Mapping[str, Any] = value or {}
        self.exists = value is not None
        self.kept = False
        self.conflict = False
        self.deleted = False
        self.problems: list[Problem] = []
        """What is wrong and belongs to no field of this form."""
        self.written: Mapping[str, Any] | None = None
        self._pending = place().pending() if path else None
        self.rows: list[Bound | Section] = [each if isinstance(each, Section) else self._bind(each) for each in self.asked()]

    def asked(self) -> Sequence[Field | Section]:
        """The fields of this very form; override to ask less of some objects."""
        return self.fields

    @classmethod
    def at(cls, path: str) -> Self:
        """The form of an object there is. 404 where there is none."""
        given, kept = cls._given()
        try:
            shown = place().show(path)
        except NotFound as error:
            if given is None:
                abort(404, description=f"{error.sentence}. {error.hint}")
            # Deleted while somebody filled in the form: what was typed can still be saved as a new one.
            form = cls(path, None, _version(given, 0), given)
            form.kept = kept
            return form
        value = shown.value if isinstance(shown.value, Mapping) else {}
        form = cls(path, value, _version(given, shown.version), given)
        form.kept = kept
        return form

    @classmethod
    def new(cls) -> Self:
        """The form of an object to be made."""
        given, kept = cls._given()
        form = cls("", None, 0, given)
        form.kept = kept
        return form

    @classmethod
    def _given(cls) -> tuple[MultiDict[str, str] | None, bool]:
        if request.method == "POST":
            return (request.form, False) if request.form.get("form", cls.__name__) == cls.__name__ else (None, False)
        kept = kept_form()
        if kept is None:
            return None, False
        given: MultiDict[str, str] = MultiDict(list(kept.fields))
        return (given, True) if given.get("form", cls.__name__) == cls.__name__ else (None, False)

    # ---- showing -------------------------------------------------------------------------------------------------

    def bound(self) -> Iterator[Bound]:
        return (row for row in self.rows if isinstance(row, Bound))

    def __getitem__(self, name: str) -> Bound:
        return next(row for row in self.bound() if row.name == name)

    def errors(self) -> list[Bound]:
        """Fields with problems, in the order of the form; the first gets the focus."""
        return [row for row in self.bound() if row.problems]

    @property
    def name(self) -> str:
        return type(self).__name__

    def _bind(self, asked: Field) -> Bound:
        if self.given is not None:
            return Bound(asked, asked.raw(self.given, asked.name))
        value = find(self.held, parse_path(asked.name), GONE)
        row = Bound(asked, asked.show(asked.default() if value is GONE else value))
        row.changed = self._pending is not None and self._pending.touches(self.path, asked.name)
        return row

    # ---- saving --------------------------------------------------------------------------------------------------

    def key_for(self, value: Mapping[str, Any]) -> str:
        """The id of a new object: by its name."""
        return slug(str(value.get("name", "")), self.kind, place().kind(self.kind))

    def complete(self, value: dict[str, Any]) -> dict[str, Any]:
        """The object as it is saved, for what a form derives from other fields."""
        return value

    def save(self) -> bool:
        """Save what was sent. False: nothing was sent, or it is not saved and the form says why."""
        if self.given is None or request.method != "POST":
            return False
        typed = self._read()
        if self.errors():
            return False
        value = dict(self.held)
        for name, read in typed.items():
            value = put(value, parse_path(name), read)
        value = self.complete(value)
        new = not self.path
        path = self.path or path_of((self.kind, self.key_for(value)))
        if self._refused(path, value):
            return False
        try:
            written = place().editor(current().author).set(path, value, 0 if new else self.version)
        except Conflict as conflict:
            self._conflicting(conflict, typed)
            return False
        except DocumentError as error:
            self._place(path, error.problems)
            return False
        self.written = written.value
        if self.told:
            remember(path, self.held if self.exists else None, written.version)
        self.path, self.version = path, written.version
        return True

    def _read(self) -> dict[str, Any]:
        """Field -> value of what was sent; what cannot be read gets its problem. Where somebody chose the other's value, that one."""
        assert self.given is not None
        typed: dict[str, Any] = {}
        for row in self.bound():
            if self.given.get(f"pick:{row.name}") == "theirs":
                held = find(self.held, parse_path(row.name), GONE)
                typed[row.name] = row.field.default() if held is GONE else held
                row.value = row.field.show(typed[row.name])
                continue
            try:
                read = row.field.read(row.value)
            except Unfit as error:
                row.problems.append(Problem(row.name, error.sentence, error.hint))
                continue
            if not (isinstance(row.field, Secret) and read is None):
                typed[row.name] = read
        return typed

    def _refused(self, path: str, value: Mapping[str, Any]) -> bool:
        """Whether the site would find something wrong with a field of this form, or with another object because of it. Older mistakes hinder nobody."""
        document, _, weak = split(put(place().document(), parse_path(path), value))
        before = {(problem.path, problem.sentence) for problem in validate(place().document())[1]}
        _, found = validate(document)
        new = [problem for problem in (*weak, *found) if (problem.path, problem.sentence) not in before or self._row_of(path, problem) is not None]
        return self._place(path, [friendly(problem, path, document) for problem in new])

    def _place(self, path: str, problems: Sequence[Problem]) -> bool:
        """Put problems to their fields, those of no field above them; whether there are any."""
        for problem in problems:
            row = self._row_of(path, problem)
            (row.problems if row is not None else self.problems).append(problem)
        return bool(self.errors() or self.problems)

    def _row_of(self, path: str, problem: Problem) -> Bound | None:
        path = _base(path)
        inside = problem.path.removeprefix(path).lstrip(".") if path else problem.path
        if not _within(problem.path, path):
            return None
        return next((row for row in self.bound() if _within(inside, row.name)), None)

    def _conflicting(self, conflict: Conflict, typed: Mapping[str, Any]) -> None:
        """Show both values of every field that both changed. What only one of the two changed is taken over."""
        self.version, self.conflict = conflict.version, True
        self.deleted = conflict.theirs is None
        theirs = conflict.theirs if isinstance(conflict.theirs, Mapping) else {}
        base = conflict.base if isinstance(conflict.base, Mapping) else None
        if self.deleted:
            return
        self.held = theirs
        for row in self.bound():
            if row.name not in typed or isinstance(row.field, Secret):
                continue
            loc = parse_path(row.name)
            now, mine = find(theirs, loc, row.field.default()), typed[row.name]
            if now == mine:
                continue
            before = find(base, loc, row.field.default()) if base is not None else GONE
            if mine == before:
                row.value = row.field.show(now)
            elif now != before:
                row.theirs, row.mine = row.field.words(now), row.field.words(mine)


def slug(name: str, kind: str, taken: Mapping[str, Any]) -> str:
    """An id made of a name: `Marguerite Fournier` -> `marguerite-fournier`, with a number behind where it is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    word = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-") or kind.rstrip("s") or "object"
    found, number = word, 2
    while found in taken:
        found, number = f"{word}-{number}", number + 1
    return found


def friendly(problem: Problem, path: str, document: Mapping[str, Any]) -> Problem:
    """A problem as the one who edits the object at `path` should read it: "taken by users.luis" names Luis, and stands where it was typed."""
    taken = re.fullmatch(r"(\S+) is taken by ([a-z]+)\.(\S+)", problem.sentence)
    if taken is None:
        return problem
    number, kind, key = taken.groups()
    where = problem.path
    if f"{kind}.{key}" == path:  # the other comes later in the document, so the mistake was found there
        kind, key = [*where.split("."), ""][:2]
        where = f"{path}{problem.path.removeprefix(f'{kind}.{key}')}"
    held = find(document, (kind, key), {})
    name = str(held.get("name") or key) if isinstance(held, Mapping) else key
    return Problem(where, gettext("%(number)s belongs to %(name)s", number=number, name=name), problem.hint)


def delete(path: str, sentence: str) -> bool:
    """Delete the object at `path` in the version the page showed (field `version`). False: somebody changed it meanwhile; the page says so.

    What names it names it no more (webui/removal.py); one Undo brings all of it back.
    """
    editor: Editor = place().editor(current().author)
    kind, _, key = path.partition(".")
    before = place().document()
    try:
        shown = editor.show(path)
        if str(shown.version) != request.form.get("version", ""):
            raise Conflict(path, shown.value, None, shown.version)
        gone = editor.delete(path, shown.version)
    except NotFound:
        return True  # somebody was faster
    except Conflict:
        g.notice = gettext("Somebody changed it meanwhile. Look at it as it is now, then delete it again.")
        return False
    parts = [Part(path, shown.value, gone.version)]
    for other, value in followers(before, kind, key).items():
        held = find(before, parse_path(other), None)
        try:
            parts.append(Part(other, held, editor.set(other, value, version_of(held)).version))
        except Conflict:
            toast(gettext("Somebody changed %(what)s meanwhile, which still names what is deleted. Review says where.", what=other))
    remember_all(parts, sentence)
    return True


def _version(given: MultiDict[str, str] | None, shown: int) -> int:
    sent = given.get("version", "") if given is not None else ""
    return int(sent) if re.fullmatch(r"[0-9]{1,17}", sent) else shown


def _base(path: str) -> str:
    """What the paths of an object's fields begin with: those at the top of the document, which are the object `site`, with nothing."""
    return "" if path == SITE[0] else path


def _within(path: str, place_: str) -> bool:
    return not place_ or path == place_ or path.startswith((f"{place_}.", f"{place_}["))
