"""What the supervisor tells systemd where that started it: ready, alive, stopping (sd_notify(3), without the library)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
VARIABLES = (SOCKET, WATCHDOG, WATCHDOG_PID)
"""Not for the children: they are the supervisor's business."""


class Service:
    """Nothing happens where systemd did not start this process. Never blocks, never raises."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        path = environment.get(SOCKET, "")
        self._address = "\0" + path[1:] if path.startswith("@") else path  # unix(7): an abstract name
        asked = environment.get(WATCHDOG, "")
        meant = environment.get(WATCHDOG_PID, str(os.getpid())) == str(os.getpid())
        self.every_s = int(asked) / 3e6 if self._address and meant and asked.isdigit() and int(asked) else None
        """How often it wants a sign of life, thrice in its limit; None: not at all."""
        self.due_s = 0.0 if self.every_s else float("inf")
        """When, by time.monotonic(), the next one must be given."""

    def beat(self, now: float) -> None:
        if self.every_s is not None and now >= self.due_s:
            self.due_s = now + self.every_s
            self._say("WATCHDOG=1")

    def ready(self) -> None:
        self._say("READY=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def status(self, line: str) -> None:
        """What `systemctl status` shows."""
        self._say(f"STATUS={line}")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.setblocking(False)
            notify.sendto(text.encode(), self._address)
