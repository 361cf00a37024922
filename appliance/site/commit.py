"""What puts a site into force on the disk: the order of the writes, each of which may be the last before a power cut."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.clock import Moment
from appliance.errors import HoldfastError, StateError
from appliance.site.administrators import administering
from appliance.site.candidate import Candidate, CandidateFile
from appliance.site.confirm import Condition, ConditionFile, condition
from appliance.site.model.site import Site
from appliance.site.secrets import fill
from appliance.site.store import Revision, SiteStore
from appliance.site.vault import Vault

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """What a data folder holds of the site. The store's lock guards all of it."""

    store: SiteStore
    vault: Vault
    candidates: CandidateFile
    conditions: ConditionFile

    @classmethod
    def of(cls, data: Path, gently: bool = False) -> Place:
        """`gently`: as of SiteStore."""
        folder = data / "site"
        return cls(SiteStore(folder, gently), Vault(data), CandidateFile(folder), ConditionFile(folder))

    def seal(self) -> tuple[object, ...]:
        """Changes whenever what is in force, the candidate or the vault may have changed. Cheap."""
        return self.store.current_number(), self.candidates.stamp(), self.vault.stamp()

    def waiting(self) -> Condition | None:
        """The condition on which the current revision is in force, if any."""
        held = self.conditions.read()
        return held if held is not None and held.holds(self.store.current_number()) else None


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a commit does to the vault beside what is staged: `made` are new, `forget` do not count any more."""

    made: Mapping[str, str]
    forget: Collection[str]


def put_in_force(place: Place, site: Site, *, author: str, comment: str, secrets: Secrets, minutes: int = 0) -> tuple[Revision, Condition | None]:
    """Commit `site` and what is staged in the vault. Under the lock. Killed anywhere in between, the old revision is in force or the new one, whole.

    `minutes`: unless confirmed it goes back after so long; a commit for good confirms those before it. Raises StateError; the old revision is in force then.
    """
    before, held = _tidy(place)
    now = time.time()
    revision = place.store.add(site, author=author, comment=comment, now=now)
    number = revision.number
    if secrets.made:
        place.vault.stage(secrets.made)
    place.vault.promote(number, secrets.forget)
    made = None
    if minutes:
        # Several in a row go back together: to what was in force before the first.
        first, previous = (held.first, held.previous) if held else (number, before)
        made = condition(first, number, previous, minutes, author, Moment.now(), now)
        place.conditions.write(made)
    place.store.make_current(number, keep=made.previous if made else 0)
    _afterwards(place, number, made)
    return revision, made


def go_back(place: Place, held: Condition, *, author: str, comment: str, by_hand: bool) -> Revision:
    """Take the unconfirmed commits of `held` back; what they changed is pending again. Under the lock. Raises StateError.

    Administrators stay as they are in force where somebody asks for it, who need not be one; where several commits go back together, for the last may be
    anybody's; and where nobody would be left who can sign in.
    """
    _tidy(place)
    undone, document = place.store.current()
    site = _earlier(place, held)
    names = place.vault.names(undone.number)
    alone = administering(document.model_dump(mode="json"), names) and not administering(site.model_dump(mode="json"), names)
    if by_hand or held.first != held.last or alone:
        site, comment = under_the_same(site, document, comment)
    try:
        if place.candidates.read() is None:
            place.candidates.write(Candidate(document.model_dump(mode="json")))
    except StateError as error:
        log.error("what revision %d changed cannot be kept as pending: %s", undone.number, error.sentence)
    return restore(place, site, author=author, comment=comment, undoes=undone.number)


def _earlier(place: Place, held: Condition) -> Site:
    """The site to go back to; where it cannot be read the last that ran well."""
    try:
        return place.store.read(held.previous)
    except HoldfastError as error:
        good = place.store.last_good()
        if good is None or held.holds(good):
            raise
        log.error("revision %d cannot be read, so it goes back to revision %d: %s", held.previous, good, error)
        return place.store.read(good)


def under_the_same(site: Site, now: Site, comment: str) -> tuple[Site, str]:
    """`site` with the administrators of `now`, and the comment that says so where it makes a difference: nobody becomes one by going back."""
    if site.administrators == now.administrators:
        return site, comment
    return site.model_copy(update={"administrators": now.administrators}), f"{comment}; administrators stay as they were"


def restore(place: Place, site: Site, *, author: str, comment: str, undoes: int = 0, discard: bool = False, alone: bool = False) -> Revision:
    """Make an older site current again, as a new revision. Secrets stay as they are now. Under the lock. Raises StateError.

    `discard`: what is pending goes; else it stays pending, and staged secrets stay staged. `alone`: as of Revision.
    """
    _tidy(place)
    revision = place.store.add(site, author=author, comment=comment, now=time.time(), undoes=undoes, alone=alone)
    if made := fill(site, place.vault.names(revision.number)):
        place.vault.put(made)
    if discard:
        # Only now: a disk too full for the revision must not cost what was typed.
        place.vault.unstage()
        place.candidates.clear()
    place.store.make_current(revision.number)
    _afterwards(place, revision.number, None)
    return revision


def go_back_when_due(place: Place) -> tuple[Revision, Condition] | None:
    """Take an unconfirmed commit back whose time is over; None: nothing is due. Looks without the lock first. Raises HoldfastError."""
    if not _due(place):
        return None
    with place.store.locked():
        held = _due(place)
        if held is None:
            return None
        comment = f"revision {held.last} was not confirmed within {held.minutes} minutes; this is revision {held.previous} again"
        return go_back(place, held, author="holdfast", comment=comment, by_hand=False), held


def settle(place: Place) -> None:
    """At start: give a condition of an earlier boot a deadline in this one. Raises StateError."""
    held = place.waiting()
    now = Moment.now()
    if held is not None and held.boot_id != now.boot_id:
        with place.store.locked():
            place.conditions.write(held.in_this_boot(now, time.time()))


def _due(place: Place) -> Condition | None:
    held = place.waiting()
    return held if held is not None and held.seconds_left(Moment.now(), time.time()) <= 0 else None


def _tidy(place: Place) -> tuple[int, Condition | None]:
    """Put away what a commit that was cut short left, so that its number can be used again; the current revision and its condition."""
    before = place.store.current_number() or place.store.current()[0].number
    place.vault.prune(before)
    held = place.conditions.read()
    if held is not None and not held.holds(before):
        place.conditions.clear()
        held = None
    return before, held


def _afterwards(place: Place, number: int, made: Condition | None) -> None:
    """What no longer counts goes. The commit is done: a disk that refuses now does not undo it, and the next commit tidies up."""
    try:
        if made is None:
            place.conditions.clear()
        place.vault.prune(number)
    except HoldfastError as error:
        log.warning("revision %d is current, and what it replaced could not be put away: %s", number, error)
