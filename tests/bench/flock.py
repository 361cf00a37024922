"""Many RTP ends in one thread: each sends G.711 every 20 ms, counts what arrives and remembers its longest gap. Cheap enough for 200 ends."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from typing import Self

from tests.support.rtp import FRAME, encode
from tests.support.tone import tone

_INTERVAL_S = 0.02


class FlockEnd:
    """One end: `port` for its SDP, `start(remote)` once the far address is known."""

    def __init__(self, flock: Flock, number: int) -> None:
        self.event_type = 101
        self.remote: tuple[str, int] | None = None
        self.received = 0
        self.sent = 0
        self.longest_gap_s = 0.0
        self.last_at = 0.0
        self._flock = flock
        self._sequence, self._timestamp, self._ssrc = 1, 160, 0x10000 + number
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((flock.ip, 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]

    def start(self, remote: tuple[str, int]) -> None:
        self.remote = remote

    def pause(self) -> None:
        self.remote = None

    def tick(self, payload: bytes) -> None:
        """Send the next frame."""
        if self.remote is None:
            return
        head = struct.pack("!BBHII", 0x80, 0, self._sequence, self._timestamp, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        with contextlib.suppress(OSError):
            self.socket.sendto(head + payload, self.remote)
            self.sent += 1

    def drain(self, now: float) -> None:
        """Take everything that waits."""
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                data = self.socket.recv(2048)
                if len(data) < 12 + FRAME // 2:
                    continue
                if self.last_at:
                    self.longest_gap_s = max(self.longest_gap_s, now - self.last_at)
                self.last_at = now
                self.received += 1

    def forget_gaps(self) -> None:
        """Measure from here on."""
        self.longest_gap_s = 0.0

    def close(self) -> None:
        self._flock.remove(self)


class Flock:
    """Makes ends and moves them all; a context."""

    def __init__(self, ip: str = "127.0.0.1") -> None:
        self.ip = ip
        self.ends: list[FlockEnd] = []
        self._payloads = [encode(tone(1000.0, 1.0))[at : at + FRAME] for at in range(0, 8000, FRAME)]
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="flock", daemon=True)
        self.lateness_s = 0.0
        """How far behind its own clock the sender has been at worst: a gap no longer than this is the bench's own."""

    def end(self) -> FlockEnd:
        with self._lock:
            made = FlockEnd(self, len(self.ends))
            self.ends.append(made)
            self._selector.register(made.socket, selectors.EVENT_READ, made)
        return made

    def remove(self, end: FlockEnd) -> None:
        with self._lock:
            if end in self.ends:
                self.ends.remove(end)
                self._selector.unregister(end.socket)
        end.socket.close()

    def _run(self) -> None:
        due, index, step = time.monotonic(), 0, 0
        slices = 4  # the ends are spread over the 20 ms, as real phones are
        while not self._closing:
            with self._lock:
                ends = list(self.ends)
            self.lateness_s = max(self.lateness_s, time.monotonic() - due)
            for end in ends[step::slices]:
                end.tick(self._payloads[index % len(self._payloads)])
            step = (step + 1) % slices
            index += step == 0
            due += _INTERVAL_S / slices
            while (left := due - time.monotonic()) > 0:
                if not ends:
                    time.sleep(left)
                    continue
                with self._lock:
                    ready = self._selector.select(left)
                    now = time.monotonic()
                    for key, _ in ready:
                        key.data.drain(now)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._thread.join(2.0)
        for end in list(self.ends):
            self.remove(end)
        self._selector.close()
