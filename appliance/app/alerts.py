"""Alerts: what happens in the box becomes messages in the outbox, and these reach the people they are for, whatever becomes of the line or the box."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy.engine import Connection

from appliance.alerts import delivery, messages
from appliance.alerts.delivery import Undelivered
from appliance.alerts.fold import Bundle, Fold, Matter
from appliance.alerts.messages import Message
from appliance.app import voicemail_mail
from appliance.app.outgoing import DISK_ERRORS, LOOK_S, Outgoing
from appliance.app.voicemail_mail import VoicemailMail
from appliance.control import machine_shapes as shapes
from appliance.errors import NotFound, StateError
from appliance.events.emergency import EmergencyNotice
from appliance.events.registration import Registered, Unregistered
from appliance.events.system import Alarm, HealthChanged
from appliance.events.voicemail import VoicemailChanged
from appliance.site.model.alerts import Alerts
from appliance.site.secrets import MAIL, WEBHOOK
from appliance.state.clock import Moment
from appliance.state.outbox import OutboxRepository
from appliance.state.records import OutboxRecord, OutboxState
from appliance.types import DeviceId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

SETTLE_S = 90.0
"""After a start: until then phones register, trunks answer and the machine is measured; what is silent still is not so any more."""
NAME_S = 5.0
"""A name that was never resolved is waited for so long."""
_REMEMBERED = 500
_FAULTS = {"mail": "alerts-mail", "webhook": "alerts-webhook"}
"""How a message goes -> the alarm while that fails. These are not told themselves: an alert about each alert would never end."""


class AlertService:
    """Belongs to the loop; the disk is touched by executor threads and the state writer."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._fold = Fold()
        self._gone: dict[DeviceId, float] = {}
        self._missed: set[DeviceId] = set()
        self._names: set[str] = set()
        self._ways = {how: Outgoing(box, how, fault, "Alerts are not delivered", self._send) for how, fault in _FAULTS.items()}
        self.voicemail = VoicemailMail(box, self._mail_server)
        self._ways[voicemail_mail.KIND] = Outgoing(box, voicemail_mail.KIND, voicemail_mail.FAULT, "Voicemail is not sent by e-mail", self.voicemail.send)
        self._trust: ssl.SSLContext | None = None

    @property
    def _settings(self) -> Alerts:
        return self._box.snapshot.site.alerts

    def subscribe(self) -> None:
        """Before anything happens that is worth telling."""
        bus = self._box.bus
        bus.subscribe(HealthChanged, self._health, "alerts")
        bus.subscribe(Alarm, self._alarm, "alerts")
        bus.subscribe(Unregistered, self._phone_gone, "alerts")
        bus.subscribe(Registered, self._phone_back, "alerts")
        bus.subscribe(EmergencyNotice, self._emergency, "alerts")
        bus.subscribe(VoicemailChanged, lambda _: self._ways[voicemail_mail.KIND].wake(), "voicemail by e-mail")

    async def run(self) -> None:
        """As long as the box."""
        loop, engine = self._box.loop, self._box.engine
        if engine is None:
            return  # without a database nothing can be kept; that is an alarm of its own
        self._outbox = OutboxRepository(engine)
        self._trust = await loop.run_in_executor(None, delivery.context)
        try:
            self._fold = _remembered(await loop.run_in_executor(None, self._outbox.newest, _REMEMBERED), self._fold)
        except DISK_ERRORS as error:
            log.warning("which alerts were told before the start is not known: %s", error)
        self._watch_names()
        senders = [loop.create_task(way.run(self._outbox), name=f"outbox, {how}") for how, way in self._ways.items()]
        try:
            await self._look()
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    # ---- what happens --------------------------------------------------------------------------------------------

    def _health(self, news: HealthChanged) -> None:
        kind = "certificate" if news.name.startswith("certificate") else "machine"
        level = "bad" if news.level == "bad" else "look" if news.level == "look" else "ok"
        self._fold.note(Matter(kind, f"health:{news.name}", level, news.sentence, news.cure))  # type: ignore[arg-type]  # one of the three

    def _alarm(self, news: Alarm) -> None:
        if news.code in (*_FAULTS.values(), voicemail_mail.FAULT):
            return
        kind = "trunk" if news.code.startswith("trunk-down:") else "box"
        self._fold.note(Matter(kind, news.code, "ok" if news.cleared else "bad", news.sentence, news.hint))

    def _phone_gone(self, news: Unregistered) -> None:
        if news.last:
            self._gone.setdefault(news.device, time.monotonic())

    def _phone_back(self, news: Registered) -> None:
        self._gone.pop(news.device, None)
        key = f"phone:{news.device}"
        if news.device in self._missed or self._fold.knows(key):
            self._missed.discard(news.device)
            back = Matter("phone", key, "ok", f"{self._phone(news.device)} is back")
            log.info("%s", back.sentence)
            self._fold.note(back)

    def _phone(self, device: DeviceId) -> str:
        entry = self._box.snapshot.devices.get(device)
        return f"The phone {entry.display_name or entry.sip_user} ({entry.extension})" if entry is not None else f"The phone {device}"

    def _miss_phones(self) -> None:
        limit_s, now = self._settings.phone_gone_minutes * 60.0, time.monotonic()
        for device, since in list(self._gone.items()):
            entry = self._box.snapshot.devices.get(device)
            if entry is None or not entry.enabled:
                del self._gone[device]
            elif now - since >= limit_s:
                del self._gone[device]
                self._missed.add(device)
                sentence = f"{self._phone(device)} has been away for {self._settings.phone_gone_minutes} min"
                log.warning("%s", sentence)
                self._fold.note(Matter("phone", f"phone:{device}", "bad", sentence, "Check its power and its cable; `holdfast diagnose` says what it last did"))

    async def _emergency(self, news: EmergencyNotice) -> None:
        """At once, whatever was told before; its name keeps it from being told twice."""
        settings = self._settings
        if news.test or news.outcome != "calling" or "emergency" not in settings.kinds:
            return
        who = f"extension {news.extension}" if news.extension else f"a phone nobody knows at {news.source_ip}"
        where = news.location or "a place that is not known"
        sentence = f"Emergency call to {news.dialled} from {who}, at {where}"
        cure = f"Callback number {news.callback_number}" if news.callback_number else ""
        matter = Matter("emergency", f"emergency:{news.id}", "bad", sentence, cure)
        site = self._box.snapshot.site.name
        message = Message("emergency", "begun", site, news.started_unix_s, f"{site}: {sentence}", (matter,))
        while not await self._take(message, f"emergency:{news.id}", (*settings.mail.to, *settings.mail.emergency_to)):
            await asyncio.sleep(LOOK_S)

    def site_changed(self) -> None:
        """Another revision is in force, or other secrets."""
        self._watch_names()
        for how, places in self._everybody().items():
            if not places:
                self._ways[how].fine()
        self.try_now()

    def _places(self) -> dict[str, list[str]]:
        """How messages go -> to whom."""
        mail, hook = self._settings.mail, self._settings.webhook
        return {"mail": list(dict.fromkeys((*mail.to, *mail.emergency_to))) if mail.host else [], "webhook": [hook.url] if hook.url else []}

    def _everybody(self) -> dict[str, list[str]]:
        """With those who get voicemail."""
        return {**self._places(), voicemail_mail.KIND: self.voicemail.places()}

    def try_now(self) -> None:
        """Something was changed that may help: what waits is tried at once."""
        for way in self._ways.values():
            way.try_now()

    # ---- into the outbox -----------------------------------------------------------------------------------------

    async def _look(self) -> None:
        settled = False
        while True:
            if not settled and time.monotonic() - self._box.started_s >= SETTLE_S:
                settled = True
                registered = {f"phone:{binding.device}" for binding in self._box.registrations.all()}
                for told in self._fold.unspoken():
                    if told.kind == "phone" and told.key not in registered:
                        self._fold.note(told)
                self._fold.settle()
            self._miss_phones()
            settings = self._settings
            for bundle in self._fold.due(time.monotonic(), settings.repeat_minutes * 60.0, settings.kinds, settings.least):
                await self._tell(bundle)
            await asyncio.sleep(LOOK_S)

    async def _tell(self, bundle: Bundle) -> None:
        message = messages.told(bundle, self._box.snapshot.site.name, time.time())
        if not await self._take(message, f"{bundle.kind}:{secrets.token_hex(8)}", self._settings.mail.to):
            self._fold.untold(bundle)

    async def _take(self, message: Message, name: str, addresses: Sequence[str]) -> bool:
        """One item for each place, all or none of them on the disk. False: the disk refuses."""
        settings, now = self._settings, Moment.now()
        places = [("mail", address) for address in dict.fromkeys(addresses) if settings.mail.host]
        places += [("webhook", settings.webhook.url)] if settings.webhook.url else []
        records = [OutboxRecord(f"{name}:{how}:{place}", how, place, message.kept(), time.time(), now) for how, place in places]
        if not records or self._box.writer is None:
            return True

        def add(connection: Connection) -> None:
            for record in records:
                OutboxRepository.add(connection, record)

        try:
            await asyncio.wrap_future(self._box.writer.run(add))
        except DISK_ERRORS as error:
            log.warning("an alert could not be kept: %s", error)
            return False
        for how, _ in places:
            self._ways[how].wake()
        return True

    # ---- out of the outbox ---------------------------------------------------------------------------------------

    async def _send(self, record: OutboxRecord) -> None:
        """Raises Undelivered."""
        try:
            message = Message.of(record.payload)
        except (ValueError, KeyError, TypeError) as error:
            raise Undelivered(f"The message cannot be read: {error}", place=False, lost=True) from error
        if record.target not in self._places().get(record.kind, ()):
            raise Undelivered(f"{record.target} is no longer among those who are told", place=False, lost=True)
        if record.kind == "mail":
            await self._mail(message, record.dedupe, record.target)
        else:
            await self._post(message, record.dedupe, record.target)

    async def _mail(self, message: Message, dedupe: str, to: str) -> None:
        site, settings = self._box.snapshot.site, self._settings.mail
        ip, password = await self._mail_server()
        made = messages.as_mail(message, dedupe, settings.sender, to, site.domain, site.time_zone)
        await delivery.mail(made, settings, ip, password, self._trusted(), site.domain)

    async def _mail_server(self) -> tuple[str, str]:
        """(IP address, password). Raises Undelivered."""
        settings = self._settings.mail
        assert settings.host is not None
        password = self._secret(MAIL.name("mail"))
        if settings.username and not password:
            raise Undelivered("The password for the mail server is missing", "write it in Settings, Alerts")
        return await self._address(settings.host), password

    async def _post(self, message: Message, dedupe: str, url: str) -> None:
        body = messages.as_json(message, dedupe)
        headers = {"Idempotency-Key": messages.identity(dedupe)}
        if secret := self._secret(WEBHOOK.name("webhook")):
            headers["X-Holdfast-Signature"] = messages.signature(secret, body)
        await delivery.post(url, await self._address(urlsplit(url).hostname or ""), body, headers, self._trusted())

    def _secret(self, name: str) -> str:
        return self._box.activation.secrets.known.get(name, "")

    def _trusted(self) -> ssl.SSLContext:
        assert self._trust is not None
        return self._trust

    async def _address(self, host: str) -> str:
        """Of a host by the box's own cache. Raises Undelivered."""
        deadline = time.monotonic() + NAME_S
        while (found := self._box.names.get(host, 1)) is None:
            if time.monotonic() > deadline:
                raise Undelivered(f"The name {host} has no address", "check the name, and the name servers of this network")
            await asyncio.sleep(0.1)
        return found

    def _watch_names(self) -> None:
        """Port 1: no SIP port, at which SRV records would be asked for."""
        settings = self._settings
        wanted = {name for name in (settings.mail.host, urlsplit(settings.webhook.url).hostname) if name}
        for name in wanted - self._names:
            self._box.names.watch(name, 1)
        for name in self._names - wanted:
            self._box.names.unwatch(name, 1)
        self._names = wanted

    # ---- for the control socket ----------------------------------------------------------------------------------

    def state(self, counts: Mapping[str, int]) -> shapes.AlertsResult:
        ways: list[shapes.AlertWayShape] = []
        for how, places in self._everybody().items():
            if how == voicemail_mail.KIND and not places:
                continue
            fault = self._ways[how].fault
            ways.append({"how": how, "places": places, "fault": fault.sentence if fault else "", "cure": fault.hint if fault else ""})
        return {"ways": ways, "waiting": counts["waiting"], "sent": counts["sent"], "given_up": counts["dead"]}

    async def counts(self) -> dict[str, int]:
        if self._box.engine is None:
            raise StateError("The state database cannot be used", "`holdfast status` says why", code="state")
        box = OutboxRepository(self._box.engine)
        return await self._box.loop.run_in_executor(None, lambda: {state.value: box.count(state) for state in OutboxState})

    async def test(self) -> list[shapes.AlertTestShape]:
        """A message to every place, now and without the outbox. Raises NotFound."""
        site, now = self._box.snapshot.site.name, time.time()
        matter = Matter("test", "test", "look", "This is a test. Alerts of this box reach you here")
        message = Message("test", "test", site, now, f"{site}: test message", (matter,))
        places = [(how, place) for how, named in self._places().items() for place in named]
        if not places:
            raise NotFound("Nobody is set to get alerts", "set an address or a webhook in Settings, Alerts, and apply the change")
        if self._trust is None:
            raise StateError("The box is not ready to send yet", "try again in a moment", code="state")
        return list(await asyncio.gather(*(self._tried(message, how, place) for how, place in places)))

    async def _tried(self, message: Message, how: str, place: str) -> shapes.AlertTestShape:
        name = f"test:{secrets.token_hex(8)}:{how}:{place}"
        try:
            await (self._mail(message, name, place) if how == "mail" else self._post(message, name, place))
        except Undelivered as error:
            return {"how": how, "place": place, "ok": False, "sentence": error.sentence, "cure": error.hint}
        if self._ways[how].fault:
            self._ways[how].fine()
            self.try_now()
        return {"how": how, "place": place, "ok": True, "sentence": "It was taken", "cure": ""}

    async def rows(self, limit: int) -> list[shapes.OutboxShape]:
        if self._box.engine is None:
            raise StateError("The state database cannot be used", "`holdfast status` says why", code="state")
        found = await self._box.loop.run_in_executor(None, OutboxRepository(self._box.engine).newest, limit)
        reasons = {id: reason for way in self._ways.values() for id, reason in way.reasons.items()}
        return [_row(record, reasons.get(record.id, "")) for record in found]


def alert_methods(box: Box) -> Mapping[str, Callable[[dict[str, Any], Any], Awaitable[Any]]]:
    """What the control socket answers of alerts."""

    async def state(_: dict[str, Any], __: Any) -> shapes.AlertsResult:
        return box.alerts.state(await box.alerts.counts())

    async def test(_: dict[str, Any], peer: Any) -> shapes.AlertsTestResult:
        log.info("a test message is sent for the control socket (uid %d)", peer.uid)
        return {"tried": await box.alerts.test()}

    async def outbox(params: dict[str, Any], _: Any) -> shapes.OutboxResult:
        return {"items": await box.alerts.rows(params["limit"])}

    return {"alerts": state, "alerts.test": test, "alerts.outbox": outbox}


def _remembered(records: Sequence[OutboxRecord], now: Fold) -> Fold:
    """What was told before a restart, by the outbox itself (`records`: the newest first); what was noted since the start stays."""
    told: dict[str, Matter] = {}
    for record in reversed(records):
        try:
            message = Message.of(record.payload)
        except (ValueError, KeyError, TypeError):
            continue
        if message.kind not in {"emergency", "test"}:
            for matter in message.matters:
                told[matter.key] = matter
    made = Fold(told.values())
    made.take_over(now)
    return made


def _row(record: OutboxRecord, reason: str) -> shapes.OutboxShape:
    try:
        subject = str(json.loads(record.payload)["subject"])
    except (ValueError, KeyError, TypeError):
        subject = ""
    now = Moment.now()
    waits = record.state is OutboxState.WAITING and record.next_try.boot_id == now.boot_id
    return {
        "id": record.id, "how": record.kind, "place": record.target, "subject": subject, "created_unix_s": record.created_unix_s, "state": record.state.value,
        "attempts": record.attempts, "next_s": max(0.0, record.next_try.at_s - now.at_s) if waits else 0.0, "reason": reason,
    }  # fmt: skip
