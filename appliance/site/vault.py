"""The vault: SIP secrets, PINs and sign-ins outside the revisions, in one file sealed under a key that stays on the box."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import HoldfastError, NotFound, StateError
from appliance.site import files

MAGIC = b"HFVAULT1"
KEY_BYTES = 32
NONCE_BYTES = 12
_HINT = "restore a backup; without one move the folder away, and the box makes new secrets for its phones at the next start"


_HASH = re.compile(r"\$argon2id\$v=19\$m=[0-9]{1,6},t=[0-9]{1,2},p=[0-9]\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}")
"""A hash that an export brought; one that would take gigabytes to check is none."""


def signs_in(hashed: str, password: str) -> bool:
    """Whether `password` is the one whose hash the vault keeps as `hashed` ("": none, so never). Takes tens of milliseconds, as it should."""
    from argon2 import PasswordHasher  # noqa: PLC0415 - the engine has no use for it
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    try:
        return PasswordHasher().verify(hashed, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


class Secrets(dict[str, str]):
    """Name -> secret; shows only how many there are."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"


@dataclass(frozen=True, slots=True)
class Reveal:
    """Somebody has seen a secret. `time`: seconds since the epoch by the box's clock."""

    time: float
    name: str
    who: str


@dataclass(slots=True)
class _Content:
    """`values`: name -> (revision from which it counts, value), ascending; value None: from there on it has none. `staged`: these wait for a commit."""

    values: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict, repr=False)
    staged: dict[str, str] = field(default_factory=dict, repr=False)

    def current(self, name: str, revision: int) -> str | None:
        return next((value for since, value in reversed(self.values.get(name, [])) if since <= revision), None)


class Vault:
    """The folder `vault` of the data folder: `secrets` (sealed), `key` (mode 0600), `reveals.jsonl`, `lock`.

    Several processes may use it; one killed at any moment leaves the old content or the new. A name is a path of the document: `devices.dana-desk.secret`.
    A value counts from a revision on. Revision numbers only rise, so a rollback brings no old password back. Of passwords of people
    (users and administrators) only an argon2id hash is kept. Every method may block for the disk and raises StateError (code "vault") where the key or the
    file is not what it should be.

    Whoever commits holds the lock of the site store: `prune(current)`, `promote(n)`, write revision n, make it current, `prune(n)`. Killed anywhere in
    between, the next `prune` brings back what never came to count.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / "vault"
        self._secrets = self._folder / "secrets"
        self._key = self._folder / "key"
        self._reveals = self._folder / "reveals.jsonl"

    # ---- reading -------------------------------------------------------------------------------------------------

    def values(self, revision: int) -> Secrets:
        """What counts in `revision`, which is the current one: an older site that runs for a while has today's secrets."""
        content = self._read()
        return Secrets((name, value) for name in content.values if (value := content.current(name, revision)) is not None)

    def names(self, revision: int, staged: bool = False) -> frozenset[str]:
        """The names of what counts in `revision`; with `staged` also of what would count after a commit now."""
        content = self._read()
        counting = {name for name in content.values if content.current(name, revision) is not None}
        return frozenset(counting | set(content.staged) | _ahead(content, revision) if staged else counting)

    def staged(self) -> frozenset[str]:
        """The names of what waits for a commit."""
        return frozenset(self._read().staged)

    def stamp(self) -> tuple[int, int, int]:
        """Changes whenever the content may have; cheap. All zero: there is no vault yet."""
        try:
            there = self._secrets.stat()
        except OSError:
            return 0, 0, 0
        return there.st_mtime_ns, there.st_ino, there.st_size

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for another purpose, always the same: made from the vault's own (HKDF, RFC 5869), which is made where there is none."""
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(self._load_key(make=not self._secrets.exists()))

    # ---- changing ------------------------------------------------------------------------------------------------

    def stage(self, values: Mapping[str, str]) -> None:
        """Keep `values` for the next commit; the last one staged under a name wins."""
        ready = _hashed(values)
        with self._changed() as content:
            content.staged.update(ready)

    def unstage(self, names: Collection[str] | None = None) -> None:
        """Drop what waits under `names` (None: all that waits)."""
        with self._changed() as content:
            content.staged = {} if names is None else {name: value for name, value in content.staged.items() if name not in names}

    def put(self, values: Mapping[str, str]) -> None:
        """Let `values` count at once, whatever the revision; what waited under their names is dropped."""
        ready = _hashed(values)
        with self._changed() as content:
            for name, value in ready.items():
                content.values[name] = [(0, value)]
                content.staged.pop(name, None)

    def promote(self, revision: int, forget: Collection[str] = ()) -> None:
        """What is staged counts from `revision` on. `forget`: names whose earlier value does not count there (the object is a new one of an old id)."""
        with self._changed() as content:
            for name in {*forget, *content.staged}:
                value = content.staged.get(name)
                if value is not None or name in content.values:
                    before = [entry for entry in content.values.get(name, []) if entry[0] < revision]
                    content.values[name] = [*before, (revision, value)]
            content.staged = {}

    def prune(self, current: int) -> None:
        """Drop what can never count again; what was promoted to a revision after `current` is staged again, its commit was cut short.

        Only under the lock of the site store: another process may be between promoting and making its revision current.
        """
        with self._changed() as content:
            for name in _ahead(content, current):
                latest = content.values[name][-1][1]
                if latest is not None:
                    content.staged.setdefault(name, latest)
            kept = {name: content.current(name, current) for name in content.values}
            content.values = {name: [(0, value)] for name, value in kept.items() if value is not None}

    def reveal(self, name: str, who: str, revision: int) -> str:
        """The secret that counts in `revision`, after it is on record that `who` has seen it. Raises NotFound, or HoldfastError for one that nobody can see."""
        if _is_password(name):
            raise HoldfastError(f"{name} is kept as a hash that nobody can read", f"set another: holdfast secret set {name}", code="vault")
        value = self.values(revision).get(name)
        if value is None:
            raise NotFound(f"The vault has no {name}", "`holdfast secret list` shows what it has")
        self._record(name, who)
        return value

    def reveal_all(self, who: str, revision: int) -> Secrets:
        """Everything that counts in `revision`, for a sealed export, after it is on record (as `*`); of passwords of people their hashes."""
        found = self.values(revision)
        self._record("*", who)
        return found

    def reveals(self) -> list[Reveal]:
        """Who has seen what, oldest first."""
        try:
            lines = self._reveals.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"The record of revealed secrets cannot be read: {error.strerror}", "check the disk and the owner of the data folder") from error
        return [found for line in lines if (found := _reveal(line)) is not None]

    def _record(self, name: str, who: str) -> None:
        with files.locked(self._folder, "the vault"):
            files.append(self._reveals, json.dumps({"time": time.time(), "name": name, "who": who}).encode())

    # ---- the file ------------------------------------------------------------------------------------------------

    @contextmanager
    def _changed(self) -> Iterator[_Content]:
        """The content under the lock; what the block made of it is on the disk afterwards, unless nothing changed."""
        with files.locked(self._folder, "the vault"):
            content = self._read()
            before = _packed(content)
            yield content
            after = _packed(content)
            if after != before:
                files.write(self._secrets, self._sealed(after))

    def _read(self) -> _Content:
        try:
            sealed = self._secrets.read_bytes()
        except FileNotFoundError:
            return _Content()
        except OSError as error:
            raise _fault(f"The vault {self._secrets} cannot be read: {error.strerror}", "check the disk and the owner of the data folder") from error
        if not sealed.startswith(MAGIC):
            newer = sealed.startswith(MAGIC[:-1])
            raise _fault("The vault was written by another release" if newer else "The vault is damaged", "use the newer release" if newer else _HINT)
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 8 MB, and not every process needs it
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        body = sealed[len(MAGIC) :]
        try:
            return _unpacked(AESGCM(self._load_key()).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], MAGIC))
        except (InvalidTag, ValueError):  # ValueError: cut short
            raise _fault("The vault is damaged, or its key file is another box's", _HINT) from None

    def _sealed(self, packed: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        nonce = os.urandom(NONCE_BYTES)
        return MAGIC + nonce + AESGCM(self._load_key(make=not self._secrets.exists())).encrypt(nonce, packed, MAGIC)

    def _load_key(self, make: bool = False) -> bytes:
        """The key; with `make` a new one where there is none (a vault that is there opens with its own alone)."""
        try:
            key = self._key.read_bytes()
        except FileNotFoundError:
            if not make:
                raise _fault("The vault's key file is missing", f"put {self._key} back, or {_HINT}") from None
            key = os.urandom(KEY_BYTES)
            files.write(self._key, key)
        except OSError as error:
            raise _fault(f"The vault's key {self._key} cannot be read: {error.strerror}", "check the disk and the owner of the data folder") from error
        if len(key) != KEY_BYTES:
            raise _fault("The vault's key file is damaged", f"put {self._key} back from a backup, or {_HINT}")
        return key


def _fault(sentence: str, hint: str) -> StateError:
    return StateError(sentence, hint, code="vault")


def _ahead(content: _Content, revision: int) -> set[str]:
    """Names whose last value counts only after `revision`."""
    return {name for name, entries in content.values.items() if entries and entries[-1][0] > revision}


def _packed(content: _Content) -> bytes:
    return json.dumps({"values": content.values, "staged": content.staged}, separators=(",", ":")).encode()


def _unpacked(packed: bytes) -> _Content:
    raw: Any = json.loads(packed)
    return _Content({name: [(int(since), value) for since, value in entries] for name, entries in raw["values"].items()}, dict(raw["staged"]))


def _reveal(line: bytes) -> Reveal | None:
    try:
        raw = json.loads(line)
        return Reveal(float(raw["time"]), str(raw["name"]), str(raw["who"]))
    except (ValueError, KeyError, TypeError):  # torn by a kill
        return None


def _is_password(name: str) -> bool:
    return name.startswith(("users.", "administrators."))


def _hashed(values: Mapping[str, str]) -> dict[str, str]:
    """`values` as they are kept: passwords of people hashed (OWASP's parameters for argon2id: 19 MiB, two passes), unless an export brought the hash."""
    return {name: password_hash(value) if _is_password(name) and not _HASH.fullmatch(value) else value for name, value in values.items()}


def password_hash(password: str) -> str:
    """What is kept of a password: an argon2id hash."""
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(password)
