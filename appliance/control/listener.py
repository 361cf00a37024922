"""Puts the control socket in its place: complete at once, mode 0660, never over one that is in use."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from appliance.control.protocol import UNIX_PATH_LIMIT
from appliance.errors import ControlError


def listen(path: Path) -> tuple[socket.socket, tuple[int, int]]:
    """A listening socket that appears at `path` complete, with mode 0660, in place of a stale one; and its (device, inode).

    Raises ControlError when another box answers there, something else lies there, or the folder cannot be used.
    """
    size = len(bytes(path))
    if size > UNIX_PATH_LIMIT:
        hint = "set HOLDFAST_CONTROL to a shorter path, for example /run/holdfast.sock"
        raise ControlError(f"The control socket's path {path} is {size} bytes long, and the system allows {UNIX_PATH_LIMIT}", hint)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    folder = -1
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _check_free(path)
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # Bound under another name, and through the folder's descriptor, so that the length limit holds for the real name only.
        partial = f".{os.getpid()}.sock"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        listening.bind(f"/proc/self/fd/{folder}/{partial}")
        os.chmod(partial, 0o660, dir_fd=folder)
        listening.listen(128)
        found = os.stat(partial, dir_fd=folder)
        os.rename(partial, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        listening.close()
        raise ControlError(
            f"The control socket {path} cannot be made: {error.strerror}", "check the folder, or set HOLDFAST_CONTROL to another path"
        ) from error
    except ControlError:
        listening.close()
        raise
    finally:
        if folder >= 0:
            os.close(folder)
    return listening, (found.st_dev, found.st_ino)


def _check_free(path: Path) -> None:
    """Raises ControlError unless nothing, or the socket of a box that is gone, lies at `path`."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ControlError(f"{path} exists and is no socket", "remove it, or set HOLDFAST_CONTROL to another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody listens
    raise ControlError(f"Another box already answers at {path}", "stop it, or give this one its own HOLDFAST_DATA")
