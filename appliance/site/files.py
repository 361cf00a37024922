"""Files that survive a kill and a power cut: written whole or not at all, one writer at a time, readable to whom the folder belongs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.errors import StateError


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """An OSError inside becomes the StateError "Cannot <what>: …"."""
    try:
        yield
    except OSError as error:
        raise StateError(f"Cannot {what}: {error.strerror or error}", "check free space, the disk, and the owner of the data folder") from error


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """One writer at a time in `folder`, which is made where it is missing, across processes; the kernel drops the lock of a killed one. Raises StateError."""
    with translated(f"use {what} {folder}"):
        make_folder(folder)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with translated(f"lock {what} {folder}"):
            own_like(folder, lambda uid, gid: os.fchown(descriptor, uid, gid))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path` (mode 0600) in one step: whoever looks sees what was there before or all of it, after a power cut as well. Raises StateError.

    Two writers of one path must not meet: the caller holds a lock.
    """
    new = path.with_name(f".{path.name}.new")
    with translated(f"write {path}"):
        new.unlink(missing_ok=True)  # of a writer that was killed
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                own_like(path.parent, lambda uid, gid: os.fchown(descriptor, uid, gid))
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def append(path: Path, line: bytes) -> None:
    """Add `line` to the file of lines at `path` (made with mode 0600); on the disk when this returns. The caller holds a lock. Raises StateError."""
    with translated(f"write {path}"):
        new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            own_like(path.parent, lambda uid, gid: os.fchown(descriptor, uid, gid))
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # of a writer that was killed
            whole = (b"\n" if torn else b"") + line + b"\n"
            if file.write(whole) != len(whole):
                raise OSError("the disk is full")
            os.fsync(descriptor)
        if new:
            sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """`folder` and what is missing above it, each mode 0700 and on the disk. Raises OSError."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        own_like(folder.parent, lambda uid, gid: os.chown(folder, uid, gid))
        sync_folder(folder.parent)


def own_like(folder: Path, give: Callable[[int, int], None]) -> None:
    """What root writes (the command line under sudo) must stay readable to the engine, an ordinary user that owns the folder. Raises OSError."""
    if os.geteuid() == 0:
        there = folder.stat()
        give(there.st_uid, there.st_gid)


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
