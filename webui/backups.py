"""Backups out of the box and into it, for the pages and the API: a stream that is never whole in memory, uploads on the disk, a restart with what they hold."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, TypeVar

from flask import Request, current_app

from appliance.control.client import RemoteError
from appliance.errors import ControlError, HoldfastError, NotFound, StateError
from appliance.site import files, pending, restoring
from appliance.site.archive import back_up, in_force
from appliance.site.sealing import MAGIC, SealError, weakness
from webui.engine import engine

log = logging.getLogger(__name__)

T = TypeVar("T")

BACKGROUND = 10
"""nice(2): calls go first."""
AHEAD = 16
"""Blocks of 64 kB that wait for a slow browser."""
KEPT_S = 3600.0
"""An upload nobody restores is deleted."""
PATIENT_S = 4 * 3600.0
"""The longest time for an upload to arrive."""
_PIECE = 1 << 20
_AT_ONCE = threading.BoundedSemaphore(1)


@dataclass(slots=True)
class Making:
    """The backup that is made, or was made last. `state`: "idle", "runs", "done" or "failed"; `sentence`: why it failed."""

    state: str = "idle"
    done: int = 0
    total: int = 0
    sentence: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"state": self.state, "done": self.done, "total": self.total, "sentence": self.sentence}


@dataclass(slots=True)
class Upload:
    """A file on the disk. `told`: what is in it, once `passphrase` has opened it. `wrong`: why the last passphrase did not."""

    id: str
    path: Path
    by: str
    bytes: int
    at_s: float = field(default_factory=time.monotonic)
    told: restoring.Told | None = None
    passphrase: str = field(default="", repr=False)
    wrong: str = ""


class Backups:
    """One per application. Uploads do not outlive the process: their passphrases must not, and files that nobody asks for are in the way."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._uploads: dict[str, Upload] = {}
        self._lock = threading.Lock()
        self._cleared = False
        self.making = Making()

    # ---- out -----------------------------------------------------------------------------------------------------

    def stream(self, passphrase: str) -> Iterator[bytes]:
        """The backup, made while it is read; has `close`. Raises HoldfastError, or, when it breaks later, from within: what was read opens for nobody."""
        if why := weakness(passphrase):
            raise HoldfastError(why, "use four words or more that do not belong together", code="passphrase")
        if not _AT_ONCE.acquire(blocking=False):
            raise HoldfastError("Another backup is being made", "wait until it is done", code="busy")
        making, pipe = Making("runs"), _Pipe()
        self.making = making
        threading.Thread(target=self._make, args=(passphrase, pipe, making), name="backup", daemon=True).start()
        pipe.wait()
        return pipe

    def _make(self, passphrase: str, pipe: _Pipe, making: Making) -> None:
        _stand_back()

        def progress(done: int, total: int) -> None:
            making.done, making.total = done, max(done, total)

        end: HoldfastError | None = None
        try:
            back_up(self._data, pipe, passphrase, product=version("holdfast"), now_unix_s=time.time(), progress=progress)  # type: ignore[arg-type]
            making.state = "done"
        except HoldfastError as error:
            end = error
        except Exception as error:  # the thread's last word
            log.exception("a backup failed")
            end = StateError(f"The backup failed: {error}", "look at the log of the box")
        finally:
            if end is not None:
                making.state, making.sentence = "failed", f"{end.sentence}."
            _AT_ONCE.release()
            pipe.end(end)

    # ---- in ------------------------------------------------------------------------------------------------------

    def folder(self) -> Path:
        """Where uploads lie, on the disk of the data. What a process before this one left there goes."""
        folder = self._data / "run" / "uploads"
        with self._lock, files.translated(f"use {folder}"):
            files.make_folder(folder)
            if not self._cleared:
                for left in folder.iterdir():
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                self._cleared = True
        return folder

    def most_bytes(self) -> int:
        """How large a file may be that is sent now."""
        try:
            return max(0, shutil.disk_usage(self._data).free - restoring.SPARE_BYTES)
        except OSError:
            return 0

    def receive(self, stream: IO[bytes], by: str) -> Upload:
        """Keep what comes. Raises SealError for what is no backup at its first bytes, StateError when the disk refuses, HoldfastError "no-room"."""
        self._forget_old()
        id = secrets.token_hex(8)
        path = self.folder() / f"{id}.part"
        size = 0
        try:
            with files.translated("keep the upload"), path.open("xb") as file:
                path.chmod(0o600)
                while piece := stream.read(_PIECE):
                    if not size and not piece.startswith(MAGIC):
                        raise SealError("This is not a file that Holdfast sealed", "check that it is the right file", code="not-ours")
                    size += len(piece)
                    if self.most_bytes() < len(piece):
                        raise HoldfastError("The disk has no room for this file", "make room on the disk of the data folder", code="no-room")
                    file.write(piece)
            if not size:
                raise SealError("The file is empty", "choose the backup", code="not-ours")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        made = Upload(id, path, by, size)
        with self._lock:
            self._uploads[id] = made
        return made

    def upload(self, id: str, by: str) -> Upload:
        """Raises NotFound."""
        self._forget_old()
        with self._lock:
            found = self._uploads.get(id)
        if found is None or found.by != by or not found.path.is_file():
            raise NotFound("There is no such upload", "uploads are kept for an hour, and until the pages restart: send the file again")
        return found

    def drop(self, id: str) -> None:
        with self._lock:
            found = self._uploads.pop(id, None)
        if found is not None:
            found.path.unlink(missing_ok=True)

    def look_into(self, upload: Upload, passphrase: str) -> restoring.Told:
        """What is in it; it is read to its end. Raises HoldfastError."""

        def look() -> restoring.Told:
            with upload.path.open("rb") as file:
                return restoring.verified(file, passphrase, self.folder())

        return in_background(look)

    def restore(self, upload: Upload, passphrase: str) -> pending.Plan:
        """Have it ready for the next start. Raises HoldfastError: then nothing is changed."""

        def ready() -> pending.Plan:
            with pending.staging(self._data) as part, upload.path.open("rb") as file:
                told = restoring.unpacked(file, passphrase, part)
                return pending.stage(self._data, part, "restore", f"the backup of {told['site']}, revision {told['revision']}", upload.by)

        plan = in_background(ready)
        self.drop(upload.id)
        return plan

    def reset(self, by: str, keep_journal: bool) -> pending.Plan:
        """Have nothing ready for the next start, which makes the box new."""
        with pending.staging(self._data) as part:
            return pending.stage(self._data, part, "reset", "factory reset", by, keep_journal=keep_journal)

    def undo(self, by: str) -> pending.Plan:
        """Have ready what the last restore replaced. Raises StateError "nothing-to-undo"."""
        return pending.stage_undo(self._data, by)

    def can_undo(self) -> bool:
        return (self._data / pending.OLD / "site").is_dir()

    # ---- putting it in place -------------------------------------------------------------------------------------

    def restart(self, plan: pending.Plan) -> bool:
        """Have the box restart with it; False: it does not run under its supervisor, and takes it at its next start. Raises RemoteError where it will not

        (an emergency call is up): the plan is withdrawn then.
        """
        try:
            engine().call("box.restart", timeout_s=10.0, reason=plan.says, force=False)
        except RemoteError:
            if pending.withdraw(self._data, plan):
                pending.sweep(self._data)
            raise
        except ControlError:
            return False
        return True

    def waits(self, id: str) -> bool:
        """Whether the plan `id` is still to be put in place."""
        plan = pending.waiting(self._data)
        return plan is not None and plan.id == id

    def present(self) -> str:
        """What the site in force is called, "" where there is none: what is typed to confirm."""
        try:
            return in_force(self._data)[1]
        except HoldfastError:
            return ""

    def _forget_old(self) -> None:
        now = time.monotonic()
        with self._lock:
            old = [each.id for each in self._uploads.values() if now - each.at_s > KEPT_S]
        for id in old:
            self.drop(id)


class _Pipe:
    """From the thread that makes a backup to the response that sends it, which may end before its time."""

    def __init__(self) -> None:
        self._blocks: queue.Queue[bytes | HoldfastError | None] = queue.Queue(AHEAD)
        self._first: bytes | None = None
        self._gone = threading.Event()

    def write(self, data: bytes, /) -> int:
        self._put(bytes(data))
        return len(data)

    def end(self, error: HoldfastError | None) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._put(error)

    def wait(self) -> None:
        """Until there is a first block. Raises HoldfastError where there will be none."""
        self._first = self._get()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block, self._first = self._first, None
        if block is None:
            block = self._get()
        if block is None:
            raise StopIteration
        return block

    def close(self) -> None:
        """Nobody reads any more."""
        self._gone.set()

    def _get(self) -> bytes | None:
        block = self._blocks.get()
        if isinstance(block, HoldfastError):
            raise block
        return block

    def _put(self, block: bytes | HoldfastError | None) -> None:
        while not self._gone.is_set():
            with contextlib.suppress(queue.Full):
                return self._blocks.put(block, timeout=0.5)
        raise BrokenPipeError("who wanted the backup has gone")


def in_background(work: Callable[[], T]) -> T:
    """The result of `work`, done where calls go first; its exception is raised here."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        _stand_back()
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  (handed to the one who asked)
            failed.append(error)

    thread = threading.Thread(target=run, name="background")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _stand_back() -> None:
    """For this thread alone, and the processes it starts (setpriority(2), "C library/kernel differences")."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND)


class BoxRequest(Request):
    """Files of forms that take large ones are received on the disk of the data, not in /tmp, which may be memory."""

    upload_folder: Path | None = None

    def _get_file_stream(
        self, total_content_length: int | None, content_type: str | None, filename: str | None = None, content_length: int | None = None
    ) -> IO[bytes]:
        if self.upload_folder is None:
            return super()._get_file_stream(total_content_length, content_type, filename, content_length)
        return tempfile.TemporaryFile(dir=self.upload_folder)


def backups() -> Backups:
    """Those of the application."""
    found: Backups = current_app.extensions["backups"]
    return found
