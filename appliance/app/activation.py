"""Which revision of the site the engine runs: read and compiled away from the loop, swapped in one step, taken back when nobody confirms it."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.app.secrets import EngineSecrets
from appliance.clock import Moment
from appliance.emergency.location import LocationTable
from appliance.emergency.recognise import Recogniser
from appliance.errors import DocumentError, HoldfastError, Problem, StateError
from appliance.events.site import CommitSettled, CommitUnconfirmed, SiteActivated
from appliance.site import snapshot as compiled
from appliance.site.commit import Place, go_back_when_due, settle
from appliance.site.confirm import Condition
from appliance.site.document import load_file
from appliance.site.install import install
from appliance.site.model.site import Site
from appliance.site.snapshot import Snapshot
from appliance.site.store import Revision

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the data folder is looked at: who commits tells the engine, unless he is killed before."""
AGAIN_S = 30.0
"""A revision that could not be taken is tried again after this, or as soon as there is another."""
GOOD_AFTER_S = 60.0
"""A revision that ran so long without a crash is one that ran well."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A revision, ready for calls. `alarms`: what is to be said of its secrets (EngineSecrets.alarms)."""

    snapshot: Snapshot
    recogniser: Recogniser
    locations: LocationTable
    alarms: Mapping[str, tuple[str, str]]

    @classmethod
    def of(cls, site: Site, revision: int, counting: Mapping[str, str], rescue: bool, alarms: Mapping[str, tuple[str, str]]) -> Compiled:
        snapshot = compiled.compile(site, revision, counting)
        if rescue:
            # Emergency keeps every trunk; ordinary calls keep none.
            snapshot = replace(snapshot, outbound_trunks=(), numbers={})
        return cls(snapshot, Recogniser.of(snapshot), LocationTable(site), alarms)


class Activation:
    """Belongs to the loop. `waiting`: the condition on which the current revision is in force, as last seen."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.place = Place.of(box.settings.data, gently=True)
        self.secrets = EngineSecrets(box.settings.data)
        self.waiting: Condition | None = None
        self._lock = asyncio.Lock()
        self._seen: int | None = None
        self._again_at = float("inf")
        self._since = time.monotonic()
        self._good = 0

    # ---- at start ------------------------------------------------------------------------------------------------

    def load(self) -> tuple[Compiled, int]:
        """What to start with: (compiled, revision). Blocks. Raises HoldfastError where no site can be had."""
        box, store = self._box, self.place.store
        self.secrets.migrate()
        self._first()
        try:
            settle(self.place)
            go_back_when_due(self.place)
        except HoldfastError as error:
            box.alarm("site-confirm", f"An unconfirmed commit could not be taken back: {error.sentence}", error.hint)
        revision, site = store.current()
        number = revision.number
        self._seen, self.waiting = store.current_number(), self.place.waiting()
        if box.settings.rescue:
            good = store.last_good()
            if good is not None and good != number:
                site, number = store.read(good), good
            box.rescue_reason = f"the engine crashed three times in 60 s; revision {number} runs with emergency and local calls only"
            box.alarm("rescue", f"Rescue: {box.rescue_reason}", "see the log for the crash, then commit a corrected site or restart the box")
        elif self._seen not in {None, number}:
            self._tell_fallback(self._seen, number)
        counting = self.secrets.at_start(site, revision.number)
        made = Compiled.of(site, number, counting, box.settings.rescue, self.secrets.alarms(site))
        self._tell(made.alarms)
        return made, number

    def _first(self) -> None:
        """The site file that HOLDFAST_SITE names becomes the first revision of a box that has none, by the rules of every commit."""
        file = self._box.settings.site
        if file is None or any((self._box.settings.data / "site").glob("revisions/*")):
            return
        from appliance.worker.check import check  # noqa: PLC0415 - only a box's first start has a use for it

        site, given = load_file(file)
        media = [path.stem for path in (self._box.settings.data / "media").glob("*.wav")]
        said = check({"document": site.model_dump(mode="json"), "before": None, "media": media, "secrets": list(given)})
        if problems := tuple(Problem(**each) for each in said["problems"]):
            raise DocumentError(f"the site document has {len(problems)} problem{'s' if len(problems) > 1 else ''}", problems)
        right = Site.model_validate(said["document"]) if said["document"] is not None else site
        install(self.place.store, self.place.vault, right, given, author="HOLDFAST_SITE", comment=f"first site, from {file.name}")

    # ---- while it runs -------------------------------------------------------------------------------------------

    async def activate(self) -> int:
        """Put the current revision into force; the revision that is. Calls up, registrations and subscriptions do not notice; the ports of RTP and SIP
        change at the next start. Raises HoldfastError; what was in force stays.
        """
        await self._look(told=True)
        return self._box.revision

    async def refresh_secrets(self) -> None:
        """Use what the vault has now; calls up and registrations do not notice."""
        async with self._lock:
            before, fault = self.secrets.known, self.secrets.fault
            made = await self._box.loop.run_in_executor(None, self._reread)
            if self.secrets.known == before and self.secrets.fault is fault:
                return  # somebody staged something for a commit to come
            await self._swap(made, self._box.revision)
            log.info("the vault's secrets were read anew")

    async def watch(self) -> None:
        """For as long as the engine runs: notices commits and secrets that nobody told of, and takes back what nobody confirms in time."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except HoldfastError as error:
                log.error("%s (%s)", error.sentence, error.hint)
            except Exception:
                log.exception("the site could not be looked at")

    async def _look(self, told: bool = False) -> None:
        async with self._lock:
            seen, waiting, secrets_changed, undone = await self._box.loop.run_in_executor(None, self._glance)
            self._note_waiting(waiting, undone)
            if told or seen != self._seen or time.monotonic() >= self._again_at:
                await self._take(seen)
        if secrets_changed:
            await self.refresh_secrets()
        await self._prove_good()

    async def _take(self, seen: int | None) -> None:
        """Have the revision that `current` names, or the one that stands in for it, in force."""
        box, loop = self._box, self._box.loop
        if box.settings.rescue:
            if seen != self._seen:
                # The new revision may cure what crashed: a fresh start, out of rescue, right after the answer is out.
                log.info("revision %s is current: starting afresh, out of rescue", seen)
                self._seen = seen
                loop.call_later(0.2, box.again.set)
            return
        self._seen, self._again_at = seen, time.monotonic() + AGAIN_S
        try:
            made = await loop.run_in_executor(None, self._read)
            if made is not None:
                previous, self._since = box.revision, time.monotonic()
                await self._swap(*made)
                log.info("revision %d is in force", box.revision)
                box.bus.publish(SiteActivated(time.time(), box.revision, previous))
        except Exception as error:
            known = isinstance(error, HoldfastError)
            fault = error if isinstance(error, HoldfastError) else StateError(f"Revision {seen} cannot be used ({error!r})", "report this, and roll back")
            if not known:
                log.exception("revision %s cannot be put into force", seen)
            box.alarm("site-activation", f"Revision {box.revision} stays in force: {fault.sentence}", fault.hint)
            raise fault from error
        self._again_at = float("inf")
        box.alarm("site-activation", "")
        self._tell_fallback(seen, box.revision)

    def _tell_fallback(self, named: int | None, running: int) -> None:
        fault = f"Revision {named} cannot be read; revision {running} runs" if named not in {None, running} else ""
        self._box.alarm("site-revision", fault, "roll back to a revision that can: holdfast site history")

    async def _prove_good(self) -> None:
        """What ran for a while without a crash, and does not wait for its confirmation, is what the box falls back to."""
        box = self._box
        if box.settings.rescue or self._good == box.revision or self.waiting is not None or time.monotonic() - self._since < GOOD_AFTER_S:
            return
        self._good = box.revision
        try:
            await box.loop.run_in_executor(None, self.place.store.mark_good, box.revision)
        except HoldfastError as error:
            log.warning("revision %d could not be marked as good: %s", box.revision, error)

    def _glance(self) -> tuple[int | None, Condition | None, bool, Revision | None]:
        """What the disk says, after what is overdue went back. Cheap as a rule."""
        undone = None
        try:
            due = go_back_when_due(self.place)
            if due is not None:
                undone, held = due
                log.warning("revision %d was not confirmed: revision %d is revision %d again", held.last, undone.number, held.previous)
        except HoldfastError as error:
            log.error("an unconfirmed commit could not be taken back: %s (%s)", error.sentence, error.hint)
        return self.place.store.current_number(), self.place.waiting(), self.secrets.changed(), undone

    def _note_waiting(self, waiting: Condition | None, undone: Revision | None) -> None:
        was, self.waiting, publish, now = self.waiting, waiting, self._box.bus.publish, time.time()
        if waiting is not None and (was is None or waiting.last != was.last):
            publish(CommitUnconfirmed(now, waiting.last, waiting.previous, waiting.seconds_left(Moment.now(), now)))
        elif waiting is None and was is not None:
            publish(CommitSettled(now, was.last, undone is None, undone.number if undone is not None else was.last))

    def seconds_left(self) -> float:
        """Until the current revision goes back, 0 where it does not."""
        return max(0.0, self.waiting.seconds_left(Moment.now(), time.time())) if self.waiting is not None else 0.0

    # ---- reading and swapping ------------------------------------------------------------------------------------

    def _read(self) -> tuple[Compiled, int] | None:
        """The current revision, compiled, and its number; None: it is in force. In an executor thread."""
        # The collector walking over a large site would hold the interpreter for longer than anything else here. What a revision is made of lives
        # until the next one and has no cycles: the collector need not know it.
        gc.collect()
        gc.disable()
        try:
            revision, site = self.place.store.current()
            if revision.number == self._box.revision:
                return None
            counting = self.secrets.of(revision.number)
            made = Compiled.of(site, revision.number, counting, False, self.secrets.alarms(site))
            gc.freeze()
        finally:
            gc.enable()
        return made, revision.number

    def _reread(self) -> Compiled:
        """What is in force with the vault's secrets as they are now. In an executor thread."""
        box = self._box
        site, counting = box.snapshot.site, self.secrets.of(self.secrets.revision)
        return Compiled.of(site, box.revision, counting, box.settings.rescue, self.secrets.alarms(site))

    async def _swap(self, made: Compiled, revision: int) -> None:
        self._box.revision = revision
        self._tell(made.alarms)
        await self._box.put_in_force(made)

    def _tell(self, alarms: Mapping[str, tuple[str, str]]) -> None:
        for code, told in alarms.items():
            self._box.alarm(code, *told)
