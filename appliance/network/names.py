"""Names to addresses without ever making anybody wait: a cache filled in the background, stale answers for ever, kept on disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from appliance.network.addresses import Entry, Limits, Query, Schedule, Srv, Target, dump, literal, load, settled, srv_order, usable
from appliance.network.links import is_private

log = logging.getLogger(__name__)

RESOLV_CONF = Path("/etc/resolv.conf")
SRV_TARGETS = 8
"""SRV records followed; a name with more of them is a mistake or an attack."""

INSIDE_BELIEVED = 60
"""So often a name of the internet has to be told to lie inside before that is believed: about an hour. Routers without internet answer every name with their
own address."""

Servers = Callable[[], Sequence[tuple[str, int]]]
"""Name servers now as (IP literal, port); runs in an executor thread, may raise OSError or DNSException."""


class _Useless(Exception):
    """The name servers answered, but nothing a call could be sent to."""


@dataclass(slots=True)
class _Watch:
    """A name that is kept fresh."""

    query: Query
    schedule: Schedule
    users: int = 1
    task: asyncio.Task[None] | None = None


def system_servers(path: Path = RESOLV_CONF) -> tuple[tuple[str, int], ...]:
    """The name servers of a resolv.conf. Raises OSError or dns.resolver.NoResolverConfiguration."""
    with path.open(encoding="utf-8", errors="replace") as file:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.read_resolv_conf(file)
    return tuple((server, 53) for server in resolver.nameservers if isinstance(server, str))


class NameCache:
    """`get` and `find` answer from memory; `watch` keeps a name fresh. `path` None: nothing is kept on disk. `clock`: seconds, monotonic.

    `listeners` are called on the loop as (host, ip) whenever the addresses of a watched host changed; `ip` is the first of them.
    """

    def __init__(
        self, path: Path | None, clock: Callable[[], float] = time.monotonic, *, servers: Servers = system_servers, limits: Limits | None = None
    ) -> None:
        self.listeners: list[Callable[[str, str], None]] = []
        self._path, self._clock, self._servers = path, clock, servers
        self._limits = limits or Limits()
        self._entries: dict[str, Entry] = {}
        self._watched: dict[str, _Watch] = {}
        self._running = False
        self._unsaved = False
        self._saving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what was known before the restart and begin to ask. A file that cannot be read is no reason not to start."""
        if self._path is not None:
            try:
                text = await asyncio.to_thread(self._path.read_text, encoding="utf-8", errors="replace")
            except FileNotFoundError:
                text = ""
            except OSError as error:
                text = ""
                log.warning("remembered addresses cannot be read from %s: %s", self._path, error)
            # What was resolved meanwhile is newer.
            self._entries = {**load(text), **self._entries}
        self._running = True
        for watch in self._watched.values():
            self._begin(watch)
            self._tell(watch.query)

    async def stop(self) -> None:
        """End all asking; a write that hangs on a bad disk is not waited for longer than a second."""
        self._running = False
        tasks = [w.task for w in self._watched.values() if w.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._saving is not None:
            await asyncio.wait((self._saving,), timeout=1.0)

    def get(self, host: str, port: int = 5060, transport: str = "udp") -> str | None:
        """The address of `host` (an IP literal is its own), stale where nothing newer is known; None: not known yet. Never waits."""
        found = self.find(host, port, transport)
        return found[0].ip if found else None

    def find(self, host: str, port: int = 5060, transport: str = "udp") -> tuple[Target, ...]:
        """All targets, best first, each with its port. () when not known yet. Never waits."""
        ip = literal(host)
        if ip is not None:
            return (Target(ip, port),)
        entry = self._entries.get(Query(host, port, transport).key)
        return tuple(replace(t, port=t.port or port) for t in entry.targets) if entry else ()

    def stale(self, host: str, port: int = 5060, transport: str = "udp") -> bool:
        """True when what `find` gives is past its TTL, or comes from before the restart."""
        watch = self._watched.get(Query(host, port, transport).key)
        return literal(host) is None and (watch is None or watch.schedule.stale(self._clock()))

    def watch(self, host: str, port: int = 5060, transport: str = "udp") -> None:
        """Keep `host` fresh from now on; each `watch` is undone by one `unwatch`. Loop only."""
        if literal(host) is not None:
            return
        query = Query(host, port, transport)
        watch = self._watched.get(query.key)
        if watch is not None:
            watch.users += 1
            return
        watch = self._watched[query.key] = _Watch(query, Schedule(self._limits))
        if self._running:
            self._begin(watch)

    def unwatch(self, host: str, port: int = 5060, transport: str = "udp") -> None:
        """Nobody needs `host` fresh any more; its last answer stays known."""
        key = Query(host, port, transport).key
        watch = self._watched.get(key)
        if watch is None:
            return
        watch.users -= 1
        if watch.users == 0:
            del self._watched[key]
            if watch.task is not None:
                watch.task.cancel()

    # ---- asking --------------------------------------------------------------------------------------------------

    def _begin(self, watch: _Watch) -> None:
        watch.task = asyncio.get_running_loop().create_task(self._keep_fresh(watch), name=f"names:{watch.query.key}")

    async def _keep_fresh(self, watch: _Watch) -> None:
        query, schedule = watch.query, watch.schedule
        task = asyncio.current_task()
        assert task is not None
        while True:
            try:
                entry, ttl_s = await self._resolve(query)
                if schedule.failures < INSIDE_BELIEVED:
                    _check_inside(self._entries.get(query.key), entry)
            except (dns.exception.DNSException, OSError, _Useless) as error:
                schedule.failed(self._clock(), random.random())  # noqa: S311 - jitter
                if schedule.failures == 1:
                    left = "the last known address stays in use" if query.key in self._entries else "no address is known"
                    log.warning("%s is not resolved: %s; %s", query.host, error, left)
            except Exception:
                schedule.failed(self._clock(), random.random())  # noqa: S311 - jitter
                log.exception("resolving %s failed", query.host)
            else:
                if schedule.failures:
                    log.info("%s is resolved again after %d failures", query.host, schedule.failures)
                schedule.answered(self._clock(), ttl_s)
                self._take(query, entry)
            # Python 3.11's wait_for, used below, swallows a cancellation that comes together with the answer.
            if task.cancelling():
                return
            await asyncio.sleep(max(0.0, schedule.due_s - self._clock()))

    def _take(self, query: Query, entry: Entry) -> None:
        old = self._entries.pop(query.key, None)
        # Put back last: what was used last is kept longest on disk.
        entry = self._entries[query.key] = settled(old, entry)
        if entry != old:
            log.info("%s: %s -> %s", query.key, _text(old), _text(entry))
            self._save_soon()
            self._tell(query)

    def _tell(self, query: Query) -> None:
        found = self.find(query.host, query.port, query.transport)
        if not found:
            return
        for listener in tuple(self.listeners):
            try:
                listener(query.host, found[0].ip)
            except Exception:
                log.exception("a listener to name changes failed at %s", query.host)

    async def _resolve(self, query: Query) -> tuple[Entry, float]:
        """Ask for SRV, then addresses (RFC 3263 section 4.2). Returns the entry and its TTL in seconds."""
        servers = await asyncio.to_thread(self._servers)
        if not servers:
            raise _Useless("no name server is set")
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(ip, port) for ip, port in servers]
        resolver.timeout = self._limits.timeout_s
        resolver.lifetime = self._limits.timeout_s * len(servers)
        old = self._entries.get(query.key)
        if query.service:
            try:
                found = await self._by_srv(resolver, query)
            except (dns.exception.DNSException, OSError, _Useless):
                # Some routers' name servers know no SRV. But whoever was found by SRV is not to be looked for at the bare host because of one lost answer.
                if old is not None and old.by_srv:
                    raise
                found = None
            if found is not None:
                return found
        ips, ttl_s = await self._addresses(resolver, query.host)
        return Entry(tuple(Target(ip) for ip in ips)), ttl_s

    async def _by_srv(self, resolver: dns.asyncresolver.Resolver, query: Query) -> tuple[Entry, float] | None:
        """Targets by SRV; None: the name has no such records."""
        try:
            answer = await resolver.resolve(_absolute(query.service), "SRV", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        records = srv_order((Srv(r.priority, r.weight, r.port, r.target.to_text(omit_final_dot=True)) for r in answer), random.random)
        if not records:
            return None
        ttl_s = float(answer.chaining_result.minimum_ttl)
        targets: list[Target] = []
        for record in records[:SRV_TARGETS]:
            with contextlib.suppress(dns.exception.DNSException, OSError, _Useless):
                ips, address_ttl_s = await self._addresses(resolver, record.host)
                ttl_s = min(ttl_s, address_ttl_s)
                targets += [Target(ip, record.port, record.priority) for ip in ips]
        if not targets:
            raise _Useless(f"none of the hosts that {query.service} names has an address")
        return Entry(tuple(dict.fromkeys(targets)), by_srv=True), ttl_s

    async def _addresses(self, resolver: dns.asyncresolver.Resolver, host: str) -> tuple[tuple[str, ...], float]:
        """IPv4 addresses, or where there are none IPv6 ones, with their TTL."""
        ip = literal(host)
        if ip is not None:
            return (ip,), self._limits.max_ttl_s
        name = _absolute(host)
        try:
            answer = await resolver.resolve(name, "A", search=False)
        except dns.resolver.NoAnswer:
            answer = await resolver.resolve(name, "AAAA", search=False)
        ips = tuple(dict.fromkeys(r.address for r in answer if usable(r.address)))
        if not ips:
            raise _Useless(f"no usable address in the answer ({', '.join(r.address for r in answer)})")
        return ips, float(answer.chaining_result.minimum_ttl)

    # ---- the disk ------------------------------------------------------------------------------------------------

    def _save_soon(self) -> None:
        self._unsaved = True
        if self._path is not None and (self._saving is None or self._saving.done()):
            self._saving = asyncio.get_running_loop().create_task(self._save(self._path), name="names:save")

    async def _save(self, path: Path) -> None:
        while self._unsaved:
            self._unsaved = False
            try:
                await asyncio.to_thread(_write, path, dump(self._entries))
            except OSError as error:
                log.warning("addresses cannot be kept in %s: %s", path, error)


def _check_inside(old: Entry | None, new: Entry) -> None:
    """Raises _Useless where a name that was outside would be inside now."""
    if old is not None and any(_outside(t.ip) for t in old.targets) and not any(_outside(t.ip) for t in new.targets):
        raise _Useless(f"it would be at {new.targets[0].ip}, inside, as a router without internet says")


def _outside(ip: str) -> bool:
    address = ip_address(ip)
    return not (is_private(ip) or address.is_loopback or address.is_link_local)


def _absolute(host: str) -> dns.name.Name:
    return dns.name.from_text(host)


def _text(entry: Entry | None) -> str:
    return "unknown" if entry is None else ", ".join(f"{t.ip}:{t.port}" if t.port else t.ip for t in entry.targets)


def _write(path: Path, text: str) -> None:
    """All of it or what was there before, after a power cut as well."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
