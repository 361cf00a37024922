"""An RTP end in plain Python: sends a G.711 tone every 20 ms, keeps what arrives with its times, turns it into a WAV, sees and sends RFC 4733 digits."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from tests.support.net import Namespace
from tests.support.ports import free_pair
from tests.support.tone import Samples, tone, write_wav

FRAME = 160
_DIGITS = "0123456789*#ABCD"


def _mulaw_table() -> npt.NDArray[np.int32]:
    """ITU-T G.711 mu-law: the linear value of each of the 256 codes."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int32)


def _alaw_table() -> npt.NDArray[np.int32]:
    """ITU-T G.711 A-law: the linear value of each of the 256 codes."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, mantissa + 0x108 << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int32)


_TABLES = {0: _mulaw_table(), 8: _alaw_table()}


def encode(samples: Samples, payload_type: int = 0) -> bytes:
    """G.711 bytes of samples (-1..1): payload type 0 mu-law, 8 A-law, each sample the nearest code."""
    table = _TABLES[payload_type]
    order = np.argsort(table, kind="stable")
    values = table[order]
    linear = np.clip(samples, -1, 1) * 32767
    right = np.clip(np.searchsorted(values, linear), 1, 255)
    nearest = np.where(linear - values[right - 1] < values[right] - linear, right - 1, right)
    return order[nearest].astype(np.uint8).tobytes()


def decode(payload: bytes, payload_type: int = 0) -> Samples:
    """Samples (-1..1) of G.711 bytes."""
    found: Samples = _TABLES[payload_type][np.frombuffer(payload, np.uint8)] / 32768.0
    return found


@dataclass
class Packet:
    """One RTP packet as it arrived (`at`: monotonic seconds)."""

    at: float
    source: tuple[str, int]
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class RtpEnd:
    """A socket for RTP on `ip`; `port` is what goes into SDP. `start(remote)` begins to send the tone; receiving begins at once.

    `latch`: follow the address packets really come from (symmetric RTP, as carriers do)."""

    def __init__(self, ip: str = "127.0.0.1", *, ns: Namespace | None = None, freq_hz: float = 1000.0, payload_type: int = 0, latch: bool = True) -> None:
        self.ip = ip
        self.packets: list[Packet] = []
        self.digits = ""
        self.event_type = 101
        """The payload type of telephone-event, as the SDPs agreed."""
        self.remote: tuple[str, int] | None = None
        self.sent = 0
        self._paused = False
        self._latch = latch
        self._payload_type = payload_type
        # A whole number of periods in one second: the loop of frames has no seam.
        whole = encode(tone(freq_hz, 1.0), payload_type)
        self._frames = [whole[at : at + FRAME] for at in range(0, 8000, FRAME)]
        with ns.entered() if ns else contextlib.nullcontext():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((ip, 0 if ns else free_pair(ip)))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        self._closing = threading.Event()
        self._sequence = int.from_bytes(os.urandom(2), "big")
        self._timestamp = int.from_bytes(os.urandom(3), "big")
        self._ssrc = int.from_bytes(os.urandom(4), "big")
        self._event_at = -1
        self._pending: list[str] = []
        self._threads = [threading.Thread(target=self._receive, daemon=True, name=f"rtp-{self.port}")]
        self._threads[0].start()

    def start(self, remote: tuple[str, int]) -> None:
        """Send the tone to `remote` until closed; called again it only moves the target."""
        first = self.remote is None
        self.remote, self._paused = remote, False
        if first:
            self._threads.append(threading.Thread(target=self._send, daemon=True, name=f"rtp-send-{self.port}"))
            self._threads[-1].start()

    def pause(self) -> None:
        """Fall silent (a vanished peer) until `start` is called again."""
        self._paused = True

    def send_digits(self, digits: str) -> None:
        """Queue RFC 4733 digits; each takes the place of 100 ms of tone."""
        self._pending.extend(digits)

    def _packet(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = struct.pack("!BBHII", 0x80, payload_type | (0x80 if marker else 0), self._sequence, timestamp & 0xFFFFFFFF, self._ssrc)
        if self.remote and not self._paused:
            with contextlib.suppress(OSError):  # the far end's port is not open yet, or the link is cut
                self._socket.sendto(head + payload, self.remote)
                self.sent += 1

    def _send(self) -> None:
        due, index = time.monotonic(), 0
        while not self._closing.is_set():
            if self._pending:
                digit = _DIGITS.index(self._pending.pop(0).upper())
                start = self._timestamp
                for step in range(1, 8):  # five while it lasts, the end three times in all (RFC 4733 section 2.5.1.4)
                    ends = step >= 5
                    duration = FRAME * min(step, 5)
                    self._packet(self.event_type, step == 1, start, struct.pack("!BBH", digit, (0x80 if ends else 0) | 10, duration))
                    if not ends:
                        due = self._pace(due)
                due = self._pace(due)
                self._timestamp += FRAME * 5
                index += 5
                continue
            self._packet(self._payload_type, index == 0, self._timestamp, self._frames[index % len(self._frames)])
            index += 1
            self._timestamp += FRAME
            due = self._pace(due)

    def _pace(self, due: float) -> float:
        due += 0.02
        delay = due - time.monotonic()
        if delay > 0:
            self._closing.wait(delay)
        return due

    def _receive(self) -> None:
        while not self._closing.is_set():
            try:
                data, source = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            except OSError:
                if self._closing.is_set():
                    return
                continue
            if len(data) < 12 or data[0] >> 6 != 2:
                continue
            _, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
            if 72 <= (second & 0x7F) <= 76:
                continue  # RTCP multiplexed by mistake
            offset = 12 + 4 * (data[0] & 0x0F)
            packet = Packet(time.monotonic(), source, second & 0x7F, sequence, timestamp, ssrc, data[offset:])
            if packet.payload_type == self.event_type:
                self._event(packet)
            self.packets.append(packet)
            if self._latch and self.remote and self.remote != source:
                self.remote = source

    def _event(self, packet: Packet) -> None:
        if len(packet.payload) >= 4 and packet.timestamp != self._event_at and packet.payload[0] < len(_DIGITS):
            self._event_at = packet.timestamp
            self.digits += _DIGITS[packet.payload[0]]

    def heard(self) -> int:
        """Audio packets received so far."""
        return sum(1 for packet in self.packets if packet.payload_type in _TABLES)

    def wav(self, path: Path, *, since: int = 0) -> Path:
        """What was received as a WAV, each packet at the place its arrival time gives it (so a stall is a gap), from packet index `since` on."""
        audio = [packet for packet in self.packets[since:] if packet.payload_type in _TABLES]
        if not audio:
            return write_wav(path, np.zeros(0))
        pieces: list[Samples] = []
        start, written = audio[0].at, 0
        for packet in audio:
            # 60 ms of slack is what any jitter buffer forgives.
            behind = round((packet.at - start) * 8000) - written
            if behind > 3 * FRAME:
                pieces.append(np.zeros(behind))
                written += behind
            samples = decode(packet.payload, packet.payload_type)
            pieces.append(samples)
            written += len(samples)
        return write_wav(path, np.concatenate(pieces))

    def longest_silence_ms(self, since: int = 0) -> int:
        """The longest time between two audio packets, in ms; -1 with fewer than two."""
        times = [packet.at for packet in self.packets[since:] if packet.payload_type in _TABLES]
        return round(max((b - a for a, b in itertools.pairwise(times)), default=-0.001) * 1000)

    def close(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(2.0)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Mute(RtpEnd):
    """Hears, and never sends a packet: the far end of one-way sound."""

    def start(self, remote: tuple[str, int]) -> None:
        pass
