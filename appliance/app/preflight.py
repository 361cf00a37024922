"""What must be true before anything starts: the data folder is ours alone, and the SIP ports are free."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Mapping
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from appliance.app.settings import Settings
from appliance.errors import SettingsError

LOCK_FD = "HOLDFAST_LOCK_FD"
"""Environment variable: the descriptor that holds the data folder's lock, from the supervisor to its children."""
LOCK_WAIT_S = 3.0
"""A supervisor killed with -9 takes its children down within milliseconds; they hold the lock until they are gone."""
PORT_WAIT_S = 0.5
_TCP_LISTEN = "0A"


def claim_data_folder(folder: Path, wait_s: float = LOCK_WAIT_S) -> int:
    """Create `folder` and `folder/run`, check that it can be written, lock `folder/lock`; returns the lock's file descriptor.

    The lock lasts as long as any process holds the descriptor. A full disk is no reason not to start: emergency calls need no disk.
    Raises SettingsError.
    """
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        (folder / "run").mkdir(mode=0o750, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        _take(lock, folder, wait_s)
        _probe(folder)
    except BaseException:
        os.close(lock)
        raise
    with contextlib.suppress(OSError):  # only for the other box's message
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def hold_data_folder(folder: Path, env: Mapping[str, str]) -> int:
    """The lock of `folder` that the supervisor handed down, else, run alone, our own. Raises SettingsError."""
    with contextlib.suppress(KeyError, ValueError, OSError):
        lock = int(env[LOCK_FD])
        if os.path.samestat(os.fstat(lock), (folder / "lock").stat()):
            os.set_inheritable(lock, False)
            return lock
    return claim_data_folder(folder)


def _take(lock: int, folder: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
                raise SettingsError(
                    f"The data folder {folder} is in use by another Holdfast" + (f" (process {holder})" if holder else ""),
                    "stop that one, or set HOLDFAST_DATA to another folder",
                ) from error
        except OSError as error:
            raise SettingsError(f"The data folder {folder} cannot be locked: {error.strerror}", "set HOLDFAST_DATA to a folder on a local disk") from error
        time.sleep(0.05)


def _probe(folder: Path) -> None:
    probe = folder / "run" / f"probe-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> SettingsError:
    return SettingsError(f"The data folder {folder} cannot be used: {error.strerror or error}", "set HOLDFAST_DATA to a folder this user may create and write")


def check_ports(settings: Settings, wait_s: float = PORT_WAIT_S) -> None:
    """Bind each SIP port once on each address and let it go again. Raises SettingsError naming port, address and, where /proc tells, the holder."""
    wanted = ((socket.SOCK_DGRAM, "udp", settings.sip_port), (socket.SOCK_STREAM, "tcp", settings.sip_port), (socket.SOCK_STREAM, "tcp", settings.sip_tls_port))
    deadline = time.monotonic() + wait_s
    for address in settings.bind:
        for kind, protocol, port in wanted:
            while (error := _try_bind(address, kind, port)) is not None:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                    raise _port_error(address, protocol, port, error, settings) from error
                time.sleep(0.05)


def _try_bind(address: str, kind: socket.SocketKind, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a box just stopped linger in TIME_WAIT
            probe.bind((address, port))
            if kind == socket.SOCK_STREAM:
                probe.listen()
    except OSError as error:
        return error
    return None


def _port_error(address: str, protocol: str, port: int, error: OSError, settings: Settings) -> SettingsError:
    variable = "HOLDFAST_SIP_PORT" if port == settings.sip_port else "HOLDFAST_SIP_TLS_PORT"
    match error.errno:
        case errno.EADDRINUSE:
            holder = port_holder(protocol, address, port)
            sentence = f"Port {port}/{protocol} on {address} is already in use" + (f" by {holder}" if holder else "")
            return SettingsError(sentence, f"stop that program, or set {variable} to another port")
        case errno.EADDRNOTAVAIL:
            return SettingsError(f"{address} is not an address of this machine", "correct HOLDFAST_BIND; `ip -brief address` lists them")
        case errno.EACCES | errno.EPERM:
            return SettingsError(f"Port {port}/{protocol} on {address} is not permitted to this user", f"set {variable} to a port from 1024")
        case _:
            return SettingsError(f"Port {port}/{protocol} on {address} cannot be opened: {error.strerror or error}", f"set HOLDFAST_BIND or {variable}")


def port_holder(protocol: str, address: str, port: int) -> str:
    """`name (process 123)` of who has bound the port, from /proc; "" when it cannot be seen (another user's process)."""
    inodes = {inode for table in (protocol, f"{protocol}6") for inode in _bound_inodes(Path("/proc/net") / table, protocol, address, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    if not wanted:
        return ""
    for process in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours to look at
            if any(str(handle.readlink()) in wanted for handle in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _bound_inodes(table: Path, protocol: str, address: str, port: int) -> list[str]:
    """Socket inodes of /proc/net/{udp,tcp}[6] bound to the port on that address or on every address (columns: proc(5))."""
    found = []
    with contextlib.suppress(OSError):  # no IPv6 in this kernel
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            host, _, hex_port = fields[1].partition(":")
            if int(hex_port, 16) == port and (protocol == "udp" or fields[3] == _TCP_LISTEN) and _decode(host) in {address, "0.0.0.0", "::"}:  # noqa: S104  (compared, not bound)
                found.append(fields[9])
    return found


def _decode(host: str) -> str:
    """The kernel prints addresses as 32-bit words in host order."""
    raw = bytes.fromhex(host)
    words = [raw[i : i + 4] for i in range(0, len(raw), 4)]
    ordered = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return socket.inet_ntop(socket.AF_INET if len(ordered) == 4 else socket.AF_INET6, ordered)
