"""A backup file: everything a site has on its box, as one sealed stream that is written while the box runs and read once, front to back.

Inside the seal (`site.sealing`, purpose "backup"), under gzip: records, each one line of JSON {"path", "size"} and its bytes. The first is `head.json` (what
it is, of when, by which version), the last `manifest.json` (path, size and SHA-256 of all between). Only plain files under the known folders can be said, so
there are no links, devices or ways out of the folder to be afraid of.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from appliance.errors import StateError
from appliance.site import files
from appliance.site.sealing import COST, Cost, SealedReader, SealError, SealingWriter

FORMAT = 1
FOLDERS = ("voicemail", "media", "tls", "web", "vault", "site")
"""What of the data folder belongs to the site, as a whole; and of `state` the database, the emergency journal and which desk phones were let in."""
PURPOSE = "backup"
MAX_FILES = 100_000
MAX_TOLD = 32 << 20
"""Bytes of the manifest, which is read into memory."""
_PINNED = ("site", "vault")
_SLACK = 64 << 20
"""By how much the content may exceed what the head announced: a box goes on while it is backed up."""
_MAX_LINE = 1024
_BLOCK = 1 << 18
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=-]{0,127}")
_PATH = re.compile(
    rf"(?:{'|'.join(FOLDERS)})(?:/{_NAME.pattern}){{1,4}}"
    rf"|state/(?:state\.db|phones\.json|emergency\.journal(?:\.[0-9]{{1,20}})?|journals(?:/{_NAME.pattern}){{2}})"
)
_PASSING = (".new", ".part", ".tmp", ".spare")
"""Ends of the names of files that are being written, or only made in advance."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) now and then."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a backup is. `bytes`: the size of its files, about. `revision`: of the site, as it was in force. `made_unix_s`: by the clock of that box."""

    format: int
    product: str
    made_unix_s: float
    site: str
    revision: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a backup: how many files, of how many bytes together."""

    head: Head
    files: int
    bytes: int


# ---- making one --------------------------------------------------------------------------------------------------


def back_up(data: Path, into: BinaryIO, passphrase: str, *, product: str, now_unix_s: float, progress: Progress | None = None, cost: Cost = COST) -> Content:
    """Write a backup of the data folder `data`, whose box may run, to `into`. Raises HoldfastError; what was written then opens for nobody.

    The site and the vault are taken under their locks at one moment, then the state, then recordings: those made or deleted meanwhile leave a file without
    its row or a row without its file, which every start puts right.
    """
    with ExitStack() as held, files.translated(f"read the data folder {data}"):
        with ExitStack() as locks:
            # The order in which a commit takes them.
            if not (data / "site" / "current").is_file():
                raise StateError(f"There is no site in {data}", "start the box once, or name its data folder with HOLDFAST_DATA", code="nothing-to-back-up")
            locks.enter_context(files.locked(data / "site", "the site folder"))
            if (data / "vault").is_dir():
                locks.enter_context(files.locked(data / "vault", "the vault"))
            # Both are written file by file, each whole: what is open now stays as it is, and the locks need not be held while it is copied.
            pinned = [_pin(held, data, path) for folder in _PINNED for path in _walk(data / folder)]
            revision, site = in_force(data)
        state = held.enter_context(_state_copy(data))
        pinned += [("state/state.db", state, os.fstat(state.fileno()).st_size)] if state is not None else []
        pinned += [_pin(held, data, path) for path in _state_files(data)]
        later = [(_told(data, path), path) for folder in FOLDERS if folder not in _PINNED for path in _walk(data / folder)]
        total = sum(size for _, _, size in pinned) + sum(_size(path) for _, path in later)
        head = Head(FORMAT, product, now_unix_s, site, revision, total)
        with SealingWriter(into, passphrase, PURPOSE, cost=cost) as sealed, gzip.GzipFile(fileobj=sealed, mode="wb", compresslevel=1, mtime=0) as packed:
            return _write_all(packed, head, pinned, later, progress)


def _write_all(
    packed: gzip.GzipFile, head: Head, pinned: Iterable[tuple[str, BinaryIO, int]], later: Iterable[tuple[str, Path]], progress: Progress | None
) -> Content:
    manifest: list[dict[str, Any]] = []
    done = 0

    def put(path: str, file: BinaryIO, size: int) -> None:
        nonlocal done
        packed.write(_line(path, size))
        digest = hashlib.sha256()
        left = size
        while left:
            block = file.read(min(left, _BLOCK))
            if not block:
                raise StateError(f"{path} became shorter while it was read", "try again")
            packed.write(block)
            digest.update(block)
            left -= len(block)
            done += len(block)
            if progress is not None:
                progress(done, head.bytes)
        manifest.append({"path": path, "size": size, "sha256": digest.hexdigest()})

    _put_told(packed, "head.json", asdict(head))
    for told, open_file, size in pinned:
        put(told, open_file, size)
    for told, where in later:
        with contextlib.suppress(FileNotFoundError), _open(where) as file:  # a message that was deleted since
            put(told, file, os.fstat(file.fileno()).st_size)
    _put_told(packed, "manifest.json", {"files": manifest})
    return Content(head, len(manifest), done)


def _put_told(packed: gzip.GzipFile, path: str, value: dict[str, Any]) -> None:
    body = json.dumps(value, separators=(",", ":")).encode()
    packed.write(_line(path, len(body)) + body)


def _line(path: str, size: int) -> bytes:
    return json.dumps({"path": path, "size": size}).encode() + b"\n"


def _walk(folder: Path) -> Iterator[Path]:
    """Plain files below `folder` that are part of the site; links are not followed."""
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if not _NAME.fullmatch(entry.name) or entry.name.endswith(_PASSING) or entry.name == "lock":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name)
            elif entry.is_file(follow_symlinks=False):
                yield folder / entry.name


def _state_files(data: Path) -> Iterator[Path]:
    """What of `state` is copied as it lies there."""
    state = data / "state"
    own = [path for path in _walk(state) if path.parent == state and _PATH.fullmatch(_told(data, path)) and path.name != "state.db"]
    return iter([*own, *_walk(state / "journals")])


def _told(data: Path, path: Path) -> str:
    return path.relative_to(data).as_posix()


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _pin(held: ExitStack, data: Path, path: Path) -> tuple[str, BinaryIO, int]:
    """(path inside, open file, size now): what is replaced or appended to later does not change it."""
    file = held.enter_context(_open(path))
    return _told(data, path), file, os.fstat(file.fileno()).st_size


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def in_force(data: Path) -> tuple[int, str]:
    """(number, name of the site) of the current revision."""
    try:
        number = int((data / "site" / "current").read_text(encoding="ascii"))
        raw = json.loads((data / "site" / "revisions" / f"{number:06}.json").read_bytes())
        return number, str(raw["site"]["name"])
    except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
        raise StateError("The site revision in force cannot be read", "put a site in force first: `holdfast site import FILE --commit`") from error


@contextlib.contextmanager
def _state_copy(data: Path) -> Iterator[BinaryIO | None]:
    """The state database as it is at one moment, engine running or not: one file without a log beside it. None where there is none yet."""
    source = data / "state" / "state.db"
    if not source.is_file():
        yield None
        return
    files.make_folder(data / "run")
    with tempfile.TemporaryDirectory(prefix="backup-", dir=data / "run") as folder:
        copy = Path(folder) / "state.db"
        try:
            copy_database(source, copy)
        except sqlite3.Error as error:
            raise StateError(f"The state database cannot be copied: {error}", "restart the box, which puts a damaged one aside, and try again") from error
        with _open(copy) as file:
            yield file


def copy_database(source: Path, copy: Path) -> None:
    """A consistent copy of a database others may be writing to, in one step: with several every write begins it anew (sqlite.org/backup.html).

    Raises sqlite3.Error.
    """
    # Not mode=ro: who may not write leaves the logs behind that it made to read.
    with closing(sqlite3.connect(f"file:{_quoted(source)}?mode=rw", uri=True, timeout=10.0)) as there, closing(sqlite3.connect(copy)) as here:
        there.backup(here)
        here.execute("PRAGMA journal_mode=DELETE")


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


# ---- reading one -------------------------------------------------------------------------------------------------


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


def receive(
    file: BinaryIO,
    passphrase: str,
    into: Path,
    *,
    product: str,
    keep: Callable[[str, int], bool] = lambda path, size: True,
    check: Callable[[Head], None] = lambda _: None,
    progress: Progress | None = None,
) -> Content:
    """Unpack the backup `file` into the empty folder `into` (files 0600, folders 0700, all synced), and know it whole and authentic when this returns.

    `keep`: what is written; all is verified. `check` sees the head before the rest and may refuse it. Raises SealError: what lies in `into` is then of
    no use; OSError when the disk refuses.
    """
    sealed: Any = SealedReader(file, passphrase, PURPOSE)  # read() is all gzip needs of it, going forward
    try:
        content = _receive(gzip.GzipFile(fileobj=sealed, mode="rb"), into, product, keep, check, progress)
    except (EOFError, zlib.error, gzip.BadGzipFile, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise _wrong("is not built as a backup is") from error
    for folder, _, _ in os.walk(into):
        files.sync_folder(Path(folder))
    return content


def _receive(
    packed: gzip.GzipFile, into: Path, product: str, keep: Callable[[str, int], bool], check: Callable[[Head], None], progress: Progress | None
) -> Content:
    head = _head(_told_part(packed, "head.json"), product)
    check(head)
    found: dict[str, dict[str, Any]] = {}
    done = 0
    while (record := _record(packed))[0] != "manifest.json":
        path, size = record
        if not _PATH.fullmatch(path) or path in found:
            raise _wrong(f"has a file {path[:80]!r}, which no backup has")
        done += size
        if done > head.bytes + _SLACK or len(found) >= MAX_FILES:
            raise _wrong("holds more than it says")
        found[path] = {"path": path, "size": size, "sha256": _copy(packed, size, into / path if keep(path, size) else None)}
        if progress is not None:
            progress(done, head.bytes)
    manifest = _parsed(_exactly(packed, record[1], MAX_TOLD))
    listed = manifest.get("files")
    if not isinstance(listed, list) or listed != list(found.values()):
        raise _wrong("does not hold what its manifest lists")
    if packed.read(1):
        raise _wrong("goes on behind its end")
    if "site/current" not in found:
        raise _wrong("has no site in it")
    return Content(head, len(found), done)


def _record(packed: _Readable) -> tuple[str, int]:
    line = packed.readline(_MAX_LINE)
    said = _parsed(line) if line.endswith(b"\n") else {}
    path, size = said.get("path"), said.get("size")
    if not isinstance(path, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _wrong("is not built as a backup is")
    return path, size


def _told_part(packed: _Readable, name: str) -> dict[str, Any]:
    path, size = _record(packed)
    if path != name:
        raise _wrong("does not begin as a backup does")
    return _parsed(_exactly(packed, size, 1 << 16))


def _exactly(packed: _Readable, size: int, limit: int) -> bytes:
    if size > limit:
        raise _wrong("holds more than it may")
    parts = []
    while size and (block := packed.read(min(size, _BLOCK))):
        parts.append(block)
        size -= len(block)
    if size:
        raise _wrong("ends in the middle")
    return b"".join(parts)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _wrong("is not built as a backup is")
    return value


def _head(raw: dict[str, Any], product: str) -> Head:
    kinds: dict[str, Any] = {"format": int, "product": str, "made_unix_s": (int, float), "site": str, "revision": int, "bytes": int}
    if not all(isinstance(raw.get(name), kind) for name, kind in kinds.items()):
        raise _wrong("does not say what it is")
    head = Head(**{name: raw[name] for name in kinds})
    if head.format > FORMAT or _numbers(head.product) > _numbers(product):
        raise SealError(
            f"This backup was made by Holdfast {head.product[:40]}, and this is {product}", "update this box first, then restore it", code="newer-format"
        )
    return head


def _numbers(product: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", product)[:3])


def _copy(packed: _Readable, size: int, into: Path | None) -> str:
    """The SHA-256 of the next `size` bytes, which are written to the new file `into` (None: not)."""
    digest = hashlib.sha256()
    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        if into is not None:
            files.make_folder(into.parent)
            file = stack.enter_context(os.fdopen(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb"))
        while size:
            block = packed.read(min(size, _BLOCK))
            if not block:
                raise _wrong("ends in the middle")
            digest.update(block)
            size -= len(block)
            if file is not None:
                file.write(block)
        if file is not None:
            file.flush()
            os.fsync(file.fileno())
    return digest.hexdigest()


def _wrong(what: str) -> SealError:
    """Only somebody who knows the passphrase can make such a file."""
    return SealError(f"This file {what}", "it was not written by `holdfast backup`, or by a faulty one: use another", code="damaged")


def check_database(path: Path) -> None:
    """Raises SealError when the database at `path` (nobody else uses it) is not sound all through."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        raise SealError(f"The state database in this backup is damaged: {found[0].splitlines()[0]}", "use another backup")
