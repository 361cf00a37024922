"""Sealing under a passphrase: bytes or a long stream, unreadable without it, and every change to them noticed.

A sealed file is a header and chunks. Header: magic, version, its own length, scrypt's parameters (RFC 7914), salt, purpose, a check of the passphrase, a
checksum. Chunks: CHUNK bytes each (the last 0 to CHUNK) by AES-256-GCM with the header as associated data and a nonce of chunk number and "last" mark, so that
chunks cannot be left out, repeated, reordered or cut off. The salt makes a key that serves one file only: the nonces never meet the same key twice.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import itertools
import secrets
import struct
import unicodedata
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from appliance.errors import HoldfastError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"\x89HFSEAL\n"
VERSION = 1
CHUNK = 65536
MAX_MEMORY = 128 << 20
"""Bytes scrypt may ask for when a file is read: who made the file chose them."""
MAX_WORK = 1 << 23
"""N * r * p at most, for the same reason: some seconds on a small computer."""
MIN_LENGTH = 12
"""Characters of a passphrase."""

_PREFIX = struct.Struct(">8sBB")
_BODY = struct.Struct(">BBB16s16s16s")
_CHECKSUM = 8
_TAG = 16
_SEALED_CHUNK = CHUNK + _TAG


class SealError(HoldfastError):
    """What is sealed cannot be opened. `code`: "wrong-passphrase", "damaged", "not-ours" (another kind of file), or "newer-format"."""

    code = "damaged"


class Sink(Protocol):
    """Where a sealed stream goes."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Cost:
    """scrypt's work: 128 * r * 2**log2_n bytes of memory, p times over."""

    log2_n: int = 16
    r: int = 8
    p: int = 2

    def bearable(self) -> bool:
        """Whether a small box may be asked for it."""
        return (
            1 <= self.log2_n <= 24 and self.r >= 1 and self.p >= 1 and 128 * self.r << self.log2_n <= MAX_MEMORY and self.r * self.p << self.log2_n <= MAX_WORK
        )


COST = Cost()
"""64 MiB: half a second on a desk computer, about two on a Raspberry Pi."""


def weakness(passphrase: str) -> str:
    """Why `passphrase` is too weak to seal with, as a sentence; "" when it will do."""
    text = _normal(passphrase)
    if len(text) < MIN_LENGTH:
        return f"The passphrase is shorter than {MIN_LENGTH} characters"
    if len(set(text.casefold())) < 5:
        return "The passphrase repeats too few characters"
    if text.isdigit() and len(text) < 20:
        return "The passphrase is digits only, and those are soon tried out"
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(text)}
    if len(steps) <= 2:
        return "The passphrase is a simple sequence"
    return ""


def seal(data: bytes, passphrase: str, purpose: str, *, cost: Cost = COST) -> bytes:
    """`data` sealed. `purpose` (at most 16 ASCII letters, like "site-export") must be the same to unseal: a file of one kind is never taken for another."""
    into = io.BytesIO()
    with SealingWriter(into, passphrase, purpose, cost=cost) as writer:
        writer.write(data)
    return into.getvalue()


def unseal(sealed: bytes, passphrase: str, purpose: str) -> bytes:
    """What was sealed, whole. Raises SealError."""
    return SealedReader(io.BytesIO(sealed), passphrase, purpose).read()


class SealingWriter:
    """Seals what is written to it into `file`. Only `finish` (or leaving the context without an error) makes it whole; without it readers find it cut off."""

    def __init__(self, file: Sink, passphrase: str, purpose: str, *, cost: Cost = COST) -> None:
        salt = secrets.token_bytes(16)
        self._file = file
        self._cipher, check = _keys(passphrase, salt, cost)
        self._header = _header(cost, salt, purpose, check)
        self._buffer = bytearray()
        self._number = 0
        self._finished = False
        file.write(self._header)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        assert not self._finished
        self._buffer += data
        # A full chunk waits for more: it may turn out to be the last.
        while len(self._buffer) > CHUNK:
            self._put(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]
        return len(data)

    def flush(self) -> None:
        """Nothing: chunks go out when they are full."""

    def finish(self) -> None:
        """Write the last chunk; nothing can be written after it. Does not close or sync the file."""
        if not self._finished:
            self._put(bytes(self._buffer), last=True)
            self._finished = True

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), chunk, self._header))
        self._number += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.finish()


class SealedReader:
    """Reads a sealed stream. Each byte it gives is authentic; the whole is only once `read` has given b"" at the end.

    Raises SealError, at once for a wrong passphrase, another kind of file or a newer format, and while reading where the file is damaged.
    """

    def __init__(self, file: BinaryIO, passphrase: str, purpose: str) -> None:
        self._file = file
        self._header, cost, salt, found, check = _read_header(file)
        if found != purpose:
            raise SealError(
                f"This file was sealed as {found or 'something else'!r}, and {purpose!r} is wanted", "give the file that command wrote", code="not-ours"
            )
        self._cipher, own = _keys(passphrase, salt, cost)
        if not hmac.compare_digest(own, check):
            raise SealError("The passphrase is wrong", "give the passphrase that was set when the file was made", code="wrong-passphrase")
        self._ahead = _read_full(file, _SEALED_CHUNK)
        self._plain = memoryview(b"")
        self._number = 0
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (all for -1); fewer only at the end."""
        parts = []
        while size != 0 and (self._plain or self._fill()):
            part = self._plain if size < 0 else self._plain[:size]
            self._plain = self._plain[len(part) :]
            size = size if size < 0 else size - len(part)
            parts.append(part)
        return b"".join(parts)

    def _fill(self) -> bool:
        """Open the next chunk that has something in it; False at the authentic end."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        while not self._plain and not self._ended:
            sealed, self._ahead = self._ahead, _read_full(self._file, _SEALED_CHUNK)
            last = not self._ahead
            try:
                if len(sealed) < _TAG:
                    raise _cut_off()
                self._plain = memoryview(self._cipher.decrypt(_nonce(self._number, last), sealed, self._header))
            except InvalidTag:
                raise _cut_off() if last and self._is_inner(sealed) else _damaged() from None
            self._number += 1
            self._ended = last
        return bool(self._plain)

    def _is_inner(self, sealed: bytes) -> bool:
        """Whether the last chunk of the file is sound and not the last that was written."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        try:
            self._cipher.decrypt(_nonce(self._number, last=False), sealed, self._header)
        except InvalidTag:
            return False
        return True


def _keys(passphrase: str, salt: bytes, cost: Cost) -> tuple[AESGCM, bytes]:
    """The cipher, and what shows that the passphrase is right."""
    # Loaded by who seals, not by everybody who can: it takes 8 MB.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    derived = hashlib.scrypt(
        _normal(passphrase).encode("utf-8", "surrogatepass"), salt=salt, n=1 << cost.log2_n, r=cost.r, p=cost.p, maxmem=MAX_MEMORY + (1 << 20), dklen=48
    )
    return AESGCM(derived[:32]), derived[32:]


def _normal(passphrase: str) -> str:
    """The same accented letter comes as one code point from one keyboard and as two from another."""
    return unicodedata.normalize("NFC", passphrase)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")


def _header(cost: Cost, salt: bytes, purpose: str, check: bytes) -> bytes:
    assert cost.bearable() and purpose.isascii() and 0 < len(purpose) <= 16
    body = _BODY.pack(cost.log2_n, cost.r, cost.p, salt, purpose.encode(), check)
    head = _PREFIX.pack(MAGIC, VERSION, _PREFIX.size + len(body) + _CHECKSUM) + body
    return head + hashlib.sha256(head).digest()[:_CHECKSUM]


def _read_header(file: BinaryIO) -> tuple[bytes, Cost, bytes, str, bytes]:
    """(header, cost, salt, purpose, check of the passphrase). Prefix and checksum are the same in every version, so that "newer" is told from "damaged"."""
    head = _read_full(file, _PREFIX.size)
    if head[: len(MAGIC)] != MAGIC[: len(head)] or not head:
        raise SealError("This is not a file that Holdfast sealed", "check that it is the right file", code="not-ours")
    if len(head) < _PREFIX.size:
        raise _cut_off()
    _, version, length = _PREFIX.unpack(head)
    head += _read_full(file, max(0, length - len(head)))
    if len(head) < length:
        raise _cut_off()
    if head[-_CHECKSUM:] != hashlib.sha256(head[:-_CHECKSUM]).digest()[:_CHECKSUM]:
        raise _damaged()
    if version > VERSION:
        raise SealError(
            f"This file has format {version}, and this version of Holdfast knows up to {VERSION}",
            "use the version that made it, or a newer one",
            code="newer-format",
        )
    if version != VERSION or length != _PREFIX.size + _BODY.size + _CHECKSUM:
        raise _damaged()
    log2_n, r, p, salt, purpose, check = _BODY.unpack_from(head, _PREFIX.size)
    cost = Cost(log2_n, r, p)
    if not cost.bearable():
        raise SealError("This file asks for more memory or work than opening one may take", "it was not made by Holdfast: do not use it", code="not-ours")
    return head, cost, salt, purpose.rstrip(b"\0").decode("ascii", "replace"), check


def _read_full(file: BinaryIO, size: int) -> bytes:
    """`size` bytes, fewer only at the end (a pipe gives what it has)."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _damaged() -> SealError:
    return SealError("The file is damaged or incomplete", "copy it again from where it was kept, or use another backup of it")


def _cut_off() -> SealError:
    return SealError("The file is cut off: its end is missing", "copy it again from where it was kept")
