"""Runs netd alone, as a process in a network namespace, and speaks to it as a stranger to its code would.

with Netd(tmp_path, net.box) as netd:
    netd.ok("drill.cut", seconds=5); netd.refused("drill.cut", seconds=0) -> code; netd.kill9(); netd.start()
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.net import Namespace, command_in
from tests.support.proc import Program, wait_until

ROOT = Path(__file__).resolve().parents[2]


class Connection:
    """One connection; what is bound to it ends with `close`."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(15.0)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rwb")

    def raw(self, line: bytes) -> dict[str, Any]:
        """The answer to one line as it is; {} where netd hangs up."""
        try:
            self._stream.write(line + b"\n")
            self._stream.flush()
            answer = self._stream.readline()
        except ConnectionError:
            return {}
        found: dict[str, Any] = json.loads(answer) if answer else {}
        return found

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        return self.raw(json.dumps({"verb": verb, "args": args}).encode())

    def tell(self, verb: str, **args: Any) -> None:
        """Ask, and do not wait for the answer."""
        self._stream.write(json.dumps({"verb": verb, "args": args}).encode() + b"\n")
        self._stream.flush()

    def ok(self, verb: str, **args: Any) -> dict[str, Any]:
        found = self.ask(verb, **args)
        assert "result" in found, found
        result: dict[str, Any] = found["result"]
        return result

    def refused(self, verb: str, **args: Any) -> str:
        """The code of the refusal."""
        found = self.ask(verb, **args)
        assert "error" in found, found
        return str(found["error"]["code"])

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


class Netd:
    """`before`: words put before the command (a jail, another user)."""

    def __init__(self, folder: Path, ns: Namespace | None = None, before: Sequence[str | Path] = ()) -> None:
        self.data = folder / "netd-data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.log = folder / "netd.log"
        self._short = Path(tempfile.mkdtemp(prefix="hf-"))
        self._short.chmod(0o777)
        self.socket = self._short / "netd.sock"
        self.ns, self._before = ns, list(before)
        self.program: Program | None = None

    def start(self) -> Self:
        env = {"HOLDFAST_DATA": str(self.data), "HOLDFAST_NETD": str(self.socket), "HOLDFAST_BIND": "127.0.0.1", "HOLDFAST_LOG": "debug"}
        argv = command_in(self.ns, [*self._before, sys.executable, "-m", "appliance.app.netd"])
        self.program = Program(argv, log=self.log, env=env, cwd=ROOT)
        wait_until(self._answers, 20.0, f"netd listening (see {self.log})")
        return self

    def _answers(self) -> bool:
        assert self.program is not None and self.program.running, self.program.tail() if self.program else ""
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def connect(self) -> Connection:
        return Connection(self.socket)

    def ok(self, verb: str, **args: Any) -> dict[str, Any]:
        """One verb over a connection of its own."""
        connection = self.connect()
        try:
            return connection.ok(verb, **args)
        finally:
            connection.close()

    def refused(self, verb: str, **args: Any) -> str:
        connection = self.connect()
        try:
            return connection.refused(verb, **args)
        finally:
            connection.close()

    def kill9(self) -> None:
        assert self.program is not None
        self.program.kill()

    def stop(self) -> int:
        assert self.program is not None
        return self.program.stop()

    def close(self) -> None:
        if self.program is not None:
            self.program.kill()
        shutil.rmtree(self._short, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
