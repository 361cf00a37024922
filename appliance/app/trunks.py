"""The trunks of the revision in force: resolved, handed to the SIP thread, and watched."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from appliance.events.trunk import TrunkChanged
from appliance.network.addresses import Target, literal
from appliance.network.names import NameCache
from appliance.network.source import choose_local, route_source, same_family
from appliance.sip._pj.config import TrunkAccount, host_text
from appliance.sip.endpoint import TrunkNews
from appliance.sip.trunks.health import Health, is_alive
from appliance.site.model.lines import Trunk
from appliance.site.snapshot import Snapshot
from appliance.types import Address, Transport, TrunkId

log = logging.getLogger(__name__)

ROUTE_CHECK_S = 10.0
"""How often routes are looked at again: a second path may have taken over."""
OPTIONS_TIMEOUT_S = 4.0
SHORTEST_WAIT_S = 0.05


class TrunkEndpoint(Protocol):
    """What is needed of the SIP side."""

    listening: tuple[Address, ...]

    def set_trunks(self, wanted: tuple[TrunkAccount, ...]) -> None: ...

    def set_name(self, host: str, ip: str) -> None: ...

    async def options(self, target: str, account: Address | TrunkId, timeout_s: float = ...) -> int: ...


@dataclass(frozen=True, slots=True)
class TrunkState:
    """One trunk for people. `registered` None: it does not register; False with `code` 0: no answer yet. `reachable` None: nothing is known.

    `code`, `reason`: the last answer to REGISTER (to OPTIONS where it does not register, or is registered and silent), or a sentence when nothing could be
    asked (code 0).
    `address`: where it goes now, "" while there is none. `since_s`: seconds this state has lasted. `last_answer_s`: seconds ago, None: never.
    """

    id: TrunkId
    name: str
    registered: bool | None
    reachable: bool | None
    code: int
    reason: str
    since_s: float
    address: str
    last_answer_s: float | None


@dataclass(frozen=True, slots=True)
class Carrier:
    """Where an enabled trunk goes now, over `transport`. `asked`: OPTIONS tell something of it (it answers them, or nothing else would show that it lives)."""

    id: TrunkId
    name: str
    ip: str
    asked: bool
    works: bool | None
    port: int = 5060
    transport: Transport = Transport.UDP


@dataclass(slots=True)
class _Line:
    """A trunk at work. `target`: the address in use; `tried`: targets given up since the last answer; `problem`: why there is no account."""

    trunk: Trunk
    secret: str = field(repr=False)
    health: Health
    target: Target | None = None
    account: TrunkAccount | None = None
    tried: int = 0
    problem: str = ""


class TrunkService:
    """Loop only; nothing here waits but the one task. Starts and stops the name cache with itself.

    `publish` gets TrunkChanged. `hosts_changed` gets {IP literal: trunk} of every address the trunks' hosts have. `clock`: seconds, monotonic.
    """

    def __init__(
        self,
        endpoint: TrunkEndpoint,
        names: NameCache,
        publish: Callable[[object], None],
        hosts_changed: Callable[[dict[str, TrunkId]], None],
        clock: Callable[[], float] = time.monotonic,
        route: Callable[[str], str | None] = route_source,
    ) -> None:
        self._endpoint, self._names, self._publish, self._hosts_changed = endpoint, names, publish, hosts_changed
        self._clock, self._route = clock, route
        self._lines: dict[TrunkId, _Line] = {}
        self._bind: tuple[str, ...] = ()
        self._accounts: tuple[TrunkAccount, ...] = ()
        self._hosts: dict[str, TrunkId] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._asking: dict[TrunkId, asyncio.Task[None]] = {}
        names.listeners.append(self._name_changed)

    async def start(self) -> None:
        """Begin to resolve and to probe; `apply` may come before or after."""
        await self._names.start()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="trunks")

    async def stop(self) -> None:
        """End probing and resolving. The accounts stay: the endpoint ends them when it stops."""
        tasks = [task for task in (self._task, *self._asking.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None
        await self._names.stop()

    def apply(self, snapshot: Snapshot, bind_addresses: tuple[str, ...]) -> None:
        """Put the trunks of a revision to work. One that stays what it was keeps its health; calls never notice.

        A disabled one neither registers nor is probed, but has its account: an emergency call tries it last.
        """
        before, now = self._lines, self._clock()
        self._bind = bind_addresses
        self._lines = {key: self._line(key, trunk, snapshot.trunk_secrets.get(key, ""), before.get(key), now) for key, trunk in _all(snapshot).items()}
        # The new ones first: a name both use is never let go.
        for line in self._lines.values():
            self._names.watch(line.trunk.host, line.trunk.port, line.trunk.transport)
        for line in before.values():
            self._names.unwatch(line.trunk.host, line.trunk.port, line.trunk.transport)
        self._settle()
        self._wake.set()

    def on_news(self, news: TrunkNews) -> None:
        """What became of a REGISTER."""
        line = self._lines.get(news.trunk)
        if line is None:
            return
        changed = line.health.on_register(self._clock(), news.code, news.reason, news.expires_s)
        self._heard(line, changed)
        self._wake.set()

    # ---- what others ask -----------------------------------------------------------------------------------------

    def works(self, trunk: TrunkId) -> bool | None:
        """What it says of itself: False, it is known not to work now; None, nothing is known. Knowledge can be wrong."""
        line = self._lines.get(trunk)
        return False if line is None or line.account is None else line.health.works

    def addresses(self) -> dict[TrunkId, str]:
        """The IP literal each trunk goes to now; one without an address is not in it."""
        return {key: line.account.ip for key, line in self._lines.items() if line.account is not None}

    def look_again(self) -> None:
        """Links or ways out changed: where trunks leave from is looked at, and each is asked at once."""
        for line in self._lines.values():
            line.health.probe_at_s = min(line.health.probe_at_s, self._clock())
        self._wake.set()

    def last_good(self) -> TrunkId | None:
        """The trunk that showed life last, among several that work the first of the document; None: none has."""
        working = next((key for key in self._lines if self.works(key)), None)
        if working is not None:
            return working
        answered = {key: line.health.last_answer_s for key, line in self._lines.items() if line.health.last_answer_s is not None}
        return max(answered, key=lambda key: answered[key]) if answered else None

    def states(self) -> list[TrunkState]:
        """A row for every enabled trunk, in the order of the document."""
        return [self._state(line) for line in self._lines.values()]

    def carriers(self) -> tuple[Carrier, ...]:
        """Every enabled trunk that has an address, in the order of the document."""
        return tuple(
            Carrier(
                key,
                line.trunk.name,
                line.account.ip,
                h.interval_s > 0 and (h.answers_options or not h.registered),
                h.works,
                line.account.port,
                line.account.transport,
            )
            for key, line in self._lines.items()
            if line.account is not None and line.trunk.enabled and (h := line.health)
        )

    async def alive(self, trunk: TrunkId, timeout_s: float) -> bool:
        """One OPTIONS beside those of its health, which does not hear of it: whether anybody answers in time."""
        line = self._lines.get(trunk)
        if line is None or line.account is None:
            return False
        return is_alive(await self._endpoint.options(f"sip:{host_text(line.trunk.host)}:{line.trunk.port}", trunk, timeout_s))

    def _state(self, line: _Line) -> TrunkState:
        health, now, account = line.health, self._clock(), line.account
        if health.registers and not (health.registered and health.reachable is False):
            code, reason = health.register_code, health.register_reason
        else:
            code, reason = health.options_code, "no answer to OPTIONS" if health.reachable is False else ""
        return TrunkState(
            id=health.id,
            name=line.trunk.name,
            registered=bool(health.registered) if health.registers else None,
            reachable=health.reachable,
            code=0 if line.problem else code,
            reason=line.problem or reason,
            since_s=max(0.0, now - health.since_s),
            address=str(Address(account.ip, account.port, account.transport)) if account else "",
            last_answer_s=None if health.last_answer_s is None else max(0.0, now - health.last_answer_s),
        )

    # ---- accounts ------------------------------------------------------------------------------------------------

    def _line(self, key: TrunkId, trunk: Trunk, secret: str, before: _Line | None, now: float) -> _Line:
        if before is None or before.secret != secret or _identity(before.trunk) != _identity(trunk):
            return _Line(trunk, secret, Health(key, trunk.health_seconds, bool(trunk.username), now, probe_at_s=now))
        before.health.interval_s = trunk.health_seconds
        before.health.probe_at_s = min(before.health.probe_at_s, now + trunk.health_seconds)
        before.trunk = trunk
        return before

    def _name_changed(self, host: str, _ip: str) -> None:
        for line in self._lines.values():
            if line.trunk.host.lower() == host.lower():
                line.target, line.tried = None, 0
        self._settle()
        self._wake.set()

    def _settle(self) -> None:
        """Bring accounts and trunk addresses up to date; says something only where something changed."""
        now = self._clock()
        hosts: dict[str, TrunkId] = {}
        for key, line in self._lines.items():
            targets = self._names.find(line.trunk.host, line.trunk.port, line.trunk.transport)
            for target in targets if line.trunk.enabled else ():
                hosts.setdefault(target.ip, key)
            account = self._account(key, line, targets)
            if account != line.account:
                if account is None:
                    log.warning("trunk %s: %s", key, line.problem)
                else:
                    log.info("trunk %s goes to %s from %s", key, Address(account.ip, account.port, account.transport), account.local)
                    if literal(account.host) is None:
                        self._endpoint.set_name(account.host, account.ip)
                line.account = account
                line.health.moved(now)
        accounts = tuple(line.account for line in self._lines.values() if line.account is not None)
        if accounts != self._accounts:
            self._accounts = accounts
            self._endpoint.set_trunks(accounts)
        if hosts != self._hosts:
            self._hosts = hosts
            self._hosts_changed(dict(hosts))

    def _account(self, key: TrunkId, line: _Line, targets: tuple[Target, ...]) -> TrunkAccount | None:
        trunk, transport = line.trunk, Transport(line.trunk.transport)
        listening = [a for a in self._endpoint.listening if a.transport is transport and a.ip in self._bind]
        reachable = [t for t in targets if any(same_family(t.ip, a.ip) for a in listening)]
        if not reachable:
            kind = "an address of the same family" if listening else "any address"
            line.problem = f"the box does not listen on {kind} over {transport}" if targets else f"the name {trunk.host} has no address yet"
            return None
        line.problem = ""
        if line.target not in reachable:
            line.target = reachable[0]
        assert line.target is not None
        local = choose_local(line.target.ip, listening, trunk.bind, line.account.local if line.account else None, self._route)
        assert local is not None, "the target was chosen by what the box listens on"
        if trunk.bind and local.ip != trunk.bind and (line.account is None or line.account.local != local):
            log.warning("trunk %s: the box does not listen on %s, so it leaves from %s", key, trunk.bind, local.ip)
        return TrunkAccount(
            id=key,
            host=trunk.host,
            ip=line.target.ip,
            port=line.target.port,
            transport=transport,
            local=local,
            username=trunk.username,
            auth_username=trunk.auth_username,
            secret=line.secret,
            register_s=trunk.register_seconds,
            advertised=trunk.advertised,
        )

    # ---- health --------------------------------------------------------------------------------------------------

    def _heard(self, line: _Line, changed: bool) -> None:
        health = line.health
        if changed:
            state = self._state(line)
            self._publish(TrunkChanged(time.time(), state.id, state.name, health.works, state.registered, state.reachable, state.code, state.reason))
        if health.reachable is False:
            self._next_target(line)
        elif health.failures == 0:
            line.tried = 0

    def _next_target(self, line: _Line) -> None:
        """A carrier with several addresses: go on to the next (RFC 3263 section 4.3); after a whole round, take the time of the interval."""
        listening = {":" in a.ip for a in self._endpoint.listening if a.transport == line.trunk.transport and a.ip in self._bind}
        targets = [t for t in self._names.find(line.trunk.host, line.trunk.port, line.trunk.transport) if (":" in t.ip) in listening]
        if len(targets) < 2 or line.target not in targets:
            return
        line.target = targets[(targets.index(line.target) + 1) % len(targets)]
        line.tried += 1
        later_s = line.health.probe_at_s
        self._settle()
        if line.tried % len(targets) == 0:
            line.health.probe_at_s = later_s

    async def _run(self) -> None:
        while True:
            try:
                self._wake.clear()
                self._settle()
                due_s = self._probe() - self._clock()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(ROUTE_CHECK_S, max(SHORTEST_WAIT_S, due_s))):
                        await self._wake.wait()
            except Exception:
                log.exception("watching the trunks failed")
                await asyncio.sleep(1.0)

    def _probe(self) -> float:
        """Send the probes that are due; each runs by itself, for one silent trunk must not hold up the others. Returns when the next is due."""
        now, next_s = self._clock(), float("inf")
        for key, line in self._lines.items():
            if line.account is None or line.health.interval_s <= 0 or key in self._asking:
                continue
            if line.health.probe_at_s > now:
                next_s = min(next_s, line.health.probe_at_s)
                continue
            self._asking[key] = asyncio.get_running_loop().create_task(self._ask(key, line), name=f"trunks:{key}")
        return next_s

    async def _ask(self, key: TrunkId, line: _Line) -> None:
        asked = line.account
        try:
            code = await self._endpoint.options(f"sip:{host_text(line.trunk.host)}:{line.trunk.port}", key, OPTIONS_TIMEOUT_S)
            # An answer from where it went before says nothing of where it goes now.
            if self._lines.get(key) is line and line.account == asked:
                changed = line.health.on_options(self._clock(), code, random.random())  # noqa: S311 - jitter
                self._heard(line, changed)
        except Exception:
            log.exception("trunk %s could not be probed", key)
            line.health.probe_at_s = self._clock() + line.health.interval_s
        finally:
            del self._asking[key]
            self._wake.set()


def _identity(trunk: Trunk) -> tuple[object, ...]:
    """What beside its secret makes it another line to the carrier, whose health is not known."""
    return trunk.host, trunk.port, trunk.transport, trunk.username, trunk.auth_username


def _all(snapshot: Snapshot) -> dict[TrunkId, Trunk]:
    off = {TrunkId(key): trunk.model_copy(update={"username": "", "health_seconds": 0}) for key, trunk in snapshot.site.trunks.items() if not trunk.enabled}
    return {**snapshot.trunks, **off}
