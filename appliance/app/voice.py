"""What the box says, plays and records: speech, the site's recordings, voicemail, and the flows that use them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from appliance import sound
from appliance.callflow.runner import Flows
from appliance.callflow.services import Services
from appliance.people.voicemail import Voicemail
from appliance.site.media import media_path
from appliance.site.model.site import Site
from appliance.site.snapshot import Snapshot
from appliance.sound import Sound
from appliance.speech.speaker import Speaker
from appliance.state.records import VoicemailRecord
from appliance.state.writer import StateWriter
from appliance.types import MailboxId

WARM_AFTER_S = 5.0
"""Phones that come back after a start, and a commit on the heels of another, go first."""


class Voice:
    """`secrets`: the vault's values now. `kept`: see Voicemail. `alarm(code, sentence, hint)`, an empty sentence clears.

    `flows` are the programs of ordinary calls.
    """

    def __init__(
        self,
        data: Path,
        engine: Engine | None,
        writer: StateWriter | None,
        site: Callable[[], Site],
        secrets: Callable[[], Mapping[str, str]],
        publish: Callable[[object], None],
        alarm: Callable[[str, str, str], None],
        kept: Callable[[Connection, VoicemailRecord], None],
    ) -> None:
        self._data = data
        self._warming: asyncio.Task[None] | None = None
        self.speaker = Speaker(data / "speech", alarm=lambda sentence, hint: alarm("speech", sentence, hint))
        self.voicemail = Voicemail(data, engine, writer, site, publish, kept)
        self.flows = Flows(
            Services(
                speaker=self.speaker,
                audio=self.audio,
                voicemail=self.voicemail,
                pin=lambda mailbox: _pin(secrets(), mailbox),
                now=lambda: datetime.now(UTC),
            )
        )

    async def prepare(self, snapshot: Snapshot) -> None:
        """Get the flows of a revision ready, away from the loop, before calls need them."""
        await asyncio.to_thread(self.flows.prepare, snapshot)

    def warm(self, snapshot: Snapshot) -> None:
        """Speak beforehand, at low priority, what callers of this revision will hear; another revision takes its place."""
        if self._warming is not None:
            self._warming.cancel()
        self._warming = asyncio.get_running_loop().create_task(self._warm(snapshot), name="speech")

    async def _warm(self, snapshot: Snapshot) -> None:
        await asyncio.sleep(WARM_AFTER_S)
        for language, texts in (await asyncio.to_thread(self.flows.spoken, snapshot)).items():
            await self.speaker.warm(texts, language)

    async def recover(self) -> None:
        """At start: what a kill left of recordings is brought to an end. Never raises."""
        await self.voicemail.recover()

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
        await self.speaker.close()
        await self.voicemail.close()

    async def audio(self, sha256: str) -> Sound:
        """A recording of the site. Raises HoldfastError."""
        return await asyncio.to_thread(sound.load, media_path(self._data, sha256))


def _pin(secrets: Mapping[str, str], mailbox: MailboxId) -> str:
    return secrets.get(f"mailboxes.{mailbox}.pin", "")
