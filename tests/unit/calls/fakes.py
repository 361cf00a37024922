"""In-memory stand-ins for the SIP side: an endpoint and legs that keep the rules of the contract, and a loop in virtual time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from appliance.calls.cdr import CallRecord
from appliance.calls.context import CallContext
from appliance.calls.emergency_context import EmergencyContext, call_back_of
from appliance.calls.live import LiveCalls
from appliance.calls.plain import PlainPrograms
from appliance.calls.route import CallBack, Target
from appliance.emergency.callback import CallbackMap
from appliance.emergency.journal import Written
from appliance.emergency.location import LocationTable
from appliance.emergency.notify import NoticeRegister
from appliance.emergency.recognise import Recogniser
from appliance.errors import SipError
from appliance.events.emergency import EmergencyNotice
from appliance.sip.api import (
    Answered,
    Dial,
    Digit,
    Ended,
    Invite,
    Leg,
    LegState,
    MediaChanged,
    MediaStats,
    News,
    Origin,
    Progress,
    Sound,
    TransferRequested,
)
from appliance.site.model.site import Site
from appliance.site.secrets import split
from appliance.site.snapshot import Snapshot, compile
from appliance.state.clock import Moment
from appliance.state.records import CallbackRecord
from appliance.types import Address, DeviceId, LegId, SessionId, TrunkId

BOX = Address("192.168.1.1", 5060)
PHONE = Address("192.168.1.50", 5060)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything can run, then jumps to the next timer. With neither left the test hangs for ever, so it says so."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 1000.0

    def time(self) -> float:
        return self._virtual_s

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready:
            if not self._scheduled:
                raise RuntimeError("nothing is left that could happen")
            self._virtual_s = max(self._virtual_s, self._scheduled[0]._when)
        super()._run_once()


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(test)


async def settle() -> None:
    """Let everything that is ready now happen."""
    for _ in range(30):
        await asyncio.sleep(0)


class FakeLeg:
    """A dialog. `did` lists the commands as tuples; `says_*` and `emit` are the far end. A CANCEL is answered with 487 unless `deaf`."""

    def __init__(self, endpoint: FakeEndpoint, leg_id: LegId, *, invite: Invite | None = None, request: Dial | None = None) -> None:
        self.id = leg_id
        self.call_id = invite.call_id if invite is not None else f"out-{leg_id}"
        self.invite = invite
        self.request = request
        self.state = LegState.INCOMING if invite is not None else LegState.CALLING
        self.news: asyncio.Queue[News] = asyncio.Queue()
        self.did: list[tuple[Any, ...]] = []
        self.deaf = False
        self.playbacks = 0
        self.counters: MediaStats | None = MediaStats("pcmu", 500, 0, 1.0, 500, 0, 1.0, 2.0, True)
        self.stats_delay_s = 0.0
        self._endpoint = endpoint
        self._receiver: Callable[[Leg, News], None] | None = None

    # ---- the contract ----

    def deliver_to(self, receiver: Callable[[Leg, News], None]) -> None:
        self._receiver = receiver
        while not self.news.empty():
            receiver(self, self.news.get_nowait())

    def ring(self, code: int = 180) -> None:
        if self.state in (LegState.INCOMING, LegState.EARLY):
            self.did.append(("ring", code))
            self.state = LegState.EARLY

    def answer(self, codecs: tuple[str, ...] = (), headers: tuple[tuple[str, str], ...] = ()) -> None:
        if self.invite is not None and self.state in (LegState.INCOMING, LegState.EARLY):
            self.did.append(("answer", codecs))
            self.state = LegState.CONFIRMED
            self._soon(Answered())
            self._soon(MediaChanged(True, codec=codecs[0] if codecs else "pcmu"))

    def hangup(self, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        if self.state is LegState.ENDED:
            return
        if self.state is LegState.CONFIRMED:
            self.did.append(("bye", code, dict(headers)))
            self._end(Ended(200, local=True))
        elif self.invite is not None:
            self.did.append(("reject", code or 603, reason, dict(headers)))
            self._end(Ended(code or 603, reason, local=True, cause="refused"))
        else:
            self.did.append(("cancel", code, dict(headers)))
            if not self.deaf:
                self._end(Ended(487, local=True, cause="cancelled"))

    def hold(self) -> None:
        self._talk("hold")

    def resume(self) -> None:
        self._talk("resume")

    def send_digits(self, digits: str, method: str = "rfc4733", duration_ms: int = 160) -> None:
        self._talk("digits", digits, method, duration_ms)

    def refer(self, target_uri: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._talk("refer", target_uri)

    def accept_transfer(self, code: int = 202) -> None:
        self._talk("accept_transfer", code)

    def notify_transfer(self, code: int, reason: str, final: bool) -> None:
        self._talk("notify", code, final)

    def play(self, sound: Sound, loop: bool = False) -> int:
        self._talk("play", sound)
        self.playbacks += 1
        return self.playbacks

    def play_tone(self, name: str) -> None:
        if self.state is not LegState.ENDED:
            self.did.append(("tone", name))

    def stop_playing(self) -> None:
        if self.state is not LegState.ENDED:
            self.did.append(("stop_playing",))

    def record(self, rate: int = 8000) -> None:
        self._talk("record", rate)

    def stop_recording(self) -> None:
        self._talk("stop_recording")

    async def stats(self) -> MediaStats | None:
        await asyncio.sleep(self.stats_delay_s)
        return self.counters

    # ---- the far end ----

    def emit(self, news: News) -> None:
        if isinstance(news, Ended):
            self.state = LegState.ENDED
            self._endpoint.legs.pop(self.id, None)
        elif isinstance(news, Answered):
            self.state = LegState.CONFIRMED
        if self._receiver is not None:
            self._receiver(self, news)
        else:
            self.news.put_nowait(news)

    def says(self, code: int, *, reason: str = "", early_media: bool = False, codec: str = "pcmu", cause: str = "", retry_after: int = 0) -> None:
        """The far end answers our INVITE with this status."""
        assert self.state in (LegState.CALLING, LegState.EARLY), self.state
        if code < 200:
            if early_media:
                self.emit(MediaChanged(True, codec=codec))
            self.state = LegState.EARLY
            self.emit(Progress(code, early_media))
        elif code < 300:
            self.emit(MediaChanged(True, codec=codec))
            self.emit(Answered(code))
        else:
            causes = {486: "busy", 600: "busy", 603: "declined", 408: "timeout", 480: "no-answer", 503: "unreachable"}
            self.emit(Ended(code, reason, cause=cause or causes.get(code, "refused"), retry_after=retry_after))

    def vanishes(self) -> None:
        self.emit(Ended(408, cause="vanished"))

    def hangs_up(self) -> None:
        """BYE from an answered far end, CANCEL from a caller that waits."""
        if self.state is LegState.CONFIRMED:
            self.emit(Ended(200))
        else:
            self.emit(Ended(487, cause="cancelled"))

    def refers(self, user: str, replaces: str = "") -> None:
        self.emit(TransferRequested(f"sip:{user}@192.168.1.1", user, replaces))

    def presses(self, digit: str, method: str) -> None:
        self.emit(Digit(digit, 120, method))

    # ---- what tests ask ----

    @property
    def final(self) -> tuple[Any, ...]:
        """The command that ended it."""
        ends = [done for done in self.did if done[0] in ("bye", "reject", "cancel")]
        assert ends, f"leg {self.id} was not ended: {self.did}"
        return ends[-1]

    def names(self) -> list[str]:
        return [done[0] for done in self.did]

    def _talk(self, *what: Any) -> None:
        if self.state is LegState.CONFIRMED:
            self.did.append(what)

    def _end(self, news: Ended) -> None:
        self.state = LegState.ENDED
        self._endpoint.legs.pop(self.id, None)
        self._soon(news)

    def _soon(self, news: News) -> None:
        asyncio.get_running_loop().call_soon(self.emit, news)


class FakeEndpoint:
    """The box's SIP side. `dialled` lists outgoing legs in order; `joined` the pairs that hear each other now."""

    def __init__(self, legs_free: int = 400) -> None:
        self.invites: asyncio.Queue[Leg] = asyncio.Queue()
        self.dialled: list[FakeLeg] = []
        self.legs: dict[LegId, FakeLeg] = {}
        self.joined: list[tuple[LegId, LegId]] = []
        self.listening: list[tuple[LegId, LegId]] = []
        self.legs_free = legs_free
        self.on_dial: Callable[[Dial], None] = lambda request: None
        self.dial_fails: Callable[[Dial], bool] = lambda request: False
        self._serial = itertools.count(1)

    def dial(self, request: Dial) -> Leg:
        if self.dial_fails(request):
            raise SipError("no leg is free")
        self.on_dial(request)
        leg = FakeLeg(self, LegId(f"leg-{next(self._serial)}"), request=request)
        self.legs[leg.id] = leg
        self.dialled.append(leg)
        return leg

    def join(self, a: Leg, b: Leg) -> None:
        for leg in (a, b):
            assert not any(leg.id in pair for pair in self.joined), f"{leg.id} is joined already: {self.joined}"
        self.joined.append((a.id, b.id))

    def part(self, a: Leg, b: Leg) -> None:
        self.joined.remove((a.id, b.id))

    def listen(self, speaker: Leg, listener: Leg) -> None:
        self.listening.append((speaker.id, listener.id))

    def forwarding(self, allowed: bool, *legs: Leg) -> None: ...

    async def options(self, target: str, account: Address | TrunkId, timeout_s: float = 4.0) -> int:
        return 200

    async def request(
        self, method: str, target: str, account: Address | TrunkId, headers: Any = (), body: bytes = b"", content_type: str = "", timeout_s: float = 32.0
    ) -> int:
        return 200

    async def all_stats(self) -> dict[LegId, MediaStats]:
        return {leg.id: leg.counters for leg in self.legs.values() if leg.counters is not None}

    def free_legs(self) -> int:
        return self.legs_free

    def incoming(self, **fields: Any) -> FakeLeg:
        leg_id = LegId(f"leg-{next(self._serial)}")
        values: dict[str, Any] = {
            "leg": leg_id,
            "call_id": f"in-{leg_id}",
            "uri": f"sip:{fields.get('uri_user', '')}@192.168.1.1",
            "uri_user": "",
            "from_uri": "sip:x@192.168.1.1",
            "from_user": "x",
            "from_display": "",
            "to_user": fields.get("uri_user", ""),
            "source": PHONE,
            "local": BOX,
            "origin": Origin.DEVICE,
            "codecs": ("pcmu", "pcma"),
        }
        leg = FakeLeg(self, leg_id, invite=Invite(**(values | fields)))
        self.legs[leg_id] = leg
        self.invites.put_nowait(leg)
        return leg


SITE: dict[str, Any] = {
    "domain": "office.example",
    "country": "US",
    "main_number": "+12125550100",
    "users": {
        "dana": {"name": "Dana Fox", "extension": "101", "outbound_number": "+12125550101", "ring_seconds": 20},
        "bob": {"name": "Bob Hill", "extension": "102", "call_waiting": False},
        "carol": {"name": "Carol Ito", "extension": "103"},
    },
    "devices": {
        "dana-desk": {"owner": "dana", "sip_user": "dana1", "secret": "not-a-secret-1"},
        "dana-soft": {"owner": "dana", "sip_user": "dana2", "secret": "not-a-secret-2"},
        "bob-desk": {"owner": "bob", "sip_user": "bob1", "secret": "not-a-secret-3"},
        "carol-desk": {"owner": "carol", "sip_user": "carol1", "secret": "not-a-secret-4"},
        "door": {"name": "Front door", "sip_user": "door1", "secret": "not-a-secret-5", "extension": "190"},
    },
    "trunks": {
        "acme": {"name": "Acme", "host": "198.51.100.1", "username": "acct1", "secret": "not-a-secret-6"},
        "backup": {"name": "Backup", "host": "203.0.113.9", "number_format": "national", "codecs": ["pcma"], "transport": "tcp"},
    },
    "numbers": {
        "main": {"number": "+12125550100", "destination": "103"},
        "dana": {"number": "+12125550101", "destination": "101"},
    },
    "locations": {
        "lobby": {
            "name": "Lobby",
            "civic": {"country": "US", "A1": "NY", "A3": "New York", "RD": "Main", "STS": "Street", "HNO": "1", "PC": "10001", "FLR": "1"},
            "elins": ["+12125550150", "+12125550151"],
            "networks": ["192.168.1.0/24"],
        },
    },
    "emergency": {"security_extensions": ["103"], "default_location": "lobby"},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, tables merged."""
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def snapshot_of(**changes: Any) -> Snapshot:
    document, secrets, _ = split(merged(SITE, changes))
    return compile(Site.model_validate(document), 1, secrets)


class FakeJournal:
    """Keeps entries in memory. `delay_s`: how slow the disk is; `broken`: writing raises, as it never should."""

    def __init__(self, story: list[tuple[str, Any]]) -> None:
        self.entries: list[dict[str, Any]] = []
        self.delay_s = 0.001
        self.broken = False
        self._story = story

    def append(self, entry: dict[str, Any]) -> Future[Written]:
        if self.broken:
            raise OSError("no journal")
        self.entries.append(entry)
        result: Future[Written] = Future()
        result.set_result(Written(True))
        return result

    async def write(self, entry: dict[str, Any]) -> Written:
        result = self.append(entry)
        await asyncio.sleep(self.delay_s)
        self._story.append(("journal", entry["event"]))
        return result.result()

    def events(self) -> list[str]:
        return [entry["event"] for entry in self.entries]


class Faults(logging.Handler):
    """Errors that the calls wrote to the log, since the newest World."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []
        logging.getLogger("appliance.calls").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))


FAULTS = Faults()


class World:
    """A site with three users, a door station and two trunks, every device registered once."""

    def __init__(self, **changes: Any) -> None:
        self.endpoint = FakeEndpoint()
        self.snapshot = snapshot_of(**changes)
        self.contacts: dict[DeviceId, tuple[Target, ...]] = {
            device: (Target(f"sip:{entry.sip_user}@192.168.1.{50 + number}:5060", BOX, device),)
            for number, (device, entry) in enumerate(self.snapshot.devices.items())
        }
        self.call_backs: dict[str, CallBack] = {}
        self.story: list[tuple[str, Any]] = []
        self.endpoint.on_dial = lambda request: self.story.append(("dial", request))
        self.journal = FakeJournal(self.story)
        elins = [elin for location in self.snapshot.site.locations.values() for elin in location.elins]
        self.callbacks = CallbackMap(elins, hold_s=3600)
        self.stored: list[CallbackRecord] = []
        self.notices = NoticeRegister()
        self.failing: set[str] = set()
        self.last_good = ""
        self.worked: list[TrunkId] = []
        self.records: list[CallRecord] = []
        self.events: list[object] = []
        self.live = LiveCalls()
        self.order: tuple[TrunkId, ...] = ()
        self._ids = itertools.count(1)
        self._expected: tuple[str, ...] = ()
        self.faults: list[str] = []
        FAULTS.seen = self.faults

    def fields(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        return {
            "endpoint": self.endpoint,
            "snapshot": lambda: self.snapshot,
            "targets": lambda device: self.contacts.get(device, ()),
            "call_back": self.look_up,
            "trunk_order": lambda trunks: self.order or trunks,
            "record": self.records.append,
            "publish": self.publish,
            "wall": lambda: 1_800_000_000.0 + loop.time(),
            "new_id": lambda: SessionId(f"s{next(self._ids)}"),
            "live": self.live,
            "programs": lambda: PlainPrograms(self.lead),
        }

    def lead(self, number: str) -> str:
        """The extension a number of the site leads to."""
        entry = self.snapshot.numbers.get(number)
        return entry.destination.target if entry is not None and entry.destination.kind == "extension" else ""

    def moment(self) -> Moment:
        return Moment("boot", asyncio.get_running_loop().time())

    def look_up(self, number: str) -> CallBack | None:
        return self.call_backs.get(number) or call_back_of(self.callbacks.lookup(number, self.moment()), lambda uri: BOX)

    def publish(self, event: object) -> None:
        self.story.append(("notice" if isinstance(event, EmergencyNotice) else "event", event))
        self.events.append(event)

    def emergency(self, **changes: Any) -> EmergencyContext:
        fields: dict[str, Any] = {
            "recogniser": lambda: Recogniser.of(self.snapshot),
            "locations": lambda: LocationTable(self.snapshot.site),
            "callbacks": self.callbacks,
            "store_callback": self.stored.append,
            "journal": self.journal,
            "notices": self.notices,
            "moment": self.moment,
            "rank": lambda trunk: 2 if trunk in self.failing else 0,
            "last_good": lambda: self.last_good,
            "worked": self.worked.append,
        }
        return EmergencyContext(**(fields | changes))

    def context(self, **changes: Any) -> CallContext:
        return CallContext(**(self.fields() | changes))

    def calls(self, device: str, number: str, **fields: Any) -> FakeLeg:
        """A phone of ours dials."""
        return self.endpoint.incoming(device=DeviceId(device), uri_user=number, **fields)

    def from_trunk(self, number: str, trunk: str = "acme", **fields: Any) -> FakeLeg:
        """A call comes in over a trunk."""
        values = {"origin": Origin.TRUNK, "trunk": TrunkId(trunk), "uri_user": number, "from_user": "+13015550199"} | fields
        return self.endpoint.incoming(**values)

    def calls_help(self, device: str | None = "dana-desk", service: str = "911", **fields: Any) -> FakeLeg:
        """A phone, known or not, calls the emergency services."""
        known = {"origin": Origin.DEVICE, "device": DeviceId(device)} if device else {"origin": Origin.UNKNOWN}
        return self.endpoint.incoming(**({"uri_user": service, "service": service} | known | fields))

    def unregister(self, *devices: str) -> None:
        for device in devices:
            self.contacts.pop(DeviceId(device))

    @property
    def out(self) -> list[FakeLeg]:
        return self.endpoint.dialled

    def expects(self, *words: str) -> None:
        """Errors in the log with any of these words are part of the story."""
        self._expected += words

    def all_gone(self) -> None:
        """No leg, join or call is left behind, and the log has those errors that were expected, no others."""
        odd = [fault for fault in self.faults if not any(words in fault for words in self._expected)]
        assert not odd, "\n".join(odd)
        assert self.faults or not self._expected
        assert not self.endpoint.legs, list(self.endpoint.legs)
        assert not self.endpoint.joined
        assert len(self.live) == 0
