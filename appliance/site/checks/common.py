"""What several checks share: references, things named twice, addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator

from appliance.errors import Problem
from appliance.site.wording import close, quoted


def known(path: str, what: str, value: str, there_are: Collection[str]) -> Iterator[Problem]:
    if value not in there_are:
        yield Problem(path, f"there is no {what} {quoted(value)}", close(value, there_are) or f"add the {what} first")


def twice(seen: dict[str, str], value: str, path: str, sentence: str, hint: str) -> Iterator[Problem]:
    """Reports the second and later of equal values; `seen` maps each to where it was first."""
    if value and seen.setdefault(value, path) != path:
        yield Problem(path, sentence, f"{hint}; the first is {seen[value]}")


def address(path: str, value: str) -> Iterator[Problem]:
    if not value:
        return
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        yield Problem(path, f"{quoted(value)} is not an IP address", 'write digits, not a name: "192.168.10.2"')
        return
    if parsed.is_unspecified or parsed.is_multicast:
        yield Problem(path, f"{quoted(value)} is not the address of one machine", 'write one address: "192.168.10.2"')


def host(path: str, value: str) -> Iterator[Problem]:
    """A colon belongs into an IPv6 literal only; elsewhere it is a port or a scheme in the wrong place."""
    if ":" not in value:
        return
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        yield Problem(path, f"{quoted(value)} is not a host name or address", 'leave out sip: and the port: "sip.example.net"')


def email(path: str, value: str) -> Iterator[Problem]:
    if value and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        yield Problem(path, f"{quoted(value)} is not an e-mail address", 'for example "dana@example.org"')


def dialled(path: str, number: str, urgent: Collection[str]) -> Iterator[Problem]:
    """A number to which calls are sent on: as a person dials it, and never an emergency number, which only a person may call."""
    if number in urgent:
        yield Problem(path, f"{number} is an emergency number: no call is sent on to it", "name the telephone of a person")
    elif not re.fullmatch(r"[0-9*#]{1,12}|\+[1-9][0-9]{6,14}", number):
        yield Problem(path, f"{quoted(number)} is not a number that can be dialled", 'digits as on a telephone, or a full number: "+12125550123"')
