"""What waits to take the place of what is in the data folder: a verified backup, what a restore put away, or nothing at all (factory reset).

It lies ready in `restore.new/` (its `plan.json` came with the rename that made it count) and is put in place before anything opens the data folder, by `apply`:
renames only, each of which may be the last thing before a power cut; the next start goes on where it ended. What was there before is in `before-restore/`
afterwards, one generation, until the next restore or reset: `holdfast restore --undo` puts it back.

Three things belong to this box and this hour rather than to a backup, and are carried over: phones that are registered, open call-back windows of emergency
calls, and what the outbox has sent or has to send. The emergency journal is never replaced: a box that has entries keeps its own, and the backup's goes to
`state/journals/`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from appliance.errors import StateError
from appliance.site import files
from appliance.site.archive import FOLDERS
from appliance.site.keepsakes import JOURNAL, carry_over, place_journals

NEW = "restore.new"
"""What is put in place at the next start."""
OLD = "before-restore"
PART = "restore.part"
"""A backup that is being read; never looked at again when its reader was killed."""
ASIDE = "restore.aside"
TRASH = "restore.trash-"
LOCK_PATIENCE_S = 3.0
"""A commit in progress is waited for so long; a start must not depend on it (emergency calls)."""

_STATE = "state/state.db"
_LOGS = tuple(f"{_STATE}{end}" for end in ("-wal", "-shm", "-journal"))
UNITS = (_STATE, "state/phones.json", *FOLDERS)
"""What a restore replaces, in this order: whole folders and files."""
Kind = Literal["restore", "undo", "reset"]
_STAYS = ("lock", "run", NEW, PART, OLD)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` does. `says`: what it is, for the log. `by`: who asked. `places`: the units that lie in `restore.new`; the others are only taken away.

    `keep_journal` matters to a reset alone.
    """

    id: str
    kind: Kind
    says: str
    by: str
    places: tuple[str, ...] = ()
    keep_journal: bool = True


# ---- getting ready -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def staging(data: Path) -> Iterator[Path]:
    """An empty folder in `data` (which is made where it is missing) to unpack into; gone afterwards unless `stage` was called.

    Raises StateError, with code "restore-runs" while another process is at it.
    """
    new = not data.exists()
    part = data / PART
    with files.translated(f"write to the data folder {data}"):
        if new:
            files.make_folder(data)
            data.chmod(0o750)  # as the box makes it
        files.make_folder(part)
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError("Another restore is under way on this box", "wait until it has ended", code="restore-runs") from error
        try:
            with files.translated(f"write to the data folder {data}"):
                for left in part.iterdir():  # by one that was killed
                    _remove(left)
            yield part
        finally:
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_ino == os.fstat(descriptor).st_ino:
                    _remove(part)
    finally:
        os.close(descriptor)
        if new:
            with contextlib.suppress(OSError):  # something was put in it: it stays
                data.rmdir()


def stage(data: Path, part: Path, kind: Kind, says: str, by: str, *, keep_journal: bool = True) -> Plan:
    """Have what lies in `part` (a folder of `data`) put in place at the next start; it counts when this returns. Raises StateError."""
    with files.translated(f"make ready what is to be restored in {data}"), _swapping(data):
        _settle(part / _STATE)
        plan = Plan(secrets.token_hex(8), kind, says, by, tuple(unit for unit in UNITS if (part / unit).exists()), keep_journal)
        files.write(part / "plan.json", json.dumps(asdict(plan)).encode())
        _give_away(data, part)
        _one_disk(data)
        _discard(data, data / NEW)  # one that never came to be applied
        part.rename(data / NEW)
        files.sync_folder(data)
    return plan


def stage_undo(data: Path, by: str) -> Plan:
    """Have what the last restore put away put back. Raises StateError, with code "nothing-to-undo" when there is nothing."""
    if not (data / OLD / "site").is_dir():
        raise StateError("There is nothing to go back to", "what a restore replaces is kept until the next one or a factory reset", code="nothing-to-undo")
    return stage(data, data / OLD, "undo", "what was there before the last restore", by)


def withdraw(data: Path, plan: Plan) -> bool:
    """Take back what was staged; False when it is in place already. Raises StateError."""
    with files.translated(f"take back what was to be restored in {data}"), _swapping(data):
        staged = waiting(data)
        if staged is None or staged.id != plan.id:
            return False
        if plan.kind == "undo":
            (data / NEW).rename(data / OLD)
            files.sync_folder(data)
        else:
            _discard(data, data / NEW)
        return True


def waiting(data: Path) -> Plan | None:
    """What is to be put in place at the next start, if anything. Raises StateError when it cannot be read."""
    try:
        raw = json.loads((data / NEW / "plan.json").read_bytes())
        return Plan(**{**raw, "places": tuple(raw["places"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"What waits in {data / NEW} cannot be read: {error}", "restore the backup again") from error


def runs(data: Path) -> bool:
    """Whether a box runs on `data`. Raises StateError."""
    if not (data / "lock").exists():
        return False
    with stopped(data) as free:
        return not free


@contextlib.contextmanager
def stopped(data: Path) -> Iterator[bool]:
    """Whether no box runs on `data`; while the block runs none can start when that is so. Raises StateError."""
    with files.translated(f"lock the data folder {data}"):
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        files.own_like(data, lambda uid, gid: os.fchown(descriptor, uid, gid))
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


# ---- putting it in place -----------------------------------------------------------------------------------------


def apply(data: Path) -> Plan | None:
    """Put in place what waits, under the lock of the data folder, before anything in it is opened; None when nothing does. Raises HoldfastError, OSError:

    then it is done in part or not at all, and the next call goes on.
    """
    if not (data / NEW).exists():
        return None
    with _swapping(data), ExitStack() as locks:
        plan = waiting(data)
        if plan is None:
            return None
        log.info("putting in place: %s (asked for by %s)", plan.says, plan.by)
        for folder in FOLDERS:
            _hold(locks, data / folder / "lock")
        if plan.kind == "reset":
            _clear(data, plan)
        else:
            carry_over(data / _STATE, data / NEW / _STATE)
            _replace(data, plan)
            place_journals(data / NEW, data, plan.id)
        _finish(data, keep=plan.kind != "reset")
    log.info("in place: %s", plan.says)
    return plan


def sweep(data: Path) -> None:
    """Delete what was thrown away, and what a killed restore had unpacked. Never raises; what cannot be deleted is tried again at the next start."""
    with contextlib.suppress(OSError):
        for path in data.glob(f"{TRASH}*"):
            shutil.rmtree(path, ignore_errors=True)
        if (data / PART).exists():
            with contextlib.suppress(StateError), staging(data):  # its folder goes at the end; one that is in use is left alone
                pass


def _replace(data: Path, plan: Plan) -> None:
    new = data / NEW
    if _STATE not in plan.places or (new / _STATE).exists():
        for log_file in _LOGS:  # before the database itself: another one must never be opened with them
            if (data / log_file).exists():
                _put_aside(data, log_file)
    for unit in UNITS:
        staged, target = new / unit, data / unit
        if unit in plan.places and not staged.exists():
            continue  # an earlier attempt came past here
        if target.exists() or target.is_symlink():
            if staged.is_dir():
                # Who waits for the lock of the old folder must find that it is the lock of the new one.
                with contextlib.suppress(OSError):
                    os.link(target / "lock", staged / "lock")
            _put_aside(data, unit)
        if unit in plan.places:
            files.make_folder(target.parent)
            staged.rename(target)
            files.sync_folder(target.parent)


def _clear(data: Path, plan: Plan) -> None:
    """Everything goes that is not known to stay: what another version wrote, too."""
    names = [path.name for path in data.iterdir() if path.name not in _STAYS and not path.name.startswith((TRASH, ASIDE))]
    units = [name for name in names if name != "state"]
    if "state" in names:
        kept = plan.keep_journal
        units += [f"state/{path.name}" for path in (data / "state").iterdir() if not (kept and (path.name.startswith(JOURNAL) or path.name == "journals"))]
    for unit in sorted(units):
        _put_aside(data, unit)


def _put_aside(data: Path, unit: str) -> None:
    aside = data / ASIDE / unit
    files.make_folder(aside.parent)
    while aside.exists():
        aside = aside.with_name(f"{aside.name}~")
    (data / unit).rename(aside)
    files.sync_folder(aside.parent)
    files.sync_folder((data / unit).parent)


def _finish(data: Path, keep: bool) -> None:
    """`keep`: what was put aside becomes the generation that can be gone back to."""
    if (data / ASIDE).exists():
        _discard(data, data / OLD)
        if keep:
            (data / ASIDE).rename(data / OLD)
            files.sync_folder(data)
        else:
            _discard(data, data / ASIDE)
    elif not keep:
        _discard(data, data / OLD)
    _discard(data, data / NEW)


def _discard(data: Path, path: Path) -> None:
    """Out of the way in one step; `sweep` deletes it, which may take long."""
    if path.exists():
        path.rename(data / f"{TRASH}{secrets.token_hex(4)}")
        files.sync_folder(data)


def _hold(locks: ExitStack, path: Path) -> None:
    """Lock `path`, where there is such a file, for who edits the site meanwhile; not for longer than LOCK_PATIENCE_S."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    locks.callback(os.close, descriptor)
    if not _locked(descriptor, LOCK_PATIENCE_S):
        log.warning("%s is still held; going on without it", path)


@contextlib.contextmanager
def _swapping(data: Path) -> Iterator[None]:
    """While `restore.new` comes, goes or is put in place; not waited for longer than LOCK_PATIENCE_S."""
    with ExitStack() as locks:
        descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        locks.callback(os.close, descriptor)
        if not _locked(descriptor, LOCK_PATIENCE_S):
            log.warning("another process holds %s; going on without it", data)
        yield


def _locked(descriptor: int, wait_s: float = 0.0) -> bool:
    """Lock it; False when that has not come about in `wait_s`."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(0.02)


# ---- small parts -------------------------------------------------------------------------------------------------


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _settle(database: Path) -> None:
    """Bring the logs beside a database into it: it is moved as one file."""
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:  # the start puts a damaged one aside
        log.error("%s: %s", database, error)


def _one_disk(data: Path) -> None:
    """Raises StateError where something to be replaced is another disk's: it cannot be renamed away."""
    for unit in UNITS:
        with contextlib.suppress(FileNotFoundError):
            if (data / unit).lstat().st_dev != data.lstat().st_dev:
                raise StateError(f"{data / unit} is on another disk than {data}", "unmount it for the restore, and copy what is on it by hand")


def _give_away(data: Path, top: Path) -> None:
    """What root unpacked must belong to whom the box runs as."""
    if os.geteuid() == 0:
        owner = data.stat()
        for folder, _, names in os.walk(top):
            for path in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
