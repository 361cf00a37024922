"""Desk phones at the control socket: what provisioning may tell each, who waits, and making phones fetch what changed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from appliance.app.rotation import Rotation
from appliance.app.served import ServedNetworks
from appliance.control import shapes
from appliance.control.server import Peer
from appliance.errors import NotFound, StateError
from appliance.events.phones import PhoneAsked
from appliance.people.phones import Ask, Phones, Verdict
from appliance.site import files
from appliance.site.model.people import Device
from appliance.site.zone_rules import posix_rule
from appliance.types import DeviceId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

SEEN_S = 10.0
TWICE, SHOWN = "phone-twice", 3
SYNC_AT_ONCE, SYNC_PAUSE_S = 20, 1.0
"""700 phones fetch in the course of a minute rather than all at once."""
DIALLED_AT_ONCE = re.compile(r"[0-9]{2,15}")
"""Emergency numbers a dial plan can tell from the beginning of others; the rest are dialled like any number."""
REASONS: dict[Verdict, str] = {
    "given": "",
    "unknown": "no phone of the site has this MAC address",
    "off": "the phone is switched off in the site",
    "disagrees": "the request does not come from the MAC address it names",
    "closed": "nobody has let this phone in: enrol it",
    "token": "the address of the settings is not this phone's",
    "elsewhere": "it asks from a network where phones get no settings",
    "twice": "two phones say they have this MAC address: the other one has the settings, at another IP address",
}
"""What a person reads."""


class PhoneDesk:
    """Belongs to the loop; files are read and written in an executor."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._path = box.settings.data / "state" / "phones.json"
        self._dirty, self._twice = False, ""
        self._keeping = asyncio.Lock()
        self._to_tell: dict[str, None] = {}
        self._telling: asyncio.Task[None] | None = None
        self.phones = Phones(b"")
        self._zone = "UTC0"
        self._devices: dict[str, tuple[DeviceId, Device]] = {}
        self._tokens: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._macs: dict[DeviceId, str] = {}
        self.rotation = Rotation(box, self)
        self.networks = ServedNetworks(lambda: box.snapshot.site)

    async def start(self) -> None:
        """Before the SIP side and the control socket open."""
        loop = asyncio.get_running_loop()
        try:
            key = await loop.run_in_executor(None, self._box.activation.place.vault.derive, "phones")
        except StateError:  # the alarm is raised by who reads the secrets
            key = os.urandom(32)
        self.phones = Phones(key)
        kept = await loop.run_in_executor(None, self._read)
        if kept is not None:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                self.phones.restore(kept)
        self.rotation.subscribe()
        await loop.run_in_executor(None, self._prepare)
        await self.rotation.settle()

    async def run(self) -> None:
        """Keep what was seen; who was let in is kept at once."""
        await self.networks.look()  # beside the start, which nothing holds up
        self.begin_sync(self.phones.stale(self._digests))
        while True:
            await asyncio.sleep(SEEN_S)
            self.show_twice()
            await self.keep()

    def show_twice(self) -> None:
        """Two phones with one MAC address are an alarm for as long as nobody said which one it is."""
        twice = tuple(seen for seen in self.phones.twice(time.monotonic()) if self.device(seen.mac))
        each = [f"{seen.mac}: the one at {seen.refused_ip} gets no settings, the one at {seen.ip} has them" for seen in twice[:SHOWN]]
        told = "; ".join([*each, f"and {len(twice) - SHOWN} more"] if len(twice) > SHOWN else each)
        if told != self._twice:
            self._twice = told
            hint = "unplug the one that is not the site's phone, then let the other one in by itself"
            self._box.alarm(TWICE, f"Two phones say they have the MAC address {told}" if told else "", hint)

    def tell(self, mac: str, reason: str = "") -> None:
        """Whoever shows the phones looks again."""
        self._box.bus.publish(PhoneAsked(time.time(), mac, reason))

    def dirty(self) -> None:
        """Something is other than on the disk; it is kept soon."""
        self._dirty = True

    async def changed(self) -> bool:
        """Something that must not be lost was decided; False: it is not on the disk."""
        self._dirty = True
        await self.keep()
        return not self._dirty

    def behind(self, mac: str) -> bool:
        """Whether this phone was told something else than it would be now."""
        seen = self.phones.last(mac)
        return seen is not None and bool(seen.told) and self._digests.get(mac, seen.told) != seen.told

    async def keep(self) -> None:
        async with self._keeping:
            if not self._dirty:
                return
            self._dirty = False
            text = json.dumps(self.phones.dump())
            try:
                await asyncio.get_running_loop().run_in_executor(None, files.write, self._path, text.encode())
            except StateError as error:
                self._dirty = True
                self._box.alarm("phones-disk", f"Which phones were let in cannot be kept: {error.sentence}", error.hint)
            else:
                self._box.alarm("phones-disk", "")

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    async def site_changed(self) -> None:
        """Another revision, or other secrets, are in force: phones whose settings are others now are told to fetch them."""
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)
        await self.rotation.settle()
        self.begin_sync(self.phones.stale(self._digests))

    def told_anew(self, mac: str) -> None:
        """The phone's settings are others now: it is told to fetch them."""
        seen = self.phones.last(mac)
        if seen is not None and (told := self._settings_of(mac, seen.model, "", 0)) is not None:
            self._digests[mac] = _digest(told)
            self.begin_sync([mac])

    def _prepare(self) -> None:
        """Everything a look-up needs, made once for a revision; 700 phones take too long for the loop."""
        snapshot = self._box.snapshot
        self._zone = posix_rule(snapshot.site.time_zone)
        self._devices = {_plain(device.mac): (DeviceId(key), device) for key, device in snapshot.site.devices.items() if device.mac}
        self._macs = {key: mac for mac, (key, _) in self._devices.items()}
        self._tokens = {self.phones.token(mac): mac for mac in self._devices}
        told = {seen.mac: self._settings_of(seen.mac, seen.model, "", 0) for seen in self.phones.seen() if seen.told}
        self._digests = {mac: _digest(each) for mac, each in told.items() if each is not None}

    # ---- what a phone is told ------------------------------------------------------------------------------------

    def device(self, mac: str) -> tuple[DeviceId, Device] | None:
        """The device with this MAC address, written in whatever way."""
        return self._devices.get(mac)

    def mac_of(self, device: DeviceId) -> str:
        """ "": it has none."""
        return self._macs.get(device, "")

    def _settings_of(self, mac: str, model: str, local_ip: str, port: int) -> dict[str, Any] | None:
        """As `provisioning.phone.Phone`; None where the device has no password."""
        found = self.device(mac)
        entry = self._box.snapshot.devices.get(found[0]) if found else None
        if entry is None or entry.secret is None:
            return None
        snapshot = self._box.snapshot
        mailbox = snapshot.mailboxes.get(entry.owner) if entry.owner else None
        voicemail = snapshot.site.mailboxes[mailbox].extension if mailbox else None
        label = entry.extension or entry.sip_user
        password = self.phones.offered(mac, entry.secret) or entry.secret
        return {
            "mac": mac,
            "model": model,
            "domain": snapshot.realm,
            "address": local_ip,
            "port": self._box.settings.sip_port,
            "expires_s": snapshot.site.sip.default_expires_seconds,
            "lines": [{"user": entry.sip_user, "password": password, "display": entry.display_name, "label": label, "voicemail": voicemail or ""}],
            "codecs": list(snapshot.site.sip.codecs),
            "emergency": sorted(n for n in snapshot.emergency_numbers | snapshot.test_numbers if DIALLED_AT_ONCE.fullmatch(n)),
            "zone": self._zone,
            "admin_password": self.phones.admin_password(mac),
            "url": f"http://{_host(local_ip)}:{port}/p/{self.phones.token(mac)}/",
        }

    async def ask(self, params: dict[str, Any], *, token: str = "") -> shapes.PhoneResult:
        """A phone asks; with `token` for its settings. None: it gets nothing, `reason` says why."""
        mac = self._tokens.get(token) if token else params["mac"]
        agree = params["agree"] and (not token or params["mac"] == mac)
        ask = Ask(
            mac or params["mac"], params["ip"], params["family"], params["model"], params["written"], params["firmware"], params["protocol"],
            agree, params["event"],
        )  # fmt: skip
        found = self.device(ask.mac)
        entry = self._box.snapshot.devices.get(found[0]) if found else None
        enabled = entry is not None and entry.enabled
        verdict: Verdict = "token"
        if not token or mac is not None:
            served = await self.networks.served(ask.ip)
            live = self._box.registrations.addresses(found[0]) if found else frozenset()
            verdict = self.phones.judge(ask, entry is not None, enabled, time.monotonic(), served, live)
        told, family = None, ask.family
        if ask.mac:
            before, enrolled = self.phones.last(ask.mac), ask.mac in self.phones.enrolled
            seen = self.phones.note(ask, verdict, time.time())
            self._dirty = True
            if self._twice or seen.verdict == "twice":
                self.show_twice()
            family = seen.family
            told = self._settings_of(ask.mac, seen.model, params["local_ip"], params["port"]) if verdict == "given" else None
            if told is not None:
                # The first file leads to the settings: what may follow must not fail because the window closes in between.
                self.phones.let_in(ask, time.monotonic())
            if told is not None and token:
                self._digests[ask.mac] = _digest(told)
                self.phones.told(ask.mac, self._digests[ask.mac], time.time())
                log.info("phone %s at %s took its settings (revision %d)", ask.mac, ask.ip, self._box.revision)
            elif verdict != "given" and (before is None or before.verdict != seen.verdict):
                log.info("phone %s at %s gets nothing: %s", ask.mac, ask.ip, REASONS[verdict])
            if before is None or before.verdict != seen.verdict or (told is not None and token):
                self.tell(ask.mac, REASONS[verdict])
            if not enrolled and ask.mac in self.phones.enrolled:
                await self.changed()  # before the phone has its answer: it must not be locked out by a crash
        return {"phone": told, "family": family, "reason": REASONS[verdict]}

    # ---- make them fetch -----------------------------------------------------------------------------------------

    def begin_sync(self, macs: Sequence[str]) -> None:
        """Tell phones in the background; those that are to be told already are told once."""
        self._to_tell.update(dict.fromkeys(macs))
        if self._to_tell and (self._telling is None or self._telling.done()):
            self._telling = self._box.loop.create_task(self._tell_all(), name="phones fetch")

    async def _tell_all(self) -> None:
        while self._to_tell:
            macs = list(self._to_tell)
            self._to_tell.clear()
            try:
                await self.sync(macs)
            except Exception:
                log.exception("phones could not be told to fetch their settings")

    def stop(self) -> None:
        if self._telling is not None:
            self._telling.cancel()

    async def sync(self, macs: Sequence[str]) -> list[str]:
        """NOTIFY check-sync to every contact of these phones, SYNC_AT_ONCE at a time; the MAC addresses of those that took it."""
        slots = asyncio.Semaphore(SYNC_AT_ONCE)

        async def tell(mac: str) -> bool:
            found, seen = self.device(mac), self.phones.last(mac)
            headers = (("Event", (seen.event if seen else "") or "check-sync"), ("Subscription-State", "terminated"))
            async with slots:
                await asyncio.sleep(SYNC_PAUSE_S)
                targets = self._box.registrations.targets(found[0]) if found else ()
                codes = [await self._box.endpoint.request("NOTIFY", target.uri, target.account, headers=headers, timeout_s=8.0) for target in targets]
            return any(200 <= code < 300 for code in codes)

        answers = await asyncio.gather(*map(tell, macs))
        taken = [mac for mac, answered in zip(macs, answers, strict=True) if answered]
        log.info("%d of %d phones were told to fetch their settings", len(taken), len(macs))
        return taken


def _plain(mac: str) -> str:
    return "".join(char for char in mac.lower() if char in "0123456789abcdef")


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _digest(told: Mapping[str, Any]) -> str:
    """Of what a commit can change: how the phone reaches the box is not."""
    kept = {name: value for name, value in told.items() if name not in {"address", "url"}}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:32]


def phone_methods(desk: PhoneDesk) -> Mapping[str, Callable[[dict[str, Any], Peer], Awaitable[Any]]]:
    """What `control.protocol.METHODS` has under `phones.`."""
    phones = desk.phones

    async def first(params: dict[str, Any], _: Peer) -> shapes.PhoneResult:
        return await desk.ask(params)

    async def settings(params: dict[str, Any], _: Peer) -> shapes.PhoneResult:
        return await desk.ask(params, token=params["token"])

    async def listed(_: dict[str, Any], __: Peer) -> shapes.PhonesResult:
        await desk.networks.look()
        now, clock = time.time(), time.monotonic()
        shown: list[shapes.DeskPhoneShape] = []
        for seen in phones.seen():
            found = desk.device(seen.mac)
            window = phones.open_until(seen.mac, clock)
            shown.append(
                {
                    "mac": seen.mac, "ip": seen.ip, "family": seen.family, "model": seen.model or seen.written, "firmware": seen.firmware,
                    "protocol": seen.protocol, "device": found[0] if found else "", "verdict": seen.verdict, "reason": REASONS[seen.verdict],
                    "asked": seen.asked, "refused_ip": seen.refused_ip,
                    "seen_s": max(0.0, now - seen.last_unix_s), "enrolled": seen.mac in phones.enrolled, "open_s": max(0.0, window - clock) if window else 0.0,
                    "fetched_unix_s": seen.fetched_unix_s, "current": bool(seen.told) and not desk.behind(seen.mac),
                }
            )  # fmt: skip
        everybody = phones.open_until("", clock)
        return {"phones": shown, "open_s": max(0.0, everybody - clock) if everybody else 0.0, "networks": list(desk.networks.now())}

    async def enrol(params: dict[str, Any], peer: Peer) -> shapes.EnrolResult:
        mac = _plain(params["mac"])
        if params["mac"] and len(mac) != 12:
            raise NotFound(f"{params['mac']} is no MAC address", "twelve hexadecimal digits, as on the phone's label")
        until = phones.open(mac, time.monotonic(), params["minutes"] * 60.0)
        log.warning("uid %d lets %s take settings for %d minutes", peer.uid, mac or "every phone of the site", params["minutes"])
        desk.show_twice()
        desk.tell(mac)
        return {"mac": mac, "open_s": max(0.0, until - time.monotonic())}

    async def forget(params: dict[str, Any], peer: Peer) -> shapes.EnrolResult:
        mac = _plain(params["mac"])
        phones.forget(mac)
        log.warning("uid %d forgot phone %s: it must be enrolled anew", peer.uid, mac)
        desk.show_twice()
        desk.tell(mac)
        await desk.changed()
        return {"mac": mac, "open_s": 0.0}

    async def sync(params: dict[str, Any], peer: Peer) -> shapes.PhoneSyncResult:
        wanted = [_plain(mac) for mac in params["macs"]] or sorted(phones.enrolled)
        log.info("uid %d tells %d phones to fetch their settings", peer.uid, len(wanted))
        if not params["wait"]:
            desk.begin_sync(wanted)
            return {"told": wanted, "taken": []}
        return {"told": wanted, "taken": await desk.sync(wanted)}

    return {
        "phones.first": first, "phones.settings": settings, "phones.list": listed, "phones.enrol": enrol, "phones.forget": forget, "phones.sync": sync,
    }  # fmt: skip
