"""Sign-ins that outlive a restart of the web process, and what people had typed when one ended: a small SQLite file, `web/sessions.db`.

Lifetimes are counted on the clock of this boot: setting the wall clock ends no session and lengthens none. After a reboot everybody signs in again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import StateError
from appliance.site import files

TOUCH_S = 60.0
"""How exactly the last request is remembered; more often would wear the card."""
LONGEST_S = 7 * 86400.0
"""Whatever happens, then one signs in anew."""
KEPT_S = 86400.0
MOST_KEPT = 200
MOST_DEVICES = 2000
_BOOT = Path("/proc/sys/kernel/random/boot_id")

_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, stamp TEXT NOT NULL, boot TEXT NOT NULL, began REAL NOT NULL, seen REAL NOT NULL,
    address TEXT NOT NULL, agent TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS kept (id TEXT PRIMARY KEY, boot TEXT NOT NULL, at REAL NOT NULL, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS devices (id TEXT PRIMARY KEY, account TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS preferences (account TEXT PRIMARY KEY, language TEXT NOT NULL, theme TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in. `id` is a hash of what the cookie holds."""

    id: str
    account: str
    stamp: str
    idle_s: float
    began_s_ago: float
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person chose; "" : as the browser says."""

    language: str = ""
    theme: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A form somebody sent after the session had ended. `fields`: (name, value) as sent."""

    path: str
    account: str
    fields: tuple[tuple[str, str], ...]


class Sessions:
    """For all threads of the process. Raises StateError where the disk refuses to begin a session; everything else does without."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._local = threading.local()
        self._boot = _BOOT.read_text(encoding="ascii").strip()

    # ---- sign-ins ------------------------------------------------------------------------------------------------

    def begin(self, account: str, stamp: str, address: str, agent: str) -> str:
        """A new session; what the cookie holds."""
        token = secrets.token_urlsafe(32)
        now = _now()
        self._run(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", hashed(token), account, stamp, self._boot, now, now, address[:60], agent[:200]
        )
        self._run("DELETE FROM sessions WHERE boot != ? OR seen < ?", self._boot, now - LONGEST_S)
        return token

    def find(self, token: str) -> Session | None:
        """The session behind a cookie, however long it has been idle; None: there is none."""
        now = _now()
        rows = self._run("SELECT id, account, stamp, seen, began, address, agent FROM sessions WHERE id = ? AND boot = ?", hashed(token), self._boot)
        if not rows or now - rows[0][4] > LONGEST_S:
            return None
        id, account, stamp, seen, began, address, agent = rows[0]
        return Session(id, account, stamp, now - seen, now - began, address, agent)

    def touch(self, session: Session) -> bool:
        """There was a request. True: it is written down, which is done now and then."""
        if session.idle_s <= TOUCH_S:
            return False
        self._run("UPDATE sessions SET seen = ? WHERE id = ?", _now(), session.id)
        return True

    def end(self, session: Session) -> None:
        self._run("DELETE FROM sessions WHERE id = ?", session.id)

    def end_all(self, account: str, but: str = "") -> int:
        """End every session of an account but one; how many there were."""
        found = self._run("SELECT id FROM sessions WHERE account = ? AND id != ?", account, but)
        self._run("DELETE FROM sessions WHERE account = ? AND id != ?", account, but)
        return len(found)

    def of(self, account: str, idle_s: float) -> list[Session]:
        """The sessions of an account that are not idle for too long."""
        now = _now()
        rows = self._run("SELECT id, account, stamp, seen, began, address, agent FROM sessions WHERE account = ? AND boot = ?", account, self._boot)
        return [Session(i, a, s, now - seen, now - began, where, agent) for i, a, s, seen, began, where, agent in rows if now - seen <= idle_s]

    # ---- browsers ------------------------------------------------------------------------------------------------

    def device(self, token: str) -> str:
        """The account that signed in last with the browser that holds `token`; "" : none did."""
        rows = self._run("SELECT account FROM devices WHERE id = ?", hashed(token))
        return str(rows[0][0]) if rows else ""

    def remember(self, account: str, token: str) -> str:
        """Somebody signed in to `account` with the browser that holds `token` (or none yet); what it holds from now on."""
        if self.device(token) != account:
            token = secrets.token_urlsafe(24)
        self._run("INSERT OR REPLACE INTO devices VALUES (?, ?, ?)", hashed(token), account, time.time())
        self._run("DELETE FROM devices WHERE id NOT IN (SELECT id FROM devices ORDER BY at DESC LIMIT ?)", MOST_DEVICES)
        return token

    # ---- preferences ---------------------------------------------------------------------------------------------

    def preferences(self, account: str) -> Preferences:
        rows = self._run("SELECT language, theme FROM preferences WHERE account = ?", account)
        return Preferences(*rows[0]) if rows else Preferences()

    def prefer(self, account: str, chosen: Preferences) -> None:
        self._run("INSERT OR REPLACE INTO preferences VALUES (?, ?, ?)", account, chosen.language, chosen.theme)

    # ---- what was typed ------------------------------------------------------------------------------------------

    def keep(self, kept: Kept, token: str) -> str:
        """Keep a form until its author has signed in; its id. Sealed under `token`, which only the browser has: passwords may be among the fields."""
        id, nonce, now = secrets.token_urlsafe(16), secrets.token_bytes(12), _now()
        packed = json.dumps([kept.path, kept.account, kept.fields]).encode()
        self._run("INSERT INTO kept VALUES (?, ?, ?, ?)", id, self._boot, now, nonce + AESGCM(_key(token)).encrypt(nonce, packed, id.encode()))
        self._run(
            "DELETE FROM kept WHERE boot != ? OR at < ? OR id NOT IN (SELECT id FROM kept ORDER BY at DESC LIMIT ?)", self._boot, now - KEPT_S, MOST_KEPT
        )
        return id

    def kept(self, id: str, token: str, forget: bool = False) -> Kept | None:
        """The form kept as `id`, for the browser that sent it; None: it is not there any more."""
        rows = self._run("SELECT sealed FROM kept WHERE id = ?", id)
        if not rows:
            return None
        sealed = bytes(rows[0][0])
        try:
            path, account, fields = json.loads(AESGCM(_key(token)).decrypt(sealed[:12], sealed[12:], id.encode()))
        except InvalidTag:
            return None
        if forget:
            self._run("DELETE FROM kept WHERE id = ?", id)
        return Kept(path, account, tuple((str(name), str(value)) for name, value in fields))

    # ---- the file ------------------------------------------------------------------------------------------------

    def _run(self, statement: str, *values: Any) -> list[Any]:
        try:
            return list(self._connection().execute(statement, values))
        except sqlite3.Error as error:
            raise StateError(f"The sign-ins cannot be read or written: {error}", "check free space, the disk, and the owner of the data folder") from error

    def _connection(self) -> sqlite3.Connection:
        """One per thread. A file that is damaged is begun anew: sign-ins are no loss."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            try:
                found = self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                for name in ("sessions.db", "sessions.db-wal", "sessions.db-shm"):
                    (self._folder / name).unlink(missing_ok=True)
                found = self._open()
            self._local.connection = found
        return found

    def _open(self) -> sqlite3.Connection:
        with files.translated(f"use the folder {self._folder}"):
            files.make_folder(self._folder)
            path = self._folder / "sessions.db"
            path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        # A killed process loses nothing; a power cut may lose the last sign-ins, which costs no more than signing in.
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _TABLES)
        return connection


def hashed(token: str) -> str:
    """What is kept of a cookie: who reads the file cannot sign in with it."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """What every form of the session sends back."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _key(token: str) -> bytes:
    return hmac.new(token.encode(), b"kept", hashlib.sha256).digest()


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
