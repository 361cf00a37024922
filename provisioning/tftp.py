"""TFTP as a server that only reads: packets and one transfer, without sockets and clocks (RFC 1350, 2347, 2348, 2349, 7440)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

RRQ, WRQ, DATA, ACK, ERROR, OACK = 1, 2, 3, 4, 5, 6
NOT_FOUND, ACCESS, FULL, ILLEGAL = 1, 2, 3, 4
LONGEST_REQUEST = 512
_LONGEST_NAME = 200
_WINDOW = 64
"""Most blocks under way that are granted (RFC 7440 allows 65535): a flood of small requests must not become a flood of data."""
_TRIES = 5


class Refused(Exception):
    """The request gets an ERROR packet and no transfer. `code`: RFC 1350, appendix."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence

    def packet(self) -> bytes:
        return error(self.code, self.sentence)


@dataclass(frozen=True, slots=True)
class Request:
    """A read request. `name` without leading slashes, as the phone wrote it otherwise; option names in lower case."""

    name: str
    netascii: bool
    options: Mapping[str, str]


def error(code: int, sentence: str) -> bytes:
    """An ERROR packet."""
    return struct.pack("!HH", ERROR, code) + sentence.encode("ascii", "replace") + b"\0"


def read_request(packet: bytes) -> Request | None:
    """The request in a datagram to the well-known port; Refused with what to answer; None for what deserves no answer (RFC 1350, section 4).

    A missing last NUL, empty option names at the end and unknown options are overlooked: phones send them.
    """
    if len(packet) < 2:
        return None
    (opcode,) = struct.unpack_from("!H", packet)
    if opcode == WRQ:
        raise Refused(ACCESS, "This server only hands out files.")
    if opcode != RRQ:
        return None  # an answer to a stranger's packet would make two servers talk for ever
    if len(packet) > LONGEST_REQUEST:
        raise Refused(ILLEGAL, "The request is longer than 512 bytes.")
    fields = packet[2:].removesuffix(b"\0").split(b"\0")
    try:
        words = [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError:
        raise Refused(NOT_FOUND, "The file name is no text.") from None
    name = words[0].lstrip("/\\")
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Refused(NOT_FOUND, "There is no such file.")
    mode = words[1].lower() if len(words) > 1 else ""
    if mode not in {"octet", "netascii"}:
        raise Refused(ILLEGAL, "The mode is neither octet nor netascii.")
    options: dict[str, str] = {}
    for key, value in zip(words[2::2], words[3::2], strict=False):
        if key:
            options.setdefault(key.lower(), value)
    return Request(name, mode == "netascii", options)


def netascii(data: bytes) -> bytes:
    """Line ends as Telnet has them (RFC 764)."""
    return data.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")


def _within(value: str | None, low: int, high: int) -> int | None:
    """An option's number, None when it is none or out of bounds: the option then counts as not asked for (RFC 2347)."""
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 10:
        return None
    return int(value) if low <= int(value) <= high else None


@dataclass(slots=True)
class Step:
    """What to do now: send these packets, and give up or be done when `over`."""

    packets: list[bytes]
    over: bool = False


class Transfer:
    """One file on its way to one phone. Feed it packets and time-outs; it says what to send.

    `wait_s` is how long to wait for an answer before `silent()`; a sender of more than one block at a time goes back to the first that was not
    acknowledged (RFC 7440, section 4). An acknowledgement seen twice is ignored: answering it would double every packet from there on.
    """

    def __init__(self, data: bytes, request: Request) -> None:
        self._data = netascii(data) if request.netascii else data
        asked = request.options
        size = _within(asked.get("blksize"), 8, 65464)
        window = _within(asked.get("windowsize"), 1, 65535)
        wait = _within(asked.get("timeout"), 1, 255)
        self._block = size or 512
        self._window = min(window or 1, _WINDOW)
        self.wait_s = float(wait or 1)
        granted = {
            "blksize": size,
            "windowsize": self._window if window else None,
            "timeout": wait,
            "tsize": len(self._data) or None if "tsize" in asked else None,  # of nothing: some clients take 0 for a fault
        }
        pairs = [(name, value) for name, value in granted.items() if value is not None]
        self._oack = struct.pack("!H", OACK) + b"".join(f"{name}\0{value}\0".encode() for name, value in pairs) if pairs else b""
        self._last = len(self._data) // self._block + 1
        self._acknowledged = -1 if self._oack else 0
        self._tries = 0

    def start(self) -> Step:
        """The first packets."""
        return Step(self._due())

    def _due(self) -> list[bytes]:
        if self._acknowledged < 0:
            return [self._oack]
        first = self._acknowledged + 1
        return [self._data_packet(number) for number in range(first, min(first + self._window, self._last + 1))]

    def _data_packet(self, number: int) -> bytes:
        start = (number - 1) * self._block
        return struct.pack("!HH", DATA, number & 0xFFFF) + self._data[start : start + self._block]

    def received(self, packet: bytes) -> Step:
        """A packet from the phone's port."""
        if len(packet) < 4:
            return Step([])
        opcode, number = struct.unpack_from("!HH", packet)
        if opcode == ERROR:
            return Step([], over=True)
        if opcode != ACK:
            return Step([error(ILLEGAL, "An acknowledgement was due.")], over=True)
        if self._acknowledged < 0:
            if number != 0:
                return Step([])
            ahead = 1
        else:
            ahead = (number - self._acknowledged) & 0xFFFF  # block numbers wrap
            if not 1 <= ahead <= min(self._window, self._last - self._acknowledged):
                return Step([])
        self._acknowledged += ahead
        self._tries = 0
        return Step([], over=True) if self._acknowledged == self._last else Step(self._due())

    def silent(self) -> Step:
        """Nothing came for `wait_s`, which is longer the next time (times 1.5)."""
        self._tries += 1
        if self._tries >= _TRIES:
            return Step([error(0, "The phone has gone silent.")], over=True)
        self.wait_s = min(self.wait_s * 1.5, 255.0)
        return Step(self._due())
