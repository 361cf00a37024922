"""A text message of one of our devices, as its flow serves it: answered to the sender, or passed on to phones."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.calls.caller import Caller, presented
from appliance.calls.context import CallContext
from appliance.calls.program import RingTarget, RunsFlow
from appliance.calls.ring import meaning
from appliance.calls.route import Target, ToExtension, ToFlow
from appliance.errors import SipError
from appliance.sip.api import TextMessage
from appliance.sip.text import send_text
from appliance.types import UserId

if TYPE_CHECKING:
    from appliance.site.snapshot import Snapshot

log = logging.getLogger(__name__)


class TextSession:
    """One message. Implements the port of a flow's text session; `user` is whose settings count."""

    def __init__(self, context: CallContext, message: TextMessage) -> None:
        self._context = context
        self._message = message
        entry = context.snapshot().devices.get(message.device)
        self.dialled = message.to_user
        self.text = message.text
        self.user: UserId | None = entry.owner if entry is not None else None
        self.caller = Caller(entry.extension or entry.sip_user, entry.display_name, message.device, entry.owner) if entry is not None else Caller("")

    def snapshot(self) -> Snapshot:
        return self._context.snapshot()

    async def reply(self, text: str) -> None:
        message = self._message
        contacts = self._context.targets(message.device) or (Target(f"sip:{message.source.ip}:{message.source.port}", message.local, message.device),)
        sender, _ = presented(Caller(self.dialled), self.snapshot().realm)
        await asyncio.gather(*(self._send(contact, sender, text) for contact in contacts))

    async def send(self, target: RingTarget, text: str) -> bool | RunsFlow:
        found = meaning(target, self.caller, self.dialled, self.snapshot(), self._context.view())
        if isinstance(found, ToFlow):
            return RunsFlow(found.flow, found.user)
        if not isinstance(found, ToExtension):
            # Carriers' lines take no texts from here, and nobody else is there.
            return False
        sender, _ = presented(self.caller, self.snapshot().realm)
        return any(await asyncio.gather(*(self._send(contact, sender, text) for contact in found.targets)))

    def note(self, text: str) -> None:
        log.info("text %s from %s to %s: %s", self._message.call_id, self.caller.number, self.dialled, text)

    async def _send(self, contact: Target, sender: str, text: str) -> bool:
        try:
            code = await send_text(self._context.endpoint, contact.uri, contact.account, sender, text)
        except SipError as error:
            self.note(error.sentence)
            return False
        if not 200 <= code < 300:
            self.note(f"{contact.uri} answered {code}")
        return 200 <= code < 300
