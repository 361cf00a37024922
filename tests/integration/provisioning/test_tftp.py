"""TFTP with the clients people have, over real sockets: whole files, many at once, floods, half transfers, traversal, writes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.servers.tftp import TftpServer
from tests.support.ports import free_port
from tests.support.proc import wait_until

FILES = {"small.cfg": b"account.1.enable = 1\n", "empty.cfg": b"", "edge.cfg": bytes(512 * 3), "large.bin": bytes(range(256)) * 20_000}


class Running:
    """A server in a thread of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.asked: list[tuple[str, str]] = []
        self.server: TftpServer | None = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._ready.wait(10)

    async def _find(self, name: str, ip: str) -> bytes | None:
        self.asked.append((name, ip))
        return FILES.get(name.lower())

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        self.server = await TftpServer.listen(self._find, "127.0.0.1", self.port)
        self._ready.set()
        await self._stop.wait()
        self.server.close()

    def close(self) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with contextlib.closing(Running()) as running:
        yield running


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def curl(server: Running, name: str, target: Path, *options: str) -> int:
    command = ["curl", "-s", "--max-time", "20", *options, "-o", str(target), f"tftp://127.0.0.1:{server.port}/{name}"]
    return subprocess.run(command, check=False).returncode


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("options", [[], ["--tftp-blksize", "1400"], ["--tftp-no-options"]])
def test_curl(server: Running, tmp_path: Path, name: str, options: list[str]) -> None:
    target = tmp_path / "got"
    assert curl(server, name, target, *options) == 0
    got = target.read_bytes() if target.exists() else b""  # curl writes no file for no bytes
    assert sha(got) == sha(FILES[name])


@pytest.mark.parametrize("words", [[], ["--option", "blksize 1428", "--option", "windowsize 8"], ["--option", "tsize", "--option", "timeout 2"]])
def test_atftp(server: Running, tmp_path: Path, words: list[str]) -> None:
    if not shutil.which("atftp"):
        pytest.skip("atftp is not installed")
    target = tmp_path / "got"
    command = ["atftp", *words, "-g", "-r", "large.bin", "-l", str(target), "127.0.0.1", str(server.port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sha(target.read_bytes()) == sha(FILES["large.bin"])


def test_names_in_any_case_and_with_a_slash(server: Running, tmp_path: Path) -> None:
    assert curl(server, "/SMALL.CFG", tmp_path / "got") == 0
    assert (tmp_path / "got").read_bytes() == FILES["small.cfg"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "..%2f..%2fetc/passwd", "/etc/passwd", "....//etc/passwd", "nothing"])
def test_what_is_not_there(server: Running, tmp_path: Path, name: str) -> None:
    assert curl(server, name, tmp_path / "got", "--path-as-is") == 68  # "file not found on TFTP server"
    assert not (tmp_path / "got").exists()


def test_writes_are_refused(server: Running, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(b"x")
    command = ["curl", "-s", "--max-time", "10", "-T", str(tmp_path / "up"), f"tftp://127.0.0.1:{server.port}/up.cfg"]
    assert subprocess.run(command, check=False).returncode == 69  # "permission problem"


def test_forty_phones_at_once(server: Running, tmp_path: Path) -> None:
    """From one address four are served at a time; the others are told to ask again, and do."""
    started = [
        subprocess.Popen(["curl", "-s", "--retry", "20", "--retry-all-errors", "--retry-delay", "1", "--max-time", "60",
                          "-o", str(tmp_path / str(n)), f"tftp://127.0.0.1:{server.port}/edge.cfg"])
        for n in range(40)
    ]  # fmt: skip
    assert [each.wait(90) for each in started] == [0] * 40
    assert {(tmp_path / str(n)).read_bytes() for n in range(40)} == {FILES["edge.cfg"]}


def test_a_flood_and_half_transfers_leave_room(server: Running, tmp_path: Path) -> None:
    """An address with four transfers that it never acknowledges gets no fifth; others (here: later) are served; nothing stays behind."""
    assert server.server is not None
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))) for _ in range(50)]
        for each in sockets:
            each.sendto(b"\0\1large.bin\0octet\0timeout\0001\0", ("127.0.0.1", server.port))
            each.sendto(b"\0\1", ("127.0.0.1", server.port))
            each.sendto(b"", ("127.0.0.1", server.port))
        sockets[-1].settimeout(10)
        refused, _ = sockets[-1].recvfrom(600)
        assert refused[:2] == b"\0\5"
    wait_until(lambda: not server.server._running, 60, "half transfers are given up")
    assert not server.server._each
    assert curl(server, "small.cfg", tmp_path / "got") == 0
