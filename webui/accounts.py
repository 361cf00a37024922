"""Who may sign in: administrators and users of the site in force, and whoever claimed the box until it has an administrator of its own."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.errors import DocumentError
from appliance.site import claim
from appliance.site.model.site import Site
from appliance.site.secrets import judge
from appliance.site.vault import password_hash
from webui.place import Place

Role = Literal["administrator", "installer", "user"]

_HASHER = PasswordHasher()
"""To check with: what a hash was made with stands in it."""
_AT_ONCE = threading.BoundedSemaphore(2)
"""Each check takes 19 MiB and a core."""
_NOBODY = password_hash("nobody has this password")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in. `id`: the object, like `administrators.dana`. `stamp` changes with the password: sessions end then."""

    id: str
    name: str
    role: Role
    email: str
    stamp: str

    @property
    def key(self) -> str:
        """What is typed as user name."""
        return self.id.partition(".")[2]

    @property
    def author(self) -> str:
        """How the history names whoever changed something."""
        return f"{self.name} ({self.key})"


class Accounts:
    """Read anew whenever the site or the vault changed. Raises StateError as `Place` does."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, id: str) -> Account | None:
        found = self._table().get(id)
        return found[0] if found else None

    def check(self, name: str, password: str) -> Account | None:
        """The account that `name` (user name, e-mail, extension, outside number) and `password` open. Takes as long for names that do not exist."""
        found = self._find(name)
        return found[0] if _fits(found[1] if found else _NOBODY, password) and found else None

    def known(self, name: str) -> str:
        """What failures for `name` are counted under: its account, else the name itself."""
        found = self._find(name)
        return found[0].id if found else f"unknown {name.strip().lower()[:80]}"

    def claimed(self) -> bool:
        """Whether anybody can sign in as an administrator."""
        return any(account.role == "administrator" for account, _ in self._table().values())

    def set_password(self, account: Account, password: str) -> None:
        """At once, whatever is pending; all sessions of the account end. Raises DocumentError with what is wrong with it."""
        self.reset_password(account.id, password)

    def reset_password(self, id: str, password: str) -> None:
        """The same for somebody of the site in force who may have none, or be switched off."""
        name = f"{id}.password"
        self.judge(name, password)
        first = claim.first_account(self._place.data)
        if first is not None and id == f"administrators.{first.id}":
            kept = password_hash(password)
            claim.save_first_account(self._place.data, claim.FirstAccount(first.id, first.name, kept))
            self._place.vault.stage({name: kept})
        else:
            self._place.vault.put({name: password})

    def judge(self, name: str, password: str) -> None:
        """Raises DocumentError where `password` is none for the secret `name`."""
        if problems := judge(name, password, self._place.site() or Site(), self._place.secrets()):
            raise DocumentError("This password cannot be used", problems)

    def _find(self, name: str) -> tuple[Account, str] | None:
        word, table = name.strip().lower(), self._table()
        for kind in ("administrators", "users"):
            if found := table.get(f"{kind}.{word}"):
                return found
        if "@" in word:
            same = [entry for entry in table.values() if entry[0].email.lower() == word]
        else:
            same = [entry for key in self._numbered(re.sub(r"[\s().\-/]", "", word)) if (entry := table.get(f"users.{key}"))]
        return same[0] if len(same) == 1 else None

    def _numbered(self, number: str) -> set[str]:
        """The users of the site in force whose extension `number` is, or an outside number that is theirs: one they show, or one that leads to them."""
        site = self._place.site()
        if site is None or not re.fullmatch(r"\+?[0-9]{2,15}", number, re.ASCII):
            return set()
        extensions = {number}
        for each in site.numbers.values():
            if number.lstrip("+") == each.number.lstrip("+") and each.destination.kind == "extension":
                extensions.add(each.destination.target)
        own = {key for key, user in site.users.items() if user.extension in extensions}
        shown = {key for key, user in site.users.items() if user.outbound_number and user.outbound_number.lstrip("+") == number.lstrip("+")}
        return own or shown

    def _table(self) -> dict[str, tuple[Account, str]]:
        """Account id -> (account, hash). What the site's own administrators make superfluous is cleared away."""
        place = self._place
        site, secrets, first = place.site(), place.secrets(), claim.first_account(place.data)
        found: dict[str, tuple[Account, str]] = {}
        if site is not None:
            for key, person in site.administrators.items():
                if person.enabled:
                    _add(found, f"administrators.{key}", person.name, person.role, person.email, secrets)
            for key, user in site.users.items():
                if user.enabled and user.mode != "flow":  # row E12
                    _add(found, f"users.{key}", user.name, "user", user.email, secrets)
        own = any(account.role == "administrator" for account, _ in found.values())
        if first is not None and own and not (place.data / "site" / "confirm.json").exists():
            claim.save_first_account(place.data, None)
        elif first is not None and not own:
            id = f"administrators.{first.id}"
            found[id] = (Account(id, first.name, "administrator", "", _stamp(first.hash)), first.hash)
        if (own or first is not None) and claim.claim_code(place.data) is not None:
            claim.forget_claim_code(place.data)
        return found


def _add(table: dict[str, tuple[Account, str]], id: str, name: str, role: Role, email: str, secrets: Mapping[str, str]) -> None:
    kept = secrets.get(f"{id}.password")
    if kept:
        table[id] = (Account(id, name, role, email, _stamp(kept)), kept)


def _stamp(kept: str) -> str:
    return hashlib.sha256(kept.encode()).hexdigest()[:32]


def _fits(kept: str, password: str) -> bool:
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False
