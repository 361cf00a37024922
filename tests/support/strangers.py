"""Somebody on the other side of a firewall: which ports are open, does a ping or a datagram come through. All are real packets."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Collection

from tests.support.net import Namespace

SILENT_S = 0.4
"""On a cable between namespaces an answer takes a tenth of a millisecond."""


def scan(ns: Namespace, to: str, ports: Collection[int], source: str = "") -> set[int]:
    """Of `ports` those where a TCP connection comes about; all are tried at once. `source`: the address of `ns` they come from."""
    with ns.entered():
        tried = {port: socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for port in ports}
    for port, sock in tried.items():
        if source:
            sock.bind((source, 0))
        sock.connect_ex((to, port))
    until, heard, found = time.monotonic() + SILENT_S, set[int](), set[int]()
    while len(heard) < len(tried) and (left := until - time.monotonic()) > 0:
        _, ready, _ = select.select([], [sock for port, sock in tried.items() if port not in heard], [], left)
        now = {port for port, sock in tried.items() if sock in ready}
        heard |= now
        found |= {port for port in now if tried[port].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0}
    for sock in tried.values():
        sock.close()
    return found


def pings(ns: Namespace, to: str) -> bool:
    """Whether an ICMP echo is answered."""
    with ns.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(SILENT_S)
        sock.sendto(bytes((8, 0, 0xF7, 0xFF, 0, 0, 0, 0)), (to, 0))  # an empty echo request with its checksum
        try:
            return sock.recv(100)[20] == 0
        except TimeoutError:
            return False


def datagrams(ns: Namespace) -> socket.socket:
    """A UDP socket in `ns` that does not wait for long."""
    with ns.entered():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(SILENT_S)
    return made
