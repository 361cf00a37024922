"""The one place that wires: makes every part of the engine, hands each what it needs, starts and stops them in mirrored order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import secrets
import time
from collections.abc import Coroutine
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from appliance.app.activation import Activation, Compiled
from appliance.app.alerts import AlertService
from appliance.app.callbacks import Callbacks
from appliance.app.cellular import CellularService, SimPin
from appliance.app.certificate import accepts, sip_certificate
from appliance.app.drill import Drills
from appliance.app.firewall import FirewallService
from appliance.app.health import Health
from appliance.app.line_test import LineTests
from appliance.app.mwi import Mwi
from appliance.app.paths import PathService
from appliance.app.phones import PhoneDesk
from appliance.app.registrations import Registrations
from appliance.app.restarts import backoff_s
from appliance.app.rpc import methods
from appliance.app.settings import Settings
from appliance.app.sound import text as sound_text
from appliance.app.texts import serve_texts
from appliance.app.tracing import Sessions, follow
from appliance.app.trunks import TrunkService
from appliance.app.uplinks import UplinkService
from appliance.app.voice import Voice
from appliance.app.wan import WanService
from appliance.calls.cdr import CallRecord as Cdr
from appliance.calls.context import CallContext
from appliance.calls.emergency_context import EmergencyContext
from appliance.calls.listening import Listening
from appliance.calls.modem_line import ModemLine
from appliance.calls.plain import PlainPrograms
from appliance.calls.program import Programs
from appliance.calls.router import Router
from appliance.calls.stranded import Stranded
from appliance.control.protocol import METHODS
from appliance.control.server import Server
from appliance.emergency.journal import Journal
from appliance.emergency.notify import NoticeRegister
from appliance.errors import HoldfastError, SipError, StateError
from appliance.events.bus import Bus
from appliance.events.calls import CallEnded
from appliance.events.emergency import EmergencyJournalFault
from appliance.events.registration import Gone, RefusalReason, Registered, RegistrationRefused, Unregistered
from appliance.events.system import Alarm, EngineStarted
from appliance.events.trunk import TrunkChanged
from appliance.events.voicemail import VoicemailChanged
from appliance.events.wire import to_wire
from appliance.network.names import NameCache
from appliance.sip._pj.config import MediaPorts
from appliance.sip.admission import Admission, Admitted, Refused, Rules, with_hosts
from appliance.sip.digest import DigestAuth
from appliance.sip.endpoint import EndpointConfig, SipEndpoint, TrunkNews
from appliance.sip.messages import Reply, Request
from appliance.sip.registrar.register import Change, Limits
from appliance.sip.text import Texts
from appliance.site import sim_pin
from appliance.state.bindings import BindingsRepository
from appliance.state.callbacks import CallbacksRepository
from appliance.state.calls import CallsRepository
from appliance.state.clock import Moment, boot_id
from appliance.state.database import migrate, open_engine
from appliance.state.records import BindingChange, CallRecord, ChangeKind, Wanted
from appliance.state.writer import StateWriter
from appliance.types import MailboxId, SessionId, Transport, TrunkId

log = logging.getLogger(__name__)

JOURNAL_BYTES = 1 << 20
OPEN_TLS_S = 30.0
TLS_HINT = "check the free space and permissions of the data folder"


class Box:
    """The whole engine. `start` raises HoldfastError when the box cannot run as it is set up; everything else is an alarm, never a stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started_s = time.monotonic()
        self.alarms: dict[str, Alarm] = {}
        self.alarm_since: dict[str, float] = {}
        self.notices = NoticeRegister()
        self.sessions = Sessions()
        self.acknowledged: dict[str, tuple[str, float]] = {}
        self.bus = Bus()
        self.activation = Activation(self)
        self.health = Health(self)
        self.alerts = AlertService(self)
        self.firewall = FirewallService(self)
        self.line_tests = LineTests(self)
        self.drills = Drills(self)
        self.phones = PhoneDesk(self)
        self.paths = PathService(self)
        sim = SimPin(sim_pin.note(settings.data), lambda: self.activation.secrets.known.get(sim_pin.NAME, ""), self.activation.secrets.vault)
        self.cellular = CellularService(settings.modem, self.alarm, self.bus.publish, sim)
        self.paths.modem = lambda: self.cellular.facts(self.snapshot.site.modem)
        self.revision = 0
        self.rescue_reason = ""
        self.again = asyncio.Event()
        self.whole = False
        self.last_good_path = ""
        self._serial = itertools.count(1)
        self._boot = f"{int(time.time()):x}{secrets.token_hex(2)}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._hosts: dict[str, TrunkId] = {}
        self._opening: asyncio.Task[None] | None = None

    # ---- start and stop ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        settings, loop = self.settings, asyncio.get_running_loop()
        self.loop = loop
        made, self.revision = self.activation.load()
        self.alerts.subscribe()
        self._open_state()
        self.voice = Voice(
            settings.data, self.engine, self.writer, lambda: self.snapshot.site, lambda: self.activation.secrets.known, self.bus.publish, self.alarm,
            self.alerts.voicemail.keep,
        )  # fmt: skip
        self._use(made)
        site, sip = self.snapshot.site, self.snapshot.site.sip
        limits = Limits(sip.min_expires_seconds, sip.max_expires_seconds, sip.default_expires_seconds)
        self.registrations = Registrations(limits, self._write_binding, self._binding_changed)
        self.callbacks = Callbacks(site, self.writer, lambda uri: self.endpoint.listening[0])
        self._restore()
        self.digest = DigestAuth(self.snapshot.realm, secrets.token_bytes(32))
        self.admission = Admission(self._rules(), self.digest, self.registrations.registrar, self._free_legs, self._crowded_by, self._note_refusal)
        tls = None
        try:
            tls = (await self._certificate(),) * 2
        except OSError as error:
            self.alarm("tls", f"SIP over TLS is off: its certificate could not be written ({error})", TLS_HINT)
        self.endpoint = SipEndpoint(
            EndpointConfig(
                addresses=settings.bind,
                port=settings.sip_port,
                tls_port=settings.sip_tls_port,
                media=MediaPorts(sip.rtp_first_port, sip.rtp_ports),
                boot=self._boot,
                advertised=tuple((i.address, i.advertised) for i in site.interfaces if i.advertised),
                tls=tls,
            ),
            self._decide,
            self._trunk_news,
            self._tick,
        )
        self.mwi = Mwi(self.endpoint, lambda: self.snapshot)
        self.admission.handlers.update({"SUBSCRIBE": self.mwi.subscriptions.decide, "MESSAGE": Texts(self.endpoint.take_text).take})
        self.journal.start()
        self.names = NameCache(settings.data / "state" / "names.json", time.monotonic)
        self.trunks = TrunkService(self.endpoint, self.names, self.bus.publish, self._hosts_changed)
        self.admission.proved = lambda device: self.endpoint.to_loop(self.phones.rotation.proved, device)
        await self.phones.start()
        await self.endpoint.start()
        if self.endpoint.left_out:
            named = ", ".join(str(address) for address in self.endpoint.left_out)
            self.alarm(
                "sip-ports",
                f"SIP is not served on {named}: there are too many addresses",
                "leave addresses that no phone and no carrier uses out of HOLDFAST_BIND",
            )
        for name, there in self.endpoint.features.items():
            if not there:
                self.alarm(f"feature-{name}", f"This build of the SIP library has no {name}", "rebuild it with `make clean run`")
        await self.trunks.start()
        self.trunks.apply(self.snapshot, settings.bind)
        self.uplinks = UplinkService(self)
        self.wan = WanService(self)
        self.context = self._context()
        if self.cellular.driver is not None:
            ModemLine(self.cellular.driver, self.endpoint.lines, lambda: self.snapshot, self._urgent)
        self.listening = Listening(self.context.live, self.endpoint.all_stats, Stranded(self.context.live, self.paths.lost))
        self.router = Router(self.context, self._emergency_context())
        self._spawn(self.router.run(), "router")
        self._spawn(self.listening.run(), "listening")
        self._spawn(self._every_second(), "seconds")
        self._spawn(self.activation.watch(), "site")
        self._spawn(self._show_messages(), "voicemail")
        self._spawn(self.alerts.run(), "alerts")
        self._spawn(self.health.run(), "health")
        self._spawn(self.phones.run(), "phones")
        self._spawn(self.cellular.run(), "modem")
        self.wan.start()
        self._spawn(self.wan.run(), "wan")
        self._spawn(self.wan.ask(), "wan questions")
        await self.drills.load()
        self._spawn(self.drills.run(), "drills")
        self._spawn(self.uplinks.run(), "uplinks")
        self.firewall.start()
        self._spawn(self.firewall.run(), "firewall")
        self._spawn(serve_texts(self.context, self.voice.flows), "texts")
        release = version("holdfast")
        self.server = Server(settings.control, release=release)
        for name, handler in methods(self).items():
            self.server.register(METHODS[name], handler)
        self.bus.subscribe(TrunkChanged, self._trunk_changed, "trunk alarms")
        self.bus.subscribe(object, self._tell_clients, "control socket")
        self.bus.subscribe(VoicemailChanged, lambda news: self.mwi.update({news.mailbox: (news.new, news.old)}), "message lamps")
        await self.server.start()
        self._spawn(follow(self), "trace")
        self.bus.publish(EngineStarted(time.time(), release, self.revision, self.endpoint.listening, settings.rescue, settings.crashes))

    async def stop(self) -> None:
        await self.server.close()
        await self.router.stop()
        await self.line_tests.stop()
        await self.drills.stop()
        self.phones.stop()
        await self.phones.keep()
        for task in self._tasks:
            task.cancel()
        await self.wan.stop()
        await self.trunks.stop()
        await self.endpoint.stop()
        self.registrations.flush()
        await self.voice.close()
        await self.loop.run_in_executor(None, self._close_state)

    def _close_state(self) -> None:
        self.journal.close()
        if self.writer is not None:
            self.writer.close(3.0)

    # ---- the site ------------------------------------------------------------------------------------------------

    def _use(self, made: Compiled) -> None:
        self.snapshot, self.recogniser, self.locations = made.snapshot, made.recogniser, made.locations
        self.programs: Programs = PlainPrograms(self._lead) if self.settings.rescue else self.voice.flows

    def _lead(self, number: str) -> str:
        """The extension an incoming number leads to, "" where it leads elsewhere."""
        entry = self.snapshot.numbers.get(number)
        return entry.destination.target if entry is not None and entry.destination.kind == "extension" else ""

    async def put_in_force(self, made: Compiled) -> None:
        """Another revision, or other secrets; calls up and registrations do not notice."""
        await self.voice.prepare(made.snapshot)
        self._use(made)
        site, rules = self.snapshot.site, self._rules()
        self.callbacks.configure(site)
        limits = Limits(site.sip.min_expires_seconds, site.sip.max_expires_seconds, site.sip.default_expires_seconds)
        await self.endpoint.ask(self._put_in_force, rules, limits)
        self.trunks.apply(self.snapshot, self.settings.bind)
        self.wan.site_changed()
        self.firewall.changed()
        self.mwi.site_changed()
        self.voice.warm(made.snapshot)
        await self.phones.site_changed()
        self.alerts.site_changed()

    def _put_in_force(self, rules: Rules, limits: Limits) -> None:
        registrar = self.registrations.registrar
        if rules.snapshot.realm != self.digest.realm:
            self.digest = self.admission.digest = DigestAuth(rules.snapshot.realm, secrets.token_bytes(32))
        self.admission.swap(rules)
        registrar.limits = limits
        for device in registrar.bindings.devices():
            entry = rules.snapshot.devices.get(device)
            if entry is None or not entry.enabled:
                registrar.forget(device)
        self.registrations.flush()

    def _rules(self) -> Rules:
        return Rules(self.snapshot, self.recogniser.match, self._hosts)

    def _hosts_changed(self, hosts: dict[str, TrunkId]) -> None:
        self._hosts = dict(hosts)
        self.endpoint.post(lambda: self.admission.swap(with_hosts(self.admission.rules, self._hosts)))

    async def _certificate(self) -> Path:
        """What SIP over TLS serves. Raises OSError."""
        return await self.loop.run_in_executor(None, sip_certificate, self.settings.data, (self.snapshot.site.domain,), self.settings.bind)

    async def renew_certificate(self) -> bool:
        """Serve SIP over TLS with what is in the folder now; connections and calls go on with what they began with. False: there is no SIP over TLS.

        Raises HoldfastError where the old certificate is still served, or a port stays closed; that one is tried again until it opens.
        """
        if self.endpoint.config.tls is None:
            return False
        try:
            await self._certificate()
        except OSError as error:
            sentence = f"SIP over TLS goes on with its old certificate: the new one could not be written ({error})"
            self.alarm("tls", sentence, TLS_HINT)
            raise HoldfastError(sentence, TLS_HINT, code="write") from error
        try:
            await self._renew_tls()
        except SipError:
            if self._opening is None or self._opening.done():
                self._opening = self._spawn(self._open_tls(), "TLS port")
            raise
        self.alarm("tls", "")
        return True

    async def _renew_tls(self) -> None:
        """Raises SipError, with its alarm."""
        try:
            await self.endpoint.renew_tls()
            for at in self.endpoint.listening:
                # The library keeps to itself that a port could not be listened on (pjsip_tls_transport_lis_start).
                if at.transport is Transport.TLS and not await accepts(at.ip, at.port):
                    raise SipError(f"Port {at.port}/tls on {at.ip} could not be opened again", "the box tries again by itself")
        except SipError as error:
            self.alarm("tls-closed", error.sentence, error.hint)
            raise
        self.alarm("tls-closed", "")

    async def _open_tls(self) -> None:
        """Phones that use TLS cannot register while its port is closed."""
        for failures in itertools.count(3):
            await asyncio.sleep(backoff_s(failures, random.random(), OPEN_TLS_S))  # noqa: S311 - jitter
            with contextlib.suppress(SipError):
                if "tls-closed" in self.alarms:
                    await self._renew_tls()
                return

    # ---- state ---------------------------------------------------------------------------------------------------

    def _open_state(self) -> None:
        path = self.settings.data / "state" / "state.db"
        self.engine, self.writer = None, None
        try:
            if migrate(path):
                self.alarm(
                    "state-damaged",
                    "The state database was damaged and has been begun anew",
                    "phones register again by themselves; the old file is kept beside it",
                )
            self.engine = open_engine(path)
            self.writer = StateWriter(self.engine, alarm=self._state_alarm)
            self.writer.start()
        except StateError as error:
            self.alarm(error.code, error.sentence, error.hint)
        self.journal = Journal(self.settings.data / "state" / "emergency.journal", JOURNAL_BYTES, on_fault=self._journal_fault)

    def _restore(self) -> None:
        if self.engine is None:
            return
        try:
            records = BindingsRepository(self.engine).load()
            count = self.registrations.restore(records, self.snapshot)
            log.info("%d registrations restored", count)
            lived_until_s = max((r.stored.at_s for r in records if r.stored.boot_id != boot_id()), default=0.0)
            self.callbacks.restore(CallbacksRepository(self.engine), lived_until_s)
        except Exception:
            log.exception("what was registered could not be restored; phones register again by themselves")

    def _write_binding(self, change: BindingChange) -> None:
        if self.writer is not None:
            self.writer.bindings((change,))

    def _state_alarm(self, sentence: str) -> None:
        self.loop.call_soon_threadsafe(self.alarm, "state-disk", sentence, "check the free space and health of the disk")

    def _journal_fault(self, sentence: str) -> None:
        def tell() -> None:
            self.alarm("emergency-journal", sentence, "check the free space and health of the disk")
            self.bus.publish(EmergencyJournalFault(sentence))

        self.loop.call_soon_threadsafe(tell)

    def history(self, limit: int, before: int = 0, wanted: Wanted | None = None) -> tuple[CallRecord, ...]:
        """The newest call records, or those before the one with that serial (in an executor thread)."""
        return CallsRepository(self.engine).recent(limit, before or None, wanted) if self.engine is not None else ()

    def _record(self, cdr: Cdr) -> None:
        if self.writer is not None:
            self.writer.call(_row(cdr))
        for call_id in cdr.dialogs:
            self.sessions.note(call_id, cdr.session)
        self.bus.publish(_ended(cdr))

    # ---- small parts ---------------------------------------------------------------------------------------------

    def alarm(self, code: str, sentence: str, hint: str = "") -> None:
        """Raise an alarm, or clear it with an empty sentence."""
        now = time.time()
        if sentence:
            if code not in self.alarms:
                log.warning("%s", sentence)
            self.alarm_since.setdefault(code, now)
            self.alarms[code] = Alarm(now, code, sentence, hint)
            self.bus.publish(self.alarms[code])
        elif (was := self.alarms.pop(code, None)) is not None:
            log.info("over: %s", was.sentence)
            self.alarm_since.pop(code, None)
            self.bus.publish(replace(was, at_unix_s=now, cleared=True))

    def _trunk_news(self, news: TrunkNews) -> None:
        self.trunks.on_news(news)

    def _tell_clients(self, event: object) -> None:
        if self.server.wanted("events"):
            self.server.publish("events", to_wire(event))

    def _trunk_changed(self, news: TrunkChanged) -> None:
        down = news.works is False
        sentence = f"The trunk {news.name} is down: {news.code or ''} {news.reason}".replace("  ", " ").rstrip() if down else ""
        self.alarm(f"trunk-down:{news.trunk}", sentence, "emergency and outside calls take the next trunk; check the carrier, its address and the sign-in")

    def _crowded_by(self, ip: str) -> bool:
        return self.endpoint.crowded_by(ip)

    def _urgent(self, call_id: str) -> bool:
        """Whether the call with this leg is an emergency call, or the call-back to one."""
        found = self.context.live.find(call_id)
        return found is not None and found[0].emergency

    def _free_legs(self) -> int:
        return self.endpoint.free_legs()

    def _decide(self, request: Request, now: float) -> Admitted | Reply | None:
        decision = self.admission.decide(request, now)
        if request.method == "REGISTER":
            self.registrations.flush()
        return decision

    def _note_refusal(self, refused: Refused) -> None:
        self.endpoint.to_loop(self.firewall.refused, refused)
        if refused.reason == "scanner":
            return
        self.registrations.note_refusal(refused)
        if refused.method == "REGISTER":
            r, reasons = refused, set(RefusalReason)
            reason = RefusalReason(r.reason) if r.reason in reasons else RefusalReason.MALFORMED
            self.endpoint.to_loop(self.bus.publish, RegistrationRefused(time.time(), r.username, r.source, reason, r.code, user_agent=r.user_agent))

    def _binding_changed(self, change: Change) -> None:
        b, now = change.binding, time.monotonic()
        entry = self.snapshot.devices.get(b.device)
        name = entry.sip_user if entry else ""
        event: Registered | Unregistered
        if change.kind.gone:
            last = not self.registrations.registrar.bindings.of(b.device, now)
            event = Unregistered(time.time(), b.device, name, b.uri, Gone(change.kind.value), last)
        else:
            event = Registered(time.time(), b.device, name, b.uri, b.received, b.seconds_left(now), b.user_agent, change.kind is not ChangeKind.REFRESHED)
        self.endpoint.to_loop(self.bus.publish, event)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _show_messages(self) -> None:
        """What a kill left of recordings is brought to an end, and the lamps show what there is."""
        self.voice.warm(self.snapshot)
        await self.voice.recover()
        for mailbox in tuple(self.snapshot.site.mailboxes):
            try:
                self.mwi.update({MailboxId(mailbox): await self.voice.voicemail.counts(MailboxId(mailbox))})
            except StateError as error:
                log.warning("the lamp of mailbox %s stays as it is: %s", mailbox, error)

    def _tick(self, now: float) -> None:
        """Every second on the SIP thread."""
        self.registrations.tick(now)
        self.mwi.subscriptions.tick(now)

    async def _every_second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.callbacks.expire()

    def _context(self) -> CallContext:
        return CallContext(
            endpoint=self.endpoint,
            snapshot=lambda: self.snapshot,
            targets=self.registrations.targets,
            call_back=self.callbacks.look_up,
            trunk_order=self.paths.order,
            record=self._record,
            publish=self.bus.publish,
            wall=time.time,
            new_id=self.new_session,
            programs=lambda: self.programs,
        )

    def _emergency_context(self) -> EmergencyContext:
        return EmergencyContext(
            recogniser=lambda: self.recogniser,
            locations=lambda: self.locations,
            callbacks=self.callbacks.map,
            store_callback=self.callbacks.store,
            journal=self.journal,
            notices=self.notices,
            moment=Moment.now,
            rank=self.paths.rank,
            last_good=lambda: self.last_good_path,
            worked=self._path_worked,
            begun=self.drills.emergency_began,
            modem=self.paths.has_modem,
        )

    def _path_worked(self, trunk: TrunkId) -> None:
        self.last_good_path = trunk

    def new_session(self) -> SessionId:
        return SessionId(f"{self._boot}-c{next(self._serial)}")


def _ended(cdr: Cdr) -> CallEnded:
    return CallEnded(
        session=cdr.session, call_id=cdr.call_id, direction=cdr.direction, started_unix_s=cdr.started, answered_unix_s=cdr.answered, ended_unix_s=cdr.ended,
        talk_s=cdr.talk_s, caller=cdr.caller, caller_name=cdr.caller_name, callee=cdr.callee, dialled=cdr.dialled, cause=cdr.cause, code=cdr.code,
        reason=cdr.reason, hangup_by=cdr.hangup_by, codec=cdr.codec, device=cdr.device, callee_device=cdr.callee_device, trunk=cdr.trunk,
        emergency=cdr.emergency, test=cdr.test, notes=cdr.notes,
    )  # fmt: skip


def _row(cdr: Cdr) -> CallRecord:
    return CallRecord(
        session=cdr.session, direction={"incoming": "in", "outgoing": "out"}.get(cdr.direction, cdr.direction),
        caller=cdr.caller, called=cdr.callee or cdr.dialled,
        started_unix_s=cdr.started, answered_unix_s=cdr.answered, ended_unix_s=cdr.ended, outcome="answered" if cdr.answered is not None else cdr.cause,
        code=cdr.code, talk_s=cdr.talk_s, caller_name=cdr.caller_name, caller_device=cdr.device or "", answered_device=cdr.callee_device or "",
        trunk=cdr.trunk or "", dialled=cdr.dialled, user=cdr.user or "", path=cdr.notes,
        score=cdr.quality.score if cdr.quality else None, bad_sound=cdr.quality.bad if cdr.quality else None, sound=sound_text(cdr.quality),
    )  # fmt: skip
