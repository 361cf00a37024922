"""What an outage drill looks at: each a question to a part of the box that works, none of them changes anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from appliance.control.drill_shapes import DrillCheck
from appliance.network.addresses import literal
from appliance.network.links import is_private
from appliance.sip.registrar.bindings import Binding, target
from appliance.state.outbox import OutboxRepository
from appliance.state.records import OutboxState

if TYPE_CHECKING:
    from appliance.app.wiring import Box

ANSWER_S = 2.0
AT_ONCE = 16
MOST = 400
"""Phones asked; a site has fewer."""
NO_ANSWER = frozenset({0, 408})


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one OPTIONS to a phone. `ms` None: no answer in time."""

    device: str
    ms: float | None


def inside(ip: str) -> bool:
    """Whether a phone at this address is on the site's side of the router."""
    return is_private(ip) or ip.startswith("127.") or ip.lower().startswith(("fc", "fd", "fe80:")) or ip == "::1"


def check(key: str, good: bool | None, sentence: str) -> DrillCheck:
    return {"key": key, "state": "unknown" if good is None else "ok" if good else "bad", "sentence": sentence}


def phones(box: Box) -> tuple[Binding, ...]:
    """The registered phones inside, a contact each."""
    found = {binding.device: binding for binding in box.registrations.all() if inside(binding.received.ip)}
    return tuple(found.values())[:MOST]


async def ask_phones(box: Box, there: Iterable[Binding]) -> tuple[Asked, ...]:
    """One OPTIONS to each, as a call to it would go."""
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(binding: Binding) -> Asked:
        async with room:
            began = time.monotonic()
            code = await box.endpoint.options(target(binding), binding.local, ANSWER_S)
            return Asked(binding.device, None if code in NO_ANSWER else (time.monotonic() - began) * 1000)

    return tuple(await asyncio.gather(*map(ask, there)))


def still_registered(before: Iterable[str], now: Iterable[str]) -> DrillCheck:
    """Devices that were registered when the drill began, and those that are (pure)."""
    had, lost = set(before), set(before) - set(now)
    if not had:
        return check("phones", None, "No phone inside was registered when the drill began")
    if lost:
        return check("phones", False, f"{len(lost)} of {_phones(len(had))} lost the registration: {_named(lost)}")
    return check("phones", True, f"{'The one phone' if len(had) == 1 else f'All {len(had)} phones'} inside stayed registered")


def local_calls(before: Iterable[Asked], now: Iterable[Asked]) -> DrillCheck:
    """Whether the box reaches the phones as well as with the internet up (pure)."""
    answered = {each.device: each.ms for each in before if each.ms is not None}
    times = {each.device: each.ms for each in now if each.ms is not None}
    if not answered:
        return check("inside", None, "No phone inside answered before the drill, so that nothing can be said of local calls")
    lost = answered.keys() - times.keys()
    if lost:
        return check("inside", False, f"{len(lost)} of {_phones(len(answered))} did not answer the box any more: {_named(lost)}")
    slowest, was = max(times[device] for device in answered), max(answered.values())
    return check("inside", True, f"Local calls reach {_phones(len(answered))}: the slowest answers after {slowest:.0f} ms, {was:.0f} ms before the cut")


async def emergency(box: Box, noticed: bool) -> DrillCheck:
    """Which way an emergency call takes now, and whether that answers."""
    ways = box.paths.whole()
    number = ways["number"]
    left = ways["emergency_without_internet"]
    if noticed:
        left = [way for way in ways["emergency"] if way["enabled"] and way["standing"] in {"works", "unknown"}]
    if not left:
        return check("emergency", False, f"No way is left for {number} without internet: a gateway in the house or a modem would be one")
    first = left[0]
    if first["kind"] == "modem":
        return check("emergency", first["standing"] == "works", f"A {number} goes over the mobile network: {first['reason'][:1].lower()}{first['reason'][1:]}")
    trunk = next((key for key in box.trunks.addresses() if key == first["id"]), None)
    alive = trunk is not None and await box.trunks.alive(trunk, ANSWER_S)
    says = "which answers now" if alive else "which DOES NOT ANSWER now; everything else is tried after it"
    return check("emergency", alive, f"A {number} goes over {first['name']}, {says}")


def names(box: Box) -> DrillCheck:
    """Whether the names of the lines still lead somewhere."""
    lines = [trunk for trunk in box.snapshot.site.trunks.values() if trunk.enabled and literal(trunk.host) is None]
    missing = [trunk.host for trunk in lines if box.names.get(trunk.host, trunk.port, trunk.transport) is None]
    if not lines:
        return check("names", True, "No line is reached by a name, so that dead name servers stop nothing")
    if missing:
        return check("names", False, f"Nothing is known of {', '.join(sorted(missing)[:5])}: the box has never had an answer for it")
    return check("names", True, f"{'The name' if len(lines) == 1 else f'All {len(lines)} names'} of the lines are answered from memory")


async def waiting(box: Box) -> int | None:
    """Messages in the outbox that wait to be delivered; None: the disk does not say."""
    engine = box.engine
    if engine is None:
        return None
    try:
        return await box.loop.run_in_executor(None, lambda: OutboxRepository(engine).count(OutboxState.WAITING))
    except SQLAlchemyError:
        return None


def outbox(during: int | None, after: int | None) -> DrillCheck:
    """`after` None: the drill goes on (pure)."""
    if during is None:
        return check("outbox", None, "The outbox cannot be read")
    kept = f"{during or 'No'} message{'' if during == 1 else 's'} waited in the outbox during the cut"
    return check("outbox", True, kept if after is None else f"{kept}, {after or 'none'} after it")


def _phones(count: int) -> str:
    return f"{count} phone{'' if count == 1 else 's'}"


def _named(devices: Iterable[str]) -> str:
    found = sorted(devices)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
