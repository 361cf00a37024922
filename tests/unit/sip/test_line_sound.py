"""The sound of a leg over a line: its file descriptor in the shim."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

from appliance.sip._pj.lineports import set_sound

NO_LINE = 0
LINGER_S = 8


def test_nobody_waits_for_a_descriptor_that_is_slow_to_close() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        far, _ = server.accept()
        with far:
            # As a serial port whose modem takes nothing: what was written holds up the close.
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, LINGER_S))
            ours.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    ours.send(b"x" * 65_536)
            began = time.monotonic()
            set_sound(NO_LINE, ours.detach())
            assert time.monotonic() - began < LINGER_S / 2
            far.settimeout(LINGER_S)
            while far.recv(65_536):
                pass
