"""The pages in this very process, without a server or a browser: Flask's own client, signed in.

pages = Pages(tmp_path, office()); pages.get("/people/").words; pages.post("/people/new", {"name": "Noor"}, files={"file": ("a.wav", data)})
"""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.site.document import parse
from appliance.site.editing import Editor
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.support.sites import Document
from tests.support.web import DANA, PASSWORD
from webui.app import create_app
from webui.config import Config

HERE = "https://localhost"


class Shown:
    """`status`, `headers`, `text`, `data`."""

    def __init__(self, answer: Any) -> None:
        self.status, self.headers, self.data = answer.status_code, answer.headers, answer.data
        self.text = answer.get_data(as_text=True) if answer.mimetype.startswith("text/") else ""

    @property
    def words(self) -> str:
        """What a reader sees, on one line."""
        return " ".join(re.sub(r"<[^>]+>", " ", self.text).split())

    def field(self, name: str) -> str:
        """The value of a field of the page's first form that has it."""
        match = re.search(rf'name="{re.escape(name)}"[^>]*? value="([^"]*)"', self.text)
        assert match, f"no field {name} in {self.words[:500]}"
        return match[1]


class Pages:
    """`folder` gets the data folder; nothing listens, and no engine runs."""

    def __init__(self, folder: Path, site: Document, user: str = DANA) -> None:
        self.data = folder / "data"
        made, secrets = parse(site)
        SiteStore(self.data / "site").save(made, author="tests", comment="", now=time.time())
        Vault(self.data).put(secrets)
        self.client = create_app(Config(self.data, self.data / "none.sock")).test_client()
        self.sign_in(user)

    def editor(self) -> Editor:
        return Editor(self.data, "tests")

    def get(self, path: str, **headers: str) -> Shown:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return Shown(self.client.get(path, base_url=HERE, headers=sent))

    def post(self, path: str, form: Mapping[str, Any], files: Mapping[str, tuple[str, bytes]] | None = None, page: str = "") -> Shown:
        """With token and version of `page` (default: the same address) where `form` has none."""
        given = {**(self.hidden(page or path) if "csrf" not in form else {}), **form}
        sent: dict[str, Any] = {**given, **{name: (io.BytesIO(data), called) for name, (called, data) in (files or {}).items()}}
        kind = "multipart/form-data" if files is not None else "application/x-www-form-urlencoded"
        return Shown(self.client.post(path, base_url=HERE, data=sent, content_type=kind))

    def hidden(self, page: str) -> dict[str, str]:
        """Token and version as `page` has them."""
        first = self.get(page)
        return {"csrf": first.field("csrf"), **({"version": first.field("version")} if 'name="version"' in first.text else {})}

    def expire_session(self, by_s: float = 3600.0) -> None:
        """Let time pass for every sign-in."""
        with contextlib.closing(sqlite3.connect(self.data / "web" / "sessions.db", timeout=10.0)) as connection, connection:
            connection.execute("UPDATE sessions SET seen = seen - ?", (by_s,))

    def sign_in(self, user: str) -> None:
        answer = self.post("/sign-in", {"user": user, "password": PASSWORD})
        assert answer.status == 303, answer.words
