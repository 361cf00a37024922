"""Turns a route into a plan of INVITEs: Request-URIs, identities, codecs and headers for phones and for trunks (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from appliance.calls.caller import ANONYMOUS_URI, Caller, presented, sip_uri
from appliance.calls.modem_dial import modem_dial
from appliance.calls.plan import NO_TRUNK, Advance, Branch, Plan, Stage
from appliance.calls.route import Target, ToCallBack, ToExtension, ToOutside
from appliance.sip.api import Dial
from appliance.sip.trunks.numbers import to_trunk
from appliance.site.model.lines import Trunk
from appliance.site.snapshot import Snapshot
from appliance.types import MODEM, TrunkId

PHONE_SILENCE_S = 8.0
"""A phone on the LAN sends 100 or 180 within a second; after eight INVITE transmissions' worth of silence it is not there."""
TRUNK_SILENCE_S = 6.0
MODEM_SILENCE_S = 15.0
"""What the modem answers ATD within, where it answers at all."""
TRUNK_RING_S = 185.0
"""Just above timer C (RFC 3261 section 16.6: more than three minutes): a carrier ends unanswered calls itself."""
CALL_BACK_RING_S = 30.0
SECURITY_RING_S = 120.0


TrunkOrder = Callable[[tuple[TrunkId, ...]], tuple[TrunkId, ...]]
"""The ways to take for a call that may take these trunks, best first: without those over which nothing can leave now, with the modem where it may help."""


@dataclass(frozen=True, slots=True)
class Calling:
    """What the calling side gives to every INVITE of a plan: who it is, the codecs of its offer in its order, headers that go along."""

    caller: Caller
    codecs: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def offer(wanted: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """The codecs to offer onward: the caller's order first, so that both legs agree and audio can be forwarded, then the rest of what is allowed."""
    ours = tuple(allowed)
    first = [name for name in (codec.lower().partition("/")[0] for codec in wanted) if name in ours]
    return tuple(dict.fromkeys((*first, *ours)))


def to_extension(route: ToExtension, calling: Calling, snapshot: Snapshot) -> Plan:
    """All contacts of all devices, ringing together (rows K4, T1)."""
    branches = _phones(route.targets, calling, snapshot, emergency=False)
    return Plan((Stage(branches, route.ring_s, PHONE_SILENCE_S),), route.extension, route.name)


def to_call_back(route: ToCallBack, calling: Calling, snapshot: Snapshot) -> Plan:
    """The phone that made the emergency call, then the security desk, whatever became of the first."""
    urgent = replace(calling, headers=(*calling.headers, ("Priority", "emergency")))
    groups = ((route.first, CALL_BACK_RING_S), (route.then, SECURITY_RING_S))
    stages = tuple(Stage(_phones(targets, urgent, snapshot, emergency=True), ring_s, PHONE_SILENCE_S, Advance.ALWAYS) for targets, ring_s in groups if targets)
    return Plan(stages, route.elin, "Emergency call-back")


def to_outside(route: ToOutside, calling: Calling, snapshot: Snapshot, order: tuple[TrunkId, ...]) -> Plan:
    """One stage per trunk, in `order` (best first)."""
    stages = []
    for trunk_id in order:
        trunk = snapshot.trunks.get(trunk_id)
        if trunk_id == MODEM:
            stages.append(Stage((Branch(modem_dial(route.number), trunk=MODEM),), TRUNK_RING_S, MODEM_SILENCE_S))
        elif trunk is not None:
            stages.append(Stage((_over_trunk(trunk_id, trunk, route.number, calling, snapshot),), TRUNK_RING_S, TRUNK_SILENCE_S))
    return Plan(tuple(stages), route.number, nobody=NO_TRUNK)


def plan_for(route: ToExtension | ToOutside | ToCallBack, calling: Calling, snapshot: Snapshot, order: TrunkOrder) -> Plan:
    """The plan of any route that rings somebody; `order` says which ways out are taken, best first."""
    match route:
        case ToExtension():
            return to_extension(route, calling, snapshot)
        case ToOutside():
            return to_outside(route, calling, snapshot, order(route.trunks))
        case ToCallBack():
            return to_call_back(route, calling, snapshot)


def outbound_identity(caller: Caller, trunk: Trunk, snapshot: Snapshot) -> str:
    """The number shown outside: the user's own (row T2), the site's, the trunk's, in that order; "" where there is none."""
    site = snapshot.site
    user = site.users.get(caller.user) if caller.user is not None else None
    own = user.outbound_number if user is not None else None
    if caller.number.startswith("+") and (own is None or caller.chosen):
        # What a flow chose, and a call that came from outside and goes out again (a transfer, a forwarding).
        own = caller.number
    return own or site.main_number or trunk.caller_id or ""


def trunk_host(trunk: Trunk) -> str:
    """Host part of URIs on this trunk, with the port where it is not the transport's own (RFC 3261 section 19.1.2)."""
    usual = 5061 if trunk.transport == "tls" else 5060
    host = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
    return host if trunk.port == usual else f"{host}:{trunk.port}"


def trunk_parameters(trunk: Trunk) -> str:
    """URI parameters that fix the transport."""
    return "" if trunk.transport == "udp" else f";transport={trunk.transport}"


def _over_trunk(trunk_id: TrunkId, trunk: Trunk, number: str, calling: Calling, snapshot: Snapshot) -> Branch:
    caller = calling.caller
    country = snapshot.country.code
    host = trunk_host(trunk)
    shown = outbound_identity(caller, trunk, snapshot)
    identity = sip_uri(to_trunk(shown, trunk.number_format, country), host) if shown else ""
    from_uri = identity or sip_uri(trunk.username or "anonymous", host)
    extra = list(calling.headers)
    if identity:
        extra.append(("P-Asserted-Identity", f"<{identity}>"))
    if caller.private:
        from_uri = ANONYMOUS_URI
        extra.append(("Privacy", "id"))
    called = sip_uri(to_trunk(number, trunk.number_format, country), host)
    dial = Dial(
        target=called + trunk_parameters(trunk),
        account=trunk_id,
        from_uri=from_uri,
        from_display="Anonymous" if caller.private else caller.name,
        to_uri=called,
        headers=tuple(extra),
        codecs=offer(calling.codecs, trunk.codecs),
    )
    return Branch(dial, trunk=trunk_id)


def _phones(targets: tuple[Target, ...], calling: Calling, snapshot: Snapshot, *, emergency: bool) -> tuple[Branch, ...]:
    from_uri, display = presented(calling.caller, snapshot.realm)
    offered = offer(calling.codecs, snapshot.site.sip.codecs)
    return tuple(
        Branch(
            Dial(
                target=target.uri,
                destination=target.destination,
                account=target.account,
                from_uri=from_uri,
                from_display=display,
                headers=calling.headers,
                codecs=offered,
                emergency=emergency,
            ),
            device=target.device,
        )
        for target in targets
    )
