"""A call's sound over a serial port: a byte stream of any shape in, 20 ms frames out at an even pace, and the same the other way. No port, no clock."""

from __future__ import annotations

from collections import deque

from appliance.cellular.api import FRAME_BYTES, FRAME_S

SILENCE = bytes(FRAME_BYTES)
START_FRAMES = 3
"""So much is held before the first frame goes out: modems send 40 ms at once, and USB wakes up late."""
MOST_FRAMES = 10
"""What is held beyond is old: the oldest is dropped, for delay is worse than a click."""
LATE_S = 0.2
"""Whoever wakes up later than this does not catch up: it goes on from now."""


class Pacer:
    """How many frames are due, one each FRAME_S."""

    def __init__(self) -> None:
        self._next_s: float | None = None

    def due(self, now: float) -> int:
        if self._next_s is None or now - self._next_s > LATE_S or self._next_s - now > FRAME_S:
            self._next_s = now
        count = 0
        while self._next_s <= now:
            count += 1
            self._next_s += FRAME_S
        return count


class JitterBuffer:
    """Bytes in, frames out. It begins with START_FRAMES in hand, again after it ran dry."""

    def __init__(self) -> None:
        self._rest = b""
        self._frames: deque[bytes] = deque()
        self._running = False
        self.dropped = 0
        self.dry = 0

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) - len(data) % FRAME_BYTES
        for at in range(0, whole, FRAME_BYTES):
            self._frames.append(data[at : at + FRAME_BYTES])
        self._rest = data[whole:]
        while len(self._frames) > MOST_FRAMES:
            self._frames.popleft()
            self.dropped += 1

    def pull(self) -> bytes:
        """The next frame; silence where there is none."""
        if not self._running and len(self._frames) < START_FRAMES:
            return SILENCE
        self._running = bool(self._frames)
        if not self._running:
            self.dry += 1
            return SILENCE
        return self._frames.popleft()


class Sound:
    """Both ways of one call."""

    def __init__(self) -> None:
        self._pacer = Pacer()
        self.heard = JitterBuffer()
        self._said: deque[bytes] = deque(maxlen=MOST_FRAMES)

    def received(self, data: bytes) -> None:
        """From the modem's port."""
        self.heard.push(data)

    def say(self, frame: bytes) -> None:
        """For the far end. Raises ValueError for another size."""
        if len(frame) != FRAME_BYTES:
            raise ValueError(f"a frame has {FRAME_BYTES} bytes, not {len(frame)}")
        self._said.append(frame)

    def step(self, now: float) -> tuple[list[bytes], bytes]:
        """The frames that are due for whoever listens, and as much for the port: silence where nothing is said, for the modem expects an even stream."""
        due = self._pacer.due(now)
        said = [self._said.popleft() if self._said else SILENCE for _ in range(due)]
        return [self.heard.pull() for _ in range(due)], b"".join(said)
