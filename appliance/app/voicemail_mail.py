"""Voicemail by e-mail: a new message goes into the outbox in the transaction that keeps it, and from there to the mail server, once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from appliance.alerts.delivery import PATIENCE_S, Undelivered
from appliance.alerts.voicemail import Note
from appliance.errors import HoldfastError, NotFound
from appliance.site.working import run_job_async
from appliance.state.clock import Moment
from appliance.state.outbox import OutboxRepository
from appliance.state.records import OutboxRecord, VoicemailRecord

if TYPE_CHECKING:
    from appliance.app.wiring import Box

KIND = "voicemail"
FAULT = "voicemail-mail"
SLOWEST_BYTES_PER_S = 8000
"""A narrow way out is given the time it needs."""
_SOUND_BYTES_PER_S = 16_000 * 4 // 3
_START_S = 20.0
"""For the process that sends."""


class VoicemailMail:
    """`server()`: (IP address, password) of the mail server; raises Undelivered."""

    def __init__(self, box: Box, server: Callable[[], Awaitable[tuple[str, str]]]) -> None:
        self._box, self._server = box, server

    def places(self) -> list[str]:
        """Addresses that get messages."""
        site = self._box.snapshot.site
        return list(dict.fromkeys(box.email for box in site.mailboxes.values() if box.email)) if site.alerts.mail.host else []

    def keep(self, connection: Connection, message: VoicemailRecord) -> None:
        """Inside the transaction of the message's row, on the writer's thread."""
        site = self._box.snapshot.site
        box = site.mailboxes.get(message.mailbox)
        if box is not None and box.email and site.alerts.mail.host:
            note = Note.about(message, box.name, box.email_sound)
            OutboxRepository.add(connection, OutboxRecord(f"{KIND}:{message.id}:{box.email}", KIND, box.email, note.kept(), time.time(), Moment.now()))

    async def send(self, record: OutboxRecord) -> None:
        """Raises Undelivered."""
        site = self._box.snapshot.site
        try:
            note = Note.of(record.payload)
            await self._box.voice.voicemail.message(note.id)
        except (ValueError, TypeError) as error:
            raise Undelivered(f"The message cannot be read: {error}", place=False, lost=True) from error
        except NotFound as error:
            raise Undelivered("The message was deleted before it was sent", place=False, lost=True) from error
        except HoldfastError as error:
            raise Undelivered(error.sentence, error.hint, place=False) from error
        if record.target not in self.places():
            raise Undelivered(f"{record.target} gets no voicemail any more", place=False, lost=True)
        ip, password = await self._server()
        patience_s = PATIENCE_S + note.seconds * _SOUND_BYTES_PER_S / SLOWEST_BYTES_PER_S
        payload = {
            "note": record.payload, "sound": str(self._box.settings.data / "voicemail" / note.file), "dedupe": record.dedupe, "to": record.target,
            "settings": site.alerts.mail.model_dump(mode="json"), "ip": ip, "password": password, "domain": site.domain, "zone": site.time_zone,
            "patience_s": patience_s,
        }  # fmt: skip
        try:
            refused = await run_job_async("mail", payload, patience_s + _START_S)
        except HoldfastError as error:
            raise Undelivered(error.sentence, error.hint, place=False) from error
        if refused:
            raise Undelivered(refused["sentence"], refused["hint"], place=refused["place"], lost=refused["lost"])
