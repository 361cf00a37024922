"""Ids and small value types the whole appliance shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

UserId = NewType("UserId", str)
DeviceId = NewType("DeviceId", str)
TrunkId = NewType("TrunkId", str)
MODEM = TrunkId("mobile modem")
"""The modem as a line among the trunks. No trunk of the document can have this name, and people read it as it is: in records, notices and the journal."""
LocationId = NewType("LocationId", str)
FlowId = NewType("FlowId", str)
GroupId = NewType("GroupId", str)
MailboxId = NewType("MailboxId", str)
LegId = NewType("LegId", str)
"""One SIP dialog of ours, unique for the life of the box (`boot-serial`)."""
SessionId = NewType("SessionId", str)
"""One call as people count calls: a caller leg and everything it reached."""


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a SIP message came from or goes to: an IP literal (never a name), a port, a transport."""

    ip: str
    port: int
    transport: Transport = Transport.UDP

    def __str__(self) -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{self.transport}:{host}:{self.port}"
