"""Revisions of older releases, which held secrets in the clear: the secrets go to the vault, the files are written anew without them."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

from appliance.site import files
from appliance.site.secrets import extract
from appliance.site.vault import Vault

log = logging.getLogger(__name__)


def migrate(data: Path) -> int:
    """Take the secrets out of every revision in the data folder; how many files held some. Raises StateError, and may then be called again.

    Killed at any moment it is done by the next call: the vault has all secrets before the first file loses its own. Where revisions differ, the current one's
    secret counts, then the newest's; what the vault has already is left alone. `site/clean` says up to which revision there is nothing to do.
    """
    folder = data / "site"
    todo = {number: path for number, path in _revisions(folder).items() if number > _number_in(folder / "clean")}
    if not todo:
        return 0
    with files.locked(folder, "the site folder"):
        current = _number_in(folder / "current")
        bare: dict[Path, dict[str, Any]] = {}
        secrets: dict[str, str] = {}
        for _, path in sorted(todo.items(), key=lambda item: (item[0] != current, -item[0])):
            raw = _load(path)
            if raw is None:
                continue
            document, taken = extract(raw["site"])
            for slot, key, value in taken:
                if isinstance(value, str):
                    secrets.setdefault(slot.name(key), value)
            if document != raw["site"]:
                bare[path] = {**raw, "site": document}
        if secrets:
            vault = Vault(data)
            known = vault.names(current, staged=True)
            vault.put({name: value for name, value in secrets.items() if name not in known})
        with files.translated(f"clean up {folder}"):
            for left in (folder / "revisions").glob(".*.new"):  # of a writer that was killed
                left.unlink()
        for path, raw in bare.items():
            files.write(path, json.dumps(raw, separators=(",", ":")).encode())
        files.write(folder / "clean", f"{max(todo)}\n".encode())
    if bare:
        log.info("%d site revisions were freed of secrets, which the vault has now", len(bare))
    return len(bare)


def _revisions(folder: Path) -> dict[int, Path]:
    with files.translated(f"read {folder}"):
        names = [path.name for path in (folder / "revisions").iterdir()] if (folder / "revisions").is_dir() else []
    return {int(match[1]): folder / "revisions" / name for name in names if (match := re.fullmatch(r"([0-9]{6,})\.json", name))}


def _number_in(path: Path) -> int:
    """The number a file holds; 0: none that can be read."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _load(path: Path) -> dict[str, Any] | None:
    """A revision as it is on disk; None: damaged, which the store deals with."""
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) and isinstance(raw.get("site"), dict) else None
