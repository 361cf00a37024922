"""A phone's SIP password that went out while phones were let in is replaced once the phone has signed in; the old one is good until the phone has the new one.

due (it took its settings while it was let in) -> offered (it signed in: its settings have the new password, both are taken) -> the vault's (it signed in
with the new one: the old one is refused). A phone that does not fetch stays at "offered" for as long as it likes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from appliance.errors import StateError
from appliance.events.registration import Registered
from appliance.types import DeviceId

if TYPE_CHECKING:
    from appliance.app.phones import PhoneDesk
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)


class Rotation:
    """Belongs to the loop."""

    def __init__(self, box: Box, desk: PhoneDesk) -> None:
        self._box, self._desk = box, desk
        self._taking: set[DeviceId] = set()

    def subscribe(self) -> None:
        self._box.bus.subscribe(Registered, self._registered, "phones' passwords")

    def offers(self) -> Mapping[DeviceId, str]:
        """Passwords that are taken beside those of the site."""
        found: dict[DeviceId, str] = {}
        for mac in tuple(self._desk.phones.offers):
            known = self._desk.device(mac)
            entry = self._box.snapshot.devices.get(known[0]) if known else None
            if entry is not None and entry.secret and (password := self._desk.phones.offered(mac, entry.secret)):
                found[entry.id] = password
        return found

    async def publish(self) -> None:
        """The SIP side takes what is offered, when this returns."""
        self._box.admission.offered = self.offers()  # one assignment of a whole: safe beside the SIP thread

    async def _registered(self, news: Registered) -> None:
        desk, phones = self._desk, self._desk.phones
        mac = desk.mac_of(news.device)
        if mac not in phones.due or not self._alone(news.device, mac):
            return
        entry, seen = self._box.snapshot.devices.get(news.device), phones.last(mac)
        if entry is None or not entry.secret or seen is None or not seen.told:
            return
        phones.offer(mac, entry.secret)
        # First on the disk: a phone that was told it must be let in by whatever runs then.
        if not await desk.changed():
            phones.offers.pop(mac, None)
            phones.due.add(mac)
            return
        await self.publish()
        log.info("phone %s has signed in: it gets a new password", mac)
        desk.told_anew(mac)

    def _alone(self, device: DeviceId, mac: str) -> bool:
        """Whether nobody else is signed in as this device: one who typed the password in would be shut out."""
        seen = self._desk.phones.last(mac)
        contacts = {binding.received.ip for binding in self._box.registrations.all() if binding.device == device}
        return seen is not None and contacts == {seen.ip}

    def proved(self, device: DeviceId) -> None:
        """A phone signed in with the password it was offered."""
        if device not in self._taking:
            self._taking.add(device)
            task = self._box.loop.create_task(self._take(device), name=f"password of {device}")
            task.add_done_callback(lambda _: self._taking.discard(device))

    async def _take(self, device: DeviceId) -> None:
        """Both passwords stay in use where anything is in the way; the next registration tries again."""
        desk, entry, mac = self._desk, self._box.snapshot.devices.get(device), self._desk.mac_of(device)
        if entry is None or not entry.secret or not self._alone(device, mac) or not (password := desk.phones.offered(mac, entry.secret)):
            return
        name, vault = f"devices.{device}.secret", self._box.activation.place.vault

        def put() -> bool:
            if name in vault.staged():  # somebody is about to set another one
                return False
            vault.put({name: password})
            return True

        try:
            done = await asyncio.get_running_loop().run_in_executor(None, put)
        except StateError as error:
            log.warning("the new password of phone %s cannot be kept yet: %s", mac, error.sentence)
            return
        if done:
            await self._box.activation.refresh_secrets()
            log.info("phone %s has its new password; the old one is refused from now on", mac)

    async def settle(self) -> None:
        """Other secrets, or another revision, are in force: offers of passwords that were replaced meanwhile are over."""
        for mac in tuple(self._desk.phones.offers):
            known = self._desk.device(mac)
            entry = self._box.snapshot.devices.get(known[0]) if known else None
            if entry is None or not entry.secret or not self._desk.phones.offered(mac, entry.secret):
                self._desk.phones.offers.pop(mac, None)
                self._desk.dirty()
        await self.publish()
