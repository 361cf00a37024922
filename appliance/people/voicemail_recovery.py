"""What a kill or a lost database left of voicemail, brought to an end at start: what was said becomes a message, what is gone leaves the list."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from appliance import sound
from appliance.errors import SoundError
from appliance.people.recording import adopt
from appliance.state.records import VoicemailRecord
from appliance.state.voicemail import VoicemailRepository
from appliance.state.writer import StateWriter
from appliance.types import MailboxId, SessionId

log = logging.getLogger(__name__)

FRESH_S = 3600.0
"""A younger message is news; older ones that lost their row were told when they came."""
LEAST_S = 1.0
"""Of an interrupted message: with less, nothing was said."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a message before it is spoken; kept beside its sound, so that even a lost database loses no message."""

    caller: str
    caller_name: str
    session: str
    started_unix_s: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, path: Path, started_unix_s: float) -> Facts:
        """Those in the file at `path`; where it is missing or damaged, only when (`started_unix_s`)."""
        try:
            raw: Any = json.loads(path.read_bytes())
            return cls(str(raw["caller"]), str(raw["caller_name"]), str(raw["session"]), float(raw["started_unix_s"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("nobody knows who left the message %s: %s", path.stem, error)
            return cls("", "", "", started_unix_s)


class Recovery:
    """One look through the voicemail `folder`, on the disk thread: nobody else changes its files meanwhile.

    `.part` files of LEAST_S at least become messages, shorter ones go; files without a row get one; rows without a file go. `live`: ids of messages now being
    left, which are none of its business. `kept`: see Voicemail. A file that cannot be worked on is logged and left for the next start.
    """

    def __init__(
        self, folder: Path, rows: VoicemailRepository, writer: StateWriter, live: Container[str], kept: Callable[[Connection, VoicemailRecord], None]
    ) -> None:
        self._folder = folder
        self._rows = rows
        self._writer = writer
        self._live = live
        self._also = kept
        self._changed: dict[MailboxId, None] = {}

    def run(self) -> tuple[MailboxId, ...]:
        """The mailboxes that changed. Raises OSError, SQLAlchemyError."""
        known = {row.id: row for row in self._rows.messages()}
        folders = sorted(path for path in self._folder.iterdir() if path.is_dir()) if self._folder.is_dir() else []
        for folder in folders:
            for path in sorted(folder.iterdir()):
                if path.stem in self._live:
                    continue
                try:
                    self._look(path, known)
                except OSError as error:
                    log.error("the voicemail file %s cannot be worked on: %s", path, error)
        for row in known.values():
            if row.id not in self._live and not (self._folder / row.file).exists():
                log.error("the message %s of %s has lost its file and leaves the list", row.id, row.mailbox)
                self._writer.run(partial(VoicemailRepository.remove, id=row.id)).result()
                self._changed[row.mailbox] = None
        return tuple(self._changed)

    def _look(self, path: Path, known: dict[str, VoicemailRecord]) -> None:
        if path.name.startswith("."):  # half of a sidecar
            path.unlink()
        elif path.suffix == ".part":
            self._part(path)
        elif path.suffix == ".wav" and path.stem != "greeting" and path.stem not in known:
            try:
                self._add(path, sound.load(path).seconds)
            except SoundError as error:
                log.error("%s", error.sentence)
        elif path.suffix == ".json" and not path.with_suffix(".wav").exists() and not path.with_suffix(".part").exists():
            path.unlink()

    def _part(self, part: Path) -> None:
        if part.stem.startswith("greeting-"):
            part.unlink()
            return
        path = part.with_suffix(".wav")
        seconds = adopt(part, path, LEAST_S)
        if seconds is None:
            path.with_suffix(".json").unlink(missing_ok=True)
        else:
            self._add(path, seconds)

    def _add(self, path: Path, seconds: float) -> None:
        facts = Facts.read(path.with_suffix(".json"), path.stat().st_mtime)
        mailbox = MailboxId(path.parent.name)
        record = VoicemailRecord(
            path.stem, mailbox, facts.caller, facts.caller_name, SessionId(facts.session), facts.started_unix_s, seconds, None, f"{mailbox}/{path.name}"
        )

        def add(connection: Connection) -> None:
            VoicemailRepository.add(connection, record)
            if time.time() - record.started_unix_s < FRESH_S:
                self._also(connection, record)

        self._writer.run(add).result()
        log.warning("recovered a message of %.0f s for %s", seconds, mailbox)
        self._changed[mailbox] = None
