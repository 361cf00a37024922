"""Runs the box under test as its own process, alone or under its supervisor, and asks it over its control socket.

    with Box(tmp_path, make_site(2)) as box:          # ready when this returns
        phone.register("201", secret(201), box.sip); box.status(); box.kill9(); box.wait_back()
"""

from __future__ import annotations

import itertools
import json
import os
import re
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from appliance.site.editing import Editor
from tests.support.net import Namespace, command_in
from tests.support.ports import free_run
from tests.support.proc import Program, wait_until
from tests.support.sites import Document, make_site, write_site

ROOT = Path(__file__).resolve().parents[2]
_serial = itertools.count(1)


class BoxError(AssertionError):
    """The control socket refused: `code` is the error's stable code."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('message')} {error.get('data')}")
        self.code = (error.get("data") or {}).get("code", "")
        self.data = error.get("data") or {}


class Box:
    """`sip` is (address, port) of the first bind address. `supervised`: under the supervisor, which restarts the engine; else the engine alone.

    The data folder `data` stays between `stop`/`kill9` and `start`, so a box can be started again on what it left.
    """

    def __init__(
        self,
        folder: Path,
        site: Document | None = None,
        *,
        bind: Sequence[str] = ("127.0.0.1",),
        ns: Namespace | None = None,
        supervised: bool = False,
        env: Mapping[str, str] | None = None,
        start: bool = True,
    ) -> None:
        self.number = next(_serial)
        self.folder = folder / f"box-{self.number}"
        self.folder.mkdir(parents=True)
        self.data = self.folder / "data"
        self.ns, self.bind, self.supervised = ns, tuple(bind), supervised
        # A socket's path is limited to 107 bytes, pytest's folders are long.
        self._short = Path(tempfile.mkdtemp(prefix="hf-"))
        self.control = self._short / "control.sock"
        self.site_file = write_site(site if site is not None else make_site(), self.folder / "site.json")
        # Inside a namespace the usual ports are free, and phones there expect 5060.
        first = 5060 if ns else free_run(5, bind[0])
        self.sip_port, self.tls_port = first, first + 1
        self.env = {
            "HOLDFAST_DATA": str(self.data),
            "HOLDFAST_BIND": ",".join(bind),
            "HOLDFAST_CONTROL": str(self.control),
            "HOLDFAST_SITE": str(self.site_file),
            "HOLDFAST_SIP_PORT": str(first),
            "HOLDFAST_SIP_TLS_PORT": str(first + 1),
            "HOLDFAST_HTTP_PORT": str(first + 2),
            "HOLDFAST_PROVISIONING_PORT": str(first + 3),
            "HOLDFAST_TFTP_PORT": str(first + 4),
            "HOLDFAST_LOG": "debug",
            **(env or {}),
        }
        self.log = self.folder / "box.log"
        self.program: Program | None = None
        self.ready: dict[str, Any] = {}
        """What the engine said when it was ready: {"sip": ["udp:127.0.0.1:5060", …], "revision": 1}. Not set when supervised."""
        if start:
            try:
                self.start()
            except BaseException:
                self.close()  # nobody else will: there is no box to close yet
                raise

    @property
    def sip(self) -> tuple[str, int]:
        return self.bind[0], self.sip_port

    @property
    def tls(self) -> tuple[str, int]:
        return self.bind[0], self.tls_port

    def uri(self, user: str) -> str:
        """sip:user@box."""
        return f"sip:{user}@{self.bind[0]}:{self.sip_port}"

    # ---- life ----------------------------------------------------------------------------------------------------

    def start(self, timeout_s: float = 60.0) -> Self:
        """Start and wait until it says it is ready."""
        assert self.program is None or not self.program.running, "the box runs already"
        if self.supervised:
            self._launch("appliance.app.supervisor")
            self.wait_back(timeout_s)
            return self
        read_end, write_end = os.pipe()
        try:
            self._launch("appliance", pass_fds=(write_end,), env={"HOLDFAST_READY_FD": str(write_end)})
        finally:
            os.close(write_end)
        try:
            self.ready = self._read_ready(read_end, timeout_s)
        finally:
            # The engine ignores a closed pipe; reading its heartbeats is the supervisor's business.
            os.close(read_end)
        return self

    def launch(self) -> None:
        """Start the engine without waiting for anything (for tests that look at the start itself)."""
        assert self.program is None or not self.program.running, "the box runs already"
        self._launch("appliance")

    def _launch(self, module: str, *, pass_fds: tuple[int, ...] = (), env: Mapping[str, str] | None = None) -> None:
        argv = command_in(self.ns, [sys.executable, "-m", module])
        self.program = Program(argv, log=self.log, env={**self.env, **(env or {})}, cwd=ROOT, pass_fds=pass_fds)

    def _read_ready(self, pipe: int, timeout_s: float) -> dict[str, Any]:
        assert self.program is not None
        deadline, text = time.monotonic() + timeout_s, b""
        while time.monotonic() < deadline:
            if select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
                data = os.read(pipe, 65536)
                text += data
                if match := re.search(rb"(READY|FAILED) (.*)\n", text):
                    said: dict[str, Any] = json.loads(match[2])
                    assert match[1] == b"READY", f"the box refused to start: {said}\n{self.program.tail()}"
                    return said
                if not data:
                    self.program.wait(5.0)
                    raise AssertionError(f"the box ended with {self.program.process.returncode} before it was ready:\n{self.program.tail(60)}")
        raise AssertionError(f"the box was not ready within {timeout_s:g} s:\n{self.program.tail(60)}")

    def pid(self) -> int:
        """The engine's process id now."""
        assert self.program is not None
        if not self.supervised:
            # `ip netns exec` becomes the program it runs.
            return self.program.pid
        return int(self._supervisor_state()["pid"])

    def _supervisor_state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.data / "run" / "supervisor.json").read_text())["children"]["engine"]
        return state

    def wait_back(self, timeout_s: float = 60.0, *, other_than: int = 0) -> float:
        """Until the supervised engine is ready (as another process than `other_than`); the monotonic time when it was seen."""

        def look() -> bool:
            assert self.program is not None
            if not self.program.running:
                raise AssertionError(f"the supervisor has ended:\n{self.program.tail(60)}")
            try:
                state = self._supervisor_state()
            except (FileNotFoundError, ValueError):
                return False
            return bool(state["ready"]) and state["pid"] != other_than and Path(f"/proc/{state['pid']}").exists()

        try:
            wait_until(look, timeout_s, "the engine ready under its supervisor")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.program.tail(60) if self.program else ''}") from None
        return time.monotonic()

    def kill9(self) -> int:
        """SIGKILL to the engine, at once; its pid. Supervised, it comes back by itself (`wait_back(other_than=pid)`)."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        if not self.supervised:
            assert self.program is not None
            self.program.kill()
        return pid

    def stop(self, timeout_s: float = 12.0) -> int:
        """Orderly end; the exit code."""
        assert self.program is not None
        return self.program.stop(timeout_s)

    def close(self) -> None:
        """At once and without manners: an orderly end takes a second, and `stop` has its own tests."""
        if self.program is not None:
            self.program.kill()
        shutil.rmtree(self._short, ignore_errors=True)

    # ---- questions -----------------------------------------------------------------------------------------------

    def rpc(self, method: str, timeout_s: float = 10.0, **params: Any) -> Any:
        """One call over the control socket; its result, or BoxError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(self.control))
            with connection.makefile("rwb") as stream:
                for number, (name, values) in enumerate([("hello", {"version": 1, "client": "tests"}), (method, params)]):
                    stream.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": name, "params": values}).encode() + b"\n")
                    stream.flush()
                    reply = json.loads(stream.readline())
                    if "error" in reply:
                        raise BoxError(reply["error"])
        return reply["result"]

    def status(self) -> dict[str, Any]:
        result: dict[str, Any] = self.rpc("status")
        return result

    def registrations(self) -> list[dict[str, Any]]:
        """Bindings as the box sees them."""
        return _rows(self.rpc("registrations"))

    def calls(self) -> list[dict[str, Any]]:
        """Calls in progress."""
        return _rows(self.rpc("calls"))

    def wait_idle(self, timeout_s: float = 30.0) -> None:
        """Until no call is in progress."""
        wait_until(lambda: not self.calls(), timeout_s, "the box without calls", interval_s=0.05)

    def editor(self, author: str = "tests") -> Editor:
        """Changes the site in the box's data folder, as the command line does."""
        return Editor(self.data, author)

    def load(self, site: Document) -> int:
        """Put a whole site document into force; the revision that is."""
        editor = self.editor()
        editor.replace(site)
        if editor.pending():
            editor.commit("by a test")
        return self.activate()

    def activate(self) -> int:
        """Have the box run the current revision; the revision it runs."""
        return int(self.rpc("site.activate", timeout_s=60.0)["revision"])

    def cli(self, *words: str) -> str:
        """`holdfast …` against this box; its output."""
        with Program([sys.executable, "-m", "appliance.cli.main", *words], env=self.env, cwd=ROOT) as program:
            code = program.wait(20.0)
            text = "\n".join(program.lines)
            assert code == 0, f"holdfast {' '.join(words)} ended with {code}:\n{text}"
            return text

    def said(self, pattern: str) -> bool:
        """Is there such a line in the log?"""
        assert self.program is not None
        return any(re.search(pattern, line) for line in self.program.lines)

    # ---- what it uses --------------------------------------------------------------------------------------------

    def process(self) -> psutil.Process:
        return psutil.Process(self.pid())

    def cpu_s(self) -> float:
        """CPU seconds the engine has used, user and system."""
        times = self.process().cpu_times()
        return float(times.user + times.system)

    def memory(self) -> dict[str, int]:
        """{"rss", "pss", "uss"} in bytes."""
        full = self.process().memory_full_info()
        return {"rss": int(full.rss), "pss": int(full.pss), "uss": int(full.uss)}

    def handles(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.pid()}/fd").iterdir()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rows(result: Any) -> list[dict[str, Any]]:
    """Lists come bare or as the one list of an object."""
    if isinstance(result, dict):
        result = next(value for value in result.values() if isinstance(value, list))
    rows: list[dict[str, Any]] = result
    return rows
