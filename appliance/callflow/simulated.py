"""The world of a simulated call: a caller who presses keys, people who answer or do not, a voice and mailboxes that only take note."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from appliance.calls.caller import Caller
from appliance.calls.dials import Calling
from appliance.calls.page import branches
from appliance.calls.plan import BUSY, NO_ANSWER, NO_TRUNK, NOT_REGISTERED, Branch, Outcome, Stage, best
from appliance.calls.program import CallerGone, Connected, Paged, RingResult, RingTarget, Taken
from appliance.calls.ring import Asking, Nobody, Rings, ring
from appliance.calls.route import Target, ToEmergency, View
from appliance.sip.api import Invite, Origin
from appliance.site.snapshot import Snapshot
from appliance.sound import Sound
from appliance.state.records import VoicemailRecord
from appliance.types import Address, DeviceId, LegId, MailboxId, SessionId, UserId

Doing = Literal["answers", "no-answer", "busy", "unreachable"]

ANSWERS_AFTER_S = 5.0
KEY_AFTER_S = 1.0
RECORDING_S = 5.0
MESSAGE_S = 10.0
PAGE_S = 10.0
CHARACTERS_PER_S = 14.0
_SPELLED = re.compile(r"(?<=[0-9+*#]) (?=[0-9*#])")
"""Between digits that are said one by one: read, they are a number."""
_RATE = 10
"""Samples a second of sounds that nobody hears."""
_NOWHERE = Address("127.0.0.1", 5060)
_UNANSWERED = Outcome(480, "Temporarily Unavailable", "no-answer")


@dataclass(frozen=True, slots=True)
class Spoken(Sound):
    """A sound that is known by its words."""

    text: str = ""

    @staticmethod
    def of(text: str, seconds: float) -> Spoken:
        return Spoken(bytes(2 * max(1, round(seconds * _RATE))), _RATE, text)


class SimulatedSpeaker:
    """Speaks as fast as people do, and is not heard."""

    async def speech(self, text: str, language: str) -> Sound:
        del language
        return Spoken.of(_SPELLED.sub("", text), len(text) / CHARACTERS_PER_S)


class SimulatedPort:
    """Implements calls' Port. `doings`: what devices (by id) and outside numbers do, `others` everybody else."""

    def __init__(self, snapshot: Snapshot, caller: Caller, number: str, keys: str, doings: Mapping[str, Doing], others: Doing, *, internet: bool) -> None:
        self.session = SessionId("simulated")
        self.call_id = "simulated"
        self.caller = caller
        self.dialled = number
        self.user = caller.user
        origin = Origin.DEVICE if caller.user is not None else Origin.TRUNK
        uri = f"sip:{number}@box"
        leg = LegId("simulated")
        self.invite = Invite(leg, leg, uri, number, "", caller.number, caller.name, number, _NOWHERE, _NOWHERE, origin, caller.device, caller.trunk)
        self.answered = False
        self.outcome: Outcome | None = None
        self.connected = ""
        self.emergency = ""
        self.told: Outcome | None = None
        self._snapshot = snapshot
        self._keys = list(keys)
        self._doings = doings
        self._others = others
        self._internet = internet
        self._callee: UserId | None = None
        self._said: list[str] = []
        self._rang: list[str] = []
        self._early = False
        self._over = False

    # ---- for the simulator ----

    def since_last(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What was heard and who rang since this was last asked."""
        found = tuple(self._said), tuple(self._rang)
        self._said, self._rang = [], []
        return found

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def elapsed(self) -> timedelta:
        return timedelta(seconds=self.now_s())

    def recording(self, sha256: str) -> Sound:
        """A recording of the site, by its name."""
        name = next((name for name, audio in self._snapshot.site.audio.items() if audio.sha256 == sha256), sha256)
        return Spoken.of(f"({self._snapshot.site.audio[name].name})", RECORDING_S)

    def view(self) -> View:
        """Every phone is registered but those that are assumed not to be."""
        return View(
            targets=lambda device: () if self._doing(device) == "unreachable" else (Target(f"sip:{device}", _NOWHERE, device),),
            engaged=lambda device: False,
            in_emergency=lambda device: False,
            call_back=lambda number: None,
        )

    # ---- program.Port ----

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def callee(self) -> UserId | None:
        return self._callee

    async def answer(self) -> None:
        self._check()
        self.answered = True

    async def early(self) -> None:
        self._check()
        self._early = True

    async def play(self, sound: Sound) -> None:
        self._check()
        self.answered = self.answered or not self._early
        if isinstance(sound, Spoken):
            self._said.append(sound.text)
        await asyncio.sleep(sound.seconds)

    def stop(self) -> None:
        """Nothing is heard anyway."""

    async def digit(self, timeout_s: float) -> str | None:
        self._check()
        if not self._keys or timeout_s < KEY_AFTER_S:
            await asyncio.sleep(timeout_s)
            return None
        await asyncio.sleep(KEY_AFTER_S)
        return self._keys.pop(0)

    def forget_digits(self) -> None:
        """Keys are pressed when they are asked for, never before."""

    async def ring(self, targets: Sequence[RingTarget], ring_s: float = 0.0, caller: Caller | None = None) -> RingResult:
        self._check()
        asking = Asking(self.caller, Calling(caller or self.caller), self.dialled)
        found = ring(targets, asking, self._snapshot, self.view(), lambda trunks: trunks, ring_s)
        match found:
            case ToEmergency(number):
                self.emergency = number
                raise CallerGone
            case Nobody(outcome, user):
                self._callee, self.outcome = user, outcome
                return outcome
            case Rings():
                self._callee = found.user
                result = await self._reach(found)
                self.outcome = result if isinstance(result, Outcome) else None
                return result
        return found

    async def record(self, write: Callable[[bytes], None], *, max_s: float, silence_s: float = 0.0, keys: str = "#") -> Taken:
        self._check()
        seconds = min(MESSAGE_S, max_s)
        await asyncio.sleep(seconds)
        write(bytes(round(16_000 * seconds)))
        return Taken(seconds, "key", keys[:1])

    async def page(self, paged: Paged, limit_s: float) -> int:
        self._check()
        there = [branch.device for branch in branches(paged, self.caller, self._snapshot, self.view()) if branch.device not in (None, self.caller.device)]
        free = [entry.name for entry in (self._snapshot.devices.get(DeviceId(str(device))) for device in there) if entry and self._doing(entry.id) != "busy"]
        if free:
            self.answered = True
            self._rang += dict.fromkeys(free)
            await asyncio.sleep(min(PAGE_S, limit_s))
        return len(free)

    async def tone(self, name: str, seconds: float) -> None:
        self._check()
        await asyncio.sleep(seconds)

    def hang_up(self, outcome: Outcome | None = None) -> None:
        if not self._over and not self.connected:
            self._over = True
            self.told = outcome or self.outcome or (None if self.answered else _UNANSWERED)

    def note(self, text: str) -> None:
        """The steps themselves are what is shown."""

    # ---- people and lines ----

    def _check(self) -> None:
        if self._over:
            raise CallerGone

    def _doing(self, name: str) -> Doing:
        return self._doings.get(name, self._others)

    async def _reach(self, rings: Rings) -> RingResult:
        outcomes: list[Outcome] = []
        for stage in rings.plan.stages:
            ends = [self._branch(branch, stage, rings) for branch in stage.branches]
            self._rang += dict.fromkeys(name for name, _, outcome in ends if outcome not in (NOT_REGISTERED, NO_TRUNK))
            answered = min((end for end in ends if end[2] is None), key=lambda end: end[1], default=None)
            if answered is not None and answered[1] < stage.ring_s:
                await asyncio.sleep(answered[1])
                self.connected = answered[0]
                return Connected()
            await asyncio.sleep(min(stage.ring_s, max((seconds for _, seconds, _ in ends), default=0.0)))
            outcomes = [outcome or NO_ANSWER for _, _, outcome in ends]
            if best(outcomes) != NO_TRUNK:
                break
        return best(outcomes)

    def _branch(self, branch: Branch, stage: Stage, rings: Rings) -> tuple[str, float, Outcome | None]:
        """(who, seconds until it is decided, None where they answer)."""
        name = branch.callee_name or branch.callee or rings.plan.callee_name or rings.plan.callee
        if branch.device is not None:
            doing = self._doing(branch.device)
            entry = self._snapshot.devices.get(DeviceId(branch.device))
            name = entry.name if entry is not None else name
        elif not self._internet:
            return name, branch.after_s, NO_TRUNK
        else:
            doing = self._doing(branch.callee or rings.plan.callee)
        length = branch.ring_s or stage.ring_s
        match doing:
            case "busy":
                return name, branch.after_s, BUSY
            case "unreachable":
                return name, branch.after_s, NOT_REGISTERED if branch.device is not None else NO_TRUNK
            case "answers" if length > ANSWERS_AFTER_S:
                return name, branch.after_s + ANSWERS_AFTER_S, None
        return name, branch.after_s + length, NO_ANSWER


class SimulatedDraft:
    def __init__(self, kept: Callable[[], None]) -> None:
        self._kept = kept

    def write(self, pcm: bytes) -> None:
        """Nobody listens."""

    async def keep(self, seconds: float) -> None:
        del seconds
        self._kept()

    async def drop(self) -> None:
        """Nothing was kept."""


class SimulatedVoicemail:
    """Mailboxes without messages. `kept`: the one a message was left in."""

    def __init__(self) -> None:
        self.kept: MailboxId | None = None

    async def begin(self, mailbox: MailboxId, caller: str, caller_name: str, session: SessionId) -> SimulatedDraft:
        def kept() -> None:
            self.kept = mailbox

        return SimulatedDraft(kept)

    async def messages(self, mailbox: MailboxId) -> tuple[VoicemailRecord, ...]:
        return ()

    async def load(self, message: VoicemailRecord) -> Sound:
        return Spoken.of("(a message)", MESSAGE_S)

    async def mark_heard(self, id: str) -> None: ...

    async def delete(self, id: str) -> None: ...

    async def greeting(self, mailbox: MailboxId) -> Sound | None:
        return None

    async def begin_greeting(self, mailbox: MailboxId) -> SimulatedDraft:
        return SimulatedDraft(lambda: None)

    async def counts(self, mailbox: MailboxId) -> tuple[int, int]:
        return 0, 0
