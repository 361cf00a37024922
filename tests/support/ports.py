"""Free ports on loopback, handed out so that test processes running side by side do not meet."""

from __future__ import annotations

import contextlib
import os
import socket
import threading


def _mine(worker: str | None, workers: str | None) -> tuple[int, int]:
    """This process's part of 10400 to 19800: below the ephemeral range (32768 up) and the box's own RTP ports (20000 up), so that nobody takes one in between.

    Each worker of pytest-xdist ("gw0", of "3") has a part to itself: what it found free is still free when a program takes it.
    """
    each = 9400 // int(workers or 1)
    first = 10400 + int((worker or "gw0").removeprefix("gw")) * each
    return first, first + each


_FIRST, _LAST = _mine(os.environ.get("PYTEST_XDIST_WORKER"), os.environ.get("PYTEST_XDIST_WORKER_COUNT"))
_SLOT = 200
_lock = threading.Lock()
_next = _FIRST + (os.getpid() * _SLOT) % (_LAST - _FIRST)


def _free(port: int, ip: str) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with contextlib.closing(socket.socket(socket.AF_INET, kind)) as probe:
            try:
                probe.bind((ip, port))
            except OSError:
                return False
    return True


def free_run(count: int, ip: str = "127.0.0.1", multiple_of: int = 2) -> int:
    """The first of `count` consecutive ports free for both UDP and TCP; every call gives different ones until the range wraps."""
    global _next  # noqa: PLW0603 - one counter per test process is the point
    with _lock:
        for _ in range((_LAST - _FIRST) // multiple_of):
            first = -(-_next // multiple_of) * multiple_of
            if first + count > _LAST:
                _next = _FIRST
                continue
            if all(_free(port, ip) for port in range(first, first + count)):
                _next = first + count
                return first
            _next = first + multiple_of
    raise AssertionError(f"no {count} free ports in a row between {_FIRST} and {_LAST}")


def free_port(ip: str = "127.0.0.1") -> int:
    """One port free for both UDP and TCP."""
    return free_run(1, ip, 1)


def free_pair(ip: str = "127.0.0.1") -> int:
    """The even port of a free RTP/RTCP pair."""
    return free_run(2, ip, 2)
