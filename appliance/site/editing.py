"""The one way to change a site, for the command line, the web and the tests: a shared candidate, put into force by a commit.

Works on the data folder alone; whether the engine runs makes no difference. After a change of what is in force (commit, undo, rollback) tell a running engine
by the method `site.activate`; it notices by itself within 2 s as well.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.clock import Moment
from appliance.errors import DocumentError, HoldfastError, NotFound, Problem, StateError
from appliance.site.administrators import check_somebody_stays
from appliance.site.candidate import Candidate
from appliance.site.canonical import canonical_object
from appliance.site.commit import Place, Secrets, go_back, go_back_when_due, put_in_force, restore, under_the_same
from appliance.site.confirm import MAX_MINUTES, Condition
from appliance.site.diff import ABSENT, Change, diff, hidden_changes, undo
from appliance.site.document import parse
from appliance.site.look import Look, expect, look, version_at
from appliance.site.model.site import Site
from appliance.site.paths import SITE, TOP, Loc, check_place, find, has, object_of, parse_path, put, read, remove, version_of
from appliance.site.secrets import SLOTS, fill, judge, possible, split
from appliance.site.store import Revision
from appliance.site.wording import close, path_of
from appliance.site.working import Job

_TRIES = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of the candidate, as JSON values. `version` changes whenever `value` does, and only then; give it back with a write as `expected`."""

    path: str
    value: Any
    version: int


@dataclass(frozen=True, slots=True)
class Written:
    """What a write made of its place: the value as the document holds it (None: gone), its version, and what is wrong with the object's own fields so far."""

    path: str
    value: Any
    version: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a commit would do. `problems` empty: it would be taken. `version`: the candidate's as checked, for `commit(expected=)`.

    `normalised`: what the commit sets right by itself, part of `changes`. `proof`: the emergency proof's own figures.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    changes: tuple[Change, ...]
    normalised: tuple[Change, ...]
    proof: Mapping[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unconfirmed commit: `revision` goes back to the content of `previous` unless somebody confirms within `seconds_left`."""

    revision: int
    previous: int
    minutes: int
    seconds_left: float
    author: str


@dataclass(frozen=True, slots=True)
class Committed:
    """A revision that is current now. `waiting`: it was committed on condition."""

    revision: int
    changes: tuple[Change, ...]
    warnings: tuple[Problem, ...] = ()
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision in the history. `time`: seconds since the epoch by the box's clock. `good`: it is the last that ran well."""

    number: int
    author: str
    comment: str
    time: float
    current: bool
    good: bool


@dataclass(frozen=True, slots=True)
class _Ready:
    """A check's outcome, and what the commit needs beside: the site set right (None where there are problems), and what becomes of secrets."""

    checked: Checked
    site: Site | None
    secrets: Secrets


class Editor:
    """The site in `data` (the box's data folder) as `author` edits it.

    Paths: `users.dana.extension`, `name`, `interfaces[0].address`, `numbers."+1 202"`; "" is the whole document. An *object* is one entry of a kind
    (`users.dana`), a group of settings (`sip`, `outbound`, `emergency`) or `site`: the fields at the top and the interfaces. Values are JSON values; secrets
    (`devices.x.secret`, `trunks.x.secret`, `mailboxes.x.pin`, `users.x.password`) go to the vault, are never shown, and count from the commit on.

    Every method may block for the disk (and `check`, `commit` for seconds): never on an event loop. All raise StateError when the disk refuses.
    """

    def __init__(self, data: Path, author: str) -> None:
        self._data = data
        self._author = author
        self._place = Place.of(data)

    # ---- the candidate -------------------------------------------------------------------------------------------

    def show(self, path: str = "") -> Shown:
        """What the candidate holds at `path`. Raises NotFound with a hint."""
        loc = parse_path(path)
        document = look(self._place).candidate.document
        if not has(document, loc):
            check_place(loc)  # a slip in a field's name gets the better hint
        return Shown(path_of(loc), read(document, loc), version_at(document, loc))

    def set(self, path: str, value: Any, expected: int | None = None) -> Written:
        """Put `value` at `path`, making the object where it is new. `expected`: the version it was read with (0: it must not exist yet).

        A value that does not fit is kept and reported; only a place that cannot exist, and a secret that is not good, are refused. Raises NotFound,
        Conflict, DocumentError.
        """
        loc = parse_path(path)
        if not loc:
            return self.replace(_document(value), expected)
        if is_secret(loc):
            if value is None:
                return self.delete(path, expected)
            read(look(self._place).candidate.document, loc[:2])
        else:
            check_place(loc)
        _check_json(path, value)
        with self._locked():
            seen = look(self._place)
            whole, secrets, problems = split(put(seen.candidate.document, loc, value))
            if problems := problems or self._clashing(secrets, whole, seen):
                raise DocumentError(f"A secret in {path} cannot be used", problems)
            expect(self._place, seen, loc, find(whole, loc), expected)
            document, problems = _tidied(whole, loc)
            self._keep(seen, secrets)
            return self._write(seen.candidate.edited(document, seen.candidate.forget - secrets.keys()), loc, problems)

    def delete(self, path: str, expected: int | None = None) -> Written:
        """Take `path` out: an object, a field (back to its default) or an entry of a list. Raises NotFound, Conflict."""
        loc = parse_path(path)
        with self._locked():
            seen = look(self._place)
            candidate = seen.candidate
            expect(self._place, seen, loc, None, expected)
            if is_secret(loc):
                read(candidate.document, loc[:2])
                self._place.vault.unstage([path_of(loc)])
                return self._write(candidate.edited(candidate.document, candidate.forget | {path_of(loc)}), loc)
            read(candidate.document, loc)
            document, problems = _tidied(remove(candidate.document, loc), loc)
            if len(loc) <= 2:
                self._place.vault.unstage([name for name in self._place.vault.staged() if parse_path(name)[: len(loc)] == loc])
            return self._write(candidate.edited(document), loc, problems)

    def replace(self, document: Mapping[str, Any], expected: int | None = None) -> Written:
        """Make `document` (a whole site as read from a file, secrets allowed) the candidate. `expected`: of `show("")`. Raises DocumentError, Conflict."""
        with self._locked():
            seen = look(self._place)
            site, secrets = parse(document, self._place.vault.names(seen.revision.number, staged=True))
            expect(self._place, seen, (), document, expected)
            self._keep(seen, secrets)
            return self._write(seen.candidate.edited(site.model_dump(mode="json"), frozenset()), ())

    def pending(self) -> tuple[Change, ...]:
        """How the candidate differs from what is in force, staged secrets included; empty when there is nothing to commit."""
        seen = look(self._place)
        return (*diff(seen.document, seen.candidate.document), *self._hidden(seen))

    def discard(self, paths: Sequence[str] = ()) -> tuple[Change, ...]:
        """Drop pending changes at and below `paths` (none named: all of them); returns those dropped. Raises NotFound where nothing is pending."""
        with self._locked():
            try:
                seen = look(self._place)
            except StateError as error:
                if paths or error.code != "candidate":
                    raise
                self._place.candidates.put_aside()
                seen = look(self._place)
            pending = (*diff(seen.document, seen.candidate.document), *self._hidden(seen))
            dropped = _at(pending, paths) if paths else pending
            names = {change.path for change in dropped if change.hidden}
            self._place.vault.prune(seen.revision.number)  # what a commit that was cut short promoted is staged again, and may go
            self._place.vault.unstage([name for name in self._place.vault.staged() if not paths or name in names or _gone_with(name, dropped)])
            if len(dropped) == len(pending):
                self._place.candidates.clear()
            else:
                candidate = seen.candidate
                self._place.candidates.write(candidate.edited(undo(dropped, candidate.document), candidate.forget - names))
            return dropped

    # ---- commit --------------------------------------------------------------------------------------------------

    def check(self) -> Checked:
        """Everything a commit would say, without committing. Raises only when it cannot be checked at all."""
        with Job("check") as job:
            return self._check(look(self._place), job).checked

    def commit(self, comment: str = "", confirm_minutes: int = 0, expected: int | None = None) -> Committed:
        """Make the candidate the current revision. `confirm_minutes` 1-1440: goes back by itself unless `confirm` comes in time; 0: for good, which also
        confirms an unconfirmed commit before it. `expected`: of `Checked.version`; other changes since raise Conflict.

        Raises DocumentError with every problem, HoldfastError "nothing-to-commit". The candidate is as it was in that case.
        """
        if not 0 <= confirm_minutes <= MAX_MINUTES:
            raise HoldfastError(f"{confirm_minutes} minutes cannot be waited for", f"give 1 to {MAX_MINUTES}, or 0 to commit for good", code="minutes")
        self._settle()
        for _ in range(_TRIES):
            with Job("check") as job:
                seen = look(self._place)
                expect(self._place, seen, (), None, expected)
                if not diff(seen.document, seen.candidate.document) and not self._hidden(seen):
                    raise HoldfastError("There is nothing to commit", "change something first: the candidate is what is in force", code="nothing-to-commit")
                ready = self._check(seen, job)
            problems = ready.checked.problems
            if problems or ready.site is None:
                raise DocumentError(f"The candidate has {len(problems)} problem{'s' if len(problems) > 1 else ''}", problems)
            with self._locked():
                if self._place.seal() == seen.seal:
                    return self._put_in_force(seen, ready.site, ready, comment, confirm_minutes)
        raise HoldfastError("The candidate changes faster than it can be checked", "wait until the others are done, then commit again", code="busy")

    def commit_alone(self, path: str, value: Any, comment: str = "", expected: int | None = None) -> Committed:
        """Put `value` at `path` into force at once and leave everything else that is pending as it is, secrets too: what a person may change for himself.

        `expected`: the version of what is in force there. What others have pending at the same place stays pending, for them to apply or discard.

        Raises DocumentError, Conflict, HoldfastError "on-trial" while a commit waits for its confirmation: a second one would confirm it, or go back with it.
        """
        loc = parse_path(path)
        check_place(loc)
        _check_json(path, value)
        self._settle()
        for _ in range(_TRIES):
            seen = look(self._place, tolerant=True)
            if (held := self._place.waiting()) is not None:
                hint = f"save again when that is decided, in {math.ceil(_waiting(held).seconds_left / 60)} min at the latest"
                raise HoldfastError("A change to the whole site is being tried out", hint, code="on-trial")
            force = replace(seen, candidate=Candidate(seen.document))
            expect(self._place, force, loc, value, expected)
            document, problems = _tidied(put(seen.document, loc, value), loc)
            changes = diff(seen.document, document)
            if problems:
                raise DocumentError(f"{path} cannot be put into force", problems)
            if not changes:
                return Committed(seen.revision.number, ())
            with Job("check") as job:
                ready = self._check(replace(force, candidate=Candidate(document)), job)
            if ready.checked.problems or ready.site is None:
                raise DocumentError(f"{path} cannot be put into force", ready.checked.problems)
            with self._locked():
                if self._place.seal() != seen.seal:
                    continue
                pending = seen.candidate
                # The candidate is what is in force where there is none, or a damaged one, which is left as it is.
                if pending.document is not seen.document and find(pending.document, loc, None) == find(seen.document, loc, None):
                    # Killed before the revision counts, it is pending; killed after, it does not show as a change back.
                    self._place.candidates.write(replace(pending, document=put(pending.document, loc, find(document, loc))))
                made = restore(self._place, ready.site, author=self._author, comment=comment, alone=True)
                return Committed(made.number, changes, ready.checked.warnings)
        raise HoldfastError("The site changes faster than it can be checked", "try again in a moment", code="busy")

    def waiting(self) -> Waiting | None:
        """The commit that waits for its confirmation, if any."""
        self._settle()
        held = self._place.waiting()
        return _waiting(held) if held is not None else None

    def confirm(self) -> int:
        """Keep the unconfirmed commit; the revision's number. Raises HoldfastError "nothing-to-confirm"."""
        with self._locked():
            held = self._unconfirmed()
            self._place.conditions.clear()
            return held.last

    def undo(self) -> Committed:
        """Go back now from the unconfirmed commit; its changes are pending again, but for administrators, who stay as they are in force.

        Raises HoldfastError "nothing-to-confirm".
        """
        with self._locked():
            held = self._unconfirmed()
            before = look(self._place, tolerant=True).document
            comment = f"taken back unconfirmed; this is revision {held.previous} again"
            return self._back(before, go_back(self._place, held, author=self._author, comment=comment, by_hand=True))

    def rollback(self, number: int, comment: str = "", discard: bool = False) -> Committed:
        """Make the content of revision `number` current again, as a new revision. Passwords and administrators stay as they are now.

        Raises NotFound, DocumentError (it does not hold by today's rules), HoldfastError "pending" where changes are pending and `discard` is False.
        """
        self._settle()
        old = self._place.store.read(number)
        for _ in range(_TRIES):
            seen = look(self._place, tolerant=discard)
            if not discard and self.pending():
                raise HoldfastError("Changes are pending", "commit or discard them first, or say that they shall be discarded", code="pending")
            site, told = under_the_same(old, seen.site, comment or f"revision {number} again")
            with Job("check") as job:
                ready = self._check(replace(seen, candidate=Candidate(site.model_dump(mode="json"))), job)
            if ready.checked.problems:
                raise DocumentError(f"Revision {number} does not hold any more", ready.checked.problems)
            with self._locked():
                if self._place.seal() != seen.seal:
                    continue
                made = restore(self._place, site, author=self._author, comment=told, discard=True)
                return self._back(seen.document, made)
        raise HoldfastError("The candidate changes faster than it can be checked", "wait until the others are done, then try again", code="busy")

    # ---- revisions -----------------------------------------------------------------------------------------------

    def history(self, limit: int = 50) -> tuple[Entry, ...]:
        """Revisions that were in force, newest first."""
        good, current = self._place.store.last_good(), self._place.store.current_number()
        found = self._place.store.history()[:limit]
        return tuple(Entry(r.number, r.author, r.comment, r.time, r.number == current, r.number == good) for r in found)

    def diff(self, a: int, b: int | None = None) -> tuple[Change, ...]:
        """From revision `a` to revision `b`, or to the candidate. Raises NotFound, StateError."""
        first = self._place.store.read(a).model_dump(mode="json")
        return diff(first, look(self._place).candidate.document if b is None else self._place.store.read(b).model_dump(mode="json"))

    # ---- inside --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The one writer of the site. What is overdue has gone back before."""
        if self._place.store.current_number() is None:
            self._place.store.current()  # an empty folder gets its first revision, for which the store takes the lock itself
        self._settle()
        with self._place.store.locked():
            yield

    def _settle(self) -> None:
        """An unconfirmed commit whose time is over goes back now, even where no engine runs."""
        try:
            go_back_when_due(self._place)
        except HoldfastError as error:
            log.warning("an unconfirmed commit could not be taken back: %s", error)

    def _write(self, candidate: Candidate, loc: Loc, problems: tuple[Problem, ...] = ()) -> Written:
        self._place.candidates.write(candidate)
        return Written(path_of(loc), find(candidate.document, loc, None), version_at(candidate.document, loc), problems)

    def _keep(self, seen: Look, secrets: Mapping[str, str]) -> None:
        """Stage what differs from what counts; the rest needs no commit."""
        if secrets:
            counting = self._place.vault.values(seen.revision.number)
            same = {name for name, value in secrets.items() if counting.get(name) == value}
            self._place.vault.unstage(same)
            self._place.vault.stage({name: value for name, value in secrets.items() if name not in same})

    def _clashing(self, secrets: Mapping[str, str], document: Mapping[str, Any], seen: Look) -> tuple[Problem, ...]:
        """What speaks against `secrets` beside those that count (row E3: the sign-in password never registers a phone)."""
        if not secrets:
            return ()
        try:
            site = Site.model_validate(document)
        except ValidationError:
            return ()  # nobody can tell yet whose device it is
        counting = self._place.vault.values(seen.revision.number)
        return tuple(problem for name, value in secrets.items() for problem in judge(name, value, site, counting))

    def _hidden(self, seen: Look, made: Mapping[str, str] | None = None) -> tuple[Change, ...]:
        """What becomes of secrets with the next commit; `made`: those it makes by itself."""
        names, staged = self._place.vault.names(seen.revision.number), self._place.vault.staged()
        new = sorted({*(made or ()), *(staged - names)})
        return hidden_changes(seen.candidate.document, made=new, changed=sorted(staged & names), removed=sorted((seen.candidate.forget & names) - staged))

    def _check(self, seen: Look, job: Job) -> _Ready:
        """Have the worker check the candidate against what is in force."""
        vault, number, forget = self._place.vault, seen.revision.number, seen.candidate.forget
        names, staged = vault.names(number), vault.staged()
        payload = {
            "document": seen.candidate.document,
            "before": seen.document,
            "media": [path.stem for path in (self._data / "media").glob("*.wav")],
            "secrets": sorted((names - forget) | staged),
        }
        said = job.finish(payload)
        changes, problems = (tuple(map(Change.from_dict, said["changes"])), tuple(Problem(**each) for each in said["problems"]))
        site: Site | None = None
        secrets = Secrets({}, forget)
        if not problems:
            site = Site.model_validate(said["document"] or seen.candidate.document)
            # An object made anew under an old id is another one: it does not inherit the secret.
            again = {name for name in self._not_there_before(seen, site) & names if name not in staged}
            stay = (names - forget - again) | staged
            secrets = Secrets(fill(site, stay), forget | again)
            try:
                check_somebody_stays(seen.document, site.model_dump(mode="json"), stay, names)
            except DocumentError as error:
                problems, site = error.problems, None
        checked = Checked(
            problems=problems,
            warnings=tuple(Problem(**each) for each in said["warnings"]),
            changes=(*changes, *self._hidden(seen, secrets.made)),
            normalised=tuple(map(Change.from_dict, said["normalised"])),
            proof=said["proof"],
            version=version_of(seen.candidate.document),
        )
        return _Ready(checked, site, secrets)

    def _not_there_before(self, seen: Look, site: Site) -> frozenset[str]:
        """Secrets that `site` can have and what is in force cannot. What was taken back unconfirmed a moment ago was there before."""
        before = {*possible(seen.site)}
        if seen.revision.undoes:
            with contextlib.suppress(HoldfastError):
                before |= {*possible(self._place.store.read(seen.revision.undoes))}
        return frozenset(possible(site)) - before

    def _put_in_force(self, seen: Look, site: Site, ready: _Ready, comment: str, minutes: int) -> Committed:
        if ready.checked.normalised:
            # Killed before the revision counts, it is still pending; killed after, nothing is.
            self._place.candidates.write(replace(seen.candidate, document=site.model_dump(mode="json")))
        revision, held = put_in_force(self._place, site, author=self._author, comment=comment, secrets=ready.secrets, minutes=minutes)
        try:
            self._place.candidates.clear()
        except StateError as error:
            log.warning("the candidate is in force and could not be put away: %s", error)
        waiting = _waiting(held) if held is not None else None
        return Committed(revision.number, ready.checked.changes, ready.checked.warnings, waiting)

    def _unconfirmed(self) -> Condition:
        held = self._place.waiting()
        if held is None:
            raise HoldfastError("No commit waits to be confirmed", "it was confirmed, or its time was over and it went back", code="nothing-to-confirm")
        return held

    def _back(self, before: Mapping[str, Any], made: Revision) -> Committed:
        return Committed(made.number, diff(before, look(self._place, tolerant=True).document))


def is_secret(loc: Loc) -> bool:
    """Whether a secret stands there, which the vault keeps."""
    return len(loc) == 3 and any(slot.kind == loc[0] and slot.field == loc[2] and slot.at(str(loc[1])) for slot in SLOTS)


def _tidied(document: dict[str, Any], loc: Loc) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The document with the object of `loc` in the one form, and what is wrong with its fields."""
    whole = object_of(loc)
    if len(whole) == 2 and not has(document, whole):
        whole = whole[:1]
    held, problems = canonical_object(whole, find(document, whole, {}))
    return put(document, whole, held), problems


def _document(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DocumentError("This is not a site", (Problem("document", "must be a group of fields at its top", 'for example {"name": "Main office"}'),))
    return value


def _check_json(path: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        problem = Problem(path, "cannot be used here", "write text, a number, true or false, nothing (null), a list or a group of these")
        raise DocumentError(f"The value for {path} cannot be kept", (problem,)) from None


def _at(pending: Sequence[Change], paths: Sequence[str]) -> tuple[Change, ...]:
    """The changes at and below `paths`, in their order. Raises NotFound where one has none."""
    found: list[Change] = []
    for path in paths:
        loc = parse_path(path)
        here = [change for change in pending if change.loc[: len(loc)] == loc or (loc == SITE and change.loc[0] in TOP)]
        if not here:
            above = [change.path for change in pending if loc[: len(change.loc)] == change.loc]
            hint = f"the change there is one of {above[0]} as a whole" if above else close(path, {change.path for change in pending})
            raise NotFound(f"Nothing is pending at {path}", hint or "nothing is pending at all")
        found += [change for change in here if change not in found]
    return tuple(found)


def _gone_with(name: str, dropped: Sequence[Change]) -> bool:
    """Whether the object that the secret `name` belongs to was new and goes."""
    return any(change.before is ABSENT and not change.hidden and parse_path(name)[:2] == change.loc for change in dropped)


def _waiting(held: Condition) -> Waiting:
    left = held.seconds_left(Moment.now(), time.time())
    return Waiting(held.last, held.previous, held.minutes, max(0.0, left), held.author)
