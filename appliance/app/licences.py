"""What the box is made of: the libraries in this installation with their versions and licences, and the texts. Reads many small files: never on the loop."""

from __future__ import annotations

import re
import sqlite3
import ssl
from collections import deque
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from appliance.control.machine_shapes import LibraryShape
from appliance.errors import NotFound

OWN = "holdfast"
_COMMON = Path("/usr/share/common-licenses")
"""Where Debian keeps the texts that many packages share."""
_TEXT = re.compile(r"(?i)(^|/)(licen[cs]e|copying|notice)[^/]*$")
LONGEST = 400_000
_SYSTEM: dict[str, tuple[str, str]] = {
    "pjproject": ("GPL-2.0-or-later", "GPL-2"), "openssl": ("Apache-2.0", "/usr/share/doc/libssl3/copyright"),
    "sqlite": ("Public domain", "/usr/share/doc/libsqlite3-0/copyright"), "opus": ("BSD-3-Clause", "/usr/share/doc/libopus0/copyright"),
    "espeak-ng": ("GPL-3.0-or-later", "/usr/share/doc/espeak-ng/copyright"),
}  # fmt: skip
"""What is no Python library: its licence, and the file of the text."""


@lru_cache(maxsize=1)
def libraries() -> tuple[LibraryShape, ...]:
    """All that Holdfast needs, and what that needs; by name."""
    versions = {"openssl": ssl.OPENSSL_VERSION.split()[1], "sqlite": sqlite3.sqlite_version}
    found: dict[str, LibraryShape] = {name: {"name": name, "version": versions.get(name, ""), "licence": licence} for name, (licence, _) in _SYSTEM.items()}
    waiting, seen = deque([OWN]), set[str]()
    while waiting:
        name = waiting.popleft()
        if name in seen:
            continue
        seen.add(name)
        try:
            there = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # needed on other systems or by other versions alone
            continue
        if name != OWN:
            found[name] = {"name": there.metadata["Name"], "version": there.version, "licence": _licence(there)}
        waiting += [_canonical(need) for need in there.requires or () if "extra ==" not in need]
    return tuple(sorted(found.values(), key=lambda each: each["name"].lower()))


def text(name: str) -> str:
    """The licence of one of them, of Holdfast where `name` is that. Raises NotFound."""
    wanted = _canonical(name)
    if wanted in _SYSTEM:
        path = _COMMON / _SYSTEM[wanted][1]
        return _read(path) or f"{_SYSTEM[wanted][0]}\n"
    if wanted != OWN and wanted not in {_canonical(each["name"]) for each in libraries()}:
        raise NotFound(f"{name[:80]} is no part of this box", "`holdfast system` lists the libraries")
    there = metadata.distribution(wanted)
    if wanted == OWN:
        own = _read(Path(__file__).resolve().parents[2] / "LICENSE")
        if own:
            return own
    parts = [_read(Path(str(file.locate()))) for file in there.files or () if _TEXT.search(str(file))]
    whole = "\n\n".join(dict.fromkeys(part for part in parts if part)) or (_read(_COMMON / "GPL-2") if wanted == OWN else "")
    return whole[:LONGEST] or f"{_licence(there)}\n"


def _licence(there: metadata.Distribution) -> str:
    """What it says of itself, in short."""
    about = there.metadata

    def first(name: str) -> str:
        return next(iter(about.get_all(name) or ()), "")

    said = first("License-Expression")
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License :: ") and line.count("::") > 1]
    short = first("License")
    return said or ", ".join(classified) or (short if 0 < len(short) <= 60 and "\n" not in short else "see its text")


def _canonical(need: str) -> str:
    """`Flask-Babel>=4; …` as `flask-babel` (PEP 503)."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", need)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
