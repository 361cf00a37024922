"""What a box must still do after it was ill-treated, and addresses of their own for those who ill-treat it."""

from __future__ import annotations

import itertools
import os

from tests.support.box import Box
from tests.support.rawsip import RawPeer
from tests.support.sipmsg import Headers, Message
from tests.support.sites import secret

_serial = itertools.count(1)


def own_address() -> str:
    """A loopback address nobody else uses: limits are counted by address, and a peer there can have port 5060."""
    number = next(_serial)
    return f"127.{100 + os.getpid() % 150}.{os.getpid() // 150 % 250}.{number % 250 + 1}"


def register(box: Box, peer: RawPeer, extension: str = "201", *, password: str = "", headers: Headers = (), **more: str) -> Message:
    """A REGISTER by digest, to its final reply. `more`: parts of `RawPeer.request`."""
    parts = {"to_uri": box.uri(extension), "from_uri": box.uri(extension)} | more
    domain = f"sip:{box.sip[0]}:{box.sip[1]}"
    return peer.request("REGISTER", domain, box.sip, user=extension, secret=password or secret(extension), headers=headers, **parts)  # type: ignore[arg-type]


def assert_serves(box: Box, pid: int, extension: str = "203") -> None:
    """The same process answers an OPTIONS and takes a registration, over UDP and TCP, from an address that did nothing wrong."""
    assert box.pid() == pid, f"the engine has died:\n{box.program.tail(60) if box.program else ''}"
    with RawPeer(own_address()) as peer:
        for transport in ("udp", "tcp"):
            assert peer.request("OPTIONS", box.uri("box"), box.sip, transport=transport).status == 200
            assert register(box, peer, extension, transport=transport).status == 200
    assert box.status()["pid"] == pid
