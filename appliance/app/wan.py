"""The internet in the engine: links are watched, the gateway, name servers and carriers are asked, and what is thought of it is told.

What is known here orders the ways out (app/paths.py) and excludes none from an emergency call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import dns.exception

from appliance.control import wan_shapes as shapes
from appliance.events.wan import WanChanged
from appliance.network.addresses import literal
from appliance.network.links import LinkWatch, Network, Over, Reach
from appliance.network.names import system_servers
from appliance.network.probe import gateway_answers, host_answers, names_answer, split_probe
from appliance.network.survivability import Internet
from appliance.network.wan_state import KEPT, Answer, Change, Kind, Source, State, Times, Wan

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

ROUNDS = 3
"""Questions in the time after which silence is an outage; each waits a little shorter than a round."""
ALL_S = 20.0
"""All are asked so often; between that only one outside and the gateway, for carriers are not there to be watched."""
SERVERS_S = 5.0
IDLE = 10.0
"""How much more seldom, where the site has no line outside."""
SHORTEST_S = 0.02
_ALARM = "wan-down"
_HINT = "calls inside go on, and emergency calls try every way out; look at the router, its cable and what the provider says"
_ORDER = (Kind.NAMES, Kind.PROBE, Kind.TRUNK)
"""Who is asked between the rounds: the cheapest question first."""

Question = Callable[[float], Awaitable[tuple[Answer, str] | None]]
"""Asks and waits for so many seconds at most; None: nothing can be said."""


class WanService:
    """Belongs to the loop."""

    def __init__(self, box: Box, clock: Callable[[], float] = time.monotonic) -> None:
        self._box, self._clock = box, clock
        self.wan = Wan()
        self._network: Network | None = None
        self._servers: tuple[tuple[str, int], ...] = ()
        self._servers_s = self._all_s = float("-inf")
        self._links = LinkWatch(self._network_changed)
        self._wake, self._hurry = asyncio.Event(), asyncio.Event()
        self._changes: deque[shapes.WanChange] = deque(maxlen=KEPT)
        self._since = self._started = time.time()
        self._was_up = False
        self._asked: set[Source] = set()
        self._watched: tuple[str, ...] = ()

    def start(self) -> None:
        self._links.start()
        self.site_changed()

    async def stop(self) -> None:
        await self._links.stop()

    def site_changed(self) -> None:
        """The times and probes of another revision."""
        held = self._box.snapshot.site.wan
        self.wan.times = self._box.uplinks.uplinks.times = Times(held.link_milliseconds / 1000, held.silence_seconds, held.trust_seconds)
        before, self._watched = self._watched, tuple(split_probe(each)[0] for each in held.probes)
        for host in self._watched:
            self._box.names.watch(host, 0, "")
        for host in before:
            self._box.names.unwatch(host, 0, "")
        self._hurry.set()

    def _network_changed(self, network: Network) -> None:
        """Called within milliseconds of the kernel's news."""
        if self._network is not None:
            log.info("links and ways out: %s", ", ".join(f"{p.interface} {p.gateway} {'up' if p.carrier else 'no link'}" for p in network.paths) or "none")
        self._network = network
        self._took(self.wan.paths(self._clock(), network.paths))
        self._all_s = float("-inf")
        self._box.trunks.look_again()
        self._box.uplinks.network_changed(network)
        self._box.firewall.changed()
        self._wake.set()
        self._hurry.set()

    # ---- the two tasks -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Lets time pass for the state, as long as the box."""
        while True:
            self._took(self.wan.tick(self._clock()))
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(SHORTEST_S, self.wan.next_s(self._clock()) - self._clock())):
                    await self._wake.wait()

    async def ask(self) -> None:
        """Asks, round after round, as long as the box."""
        while True:
            began = self._clock()
            self._hurry.clear()
            round_s = self.wan.times.silence_s / ROUNDS
            doubt = False
            try:
                doubt = await self._round(round_s * 0.75)
            except Exception:
                log.exception("asking whether the internet is there failed")
            outside = any(source.kind in {Kind.TRUNK, Kind.PROBE} for source in self._questions())
            wait_s = round_s * (1.0 if outside else IDLE) - (self._clock() - began)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHORTEST_S if doubt else max(SHORTEST_S, wait_s)):
                    await self._hurry.wait()

    async def _round(self, timeout_s: float) -> bool:
        """One round of questions. True: somebody did not answer who did so far, and the next round must not wait."""
        now = self._clock()
        if now - self._servers_s >= SERVERS_S:
            self._servers_s = now
            try:
                self._servers = (await asyncio.to_thread(system_servers))[:4]
            except (OSError, dns.exception.DNSException):
                self._servers = ()  # none is set: nobody is asked, and nobody is missed
        questions = self._questions()
        if questions.keys() != self._asked:
            self._asked, self._all_s = set(questions), float("-inf")
            self._took(self.wan.sources(self._clock(), questions))
        if self._network is not None and self.wan.way is None:
            return False  # without a link nobody can be asked
        asked = self._chosen(list(questions), now)
        await asyncio.gather(*(self._put(source, questions[source], timeout_s) for source in asked))
        return any(self.wan.doubted(source) and not self.wan.bad(source) for source in asked if source.kind.outside)

    def _chosen(self, sources: list[Source], now: float) -> list[Source]:
        """Everybody, or the gateway and one outside who has answered so far."""
        steady = [s for s in sources if s.kind.outside and not self.wan.doubted(s) and not self.wan.bad(s)]
        doubt = any(self.wan.doubted(s) and not self.wan.bad(s) for s in sources if s.kind.outside)
        if not steady or doubt or self.wan.state in {State.UNKNOWN, State.DOWN} or now - self._all_s >= ALL_S:
            self._all_s = now
            return sources
        return [s for s in sources if s.kind is Kind.GATEWAY] + [min(steady, key=lambda s: _ORDER.index(s.kind))]

    async def _put(self, source: Source, question: Question, timeout_s: float) -> None:
        try:
            found = await question(timeout_s)
        except Exception:
            log.exception("%s could not be asked", source.name)
            return
        if found is not None:
            self._took(self.wan.heard(self._clock(), source, *found))
            self._wake.set()

    # ---- who is asked --------------------------------------------------------------------------------------------

    def _questions(self) -> dict[Source, Question]:
        found: dict[Source, Question] = {}
        network, way = self._network, self.wan.way
        if way is not None and literal(way.gateway) is not None:
            found[Source(Kind.GATEWAY, f"The gateway {way.gateway}")] = lambda timeout_s: self.gateway(way.interface, way.gateway, timeout_s)
        carriers = [c for c in self._box.trunks.carriers() if network is not None and not network.is_near(c.ip)]
        host = next((t.host for t in self._box.snapshot.trunks.values() if literal(t.host) is None), "")
        for ip, port in self._servers:
            near = network is None or network.is_near(ip)
            found[Source(Kind.NEAR_NAMES if near else Kind.NAMES, f"The name server {ip}")] = _names(ip, port, host)
        for each in self._box.snapshot.site.wan.probes:
            name, port = split_probe(each)
            ip_now = self._box.names.get(name, 0, "")
            if ip_now is not None:
                found[Source(Kind.PROBE, each)] = _host(ip_now, port)
        asked = [c for c in carriers if c.asked]
        for carrier in asked:
            found[Source(Kind.TRUNK, carrier.name)] = self._carrier(carrier.id)
        if not any(source.kind.outside for source in found):
            # Nobody else outside can be asked: what their registration says is better than nothing.
            for carrier in carriers:
                found[Source(Kind.TRUNK, carrier.name)] = _known(carrier.works)
        return found

    async def gateway(self, interface: str, address: str, timeout_s: float) -> tuple[Answer, str] | None:
        if await gateway_answers(address, timeout_s):
            return Answer.GOOD, ""
        index = dict(self._network.indexes).get(interface) if self._network is not None else None
        reached = await self._links.neighbour(index, address) if index is not None else None
        return None if reached is None else (Answer.GOOD, "on the wire alone") if reached else (Answer.SILENT, "")

    def _carrier(self, trunk: Any) -> Question:
        async def ask(timeout_s: float) -> tuple[Answer, str]:
            return (Answer.GOOD if await self._box.trunks.alive(trunk, timeout_s) else Answer.SILENT), ""

        return ask

    # ---- for the ways out ----------------------------------------------------------------------------------------

    def internet(self) -> Internet:
        wan = self.wan
        return Internet(wan.state, self._network is None or wan.way is not None, returning=wan.trusted_in_s is not None)

    def outside(self) -> list[tuple[str, int, str]]:
        """Who outside can be asked over one way out or another: address, port, and how ("dns", "udp", "tcp" or "tls")."""
        network, names = self._network, self._box.names
        found = [(ip, port, "dns") for ip, port in self._servers]
        for name, port in map(split_probe, self._box.snapshot.site.wan.probes):
            found += [(ip, port, "tcp") for ip in [names.get(name, 0, "")] if ip is not None]
        found += [(c.ip, c.port, c.transport.value) for c in self._box.trunks.carriers() if c.asked]
        return [each for each in found if network is None or not network.is_near(each[0])]

    def reach(self, address: str) -> Reach:
        return self._network.reach(address) if self._network is not None else Reach(Over.INTERNET)

    # ---- what is told --------------------------------------------------------------------------------------------

    def _took(self, change: Change | None) -> None:
        if change is not None:
            self._since = time.time()
            self._was_up = self._was_up or change.state in {State.UP, State.POOR}
            self._changes.append({"at_unix_s": self._since, "state": change.state.value, "before": change.before.value, "why": change.why})
            self._box.bus.publish(WanChanged(self._since, change.state.value, change.before.value, change.why))
            self._tell()

    def _tell(self) -> None:
        """A box that never had an outside line or an answer from outside misses nothing."""
        down = self.wan.state is State.DOWN and (self._was_up or bool(self._box.snapshot.trunks and self._outside()))
        self._box.alarm(_ALARM, f"The internet is down: {self.wan.why}" if down else "", _HINT)

    def _outside(self) -> bool:
        """Whether a trunk leads out; one without an address may."""
        here = {carrier.id for carrier in self._box.trunks.carriers() if self._network is not None and self._network.is_near(carrier.ip)}
        return any(trunk not in here for trunk in self._box.snapshot.trunks)

    def summary(self) -> shapes.WanSummary:
        way = self.wan.way
        return {
            "state": self.wan.state.value, "since_unix_s": self._since, "why": self.wan.why,
            "interface": way.interface if way else "", "gateway": way.gateway if way else "",
        }  # fmt: skip

    def whole(self) -> shapes.WanResult:
        now, wall, times, trusted = self._clock(), time.time(), self.wan.times, self.wan.trusted_in_s
        return {
            **self.summary(),
            "evidence": [
                {"source": e.source, "state": e.state, "sentence": e.text, "since_unix_s": None if e.since_s is None else wall - (now - e.since_s)}
                for e in self.wan.evidence()
            ],
            "ways": self._box.paths.whole(), "uplinks": self._box.uplinks.rows(), "uplinks_note": self._box.uplinks.note(),
            "changes": list(reversed(self._changes)), "trusted_in_s": None if trusted is None else max(0.0, trusted - now), "started_unix_s": self._started,
            "link_seconds": times.link_s, "silence_seconds": times.silence_s, "trust_seconds": times.trust_s,
        }  # fmt: skip


def _names(ip: str, port: int, host: str) -> Question:
    return lambda timeout_s: names_answer(ip, port, host, timeout_s)


def _host(ip: str, port: int) -> Question:
    return lambda timeout_s: host_answers(ip, port, timeout_s)


def _known(works: bool | None) -> Question:
    async def ask(_: float) -> tuple[Answer, str] | None:
        return None if works is None else (Answer.GOOD if works else Answer.SILENT, "by its registration")

    return ask


def wan_methods(service: WanService) -> Mapping[str, Callable[[dict[str, Any], Any], Awaitable[Any]]]:
    """What the control socket answers of the internet."""

    async def wan(_: dict[str, Any], __: Any) -> shapes.WanResult:
        return service.whole()

    return {"wan": wan}
