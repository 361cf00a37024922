"""Which desk phones have asked for settings, who may have theirs, and what each was last told (pure; the time is passed in)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

MOST_STRANGERS = 500
"""Phones remembered that were not let in; a flood of made-up addresses pushes out the oldest of them and nobody else."""
ENROL_S = 300.0
"""How long a phone may take its settings for the first time after somebody allowed it."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
Verdict = Literal["given", "unknown", "off", "disagrees", "closed", "token", "elsewhere", "twice"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a phone. `agree`: the file's name, the User-Agent and the neighbour table name the same MAC address."""

    mac: str
    ip: str
    family: str = ""
    model: str = ""
    written: str = ""
    firmware: str = ""
    protocol: Literal["tftp", "http", "pnp"] = "http"
    agree: bool = False
    event: str = ""
    """What makes this maker's phones fetch again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A phone as it was last seen. `fetched_unix_s` 0: it never had its settings. `told`: digest of what it was told last. `refused_ip`: where somebody asked
    in vain in the name of a phone that was let in; "": nobody has since it was last given something.
    """

    mac: str
    ip: str
    family: str
    model: str
    written: str
    firmware: str
    protocol: str
    verdict: Verdict
    first_unix_s: float
    last_unix_s: float
    asked: int = 1
    fetched_unix_s: float = 0.0
    told: str = ""
    event: str = ""
    refused_ip: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A SIP password on its way to a phone. `before`: mark of the one whose place it takes; where that is another by now, the offer is over."""

    nonce: str
    before: str


class Phones:
    """The desk phones' desk. `enrolled` phones may fetch again at any time; a phone that is not needs an open window."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._windows: dict[str, float] = {}
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self.enrolled: set[str] = set()
        self.due: set[str] = set()
        """Phones whose password went out while they were let in: they get another one after they signed in with it."""
        self.offers: dict[str, Offer] = {}
        self._came_from: dict[str, str] = {}
        """Where the phones are that took their settings while every phone was let in."""

    # ---- secrets made from the box's key ------------------------------------------------------------------------------

    def _made(self, purpose: str, mac: str) -> bytes:
        return hmac.new(self._key, f"{purpose}:{mac}".encode(), hashlib.sha256).digest()

    def token(self, mac: str) -> str:
        """What stands in the address of a phone's settings: 128 bits that nobody can guess from the MAC address."""
        return self._made("settings", mac)[:16].hex()

    def admin_password(self, mac: str) -> str:
        """The password of a phone's own web page: different for each phone, the same each time (12 characters, 59 bits)."""
        return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in self._made("administrator", mac)[:12])

    def offer(self, mac: str, password: str) -> None:
        """From now on the phone is told a new password in place of `password`."""
        self.due.discard(mac)
        self.offers[mac] = Offer(secrets.token_hex(16), self._mark(mac, password))

    def offered(self, mac: str, password: str) -> str:
        """The password that is to take the place of `password`, which is the site's; "": none (24 characters, 118 bits)."""
        offer = self.offers.get(mac)
        if offer is None or offer.before != self._mark(mac, password):
            return ""
        return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in self._made(f"sip:{offer.nonce}", mac)[:24])

    def _mark(self, mac: str, password: str) -> str:
        return self._made(f"mark:{password}", mac)[:16].hex()

    # ---- enrolment -----------------------------------------------------------------------------------------------

    def open(self, mac: str, now: float, seconds: float = ENROL_S) -> float:
        """Let the phone `mac` ("": every phone of the site) take its settings until the time that is returned (clock of `now`)."""
        self._windows = {each: until for each, until in self._windows.items() if until > now}
        self._windows[mac] = now + seconds
        if not mac:
            self._came_from.clear()
        return self._windows[mac]

    def open_until(self, mac: str, now: float) -> float:
        """When the window for `mac` closes; 0: it is not open."""
        return max((until for each in {mac, ""} if (until := self._windows.get(each, 0.0)) > now), default=0.0)

    def let_in(self, ask: Ask, now: float) -> None:
        """A phone was given what it asked for. One that was not enrolled, or that somebody opened for, gets another password later."""
        own = self._windows.get(ask.mac, 0.0) > now
        if (own and ask.mac not in self.offers) or ask.mac not in self.enrolled:
            self.due.add(ask.mac)
        self.enrolled.add(ask.mac)
        if self._windows.get("", 0.0) > now:
            self._came_from.setdefault(ask.mac, ask.ip)

    def _has_another(self, ask: Ask, now: float, live: Collection[str]) -> bool:
        """Whether a phone at another IP address has these settings, and nobody opened for this phone alone: it is signed in where it took them, or took them
        while every phone is let in. One that only moved is signed in at its old address until that registration ends, and no longer.
        """
        everybody, own = (self._windows.get(each, 0.0) > now for each in ("", ask.mac))
        if own or ask.mac not in self.enrolled:
            return False
        before = self._seen.get(ask.mac)
        there = before is not None and before.ip != ask.ip and before.ip in live
        return there or (everybody and self._came_from.get(ask.mac, ask.ip) != ask.ip)

    def judge(self, ask: Ask, known: bool, enabled: bool, now: float, served: bool = True, live: Collection[str] = ()) -> Verdict:
        """Whether the phone may have its first file or its settings; `known`: its MAC address is a device's; `served`: its network is; `live`: the IP addresses
        where that device is signed in.
        """
        if not known:
            return "unknown"
        if not served:
            return "elsewhere"
        if not enabled:
            return "off"
        if not ask.agree:
            return "disagrees"
        if ask.mac not in self.enrolled and not self.open_until(ask.mac, now):
            return "closed"
        if self._has_another(ask, now, live):
            return "twice"
        return "given"

    # ---- what was seen -------------------------------------------------------------------------------------------

    def note(self, ask: Ask, verdict: Verdict, wall: float) -> Seen:
        """Remember a request; what is known of the phone now. Who asks in the name of a phone that was let in changes nothing of what is known of it."""
        before = self._seen.get(ask.mac)
        if before is not None and verdict != "given" and ask.mac in self.enrolled:
            seen = replace(before, last_unix_s=wall, asked=before.asked + 1)
            if not before.verdict == "twice" != verdict:  # two phones stay two, whatever else one does
                seen = replace(seen, verdict=verdict, refused_ip=ask.ip)
            self._seen[ask.mac] = seen
            return seen
        seen = Seen(
            ask.mac, ask.ip, ask.family, ask.model, ask.written, ask.firmware, ask.protocol, verdict,
            before.first_unix_s if before else wall, wall, (before.asked if before else 0) + 1,
            before.fetched_unix_s if before else 0.0, before.told if before else "", ask.event,
        )  # fmt: skip
        if before:  # a TFTP request says less than the HTTP request before it
            said = {name: getattr(before, name) for name in ("family", "model", "written", "firmware", "event") if not getattr(seen, name)}
            seen = replace(seen, **said)
        self._seen[ask.mac] = seen
        self._seen.move_to_end(ask.mac)
        if len(self._seen) - len(self.enrolled) > MOST_STRANGERS and (stranger := next((mac for mac in self._seen if mac not in self.enrolled), "")):
            del self._seen[stranger]
        return seen

    def told(self, mac: str, digest: str, wall: float) -> None:
        """A phone took its settings."""
        self.enrolled.add(mac)
        if (seen := self._seen.get(mac)) is not None:
            self._seen[mac] = replace(seen, fetched_unix_s=wall, told=digest)

    def last(self, mac: str) -> Seen | None:
        """A phone as it was last seen."""
        return self._seen.get(mac)

    def seen(self) -> tuple[Seen, ...]:
        """The latest first."""
        return tuple(reversed(self._seen.values()))

    def twice(self, now: float) -> tuple[Seen, ...]:
        """Phones with another one that says it is the same, until they are given something, forgotten, or somebody opens for them; the latest first."""
        return tuple(seen for seen in self.seen() if seen.verdict == "twice" and self._windows.get(seen.mac, 0.0) <= now)

    def stale(self, digests: Mapping[str, str]) -> list[str]:
        """Phones that had other settings than `digests` (MAC address -> digest of what it would be told now)."""
        return [seen.mac for seen in self._seen.values() if seen.told and digests.get(seen.mac, seen.told) != seen.told]

    def forget(self, mac: str) -> None:
        """A phone must be enrolled anew."""
        self.enrolled.discard(mac)
        self.due.discard(mac)
        self._came_from.pop(mac, None)
        self._windows.pop(mac, None)
        self._seen.pop(mac, None)

    # ---- kept over a restart ---------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        return {
            "enrolled": sorted(self.enrolled), "seen": [asdict(seen) for seen in self._seen.values()], "due": sorted(self.due),
            "offers": {mac: asdict(offer) for mac, offer in self.offers.items()},
        }  # fmt: skip

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError or ValueError for what `dump` did not write."""
        seen = [Seen(**each) for each in kept["seen"]]
        offers = {str(mac): Offer(**each) for mac, each in kept.get("offers", {}).items()}
        self.enrolled, self.due = ({str(mac) for mac in kept.get(name, ())} for name in ("enrolled", "due"))
        self.offers = offers
        self._seen = OrderedDict((each.mac, each) for each in seen)
