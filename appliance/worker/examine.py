"""Worker job "examine": whether an unpacked backup is one this version can run, brought up to this version's formats on the way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance.errors import NotFound, StateError
from appliance.site.archive import check_database
from appliance.site.migrate import migrate as migrate_site
from appliance.site.sealing import SealError
from appliance.site.store import SiteStore
from appliance.site.validation import check
from appliance.site.vault import Vault
from appliance.state.database import migrate as migrate_state


def examine(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"folder": an unpacked backup that nobody else uses}. What is in it: {"site", "revision", "users", "devices", "messages", "problems"}.

    `problems` are mistakes by today's rules, which do not keep it from running. Raises HoldfastError when something cannot be used.
    """
    folder = Path(given["folder"])
    migrate_site(folder)
    try:
        number = int((folder / "site" / "current").read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise SealError("The backup does not say which site revision was in force", "use another backup") from error
    try:
        site = SiteStore(folder / "site").read(number)
    except (StateError, NotFound) as error:
        raise SealError(f"The site in this backup cannot be used: {error.sentence}", "use another backup, or a newer version", code="document") from error
    try:
        known = Vault(folder).names(number)  # it opens, and with the key beside it
    except StateError as error:
        raise SealError(f"The passwords in this backup cannot be used: {error.sentence}", "use another backup", code="vault") from error
    problems = check(site, known)
    return {
        "site": site.name,
        "revision": number,
        "users": len(site.users),
        "devices": len(site.devices),
        "messages": _state(folder / "state" / "state.db"),
        "problems": [problem.as_dict() for problem in problems],
    }


def _state(database: Path) -> int:
    """How many voicemail messages there are, after the database was checked and brought up to this version."""
    if not database.is_file():
        return 0
    check_database(database)
    try:
        migrate_state(database)
    except StateError as error:
        if error.code == "state-newer":
            raise SealError("The backup is of a newer version of Holdfast", "update this box first, then restore it", code="newer-format") from error
        raise
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute("SELECT count(*) FROM voicemail").fetchone()[0]
        connection.execute("PRAGMA journal_mode=DELETE")  # one file again
    return count
