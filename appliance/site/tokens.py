"""Tokens that programs use the API with: what each may do, until when, and who last used it. Of the token itself only a hash is kept (`web/tokens.json`)."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from appliance.errors import HoldfastError, NotFound, StateError
from appliance.site import files
from appliance.site.wording import close

log = logging.getLogger(__name__)

SCOPES: Mapping[str, str] = {
    "read": "see the site, its history, calls, phones and traces",
    "write": "change the candidate, passwords of phones and people included",
    "commit": "put the candidate into force, go back, discard",
    "calls": "begin, transfer and end calls, run emergency tests, acknowledge notices",
    "voicemail": "list, hear and delete messages",
    "secrets": "see passwords of phones and trunks; every look is on record",
    "access": "change who administers the box",
    "backup": "make backups of everything, passwords included, under a passphrase of its own choice",
    "system": "restore a backup, replace certificates, reset the box",
}
"""What a token may be allowed to do."""

PREFIX = "hf_"
TOUCH_S = 600.0
"""How exactly the last use is remembered: a script that asks every second must not wear the card."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Token:
    """`hash`: SHA-256 of the token, which has 256 bits of its own. Times in Unix seconds by the box's clock; `expires_unix_s` None: never."""

    name: str
    hash: str
    scopes: tuple[str, ...]
    made_by: str
    made_unix_s: float
    expires_unix_s: float | None = None
    used_unix_s: float | None = None
    used_from: str = ""

    def expired(self, now_unix_s: float) -> bool:
        return self.expires_unix_s is not None and now_unix_s >= self.expires_unix_s


class Tokens:
    """The tokens in `data` (the box's data folder), for several processes and threads. Methods may block for the disk and raise StateError."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "web"
        self._path = self._folder / "tokens.json"
        self._lock = threading.Lock()
        self._kept: tuple[tuple[int, ...], dict[str, Token]] = ((), {})

    def all(self) -> tuple[Token, ...]:
        """By name."""
        return tuple(token for _, token in sorted(self._read().items()))

    def new(self, name: str, scopes: Collection[str], by: str, expires_unix_s: float | None = None) -> tuple[Token, str]:
        """A new token and its text, which is told this once. Raises HoldfastError `token` where the name or a scope is none."""
        if not _NAME.fullmatch(name):
            raise HoldfastError(f"{name!r} is not a name for a token", "small letters, digits and . _ -, at most 40: nightly-backup", code="token")
        for scope in scopes:
            if scope not in SCOPES:
                raise HoldfastError(f"There is no scope {scope!r}", close(scope, SCOPES), code="token")
        if not scopes:
            raise HoldfastError("A token without a scope may do nothing", f"give some of {', '.join(SCOPES)}", code="token")
        text = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        token = Token(name, _hash(text), tuple(scope for scope in SCOPES if scope in scopes), by, time.time(), expires_unix_s)
        with files.locked(self._folder, "the web folder"):
            tokens = self._read()
            if name in tokens:
                raise HoldfastError(f"There is a token {name} already", "choose another name, or revoke that one first", code="token")
            self._write({**tokens, name: token})
        return token, text

    def revoke(self, name: str) -> Token:
        """It counts no more, from the next request on. Raises NotFound."""
        with files.locked(self._folder, "the web folder"):
            tokens = self._read()
            if name not in tokens:
                raise NotFound(f"There is no token {name}", close(name, tokens))
            self._write({key: token for key, token in tokens.items() if key != name})
            return tokens[name]

    def find(self, text: str) -> Token | None:
        """The token with this text, expired or not."""
        hashed = _hash(text)
        # No need to compare in constant time: what is compared is a hash, and who finds one that fits half has learned nothing.
        return next((token for token in self._read().values() if token.hash == hashed), None)

    def used(self, token: Token, address: str) -> None:
        """Somebody used it from `address` now. Never raises: a full disk keeps nobody out."""
        now = time.time()
        if token.used_unix_s is not None and abs(now - token.used_unix_s) < TOUCH_S:
            return
        try:
            with files.locked(self._folder, "the web folder"):
                tokens = self._read()
                if token.name in tokens and tokens[token.name].hash == token.hash:
                    self._write({**tokens, token.name: replace(token, used_unix_s=now, used_from=address)})
        except StateError as error:
            log.warning("the use of the token %s could not be noted: %s", token.name, error)

    # ---- the file ------------------------------------------------------------------------------------------------

    def _read(self) -> dict[str, Token]:
        stamp = self._stamp()
        with self._lock:
            if not stamp or self._kept[0] != stamp:
                self._kept = (stamp, self._load() if stamp else {})
            return self._kept[1]

    def _load(self) -> dict[str, Token]:
        try:
            raw: Any = json.loads(self._path.read_bytes())
            return {str(name): _token(str(name), held) for name, held in raw["tokens"].items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StateError(f"{self._path} cannot be read: {error.strerror}", "check the disk and the owner of the data folder") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(f"{self._path} is damaged", "delete it and make new tokens: holdfast token new") from error

    def _write(self, tokens: Mapping[str, Token]) -> None:
        shape = {"tokens": {name: {key: value for key, value in asdict(token).items() if key != "name"} for name, token in tokens.items()}}
        files.write(self._path, json.dumps(shape, indent=1).encode())

    def _stamp(self) -> tuple[int, ...]:
        try:
            there = self._path.stat()
        except OSError:
            return ()
        return there.st_mtime_ns, there.st_ino, there.st_size


def _token(name: str, held: Mapping[str, Any]) -> Token:
    expires, used = held.get("expires_unix_s"), held.get("used_unix_s")
    return Token(
        name, str(held["hash"]), tuple(map(str, held["scopes"])), str(held["made_by"]), float(held["made_unix_s"]),
        None if expires is None else float(expires), None if used is None else float(used), str(held.get("used_from", "")),
    )  # fmt: skip


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
