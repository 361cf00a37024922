"""Real disks that are full, read-only or stalled: small file systems of their own, mounted for one test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


def _try(*command: str | Path) -> None:
    """For what needs a privilege or device this machine may not have: skips the test with the program's own words."""
    try:
        _run(*command)
    except FileNotFoundError as error:
        pytest.skip(f"{command[0]} is not installed: {error}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{' '.join(map(str, command))}: {error.stderr.strip()}")


@contextmanager
def tmpfs(folder: Path, size: int) -> Iterator[Path]:
    """A file system in memory of `size` bytes, mounted on `folder`."""
    folder.mkdir()
    _try("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield folder
    finally:
        _run("umount", "--lazy", folder)


def fill(folder: Path) -> Path:
    """Take all room that is left; returns the file that holds it."""
    file = folder / "filler"
    with file.open("ab", buffering=0) as filler:
        for size in (4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue
    return file


class Ext4:
    """An ext4 file system in a file, mounted on `folder`."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder
        self.frozen = self.mounted = False
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(16 << 20)
        _try("mkfs.ext4", "-q", image)
        _try("mount", "-o", "loop,errors=remount-ro", image, folder)
        self.mounted = True

    def freeze(self) -> None:
        """Every write blocks in the kernel from now on, as on a card that has stopped answering."""
        _try("fsfreeze", "-f", self.folder)
        self.frozen = True

    def thaw(self) -> None:
        if self.frozen:
            _run("fsfreeze", "-u", self.folder)
            self.frozen = False

    def abort(self) -> None:
        """What the kernel does by itself after an error on the disk: the file system becomes read-only under open files."""
        _try("mount", "-o", "remount,abort", self.folder)

    def repair(self) -> None:
        """Unmount (no file may be open), check, mount again."""
        self.unmount()
        subprocess.run(["e2fsck", "-p", str(self.image)], check=False, capture_output=True)
        _run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)
        self.mounted = True

    def unmount(self) -> None:
        if self.mounted:
            _run("umount", self.folder)
            self.mounted = False

    def close(self) -> None:
        self.thaw()
        if self.mounted:
            # Lazily: a test that failed may have left a file open, and its own words matter more than ours.
            _run("umount", "--lazy", self.folder)


@contextmanager
def ext4(folder: Path) -> Iterator[Ext4]:
    """A mounted ext4 file system, thawed and gone afterwards."""
    disk = Ext4(folder.with_name(folder.name + ".img"), folder)
    try:
        yield disk
    finally:
        disk.close()
