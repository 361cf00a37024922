"""How a box gets its first administrator: the claim code shown at the console, and the account that holds until the site has one of its own."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.errors import StateError
from appliance.site import files

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without I, O, 0 and 1: a person reads the code off a screen. 8 of them are 40 bits, and wrong ones are slowed down."""


@dataclass(frozen=True, slots=True)
class FirstAccount:
    """Who claimed the box: in force until a committed revision has an administrator, so that a box can be entered before anything is applied."""

    id: str
    name: str
    hash: str
    """argon2id, as the vault keeps it."""


def claim_code(data: Path) -> str | None:
    """The code like `ABCD-EFGH`; None: the box is claimed, or has not got as far. Never raises."""
    try:
        text = _claim(data).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text or None


def make_claim_code(data: Path) -> str:
    """The code, made (file `web/claim`, mode 0600) where there is none. Raises StateError."""
    with files.locked(_folder(data), "the web folder"):
        found = claim_code(data)
        if found is None:
            word = "".join(secrets.choice(ALPHABET) for _ in range(8))
            found = f"{word[:4]}-{word[4:]}"
            files.write(_claim(data), found.encode() + b"\n")
        return found


def forget_claim_code(data: Path) -> None:
    """The box has an administrator. Raises StateError."""
    with files.translated("delete the claim code"):
        _claim(data).unlink(missing_ok=True)


def first_account(data: Path) -> FirstAccount | None:
    """Who claimed the box, if the site had no administrator since. Raises StateError where the file cannot be read."""
    path = _folder(data) / "first.json"
    try:
        raw = json.loads(path.read_bytes())
        return FirstAccount(str(raw["id"]), str(raw["name"]), str(raw["hash"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}", "check the disk and the owner of the data folder") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path} is damaged", "delete it; the console then shows a new claim code") from error


def claim(data: Path, account: FirstAccount) -> bool:
    """Make `account` the first one and forget the code; False: somebody else was first. Raises StateError."""
    with files.locked(_folder(data), "the web folder"):
        if first_account(data) is not None:
            return False
        save_first_account(data, account)
        forget_claim_code(data)
        return True


def save_first_account(data: Path, account: FirstAccount | None) -> None:
    """Put `account` in the place of the one there is; None: the site has administrators of its own. Raises StateError."""
    path = _folder(data) / "first.json"
    if account is None:
        with files.translated("delete the first account"):
            path.unlink(missing_ok=True)
        return
    with files.translated("use the web folder"):
        files.make_folder(path.parent)
    files.write(path, json.dumps(asdict(account)).encode())


def _folder(data: Path) -> Path:
    return data / "web"


def _claim(data: Path) -> Path:
    return _folder(data) / "claim"
