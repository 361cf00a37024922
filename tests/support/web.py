"""The web process under test, with or without an engine on the same data folder.

    with Web(tmp_path) as web:                # a site with the administrator DANA, no engine; ready when this returns
        browser.new_page().goto(web.url("/people/"))
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from appliance.site.document import parse
from appliance.site.editing import Editor
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.support.box import ROOT, Box
from tests.support.net import Namespace
from tests.support.proc import Program
from tests.support.sites import Document, make_site

DANA, PASSWORD = "dana", "lighthouse keeper"
INSTALLER = "ines"


def office(phones: int = 3) -> Document:
    """A site with an administrator, an installer, and a user who may sign in."""
    site = make_site(phones)
    site["name"] = "Tidewater Family Clinic"
    site["administrators"] = {
        DANA: {"name": "Dana Whitcomb", "password": PASSWORD, "email": "dana@tidewater.example"},
        INSTALLER: {"name": "Inès Åberg", "role": "installer", "password": PASSWORD},
    }
    site["users"]["user-201"]["password"] = PASSWORD
    return site


class Web:
    """`site` None: a new box, not claimed. `engine`: the real one runs, too (`box`). `start` False: the caller starts the process."""

    def __init__(self, folder: Path, site: Document | None = None, *, engine: bool = False, start: bool = True, env: Mapping[str, str] | None = None) -> None:
        self.box = Box(folder, site, start=False)
        self.data = self.box.data
        self.port = int(self.box.env["HOLDFAST_HTTP_PORT"])
        self.env = {**self.box.env, **(env or {})}
        self.log = self.box.folder / "web.log"
        self.program: Program | None = None
        self.said: dict[str, Any] = {}
        try:
            if engine:
                self.box.start()
            elif site is not None:
                made, secrets = parse(site)
                self.data.mkdir(parents=True, exist_ok=True)
                SiteStore(self.data / "site").save(made, author="tests", comment="", now=time.time())
                Vault(self.data).put(secrets)
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def url(self, path: str = "/") -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def editor(self, author: str = "tests") -> Editor:
        return Editor(self.data, author)

    def start(self, timeout_s: float = 40.0) -> Self:
        """Start and wait for what it says to the supervisor: {"FAILED": …} or {"READY": …}."""
        read_end, write_end = os.pipe()
        try:
            env = {**self.env, "HOLDFAST_READY_FD": str(write_end)}
            self.program = Program([sys.executable, "-m", "appliance.app.web"], env=env, cwd=ROOT, log=self.log, pass_fds=(write_end,))
        finally:
            os.close(write_end)
        try:
            self.said = self._read(read_end, timeout_s)
        finally:
            os.close(read_end)
        return self

    def _read(self, pipe: int, timeout_s: float) -> dict[str, Any]:
        assert self.program is not None
        deadline, text = time.monotonic() + timeout_s, b""
        while time.monotonic() < deadline:
            if select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                data = os.read(pipe, 65536)
                text += data
                if match := re.search(rb"(READY|FAILED) (.*)\n", text):
                    return {match[1].decode(): json.loads(match[2])}
                assert data, f"the web ended before it was ready:\n{self.program.tail(60)}"
        raise AssertionError(f"the web was not ready within {timeout_s:g} s:\n{self.program.tail(60)}")

    def cli(self, *words: str, typed: str = "") -> str:
        """`holdfast …` on this box, given `typed` on its input; its output."""
        command = [sys.executable, "-m", "appliance.cli.main", *words]
        done = subprocess.run(command, check=False, env={**os.environ, **self.env}, cwd=ROOT, input=typed, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self) -> None:
        """SIGKILL to the process and its worker."""
        assert self.program is not None
        self.program.kill()

    def stop(self) -> int:
        assert self.program is not None
        return self.program.stop(8.0)

    def expire_sessions(self, by_s: float = 3600.0) -> None:
        """Let time pass for every sign-in."""
        with contextlib.closing(sqlite3.connect(self.data / "web" / "sessions.db", timeout=10.0)) as connection, connection:
            connection.execute("UPDATE sessions SET seen = seen - ?", (by_s,))

    def close(self) -> None:
        if self.program is not None:
            self.program.kill()
        self.box.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Answer:
    """`status`, `headers` (small letters), `text`."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.cookies = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        self.text = answer.read().decode(errors="replace")

    @property
    def csrf(self) -> str:
        match = re.search(r'name="csrf" (?:content|value)="([0-9a-f]+)"', self.text)
        assert match, self.text[:500]
        return match[1]


class Visitor:
    """A small HTTP client with cookies, for what a browser would not do. `source`: the address it comes from, of this machine or in `ns`.

    `to`: the address and port of what it visits, where that is no `web`.
    """

    def __init__(self, web: Web | None, source: str = "127.0.0.1", *, to: tuple[str, int] = ("127.0.0.1", 0), ns: Namespace | None = None) -> None:
        self.web, self.source, self.ns = web, source, ns
        self.to = to if web is None else ("127.0.0.1", web.port)
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, form: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(*self.to, timeout=20.0, context=context, source_address=(self.source, 0))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form, doseq=True)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        with contextlib.closing(connection):
            with self.ns.entered() if self.ns else contextlib.nullcontext():
                connection.connect()
            connection.request(method, path, body, sent)
            answer = Answer(connection.getresponse())
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, form: Mapping[str, Any], page: str = "", **headers: str) -> Answer:
        """With the token of `page` (default: the same address)."""
        return self.ask("POST", path, {"csrf": self.get(page or path).csrf, **form}, **headers)

    def sign_in(self, user: str = DANA, password: str = PASSWORD) -> Answer:
        self.cookies.pop("__Host-holdfast", None)
        return self.post("/sign-in", {"user": user, "password": password})
