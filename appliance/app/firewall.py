"""The firewall in the engine: what is to be open and who is to be banned is decided here and done by netd, whose kernel keeps it whoever is killed.

Nothing here is asked on the SIP thread, and a call never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from appliance.app.firewall_rows import opened, text_of
from appliance.control import firewall_shapes as shapes
from appliance.errors import HoldfastError, NotFound, SettingsError
from appliance.events.registration import Registered, Unregistered
from appliance.health.judge import Check
from appliance.network.bans import Failures, Kind, Reason, keep
from appliance.network.firewall import MOST_BANS, Banned, Guarded, Leg, Loaded, Plan, Role, distinct, guard, is_private, key_of, network_of_key, on_link
from appliance.network.firewall_look import legs
from appliance.network.netd.client import call
from appliance.network.netd.protocol import NetdError
from appliance.site import boards

if TYPE_CHECKING:
    from appliance.app.wiring import Box
    from appliance.sip.admission import Refused

log = logging.getLogger(__name__)

EVERY_S = 10.0
"""So often it is looked whether the rules are still there: another program may have flushed them, netd may have been started anew."""
GAP_S = 0.3
"""Between two looks at most so soon: hundreds of phones may come at once."""
PATIENT_S = 60.0
"""After the engine's start netd may be away for so long."""
SIGNED_IN_S = 3600.0
"""For so long after a sign of life an administrator's address is not banned; the pages tell of him every minute that he does something."""
MOST_SIGNED_IN = 256
AT_ONCE = 256
_REASONS = {"wrong-password": Reason.PASSWORD, "unknown-user": Reason.UNKNOWN_USER, "wrong-domain": Reason.UNKNOWN_USER, "scanner": Reason.SCANNER}
_KEPT = {
    Kind.LAN: "it is on the LAN", Kind.SAFE: "it is on the safe list", Kind.TRUNK: "a carrier is there", Kind.PHONE: "a phone is registered from there",
    Kind.ADMINISTRATOR: "an administrator is signed in from there",
}  # fmt: skip
_CURE = "Nothing from outside is kept away from this box meanwhile: see that a router or another firewall does that"


@dataclass(slots=True)
class _Ban:
    """As the kernel has it; both times are Unix seconds."""

    reason: str
    since_s: float
    ends_s: float


class FirewallService:
    """Belongs to the loop. `look` asks the kernel for the interfaces, in a thread."""

    def __init__(self, box: Box, clock: Callable[[], float] = time.monotonic, look: Callable[[], tuple[Leg, ...]] = legs) -> None:
        self._box, self._clock, self._look = box, clock, look
        self._wake = asyncio.Event()
        self._failures = Failures()
        self._due: dict[str, Reason] = {}
        self._bans: dict[str, _Ban] = {}
        self._signed_in: dict[str, float] = {}
        self._kept = keep(lan=(), safe=(), trunks=(), phones=(), administrators=())
        self._phones: frozenset[str] = frozenset()
        self._legs: tuple[Leg, ...] = ()
        self._led_out: set[str] = set()
        self._plan: Plan | None = None
        self._loaded = Loaded()
        self._state, self._fault = "starting", NetdError("")
        self._board: boards.Board | None = None
        self._started = clock()

    def start(self) -> None:
        box = self._box
        box.bus.subscribe(Registered, self._registered, "firewall")
        box.bus.subscribe(Unregistered, lambda _: self._phones_changed(), "firewall")
        box.names.listeners.append(lambda _, __: self.changed())

    def changed(self) -> None:
        """The site, the network, a carrier's address or who is registered is not what it was."""
        self._wake.set()

    async def run(self) -> None:
        """As long as the box."""
        with contextlib.suppress(SettingsError):  # the health page says what is wrong with the board's file
            _, self._board = await self._box.loop.run_in_executor(None, boards.current)
        while True:
            self._wake.clear()
            try:
                await self._once()
            except NetdError as error:
                self._failed(error)
            except Exception:
                log.exception("the firewall could not be looked after")
            await asyncio.sleep(GAP_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._wake.wait()

    # ---- the rules -----------------------------------------------------------------------------------------------

    async def _once(self) -> None:
        if all(address.startswith("127.") or address == "::1" for address in self._box.settings.bind):
            self._state = "nothing"  # what is on this machine belongs to others, their firewall too
            return
        found = await self._box.loop.run_in_executor(None, self._look)
        # A way out without link may lose its route: what comes in when it is back must not find the rules gone, or bans forgotten.
        self._led_out |= {leg.name for leg in found if leg.leads_out}
        self._legs = tuple(replace(leg, leads_out=leg.name in self._led_out) for leg in found)
        guarded = self._guarded()
        self._rekeep(guarded)
        held = self._box.snapshot.site.firewall
        if not held.enabled or not guarded:
            # Where there were never rules, nobody misses a netd that can do nothing.
            with contextlib.suppress(*(() if self._state == "on" else (NetdError,))):
                if (await self._netd_read()).digest:
                    await self._netd("firewall.remove")
                    log.info("the firewall is taken away: %s", "it is switched off" if not held.enabled else "no way leads outside")
            self._settle("off" if not held.enabled else "nothing", None, Loaded())
            return
        loaded, plan = await self._netd_read(), self._make(guarded)
        if loaded.digest != plan.digest:
            await self._netd("firewall.apply", **asdict(plan))
            ways = ", ".join(f"{each.interface}{' (the LAN is there, too)' if each.near else ''}" for each in guarded)
            log.info("the firewall is %s on %s", "renewed" if self._state == "on" else "up", ways)
            loaded = await self._netd_read()
        self._settle("on", plan, loaded)
        await self._lift()
        await self._ban_due()

    def _settle(self, state: str, plan: Plan | None, loaded: Loaded) -> None:
        now = time.time()
        self._state, self._plan, self._loaded = state, plan, loaded
        # Reckoned anew each time: the wall clock of a box without a battery jumps, the kernel's time-outs do not.
        self._bans = {each.key: _Ban(each.reason, now + each.left_s - each.seconds, now + each.left_s) for each in loaded.banned}

    def _failed(self, error: NetdError) -> None:
        if self._clock() - self._started < PATIENT_S and error.code == "netd-away" and self._state == "starting":
            return
        if self._state != "failed" or self._fault.sentence != error.sentence:
            log.warning("no firewall: %s (%s)", error.sentence, error.hint)
        self._state, self._fault = "failed", error

    def _guarded(self) -> tuple[Guarded, ...]:
        board = self._board
        roles: dict[str, Role | None] = {leg.name: board.role(leg.name) if board is not None else None for leg in self._legs}
        return guard(self._legs, roles, self._box.snapshot.site.firewall.outside)

    def _make(self, guarded: tuple[Guarded, ...]) -> Plan:
        box, media = self._box, self._box.endpoint.config.media
        held = box.snapshot.site.firewall
        return Plan(
            guarded,
            box.settings.sip_port,
            box.settings.sip_tls_port,
            (media.first, media.first + media.count - 1),
            distinct(self._safe()),
            distinct(self._trunks()),
            distinct(self._phones),
            held.sip_open,
        )

    def _safe(self) -> list[str]:
        """The site's, and those of who installs the box from afar."""
        return [*map(str, self._box.snapshot.site.firewall.safe_networks), *self._box.settings.safe_networks]

    def _trunks(self) -> list[str]:
        """Switched off or not: an emergency call tries them all."""
        found: list[str] = []
        for trunk in self._box.snapshot.site.trunks.values():
            found += [target.ip for target in self._box.names.find(trunk.host, trunk.port, trunk.transport)]
            found += [str(network) for network in trunk.networks]
        return found

    def _rekeep(self, guarded: tuple[Guarded, ...]) -> None:
        now = self._clock()
        self._signed_in = {address: until for address, until in self._signed_in.items() if until > now}
        self._phones = self._registered_outside()
        self._kept = keep(
            lan=on_link(self._legs, guarded),
            safe=self._safe(),
            trunks=self._trunks(),
            phones=self._phones,
            administrators=self._signed_in,
        )

    def _registered_outside(self) -> frozenset[str]:
        return frozenset(ip for b in self._box.registrations.all() if not is_private(ip := b.received.ip))

    def _registered(self, event: Registered) -> None:
        if event.new and event.received.ip not in self._phones and not is_private(event.received.ip):
            self._failures.forget(key_of(event.received.ip))
            self.changed()

    def _phones_changed(self) -> None:
        if self._phones and self._registered_outside() != self._phones:
            self.changed()

    # ---- bans ----------------------------------------------------------------------------------------------------

    def refused(self, refused: Refused) -> None:
        """Somebody was refused at the SIP port."""
        reason = _REASONS.get(refused.reason)
        if reason is not None:
            self._count(refused.source.ip, reason)

    def seen(self, address: str, *, signed_in: bool) -> None:
        """At the web pages: somebody signed in, or tried to in vain."""
        if not signed_in:
            self._count(address, Reason.SIGN_IN)
            return
        if is_private(address):
            return
        new = address not in self._signed_in
        self._signed_in.pop(address, None)
        self._signed_in[address] = self._clock() + SIGNED_IN_S
        while len(self._signed_in) > MOST_SIGNED_IN:
            del self._signed_in[next(iter(self._signed_in))]
        if new:
            self._failures.forget(key_of(address))
            self.changed()

    def _count(self, address: str, reason: Reason) -> None:
        key = key_of(address)
        if self._state != "on" or self._kept.why(key) is not None or key in self._bans or key in self._due:
            return
        if self._failures.failed(key, reason, self._clock()):
            self._due[key] = reason
            self.changed()

    async def _ban_due(self) -> None:
        while self._due:
            taken = {key: self._due.pop(key) for key in list(self._due)[:AT_ONCE]}
            wanted = {key: reason for key, reason in taken.items() if self._kept.why(key) is None}
            await self._ban(wanted, self._box.snapshot.site.firewall.ban_minutes)

    async def _ban(self, wanted: Mapping[str, Reason], minutes: int) -> None:
        if not wanted:
            return
        await self._make_room(wanted)
        await self._netd("firewall.ban", bans=[{"key": key, "reason": reason.value, "seconds": minutes * 60} for key, reason in wanted.items()])
        now = time.time()
        for key, reason in wanted.items():
            self._bans[key] = _Ban(reason.value, now, now + minutes * 60)
            log.warning("%s is banned for %d min: %s", network_of_key(key), minutes, reason.value)

    async def _make_room(self, wanted: Mapping[str, Reason]) -> None:
        """The sets are bounded: who would be let in again soonest is let in now."""
        for six in (False, True):
            held = sorted((key for key in self._bans if (":" in key) == six), key=lambda key: self._bans[key].ends_s)
            over = len(held) + sum((":" in key) == six for key in wanted) - MOST_BANS
            if over > 0:
                await self._unban(held[:over])

    async def _lift(self) -> None:
        """Who has become somebody that is never banned is let in."""
        if lifted := [key for key in self._bans if self._kept.why(key) is not None]:
            log.info("no longer banned: %s", ", ".join(lifted))
            await self._unban(lifted)

    async def _unban(self, keys: Sequence[str]) -> None:
        await self._netd("firewall.unban", keys=list(keys))
        for key in keys:
            self._bans.pop(key, None)

    async def ban(self, address: str, minutes: int, by: str) -> shapes.BanShape:
        """By hand. Raises HoldfastError."""
        key = self._key(address)
        self._need()
        self._rekeep(self._guarded())
        if (kind := self._kept.why(key)) is not None:
            hint = "the LAN, carriers, phones, administrators and the safe list are never banned"
            raise HoldfastError(f"{address} is not banned: {_KEPT[kind]}", hint, code="kept")
        await self._ban({key: Reason.BY_HAND}, minutes or self._box.snapshot.site.firewall.ban_minutes)
        log.warning("%s was banned by %s", network_of_key(key), by)
        return _shape(key, self._bans[key])

    async def unban(self, address: str, by: str) -> shapes.UnbanResult:
        """Raises HoldfastError."""
        key = self._key(address)
        self._need()
        if key not in self._bans:
            raise NotFound(f"{address} is not banned", "`holdfast firewall bans` lists who is")
        await self._unban([key])
        self._failures.forget(key)
        log.info("%s was let in again by %s", network_of_key(key), by)
        return {"address": text_of(key)}

    def _key(self, address: str) -> str:
        _, slash, length = address.partition("/")
        try:
            key = key_of(address)
            if not slash or length == str(network_of_key(key).prefixlen):
                return key
            hint = "give one address, for example 203.0.113.7; of IPv6 its network of /64 is banned"
            raise HoldfastError(f"{address[:60]!r} is a network, and a ban is of one address", hint, code="address")
        except ValueError:
            raise HoldfastError(f"{address[:60]!r} is not an IP address", "for example 203.0.113.7", code="address") from None

    def _need(self) -> None:
        if self._state != "on":
            why, cure = self._why()
            hint = cure or "`holdfast firewall status` says how it is"
            raise HoldfastError(f"The firewall does not run: {why[:1].lower()}{why[1:]}", hint, code="firewall-off")

    # ---- what is told --------------------------------------------------------------------------------------------

    def check(self) -> Check:
        """For the machine's health."""
        why, cure = self._why()
        return Check("firewall", "look" if self._state == "failed" else "ok", why, cure)

    def _why(self) -> tuple[str, str]:
        match self._state:
            case "on":
                assert self._plan is not None
                return f"The firewall guards {', '.join(each.interface for each in self._plan.guarded)}", ""
            case "off":
                return "The firewall is switched off", ""
            case "nothing":
                return "Nothing has to be guarded: the box serves nobody outside", ""
            case "failed":
                hint = self._fault.hint
                return f"There is no firewall: {self._fault.sentence}", f"{hint[:1].upper()}{hint[1:]}. {_CURE}" if hint else _CURE
            case _:
                return "The firewall is being put up", ""

    def whole(self) -> shapes.FirewallResult:
        plan, addresses = self._plan, {leg.name: leg.addresses for leg in self._legs}
        why, cure = self._why()
        return {
            "state": self._state, "why": why, "cure": cure,
            "interfaces": [
                {"name": each.interface, "addresses": list(addresses.get(each.interface, ())), "outside_only": not each.near}
                for each in (plan.guarded if plan is not None else ())
            ],
            "open": opened(plan) if plan is not None else [], "turned_away": self._loaded.turned_away, "of_banned": self._loaded.of_banned,
            "banned": len(self._now()),
        }  # fmt: skip

    def bans(self) -> shapes.BansResult:
        return {"bans": [_shape(key, ban) for key, ban in sorted(self._now().items(), key=lambda each: -each[1].since_s)]}

    def _now(self) -> dict[str, _Ban]:
        """Without those whose time has passed since the kernel was asked."""
        now = time.time()
        return {key: ban for key, ban in self._bans.items() if ban.ends_s > now}

    # ---- netd ----------------------------------------------------------------------------------------------------

    async def _netd(self, verb: str, **args: Any) -> dict[str, Any]:
        return await call(self._box.settings.netd_socket, verb, **args)

    async def _netd_read(self) -> Loaded:
        found = await self._netd("firewall.read")
        return Loaded(found["digest"], tuple(Banned(**each) for each in found["banned"]), found["turned_away"], found["of_banned"])


def _shape(key: str, ban: _Ban) -> shapes.BanShape:
    return {"address": text_of(key), "reason": ban.reason, "since_unix_s": ban.since_s, "ends_unix_s": ban.ends_s}


def firewall_methods(service: FirewallService) -> Mapping[str, Callable[[dict[str, Any], Any], Awaitable[Any]]]:
    """What the control socket answers of the firewall."""

    async def firewall(_: dict[str, Any], __: Any) -> shapes.FirewallResult:
        return service.whole()

    async def bans(_: dict[str, Any], __: Any) -> shapes.BansResult:
        return service.bans()

    async def ban(params: dict[str, Any], peer: Any) -> shapes.BanShape:
        return await service.ban(params["address"], params["minutes"], params["by"] or f"uid {peer.uid}")

    async def unban(params: dict[str, Any], peer: Any) -> shapes.UnbanResult:
        return await service.unban(params["address"], params["by"] or f"uid {peer.uid}")

    async def seen(params: dict[str, Any], _: Any) -> shapes.SeenResult:
        with contextlib.suppress(ValueError):  # no IP address: a socket of this machine
            service.seen(params["address"], signed_in=params["signed_in"])
        return {}

    return {"firewall": firewall, "firewall.bans": bans, "firewall.ban": ban, "firewall.unban": unban, "firewall.seen": seen}
