"""A call and a voice that keep the rules of their contracts in virtual time, and what they saw."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from appliance.callflow.services import Services
from appliance.calls.caller import Caller
from appliance.calls.plan import Outcome
from appliance.calls.program import CallerGone, Connected, Paged, Program, RingResult, RingTarget, Taken
from appliance.errors import HoldfastError, StateError
from appliance.sip.api import Invite, Origin
from appliance.site.model.site import Site
from appliance.site.snapshot import Snapshot, compile
from appliance.sound import Sound
from appliance.state.records import VoicemailRecord
from appliance.types import Address, DeviceId, LegId, MailboxId, SessionId, UserId

NOW = datetime(2026, 11, 17, 10, 15, tzinfo=UTC)
"""A Tuesday."""
RATE = 100
BOX = Address("192.168.1.1", 5060)

DANA = Caller("205", "Dana", DeviceId("dana-desk"), UserId("dana"))
OUTSIDE = Caller("+13035550100", "Widget Works")


def raw_site(**parts: Any) -> dict[str, Any]:
    """Three people, a door station, a group, mailboxes for two, a trunk, an incoming number."""
    site: dict[str, Any] = {
        "main_number": "+12125550100",
        "users": {
            "dana": {"name": "Dana", "extension": "205"},
            "lee": {"name": "Lee", "extension": "207"},
            "kim": {"name": "Kim", "extension": "209"},
        },
        "devices": {
            "dana-desk": {"owner": "dana", "sip_user": "dd"},
            "lee-desk": {"owner": "lee", "sip_user": "ld"},
            "door": {"sip_user": "door", "extension": "300"},
        },
        "groups": {"sales": {"name": "Sales", "extension": "400", "users": ["dana", "lee"]}},
        "mailboxes": {"lee": {"name": "Lee", "owner": "lee", "extension": "607"}, "office": {"name": "Office"}},
        "trunks": {"acme": {"name": "Acme", "host": "192.0.2.1"}},
        "numbers": {"main": {"number": "+12125550100", "destination": "205"}},
        "audio": {"welcome": {"name": "Welcome", "sha256": "a" * 64}},
        "schedules": {"hours": {"name": "Hours", "periods": [{"days": ["tue"], "start": "08:00", "end": "17:00"}]}},
    }
    for kind, objects in parts.items():
        if isinstance(objects, dict) and isinstance(site.get(kind, {}), dict):
            site[kind] = {**site.get(kind, {}), **objects}
        else:
            site[kind] = objects
    return site


def snapshot_of(**parts: Any) -> Snapshot:
    return compile(Site.model_validate(raw_site(**parts)), 1, {})


def flow(*steps: tuple[str, str, dict[str, Any], dict[str, str]]) -> dict[str, Any]:
    """(id, type, settings, exits); the first one starts it."""
    made = {name: {"type": kind, "settings": settings, "exits": exits} for name, kind, settings, exits in steps}
    return {"name": "Test", "start": steps[0][0], "steps": made}


class FakePort:
    """Rings end as `rings` says, one after the other, each after its seconds; then everybody is silent for 20 s. Keys come when they are pressed."""

    def __init__(self, snapshot: Snapshot, caller: Caller = OUTSIDE, dialled: str = "+12125550100", rings: Sequence[tuple[float, RingResult]] = ()) -> None:
        self.session = SessionId("s1")
        self.call_id = "c1"
        self.caller = caller
        self.dialled = dialled
        self.user = caller.user
        leg = LegId("l1")
        self.invite = Invite(leg, "c1", "", dialled, "", caller.number, caller.name, dialled, BOX, BOX, Origin.DEVICE)
        self.answered = False
        self.outcome: Outcome | None = None
        self.called: UserId | None = None
        self.saw: list[Any] = []
        self.notes: list[str] = []
        self.rang: list[tuple[RingTarget, ...]] = []
        self.shown: list[Caller] = []
        self.ended: Outcome | None = None
        self.over = False
        self.connected = False
        self.busy: set[str] = set()
        """What goes on now: "play", "ring", "record", "tone"."""
        self.free_phones = 2
        self.message_s = 4.0
        self.message_ends = "key"
        self._snapshot = snapshot
        self._rings = list(rings)
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._early = False
        self._gone: asyncio.Event = asyncio.Event()

    @property
    def said(self) -> list[str]:
        """What was played to its end or its interruption."""
        return [what[1] for what in self.saw if what[0] == "play"]

    def press(self, keys: str, at_s: float, gap_s: float = 0.5) -> None:
        loop = asyncio.get_running_loop()
        for index, key in enumerate(keys):
            loop.call_at(at_s + index * gap_s, self._keys.put_nowait, key)

    def leave(self, at_s: float) -> None:
        """The caller hangs up then."""
        asyncio.get_running_loop().call_at(at_s, self._gone.set)

    # ---- program.Port ----

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def callee(self) -> UserId | None:
        return self.called

    async def answer(self) -> None:
        self._check()
        if not self.answered:
            self.answered = True
            self.saw.append(("answer",))

    async def early(self) -> None:
        self._check()
        self._early = True
        self.saw.append(("early",))

    async def play(self, sound: Sound) -> None:
        self._check()
        if not self._early:
            await self.answer()
        self.saw.append(("play", getattr(sound, "text", "")))
        await self._during("play", sound.seconds)

    def stop(self) -> None:
        self.busy.discard("play")

    async def digit(self, timeout_s: float) -> str | None:
        self._check()
        waiting = asyncio.ensure_future(self._keys.get())
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait((waiting, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise CallerGone
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            gone.cancel()

    def forget_digits(self) -> None:
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                self._keys.get_nowait()

    async def ring(self, targets: Sequence[RingTarget], ring_s: float = 0.0, caller: Caller | None = None) -> RingResult:
        self._check()
        self.rang.append(tuple(targets))
        self.shown.append(caller or self.caller)
        seconds, result = self._rings.pop(0) if self._rings else (20.0, Outcome(480, "No Answer", "no-answer", 19))
        await self._during("ring", seconds)
        self.connected = isinstance(result, Connected)
        self.outcome = result if isinstance(result, Outcome) else None
        return result

    async def record(self, write: Callable[[bytes], None], *, max_s: float, silence_s: float = 0.0, keys: str = "#") -> Taken:
        if not self._gone.is_set():
            await self.answer()
        self.saw.append(("record",))
        spoken_s = 0.0
        while spoken_s < min(self.message_s, max_s):
            if not self._keys.empty() and (key := self._keys.get_nowait()) in keys:
                return Taken(spoken_s, "key", key)
            try:
                await self._during("record", 0.25)
            except CallerGone:
                return Taken(spoken_s, "hangup")
            write(bytes(4000))
            spoken_s += 0.25
        return Taken(spoken_s, "limit" if spoken_s >= max_s else self.message_ends, keys[0] if self.message_ends == "key" else "")

    async def page(self, paged: Paged, limit_s: float) -> int:
        if not self.free_phones:
            return 0
        await self.answer()
        self.saw.append(("page", paged))
        await self._during("page", limit_s)
        return self.free_phones

    async def tone(self, name: str, seconds: float) -> None:
        self._check()
        self.saw.append(("tone", name))
        await self._during("tone", seconds)

    def hang_up(self, outcome: Outcome | None = None) -> None:
        if not self.over and not self.connected:
            self.over = True
            self.ended = outcome or self.outcome

    def note(self, text: str) -> None:
        self.notes.append(text)

    def _check(self) -> None:
        if self._gone.is_set() or self.over:
            raise CallerGone

    async def _during(self, what: str, seconds: float) -> None:
        self.busy.add(what)
        try:
            async with asyncio.timeout(seconds):
                await self._gone.wait()
                raise CallerGone
        except TimeoutError:
            return
        finally:
            self.busy.discard(what)


class Spoken(Sound):
    """A sound that is known by its words."""

    __slots__ = ("text",)

    def __init__(self, text: str, seconds: float = 2.0) -> None:
        super().__init__(bytes(2 * round(seconds * RATE)), RATE)
        object.__setattr__(self, "text", text)


class FakeSpeaker:
    async def speech(self, text: str, language: str) -> Sound:
        return Spoken(text if language == "en-us" else f"[{language}] {text}")


class FakeDraft:
    def __init__(self, done: Callable[[float], None], fault: HoldfastError | None = None) -> None:
        self.written = 0
        self.kept: float | None = None
        self.dropped = False
        self._done = done
        self._fault = fault

    def write(self, pcm: bytes) -> None:
        assert self.kept is None and not self.dropped
        self.written += len(pcm)

    async def keep(self, seconds: float) -> None:
        assert self.kept is None and not self.dropped, "a draft ends once"
        await asyncio.sleep(0.01)
        if self._fault is not None:
            self.dropped = True
            raise self._fault
        self.kept = seconds
        self._done(seconds)

    async def drop(self) -> None:
        assert self.kept is None and not self.dropped, "a draft ends once"
        self.dropped = True


class FakeVoicemail:
    """Mailboxes in memory. `fault` is raised by what touches the disk."""

    def __init__(self) -> None:
        self.boxes: dict[str, list[VoicemailRecord]] = {}
        self.drafts: list[FakeDraft] = []
        self.greetings: dict[str, Sound] = {}
        self.fault: HoldfastError | None = None
        self.lost: set[str] = set()

    def add(self, mailbox: str, id: str, caller: str = "205", caller_name: str = "", started: float = 0.0, heard: float | None = None) -> None:
        record = VoicemailRecord(id, MailboxId(mailbox), caller, caller_name, SessionId("s"), started, 3.0, heard, f"{mailbox}/{id}.wav")
        self.boxes.setdefault(mailbox, []).append(record)

    async def begin(self, mailbox: MailboxId, caller: str, caller_name: str, session: SessionId) -> FakeDraft:
        if self.fault is not None:
            raise self.fault
        draft = FakeDraft(lambda seconds: self.add(mailbox, f"m{len(self.drafts)}", caller, caller_name))
        self.drafts.append(draft)
        return draft

    async def begin_greeting(self, mailbox: MailboxId) -> FakeDraft:
        draft = FakeDraft(lambda seconds: self.greetings.update({mailbox: Spoken("(my greeting)")}))
        self.drafts.append(draft)
        return draft

    async def messages(self, mailbox: MailboxId) -> tuple[VoicemailRecord, ...]:
        return tuple(self.boxes.get(mailbox, ()))

    async def load(self, message: VoicemailRecord) -> Sound:
        if message.id in self.lost:
            raise StateError("the file is gone")
        return Spoken(f"({message.id})")

    async def mark_heard(self, id: str) -> None:
        self._replace(id, heard=True)

    async def delete(self, id: str) -> None:
        self._replace(id, heard=None)

    def _replace(self, id: str, heard: bool | None) -> None:
        for messages in self.boxes.values():
            for index, m in enumerate(messages):
                if m.id == id and heard is None:
                    del messages[index]
                    return
                if m.id == id:
                    messages[index] = VoicemailRecord(m.id, m.mailbox, m.caller, m.caller_name, m.session, m.started_unix_s, m.seconds, 1.0, m.file)

    async def greeting(self, mailbox: MailboxId) -> Sound | None:
        return self.greetings.get(mailbox)

    async def counts(self, mailbox: MailboxId) -> tuple[int, int]:
        messages = self.boxes.get(mailbox, [])
        old = sum(message.heard_unix_s is not None for message in messages)
        return len(messages) - old, old


async def audio(sha256: str) -> Sound:
    if sha256 != "a" * 64:
        raise HoldfastError("the recording is gone")
    return Spoken("(welcome)")


def services(voicemail: FakeVoicemail | None = None, pin: str = "") -> Services:
    return Services(FakeSpeaker(), audio, voicemail or FakeVoicemail(), lambda mailbox: pin, lambda: NOW)


async def serve(program: Program, port: FakePort) -> None:
    """Run a program as calls do: the caller's leaving is its usual end."""
    with contextlib.suppress(CallerGone):
        await program(port)
    if not port.connected and not port._gone.is_set():
        port.hang_up()
