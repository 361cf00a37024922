"""A bad cable between two namespaces: packets pass a process of ours that loses, delays and shakes RTP (what `tc netem` does, where the kernel has none).

    with BadLine(net.box, net.phones[0]) as line:          # 10.78.0.1 at the box, 10.78.0.2 at the phone
        line.to_near.drop_every, line.to_near.delay_ms, line.to_near.jitter_ms = 10, 100, 40

SIP passes unharmed: calls come about, their sound suffers.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from tests.support.net import Namespace

_TUNSETIFF, _TUN, _NO_HEADER = 0x400454CA, 0x0001, 0x1000


@dataclass
class Way:
    """What one direction does to RTP and RTCP. `drop_every` 10 loses one RTP packet of ten of each flow, 1 all of them, 0 none; RTCP is never lost."""

    drop_every: int = 0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Up to so much more, at random, in order as a queue does it."""
    seen: Counter[tuple[int, int]] = field(default_factory=Counter)
    _last: float = 0.0

    def due(self, packet: bytes, now: float) -> float | None:
        """When it arrives; None: never."""
        head = 4 * (packet[0] & 15)
        payload = packet[head + 8 :]
        if packet[0] >> 4 != 4 or packet[9] != 17 or len(payload) < 8 or payload[0] >> 6 != 2:
            return now
        if not 192 <= payload[1] <= 223:
            source, target = struct.unpack("!HH", packet[head : head + 4])
            self.seen[source, target] += 1
            if self.drop_every and self.seen[source, target] % self.drop_every == 0:
                return None
        self._last = max(self._last, now + (self.delay_ms + random.uniform(0, self.jitter_ms)) / 1000)
        return self._last


class BadLine:
    """`near_ip` and `far_ip` are the two ends' addresses; the far end's default route leads over the line."""

    def __init__(self, near: Namespace, far: Namespace, near_ip: str = "10.78.0.1", far_ip: str = "10.78.0.2") -> None:
        self.near_ip, self.far_ip = near_ip, far_ip
        self.to_near, self.to_far = Way(), Way()
        self._ends = [_tun(near, "bad", near_ip, far_ip), _tun(far, "bad", far_ip, near_ip)]
        far.ip("route", "replace", "default", "via", near_ip, "dev", "bad")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="bad line")
        self._thread.start()

    def mend(self) -> None:
        """A good cable from now on."""
        for way in (self.to_near, self.to_far):
            way.drop_every, way.delay_ms, way.jitter_ms = 0, 0.0, 0.0

    def _run(self) -> None:
        near, far = self._ends
        waiting: list[tuple[float, int, int, bytes]] = []
        serial = itertools.count()
        while not self._closing.is_set():
            pause = min(0.2, max(0.0, waiting[0][0] - time.monotonic())) if waiting else 0.2
            for source in select.select(self._ends, [], [], pause)[0]:
                target, way = (far, self.to_far) if source == near else (near, self.to_near)
                with contextlib.suppress(BlockingIOError):
                    packet = os.read(source, 4096)
                    due = way.due(packet, time.monotonic())
                    if due is not None:
                        heapq.heappush(waiting, (due, next(serial), target, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(waiting)
                with contextlib.suppress(OSError):  # an end that is gone already
                    os.write(target, packet)

    def close(self) -> None:
        self._closing.set()
        self._thread.join(2.0)
        for end in self._ends:
            os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tun(ns: Namespace, name: str, ip: str, peer: str) -> int:
    """An interface of `ns` whose cable ends in the handle."""
    with ns.entered():
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN | _NO_HEADER))
    ns.ip("addr", "add", ip, "peer", peer, "dev", name)
    ns.ip("link", "set", "dev", name, "up")
    return handle
