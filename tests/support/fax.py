"""A gateway that can fax: the carrier of the tests with T.38 (m=image) in its re-INVITEs and a UDPTL end in plain Python; datagrams carry numbers."""

from __future__ import annotations

import re
import socket
import struct
import threading
from typing import Any

from tests.support.carrier import Call, Carrier
from tests.support.ports import free_pair
from tests.support.proc import wait_until
from tests.support.rawsip import Received
from tests.support.sipmsg import Message

ATTRIBUTES = (
    "T38FaxVersion:0", "T38MaxBitRate:14400", "T38FaxRateManagement:transferredTCF", "T38FaxMaxBuffer:262", "T38FaxMaxDatagram:176",
    "T38FaxUdpEC:t38UDPRedundancy",
)  # fmt: skip


class Udptl:
    """Sends numbered datagrams (ITU-T T.38 section 9.1: the sequence number comes first) and keeps the numbers it gets."""

    def __init__(self, ip: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ip, free_pair(ip)))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        self.got: list[tuple[int, bytes]] = []
        self._closing = False
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def send(self, number: int, payload: bytes, to: tuple[str, int]) -> None:
        self._socket.sendto(struct.pack("!H", number) + payload, to)

    def _receive(self) -> None:
        while not self._closing:
            try:
                data = self._socket.recv(2048)
            except TimeoutError:
                continue
            except OSError:
                return
            self.got.append((struct.unpack("!H", data[:2])[0], data[2:]))

    def close(self) -> None:
        self._closing = True
        self._thread.join(2.0)
        self._socket.close()


def image_of(sdp: str) -> tuple[str, int]:
    """(address, port) of the m=image of an SDP; ("", 0) when it has none."""
    port = re.search(r"^m=image (\d+) udptl t38", sdp, re.MULTILINE)
    ip = re.search(r"^c=IN IP4 (\S+)", sdp[port.start() :] if port else sdp, re.MULTILINE) or re.search(r"^c=IN IP4 (\S+)", sdp, re.MULTILINE)
    return (ip[1], int(port[1])) if ip and port else ("", 0)


class FaxCarrier(Carrier):
    """`t38`: what a re-INVITE with m=image gets: "takes", "refuses" (488), "sound" (200, but with sound) or "silent"."""

    def __init__(self, *arguments: Any, t38: str = "takes", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.t38 = t38
        self.udptl = Udptl(self.media_ip)
        self.far: tuple[str, int] = ("", 0)
        """Where the other end of the UDPTL is."""
        self.asked: list[Message] = []

    def offer(self, call: Call, *, beside_audio: bool = False) -> str:
        """Going over to T.38: the image alone, or with the audio stream put to port 0 (both are seen in the wild)."""
        head = ["v=0", f"o=- 77 {call.cseq + 1} IN IP4 {self.media_ip}", "s=-", f"c=IN IP4 {self.media_ip}", "t=0 0"]
        audio = ["m=audio 0 RTP/AVP 0"] if beside_audio else []
        return "\r\n".join([*head, *audio, f"m=image {self.udptl.port} udptl t38", *(f"a={line}" for line in ATTRIBUTES)]) + "\r\n"

    def ask(self, call: Call, *, beside_audio: bool = False, timeout_s: float = 5.0) -> Message:
        """Ask the box for T.38; its final answer. The tone stops when it agrees."""
        reply = call.request("INVITE", body=self.offer(call, beside_audio=beside_audio), timeout_s=timeout_s)
        assert reply is not None
        if reply.status == 200:
            call.rtp.pause()
            self.far = image_of(reply.sdp)
        return reply

    def _reinvite(self, got: Received) -> None:
        call = next((c for c in [*self.calls, *self.calls_out] if c.call_id == got.message.call_id), None)
        if call is None or "m=image" not in got.message.sdp:
            if call is not None:
                self.reply(got, 200, headers=[("Contact", self.contact(got.transport))], body=call.sdp())
                call._send_tone_to(got.message.sdp)
            return
        self.asked.append(got.message)
        match self.t38:
            case "takes":
                call.rtp.pause()
                self.far = image_of(got.message.sdp)
                self.reply(got, 200, headers=[("Contact", self.contact(got.transport))], body=self.offer(call))
            case "refuses":
                self.reply(got, 488)
            case "sound":
                self.reply(got, 200, headers=[("Contact", self.contact(got.transport))], body=call.sdp())

    def exchange(self, other: FaxCarrier, datagrams: int = 50) -> None:
        """Both send; each gets all of the other's, in order."""
        mine, theirs = len(self.udptl.got), len(other.udptl.got)
        for number in range(datagrams):
            self.udptl.send(number, b"\x06mine" + bytes(number), self.far)
            other.udptl.send(number, b"\x06theirs" + bytes(number), other.far)
        wait_until(lambda: len(self.udptl.got) >= mine + datagrams and len(other.udptl.got) >= theirs + datagrams, 5, "UDPTL both ways")
        assert other.udptl.got[theirs:] == [(n, b"\x06mine" + bytes(n)) for n in range(datagrams)]
        assert self.udptl.got[mine:] == [(n, b"\x06theirs" + bytes(n)) for n in range(datagrams)]

    def close(self) -> None:
        super().close()
        self.udptl.close()
