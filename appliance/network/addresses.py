"""What a name means and when to ask again: targets, SRV order, refresh times and the stored form (pure; time and chance passed in)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

SIP_PORT = 5060
SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
"""RFC 3263 section 4.1."""
KEPT = 256
"""Names remembered on disk; a box has a dozen."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How often names are asked. `timeout_s` is per server."""

    min_ttl_s: float = 30.0
    max_ttl_s: float = 3600.0
    first_retry_s: float = 2.0
    last_retry_s: float = 60.0
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Query:
    """A name as it is used: with the default port and no literal, `transport` ("udp", "tcp", "tls") also picks the SRV records."""

    host: str
    port: int = SIP_PORT
    transport: str = "udp"

    @property
    def service(self) -> str:
        """The SRV owner name, or "" where a port was chosen: that one is meant then (RFC 3263 section 4.2)."""
        return f"{SERVICES[self.transport]}.{self.host}" if self.port == SIP_PORT and self.transport in SERVICES else ""

    @property
    def key(self) -> str:
        """The name in the stored form."""
        return (self.service or self.host).lower()


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send: an IP literal and a port; port 0 means the one that was asked with. `priority`: of its SRV record, the lowest is best."""

    ip: str
    port: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Srv:
    """One SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name resolved to, best first. `by_srv`: through SRV records."""

    targets: tuple[Target, ...]
    by_srv: bool = False


@dataclass(slots=True)
class Schedule:
    """When one name is asked again: after its TTL, or after a back-off while nobody answers. Times are `now` (seconds, monotonic)."""

    limits: Limits = field(default_factory=Limits)
    due_s: float = 0.0
    failures: int = 0
    fresh_until_s: float | None = None

    def answered(self, now: float, ttl_s: float) -> None:
        """An answer came, good for `ttl_s`."""
        self.failures = 0
        self.due_s = self.fresh_until_s = now + min(max(ttl_s, self.limits.min_ttl_s), self.limits.max_ttl_s)

    def failed(self, now: float, chance: float) -> None:
        """Nobody answered, or with nonsense; `chance` in [0, 1) is the back-off's jitter."""
        self.failures += 1
        self.due_s = now + backoff_s(self.failures, chance, self.limits)

    def stale(self, now: float) -> bool:
        """True when what is served is older than its TTL, or was read from the disk."""
        return self.fresh_until_s is None or now > self.fresh_until_s


def backoff_s(failures: int, chance: float, limits: Limits) -> float:
    """Wait after the n-th failure in a row: `first_retry_s` doubling to `last_retry_s`, less up to half by `chance`."""
    return min(limits.last_retry_s, limits.first_retry_s * 2.0 ** min(failures - 1, 20)) * (1 - chance / 2)


def literal(host: str) -> str | None:
    """`host` in canonical form when it is an IP literal, else None."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def usable(ip: str) -> bool:
    """False for addresses nobody can be reached at, as blocking or broken name servers give: 0.0.0.0, multicast, reserved."""
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    return address.is_loopback or not (address.is_unspecified or address.is_multicast or address.is_reserved)


def srv_order(records: Iterable[Srv], draw: Callable[[], float]) -> tuple[Srv, ...]:
    """Lower priorities first; within one, drawn by weight (RFC 2782, "Weight"); `draw` gives [0, 1). A sole "." (no such service) gives ()."""
    left = sorted((r for r in records if r.host not in {"", "."}), key=lambda r: (r.priority, r.weight, r.host, r.port))
    ordered: list[Srv] = []
    while left:
        group = [r for r in left if r.priority == left[0].priority]
        mark = draw() * sum(r.weight for r in group)
        chosen = group[-1]
        for record in group:
            mark -= record.weight
            if mark < 0:
                chosen = record
                break
        left.remove(chosen)
        ordered.append(chosen)
    return tuple(ordered)


def settled(old: Entry | None, new: Entry) -> Entry:
    """`new`, with the target in use still first where it is as good as any: name servers rotate their answers, and a trunk must not move for that."""
    if old is None or old.by_srv != new.by_srv:
        return new
    if set(old.targets) == set(new.targets):
        return old
    used = old.targets[0]
    if used in new.targets and used.priority == new.targets[0].priority:
        return Entry((used, *(t for t in new.targets if t != used)), new.by_srv)
    return new


def dump(entries: Mapping[str, Entry]) -> str:
    """The stored form, JSON: {"version": 1, "names": {key: {"by_srv": bool, "targets": [[ip, port, priority], ...]}}}; the last `KEPT` entries."""
    kept = list(entries.items())[-KEPT:]
    names = {key: {"by_srv": entry.by_srv, "targets": [[t.ip, t.port, t.priority] for t in entry.targets]} for key, entry in kept}
    return json.dumps({"version": 1, "names": names}, indent=1)


def load(text: str) -> dict[str, Entry]:
    """Read the stored form. What makes no sense is left out: this is a cache, and half of it is better than none."""
    try:
        stored = json.loads(text)["names"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    entries: dict[str, Entry] = {}
    for key, value in stored:
        try:
            targets = tuple(Target(str(ip_address(ip)), int(port), int(priority)) for ip, port, priority in value["targets"])
            by_srv = bool(value["by_srv"])
        except (ValueError, KeyError, TypeError):
            continue
        if targets and all(usable(t.ip) and 0 <= t.port <= 65535 for t in targets):
            entries[key] = Entry(targets, by_srv)
    return entries
