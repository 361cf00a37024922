"""The secrets of a site: taken out of a raw document and judged; which ones a site has, and new ones where one is missing. The vault (vault.py) keeps them."""

from __future__ import annotations

import itertools
import re
import secrets as random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.errors import Problem
from appliance.site.model.site import Site
from appliance.site.vault import signs_in
from appliance.site.wording import kind_of, path_of

_GUESSED = frozenset({"password", "passw0rd", "12345678", "123456789", "1234567890", "87654321", "changeme", "holdfast", "qwertyui", "qwertyuiop", "asdfghjk"})
_RANDOM = "use 12 random characters or more"

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that look alike (1 l i, 0 o): a person reads these off a screen and types them into a phone."""

Finding = tuple[str, str]
"""What is wrong with a secret, and what to do. Never a part of it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A kind of secret: which field of which kind of object it is written as, and what a good one is.

    `findings` is given the secret and the words around it that others know.
    """

    kind: str
    field: str
    findings: Callable[[str, Collection[str]], Iterator[Finding]]
    only: str = ""
    """Of settings there is one of: the part of them it belongs to (`mail` of `alerts`)."""

    def at(self, key: str) -> bool:
        """Whether an object or part of that name can have it."""
        return not self.only or key == self.only

    def keys(self, document: Mapping[str, Any]) -> Collection[str]:
        """What can have it in a raw document that may hold anything."""
        return (self.only,) if self.only else _group(document.get(self.kind)).keys()

    def name(self, key: str) -> str:
        """Its name in the vault, which is its path in the document: `devices.dana-desk.secret`."""
        return path_of((self.kind, key, self.field))


def split(raw: object) -> tuple[Any, dict[str, str], tuple[Problem, ...]]:
    """A raw document as (the document without secrets, name -> secret, what is wrong with secrets). `raw` is left as it is.

    A secret with a problem is not among the secrets. What is no group of fields where one belongs is left for validation.
    """
    if not isinstance(raw, Mapping):
        return raw, {}, ()
    document, taken = extract(raw)
    problems = [problem for slot, key, value in taken for problem in _judge(slot, key, value, raw)]
    problems += _misplaced(raw)
    refused = {problem.path for problem in problems}
    secrets = {slot.name(key): _trimmed(slot, value) for slot, key, value in taken if isinstance(value, str) and slot.name(key) not in refused}
    return document, secrets, tuple(problems)


def extract(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[Slot, str, object]]]:
    """A raw document as (the document without secrets, what was taken out: which kind, of which key, its value of any type but None)."""
    document: dict[str, Any] = dict(raw)
    taken: list[tuple[Slot, str, object]] = []
    for slot in SLOTS:
        entries = document.get(slot.kind)  # what an earlier kind of secret of these was taken out of
        if not isinstance(entries, Mapping):
            continue
        bare = document[slot.kind] = dict(entries)
        for key, entry in entries.items():
            if isinstance(entry, Mapping) and slot.field in entry and slot.at(str(key)):
                bare[key] = {name: value for name, value in entry.items() if name != slot.field}
                if entry[slot.field] is not None:
                    taken.append((slot, str(key), entry[slot.field]))
    return document, taken


def judge(name: str, value: str, site: Site, known: Mapping[str, str]) -> tuple[Problem, ...]:
    """What is wrong with `value` as the secret `name` of `site`; nothing: it may be used. `known`: the vault's values. Raises KeyError on another name."""
    slot, key = _named(name)
    return (*_judge(slot, key, value, site.model_dump(mode="json", include={"domain", "users", slot.kind})), *_clash(slot, key, value, site, known))


def possible(site: Site) -> tuple[str, ...]:
    """The names of the secrets that `site` can have, set or not, in the order of the document."""
    return tuple(slot.name(key) for slot in SLOTS for key in ((slot.only,) if slot.only else getattr(site, slot.kind)))


def needed(site: Site) -> frozenset[str]:
    """The secrets without which a part of `site` does not work: of every device, and of trunks that register."""
    return frozenset((*(DEVICE.name(key) for key in site.devices), *(TRUNK.name(key) for key, trunk in site.trunks.items() if trunk.username)))


def fill(site: Site, names: Collection[str]) -> dict[str, str]:
    """New secrets for the devices of `site` that have none (row E3). `names`: the secrets there are."""
    return {name: new_secret() for key in site.devices if (name := DEVICE.name(key)) not in names}


def new_secret() -> str:
    """A random SIP secret of 20 characters, 99 bits."""
    return "".join(random.choice(_ALPHABET) for _ in range(20))


# ---- judging -----------------------------------------------------------------------------------------------------


def _judge(slot: Slot, key: str, value: object, document: Mapping[str, Any]) -> tuple[Problem, ...]:
    path = slot.name(key)
    if not isinstance(value, str):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return (Problem(path, f"must be text, and is {kind_of(value)}", "put it in quotes" if number else "write text in quotes"),)
    return tuple(Problem(path, sentence, hint) for sentence, hint in slot.findings(_trimmed(slot, value), _around(slot, key, document)))


def _trimmed(slot: Slot, value: str) -> str:
    """As all text of a document; but who chose a password meant its blanks."""
    return value if slot in {PASSWORD, ADMINISTRATOR, MAIL} else value.strip()


def _plain(secret: str, least: int) -> Iterator[Finding]:
    if not secret:
        yield "is empty", f"use at least {least} characters"
    elif len(secret) < least:
        yield f"is shorter than {least} characters", f"use at least {least}"
    elif len(secret) > 128:
        yield "is longer than 128 characters", "use at most 128"
    if re.search(r"[\x00-\x1f\x7f]", secret):
        yield "holds a control character; use plain text on one line", ""
    try:
        secret.encode()
    except UnicodeEncodeError:
        yield "holds half a character, which cannot be written", "use plain text"


def _guessable(secret: str, around: Collection[str], what: str) -> Iterator[Finding]:
    word = secret.lower()
    if any(word in {name.lower(), name.lower() * 2} for name in around):
        yield f"repeats the {what}'s name, which anyone can guess", _RANDOM
    elif word in _GUESSED or len(set(word)) == 1:
        yield "is among the first an attacker tries", _RANDOM


def _device_secret(secret: str, around: Collection[str]) -> Iterator[Finding]:
    yield from _first(_plain(secret, 8), _guessable(secret, around, "device"))


def _trunk_secret(secret: str, _: Collection[str]) -> Iterator[Finding]:
    """The carrier's choice: nothing to be said about its strength."""
    yield from _plain(secret, 8)


def _given(secret: str, _: Collection[str]) -> Iterator[Finding]:
    """The mail provider's choice."""
    yield from _plain(secret, 1)


def _webhook_secret(secret: str, _: Collection[str]) -> Iterator[Finding]:
    yield from _plain(secret, 16)


def _password(secret: str, around: Collection[str]) -> Iterator[Finding]:
    """Row A10."""
    yield from _first(_plain(secret, 8), _guessable(secret, around, "user"))


def _pin(secret: str, around: Collection[str]) -> Iterator[Finding]:
    if not re.fullmatch(r"[0-9]{4,10}", secret):
        yield "is not a PIN", "4 to 10 digits"
        return
    steps = {(int(b) - int(a)) % 10 for a, b in itertools.pairwise(secret)}
    if len(steps) == 1 and steps <= {0, 1, 9}:
        yield "is among the first an attacker tries", "use 4 to 10 digits in no order"
    elif secret in around:
        yield "is the extension, which anyone can guess", "use other digits"


def _sim_pin(secret: str, _: Collection[str]) -> Iterator[Finding]:
    if not re.fullmatch(r"[0-9]{4,8}", secret):  # TS 31.101 section 9.5.1
        yield "is not the PIN of a SIM card", "4 to 8 digits"


def _first(*findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of the first that has any: a secret that is too short need not be called weak as well."""
    for each in findings:
        found = list(each)
        if found:
            yield from found
            return


DEVICE = Slot("devices", "secret", _device_secret)
TRUNK = Slot("trunks", "secret", _trunk_secret)
PIN = Slot("mailboxes", "pin", _pin)
PASSWORD = Slot("users", "password", _password)
ADMINISTRATOR = Slot("administrators", "password", _password)
MAIL = Slot("alerts", "password", _given, "mail")
WEBHOOK = Slot("alerts", "secret", _webhook_secret, "webhook")
SIM = Slot("modem", "pin", _sim_pin, "sim")
SLOTS = (DEVICE, TRUNK, PIN, PASSWORD, ADMINISTRATOR, MAIL, WEBHOOK, SIM)


def _named(name: str) -> tuple[Slot, str]:
    for slot in SLOTS:
        key = name.removeprefix(f"{slot.kind}.").removesuffix(f".{slot.field}")
        if slot.name(key) == name and slot.at(key):
            return slot, key
    raise KeyError(name)


def _around(slot: Slot, key: str, document: Mapping[str, Any]) -> set[str]:
    """What others know or see of the thing the secret belongs to, in a document that may hold anything."""
    entry = _group(_group(document.get(slot.kind)).get(key))
    words = [key, document.get("domain"), *(entry.get(name) for name in ("sip_user", "extension", "name", "email"))]
    email = entry.get("email")
    if isinstance(email, str):
        words.append(email.partition("@")[0])
    owner = entry.get("owner")
    if slot is PIN and isinstance(owner, str):
        words.append(_group(_group(document.get("users")).get(owner)).get("extension"))
    return {word.strip() for word in words if isinstance(word, str) and word.strip()}


def _clash(slot: Slot, key: str, value: str, site: Site, known: Mapping[str, str]) -> Iterator[Problem]:
    """Row E3: the sign-in password never registers a phone."""
    if slot is DEVICE:
        owner = site.devices[key].owner
        if owner and signs_in(known.get(PASSWORD.name(owner), ""), value):
            yield Problem(slot.name(key), "is the password its user signs in with", _RANDOM)
    elif slot is PASSWORD:
        for name, device in site.devices.items():
            if device.owner == key and known.get(DEVICE.name(name)) == value:
                yield Problem(slot.name(key), f"is the secret of the device {name} as well", "use another for signing in")


def _misplaced(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Secrets that are good and in the wrong place."""
    for key, entry in _group(document.get("trunks")).items():
        trunk = _group(entry)
        if trunk.get("secret") and not (trunk.get("username") or trunk.get("auth_username")):
            yield Problem(
                path_of(("trunks", str(key), "username")),
                "is missing: the secret belongs to a user name",
                "write the user name the carrier gave you, or leave out secret",
            )
    passwords = {str(key): _group(entry).get("password") for key, entry in _group(document.get("users")).items()}
    for key, entry in _group(document.get("devices")).items():
        device = _group(entry)
        owner, secret = device.get("owner"), device.get("secret")
        if isinstance(owner, str) and isinstance(secret, str) and secret and passwords.get(owner) == secret:
            # Row E3: the sign-in password never registers a phone.
            yield Problem(PASSWORD.name(owner), f"is the secret of the device {path_of((str(key),))} as well", "use another for signing in")


def _group(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
