"""The machine's own addresses, asked of the kernel over netlink."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598: behind a carrier's NAT, and overlay networks
    )
)


def is_private(address: str) -> bool:
    """True for an IPv4 literal of RFC 1918 or RFC 6598; loopback, link-local and documentation ranges are not."""
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return any(parsed in network for network in PRIVATE_RANGES)


def choose_private(addresses: Iterable[str]) -> tuple[str, ...]:
    """The private ones among `addresses`, once each, in numeric order so that two starts print the same list."""
    return tuple(str(address) for address in sorted({ipaddress.IPv4Address(text) for text in addresses if is_private(text)}))


def private_addresses() -> tuple[str, ...]:
    """Every private IPv4 address this machine has now. Raises OSError when the kernel refuses netlink."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - 13 MB that a box with HOLDFAST_BIND set has no use for

    with IPRoute() as route:
        return choose_private(str(message.get_attr("IFA_LOCAL")) for message in route.get_addr(family=socket.AF_INET))
