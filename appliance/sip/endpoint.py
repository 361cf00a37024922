"""The SIP thread: creates pjsua2, polls it, runs posted commands, publishes news. The one owner of every pjsua2 object."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pjsua2 as pj
from _holdfast_shim import ffi, lib

from appliance.errors import SipError
from appliance.sip._pj import callbacks, fields
from appliance.sip._pj import config as pjconfig
from appliance.sip._pj.config import MAX_LEGS, MediaPorts, TrunkAccount
from appliance.sip._pj.fax import fax
from appliance.sip._pj.invites import invite_of
from appliance.sip._pj.media import CallMedia
from appliance.sip._pj.requests import Done, Requests
from appliance.sip._pj.stats import Counters
from appliance.sip._pj.text import address, cause_of, header_lines, quoted, text
from appliance.sip._pj.trunks import TrunkAccounts
from appliance.sip._pj.trunks import TrunkNews as TrunkNews  # noqa: PLC0414 - part of this module's face
from appliance.sip._pj.vanished import QUIET_CHECK_S, look_for_vanished, probed
from appliance.sip.admission import Admitted
from appliance.sip.api import (
    Answered,
    Dial,
    Digit,
    Ended,
    Leg,
    MediaChanged,
    MediaStats,
    News,
    Progress,
    TextMessage,
    TransferProgress,
    TransferRequested,
)
from appliance.sip.leg import SipLeg
from appliance.sip.line import LineLeg, Lines
from appliance.sip.messages import DialogRequest, Reply, Request
from appliance.types import Address, LegId, Transport, TrunkId

log = logging.getLogger(__name__)
Result = TypeVar("Result")

POLL_MS = 100
"""Commands wake the poll by themselves; this only bounds timers."""
EMERGENCY_LEGS = 16
LAST_LEGS, CROWD = 12, 8
"""When fewer legs than LAST_LEGS are left, a source with CROWD emergency calls up gets no more: they would take everybody else's way out."""
NEWS_LIMIT = 20_000
BURST = 16  # commands at once: a page that ends hangs up a hundred legs, and an INVITE does not wait for that
TEXTS_LIMIT = 1_000
DIGIT_GAP_MS = 200
"""More than the pause the library leaves between the digits it sends."""

Decide = Callable[[Request, float], "Admitted | Reply | None"]


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Where to listen and with what. `advertised`: LAN address -> the address written where phones reach it through NAT. `tls`: certificate and key files."""

    addresses: tuple[str, ...]
    port: int
    tls_port: int
    media: MediaPorts
    boot: str
    user_agent: str = "Holdfast"
    advertised: tuple[tuple[str, str], ...] = ()
    tls: tuple[Path, Path] | None = None
    trace_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message of the trace ring; `at_s` wall clock in Unix seconds."""

    number: int
    at_s: float
    sent: bool
    local: Address
    remote: Address
    data: bytes


class _Invites(asyncio.Queue[Leg]):
    """Incoming legs, emergencies first."""

    def _put(self, item: Leg) -> None:
        queue: deque[Leg] = self._queue  # type: ignore[attr-defined]
        if item.invite is not None and item.invite.service:
            queue.appendleft(item)
        else:
            queue.append(item)


class SipEndpoint:
    """Implements `api.Endpoint` over one SIP thread. `decide` runs on that thread for every out-of-dialog request; `on_trunk` on the loop."""

    def __init__(self, config: EndpointConfig, decide: Decide, on_trunk: Callable[[TrunkNews], None], tick: Callable[[float], None]) -> None:
        self.config = config
        self.invites: asyncio.Queue[Leg] = _Invites()
        self.messages: asyncio.Queue[TextMessage] = asyncio.Queue()
        self.on_trunk = on_trunk
        self.features: dict[str, bool] = {}
        self.listening: tuple[Address, ...] = ()
        self.left_out: tuple[Address, ...] = ()
        self.last_poll_s = 0.0
        self._decide, self._tick = decide, tick
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="sip", daemon=True)
        self._ready: asyncio.Future[None] | None = None
        self._stop = False
        self._commands: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._news: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._news_waiting = False
        self._news_lock = threading.Lock()
        self._woken = False
        self._serial = 0
        self._playbacks = itertools.count(1)
        self._legs: dict[int, SipLeg] = {}
        self._admitted: tuple[Request, Admitted] | None = None
        self.media = CallMedia(self.tell, lambda: len(self._news) > NEWS_LIMIT)
        self.lines = Lines(self)
        self._counters = Counters()
        self._requests = Requests()
        self._lan: dict[tuple[str, Transport], tuple[int, pj.Account]] = {}
        self._transports: dict[tuple[str, Transport], int] = {}
        self._trunks = TrunkAccounts(config.media, self._transports, lambda news: self.to_loop(self.on_trunk, news))
        self._buffer = ffi.new("char[16384]")
        self._numbers = tuple(ffi.new("int*") for _ in range(4))

    # ---- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring up library, transports and accounts. Raises SipError with what could not be had."""
        self._loop = asyncio.get_running_loop()
        self._ready = self._loop.create_future()
        self._thread.start()
        await self._ready

    async def stop(self) -> None:
        """End every call and the thread; returns when the library is gone (at most some seconds)."""
        self._stop = True
        lib.hf_wake()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 6.0)

    def _run(self) -> None:
        callbacks.bind(self)
        endpoint = pj.Endpoint()
        try:
            self._bring_up(endpoint)
        except Exception as error:  # noqa: BLE001 - reported to the one who waits for the start
            self.to_loop(self._failed, error)
            return
        self.to_loop(self._ready.set_result if self._ready else lambda _: None, None)
        checked = ticked = 0.0
        while not self._stop or self._commands:
            endpoint.libHandleEvents(0 if self._commands else POLL_MS)
            self._drain()
            now = self.last_poll_s = time.monotonic()
            self.media.fetch(now)
            if now - ticked >= 1.0:
                ticked = now
                self.post(self._tick, now)  # as a command: a fault in it is logged and does not end the thread
                self._forward_again(now)
            if now - checked >= QUIET_CHECK_S:
                checked = now
                self.post(look_for_vanished, self._legs.values(), now)
        for leg in list(self._legs.values()):
            lib.hf_call_hangup(leg.call, 0, b"", b"")
        deadline = time.monotonic() + 1.0
        while lib.hf_calls_used() and time.monotonic() < deadline:
            endpoint.libHandleEvents(20)
        for _, account in self._lan.values():
            account.shutdown()
        self._trunks.shutdown()
        endpoint.libDestroy()

    def _failed(self, error: Exception) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error if isinstance(error, SipError) else SipError(f"The SIP side did not start: {error}", "see the log for details"))

    def _bring_up(self, endpoint: pj.Endpoint) -> None:
        endpoint.libCreate()
        endpoint.libInit(pjconfig.endpoint_config(self.config.user_agent))
        for step in (lib.hf_wake_install, lambda: lib.hf_trace_install(self.config.trace_bytes), lib.hf_hook_install, lib.hf_forward_install):
            if step():
                raise SipError("The SIP shim could not be put in place", "rebuild it with `make clean run`")
        lib.hf_calls_install()
        endpoint.audDevManager().setNullDev()
        advertised = dict(self.config.advertised)
        opened, self.left_out = pjconfig.ports(self.config.addresses, self.config.port, self.config.tls_port if self.config.tls else 0)
        for local in opened:
            kind = pjconfig.transport_kind(local)
            try:
                transport_id = endpoint.transportCreate(
                    kind, pjconfig.transport_config(local.ip, local.port, self.config.tls if local.transport is Transport.TLS else None)
                )
            except pj.Error as error:
                raise SipError(
                    f"Port {local.port}/{local.transport} on {local.ip} cannot be used: {error.reason}",
                    "stop what holds it, or set HOLDFAST_SIP_PORT or HOLDFAST_BIND",
                ) from error
            account = pj.Account()
            account.create(pjconfig.lan_account(local, transport_id, self.config.media, advertised.get(local.ip, "")))
            lib.hf_lan_account(account.getId(), 1)
            self._lan[(local.ip, local.transport)] = (account.getId(), account)
            self._transports[(local.ip, local.transport)] = transport_id
        endpoint.libStart()
        known = {str(c.codecId) for c in endpoint.codecEnum2()}
        wanted_codecs = {name: next((c for c in known if c.startswith(prefix)), "") for name, prefix in pjconfig.CODECS.items()}
        for codec in known:
            endpoint.codecSetPriority(codec, 128 if codec in wanted_codecs.values() else 0)
        bits = lib.hf_features()
        self.features = {
            "tls": bool(bits & 1),
            "srtp": bool(bits & 2),
            "dtls-srtp": bool(bits & 4),
            "opus": bool(wanted_codecs["opus"]),
            "g722": bool(wanted_codecs["g722"]),
        }
        self.listening = tuple(Address(ip, self.config.tls_port if t is Transport.TLS else self.config.port, t) for ip, t in self._lan)

    # ---- between the threads -------------------------------------------------------------------------------------

    def post(self, command: Callable[..., Any], *arguments: Any) -> None:
        """Run `command` on the SIP thread soon. Any thread."""
        self._commands.append((command, arguments))
        # One wake-up per batch: each gives up the interpreter lock.
        if not self._woken:
            self._woken = True
            lib.hf_wake()

    async def ask(self, question: Callable[..., Result], *arguments: Any) -> Result:
        """Run `question` on the SIP thread and wait for its answer."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def run() -> None:
            try:
                result = question(*arguments)
            except Exception as error:  # noqa: BLE001 - handed to the one who asked
                self.to_loop(lambda e: None if future.done() else future.set_exception(e), error)
            else:
                self.to_loop(lambda r: None if future.done() else future.set_result(r), result)

        self.post(run)
        return await future

    def to_loop(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Run `action` on the asyncio loop soon, in order. SIP thread."""
        self._news.append((action, arguments))
        with self._news_lock:
            if self._news_waiting or self._loop is None:
                return
            self._news_waiting = True
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # the loop is closed: the process is on its way out
            self._news.clear()

    def _deliver(self) -> None:
        with self._news_lock:
            self._news_waiting = False
        while self._news:
            action, arguments = self._news.popleft()
            try:
                action(*arguments)
            except Exception:
                log.exception("news of the SIP thread was not taken")

    def tell(self, leg: SipLeg, item: News) -> None:
        # Under a backlog cheap news goes first; what ends or answers a leg never does.
        if len(self._news) > NEWS_LIMIT and isinstance(item, Progress | Digit | MediaChanged):
            return
        self.to_loop(leg.tell, item)

    def _drain(self) -> None:
        self._woken = False
        for _ in range(min(BURST, len(self._commands))):
            command, arguments = self._commands.popleft()
            try:
                command(*arguments)
            except Exception:
                log.exception("a command to the SIP thread failed")
        self._woken = bool(self._commands)  # the rest comes after the next poll, which does not wait then
        kind, call, a, b = self._numbers
        while lib.hf_event(kind, call, a, b):
            if kind[0] == 2:
                self.media.ended(a[0])
            elif (leg := self._legs.get(call[0])) is None:
                continue
            elif isinstance(leg, LineLeg):
                self.to_loop(leg.line.sound_failed, leg)
            else:
                self._digit(leg, chr(a[0] & 0xFF).upper(), b[0], bool(a[0] & 0x100))
        self.media.collect()

    # ---- api.Endpoint --------------------------------------------------------------------------------------------

    def dial(self, request: Dial) -> Leg:
        if not request.emergency and self.free_legs() < 1:
            raise SipError("No leg is free", "wait for a call to end")
        leg_id = self.new_leg_id()
        if (line := self.lines.dial(leg_id, request)) is not None:
            return line
        leg = SipLeg(self, leg_id, dialled=request)
        self.post(self._do_dial, leg, request)
        return leg

    def join(self, a: Leg, b: Leg) -> None:
        self.post(self._do_join, a, b)

    def part(self, a: Leg, b: Leg) -> None:
        self.post(self._do_part, a, b)

    def listen(self, speaker: Leg, listener: Leg) -> None:
        self.post(self.media.listen, speaker, listener)

    def forwarding(self, allowed: bool, *legs: Leg) -> None:
        self.post(self._do_forwarding, allowed, legs)

    async def options(self, target: str, account: Address | TrunkId, timeout_s: float = 4.0) -> int:
        return await self.request("OPTIONS", target, account, timeout_s=timeout_s)

    async def request(
        self,
        method: str,
        target: str,
        account: Address | TrunkId,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        content_type: str = "",
        timeout_s: float = 32.0,
        from_uri: str = "",
        to_uri: str = "",
    ) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(code: int) -> None:
            self.to_loop(lambda: None if future.done() else future.set_result(code))

        self.post(self._do_request, account, method, target, headers, body, content_type, from_uri, to_uri, done)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return 408

    async def renew_tls(self) -> None:
        """Have new TLS connections use the certificate as its file is now; those that are up, and calls, go on. Raises SipError."""
        await self.ask(self._renew_tls)

    def _renew_tls(self) -> None:
        closed: list[str] = []
        for (ip, transport), transport_id in self._transports.items():
            if transport is Transport.TLS and (ip, transport) in self._lan and lib.hf_tls_restart(transport_id, ip.encode(), self.config.tls_port):
                closed.append(ip)
        if closed:
            hint = "the box tries again by itself; phones that use UDP or TCP do not notice"
            raise SipError(f"Port {self.config.tls_port}/tls on {', '.join(closed)} could not be opened again", hint)

    async def all_stats(self) -> Mapping[LegId, MediaStats]:
        return Counters.read(await self.ask(self._counters.snapshot, self._legs))

    def free_legs(self) -> int:
        # A leg that was hung up keeps its slot until the peer has answered the BYE: 32 s when the peer is gone.
        return max(0, MAX_LEGS - EMERGENCY_LEGS - max(len(self._legs), int(lib.hf_calls_used())))

    def crowded_by(self, ip: str) -> bool:
        """The last legs are nearly gone, and this source holds many emergency calls (SIP thread)."""
        if MAX_LEGS - int(lib.hf_calls_used()) > LAST_LEGS:
            return False
        mine = sum(1 for leg in self._legs.values() if leg.invite is not None and leg.invite.service and leg.invite.source.ip == ip)
        return mine >= CROWD

    # ---- for the wiring ------------------------------------------------------------------------------------------

    def set_trunks(self, wanted: tuple[TrunkAccount, ...]) -> None:
        """Bring the trunk accounts to this list; calls on a trunk that goes stay up."""
        self.post(self._trunks.apply, wanted)

    def set_name(self, host: str, ip: str) -> None:
        """What pjsip answers itself when it meets `host`; ip "" forgets."""
        lib.hf_name_set(host.encode(), ip.encode())

    def counters(self) -> dict[str, int]:
        """Messages and media adapters since start; any thread."""
        counts, media = ffi.new("unsigned long[6]"), ffi.new("unsigned long[3]")
        lib.hf_counts(counts, 6)
        lib.hf_media_counts(media)
        names = ("rx_requests", "rx_responses", "tx_requests", "tx_responses", "refused_malformed")
        return {
            **{name: int(counts[i]) for i, name in enumerate(names)},
            "adapters_made": int(media[0]),
            "adapters_freed": int(media[1]),
            "links": int(media[2]),
            "legs": len(self._legs),
        }

    def trace(self, after: int = 0) -> list[RawMessage]:
        """The messages in the ring after number `after`, oldest first; any thread, but slow for a full ring: not the loop."""
        seq, at, sent, kind = ffi.new("unsigned long*"), ffi.new("double*"), ffi.new("int*"), ffi.new("int*")
        local, remote, data = ffi.new("char[64]"), ffi.new("char[64]"), ffi.new("char[16384]")
        found: list[RawMessage] = []
        while n := lib.hf_trace_read(after, seq, at, sent, kind, local, remote, data, 16384):
            after = int(seq[0])
            transport = (Transport.UDP, Transport.TCP, Transport.TLS)[kind[0]]
            found.append(
                RawMessage(after, float(at[0]), bool(sent[0]), address(text(local), transport), address(text(remote), transport), bytes(ffi.unpack(data, n)))
            )
        return found

    def slots_used(self) -> int:
        """pjsua's own count of call slots (SIP thread, by `ask`)."""
        return int(lib.hf_calls_used())

    def media_used(self) -> tuple[int, int]:
        """Ports of the bridge in use, and sounds kept in memory (SIP thread, by `ask`)."""
        return int(lib.hf_media_ports()), self.media.held()

    # ---- commands on the SIP thread ------------------------------------------------------------------------------

    def new_leg_id(self) -> LegId:
        self._serial += 1
        return LegId(f"{self.config.boot}-{self._serial}")

    def new_playback(self) -> int:
        """An id no other playback of this endpoint has (loop)."""
        return next(self._playbacks)

    def _account(self, account: Address | TrunkId) -> int:
        if isinstance(account, Address):
            found = self._lan.get((account.ip, account.transport))
            return found[0] if found else next(iter(self._lan.values()))[0]
        return self._trunks.number(account)

    def _do_dial(self, leg: SipLeg, request: Dial) -> None:
        account = self._account(request.account)
        if account < 0:
            self.tell(leg, Ended(503, "The trunk has no address yet", cause="unreachable"))
            return
        parts = ffi.new("hf_part[]", max(1, len(request.parts)))
        keep = [ffi.new("char[]", data) for p in request.parts for data in (p.content_type.encode(), header_lines(p.headers), p.body)]
        for i, part in enumerate(request.parts):
            parts[i].ctype, parts[i].headers, parts[i].body, parts[i].len = keep[3 * i], keep[3 * i + 1], keep[3 * i + 2], len(part.body)
        sender = f'"{quoted(request.from_display)}" <{request.from_uri}>' if request.from_display else f"<{request.from_uri}>" if request.from_uri else ""
        status = ffi.new("int*")
        # A name-addr or URI of a person's making can hold anything: pjsip says no, and the leg ends with a cause.
        call = lib.hf_call_make(
            account, request.target.encode(), request.to_uri.encode(), sender.encode(), b"", header_lines(request.headers),
            ",".join(request.codecs).encode(), parts, len(request.parts), self._buffer, 512, status,
        )  # fmt: skip
        if call < 0:
            log.warning("leg %s: INVITE to %s was not sent (pjsip status %d)", leg.id, request.target, status[0])
            self.tell(leg, Ended(503, "The call could not be sent", cause="unreachable"))
            return
        leg.call, leg.call_id = call, ffi.string(self._buffer).decode(errors="replace")
        self._legs[call] = leg

    def do_answer(self, leg: SipLeg, code: int, reason: str, headers: tuple[tuple[str, str], ...], codecs: tuple[str, ...]) -> None:
        if leg.call >= 0 and leg.invite is not None:
            lib.hf_call_answer(leg.call, code, reason.encode(), header_lines(headers), ",".join(codecs).encode())

    def do_hangup(self, leg: SipLeg, code: int, reason: str, headers: tuple[tuple[str, str], ...]) -> None:
        if leg.call >= 0:
            self._counters.of(leg)
            lib.hf_call_hangup(leg.call, code, reason.encode(), header_lines(headers))

    def do_hold(self, leg: SipLeg, on: bool) -> None:
        if leg.call >= 0:
            lib.hf_call_hold(leg.call, int(on))

    def do_digits(self, leg: SipLeg, digits: str, info: bool, duration_ms: int) -> None:
        if leg.call < 0:
            return
        if isinstance(leg, LineLeg):
            self.to_loop(leg.send_digits, digits)
            return
        if not info and leg.joined is not None:
            # While RTP is forwarded our own stream is silent, and digits of ours would be, too.
            now = time.monotonic()
            leg.bridged_until_s = max(now, leg.bridged_until_s) + len(digits) * (duration_ms + DIGIT_GAP_MS) / 1000
            self._rejoin(leg)
        # A phone that did not offer telephone-event gets INFO.
        if lib.hf_call_dtmf(leg.call, digits.encode(), int(info), duration_ms) and not info:
            lib.hf_call_dtmf(leg.call, digits.encode(), 1, duration_ms)

    def do_refer(self, leg: SipLeg, target: str, headers: tuple[tuple[str, str], ...]) -> None:
        if leg.call >= 0 and lib.hf_call_refer(leg.call, target.encode(), header_lines(headers)):
            self.tell(leg, TransferProgress(500, True))

    def do_refer_answer(self, leg: SipLeg, code: int) -> None:
        if leg.call >= 0:
            lib.hf_call_refer_answer(leg.call, code)

    def do_refer_notify(self, leg: SipLeg, code: int, reason: str, final: bool) -> None:
        if leg.call >= 0:
            lib.hf_call_refer_notify(leg.call, code, reason.encode(), int(final))

    def do_record(self, leg: SipLeg, rate: int) -> None:
        if self.media.record(leg, rate):
            self._rejoin(leg)

    def do_stop_recording(self, leg: SipLeg) -> None:
        if leg.recorded:
            self.media.stop_recording(leg)
            self._rejoin(leg)

    def do_stats(self, leg: SipLeg) -> MediaStats | None:
        return self._counters.of(leg)

    def _do_join(self, a: SipLeg, b: SipLeg) -> None:
        a.joined, b.joined = b, a
        self._rejoin(a)

    def _rejoin(self, leg: SipLeg) -> None:
        other = leg.joined
        if other is not None and leg.call >= 0 and other.call >= 0:
            bridged = any(one.bridged or one.recorded or one.bridged_until_s > 0 for one in (leg, other))
            lib.hf_join(leg.call, other.call, int(not bridged))

    def _forward_again(self, now: float) -> None:
        """Digits of ours are out: the legs that were taken to the bridge for them go back."""
        for leg in [leg for leg in self._legs.values() if 0 < leg.bridged_until_s <= now]:
            leg.bridged_until_s = 0.0
            self._rejoin(leg)

    def _do_part(self, a: SipLeg, b: SipLeg) -> None:
        if a.joined is b:
            a.joined = b.joined = None
            if a.call >= 0 and b.call >= 0:
                lib.hf_part_calls(a.call, b.call)

    def _do_forwarding(self, allowed: bool, legs: tuple[SipLeg, ...]) -> None:
        for leg in legs:
            leg.bridged = not allowed
            self._rejoin(leg)

    def _do_request(self, account: Address | TrunkId, *request: Any) -> None:
        self._requests.send(self._account(account), *request)

    def send_in_dialog(self, request: DialogRequest, done: Done) -> None:
        """Send a request in a dialog that is not a call; `done` gets its final status (SIP thread, both)."""
        self._requests.send_in_dialog(self._account(request.local), request, done)

    def contact_of(self, local: Address) -> str:
        """The Contact of what we say from that address, `<sip:…>`: where requests in a dialog of ours come to (any thread)."""
        shown = dict(self.config.advertised).get(local.ip, local.ip)
        return pjconfig.contact("holdfast", shown, local.port, local.transport)

    def take_text(self, message: TextMessage) -> None:
        """Hand a text on; the oldest one that nobody fetched makes room (SIP thread)."""
        self.to_loop(self._put_text, message)

    def _put_text(self, message: TextMessage) -> None:
        if self.messages.qsize() >= TEXTS_LIMIT:
            lost = self.messages.get_nowait()
            log.warning("a text from %s to %s was dropped: %d wait", lost.device, lost.to_user, TEXTS_LIMIT)
        self.messages.put_nowait(message)

    # ---- events on the SIP thread --------------------------------------------------------------------------------

    def on_request(self, text: str) -> int:
        """Decide one out-of-dialog request; returns what hook.c expects."""
        request = fields.parse(text)
        decision = self._decide(request, time.monotonic())
        if decision is None:
            return int(lib.HF_DROP)
        if isinstance(decision, Reply):
            lib.hf_reply(decision.code, decision.reason.encode(), header_lines(decision.headers), decision.to_tag.encode())
            return int(lib.HF_ANSWERED)
        self._admitted = (request, decision)
        account = self._lan.get((request.local.ip, request.local.transport)) or next(iter(self._lan.values()))
        number = account[0]
        if decision.trunk is not None:
            trunk = self._trunks.number(decision.trunk)
            number = trunk if trunk >= 0 else number
        return number | (int(lib.HF_EMERGENCY) if decision.emergency else 0)

    def on_incoming(self, call: int, call_id: str) -> None:
        if self._admitted is None:
            lib.hf_call_hangup(call, 500, b"", b"")
            return
        (request, admitted), self._admitted = self._admitted, None
        leg_id = self.new_leg_id()
        leg = SipLeg(self, leg_id, invite=invite_of(leg_id, call_id, request, admitted))
        leg.call = call
        self._legs[call] = leg
        self.to_loop(self.invites.put_nowait, leg)

    def on_state(self, call: int, state: int, code: int, reason: str, retry_after: int) -> None:
        leg = self._legs.get(call)
        if leg is None:
            return
        if state == pj.PJSIP_INV_STATE_CALLING and code == 100:
            self.tell(leg, Progress(100))
        elif state == pj.PJSIP_INV_STATE_EARLY and leg.invite is None:
            leg.ringing = leg.ringing or code in {180, 183}
            self.tell(leg, Progress(code, code == 183))
        elif state == pj.PJSIP_INV_STATE_CONFIRMED:
            leg.answered = True
            leg.quiet_since_s = time.monotonic()
            self.tell(leg, Answered(200))
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.leave(leg)
            self.tell(
                leg,
                Ended(
                    200 if leg.answered and not leg.vanished else code,
                    reason,
                    cause=cause_of(code, answered=leg.answered, ringing=leg.ringing, vanished=leg.vanished),
                    retry_after=retry_after,
                ),
            )

    def on_media(self, call: int, active: bool, held: bool, codec: str) -> None:
        leg = self._legs.get(call)
        if leg is None:
            return
        leg.codec = codec.lower() or leg.codec
        if active:
            self.sound_again(leg)
        self.tell(leg, MediaChanged(active, held, codec.lower()))

    # ---- legs come and go (SIP thread) -----------------------------------------------------------------------------

    def enter(self, leg: SipLeg) -> None:
        self._legs[leg.call] = leg

    def leave(self, leg: SipLeg) -> None:
        """It is over: what there is of its sound is taken down; its counters are kept."""
        self._legs.pop(leg.call, None)
        self.media.stop_recording(leg)
        self._counters.of(leg)
        leg.call = -1
        if leg.joined is not None:
            leg.joined.joined = None
            leg.joined = None
        self.media.leave(leg)

    def sound_again(self, leg: SipLeg) -> None:
        """Its media began, or began anew in another place on the bridge."""
        self._rejoin(leg)
        self.media.listen_again(leg)

    def on_refer(self, call: int, target: str, user: str, replaces: str) -> None:
        leg = self._legs.get(call)
        if leg is None:
            lib.hf_call_refer_answer(call, 481)
        else:
            self.tell(leg, TransferRequested(target, user, replaces))

    def on_refer_status(self, call: int, code: int, final: bool) -> None:
        leg = self._legs.get(call)
        if leg is not None:
            self.tell(leg, TransferProgress(code, final))

    def _digit(self, leg: SipLeg, digit: str, duration_ms: int, info: bool) -> None:
        self.tell(leg, Digit(digit, duration_ms, "info" if info else "rfc4733"))
        other = leg.joined
        # Through the bridge a digit does not pass by itself; forwarded RTP carries it along.
        if other is not None and other.call >= 0 and not info and not self._counters.forwarded(leg):
            self.do_digits(other, digit, False, max(60, min(duration_ms, 1000)))

    def on_probe(self, call: int, code: int) -> None:
        leg = self._legs.get(call)
        if leg is not None:
            probed(leg, code)

    def on_fax(self, call: int, what: int) -> None:
        fax(self._legs.get(call), call, what, self.tell, lambda leg, on: self.post(self.do_hold, leg, on))

    def run_posted(self) -> None:
        """The wake-up: commands now, not at the next poll."""
        self._drain()

    def on_response(self, token: int, code: int) -> None:
        self._requests.answered(token, code)
