"""The INVITE of an emergency call as one trunk wants it (RFC 3261, RFC 6442, RFC 6881 section 9.2); pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.calls.caller import sip_uri
from appliance.calls.dials import trunk_host, trunk_parameters
from appliance.emergency.conveyance import PRIORITY, Conveyance
from appliance.emergency.recognise import SOS, TEST_SOS, EmergencyService, Recogniser
from appliance.emergency.routing import Path, order
from appliance.sip.api import BodyPart, Dial, Invite
from appliance.sip.trunks.numbers import to_trunk
from appliance.site.model.lines import Trunk
from appliance.site.snapshot import Snapshot
from appliance.types import MODEM, TrunkId

G711 = ("pcmu", "pcma")
NOTHING = Conveyance()
MODEM_SILENT_S = 12.0
"""It says nothing before it has taken ATD, which waits for what it is at: a text on its way, the hang-up of a call that made room, the search for a network.
Given up before that it would dial all the same, and ring at the centre for nobody."""
MODEM_ALONE_S = 60.0
"""Longer than all of that together may take (HURRY_S of cellular/at.py, DIAL_S of cellular/voice.py): it has told its own end by then."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the dispatcher is told, as far as it is known; all but `service` may be empty, and the call goes out all the same.

    `callback`: E.164. `location`: headers and body parts that carry the place. `codecs`: the caller's offer in its order.
    """

    service: EmergencyService
    callback: str = ""
    name: str = ""
    location: Conveyance = NOTHING
    codecs: tuple[str, ...] = ()


def service_of(invite: Invite, recogniser: Recogniser) -> EmergencyService:
    """What an INVITE that admission found to be an emergency call asks for; never nothing: what is not understood any more is a call for help."""
    service = invite.service
    scheme = "urn" if service.lower().startswith("urn:") else "sip"
    found = recogniser.match(service, scheme, "" if scheme == "urn" else service)
    if found is not None:
        return found
    if invite.test_call:
        # Its number is unknown now, so no carrier is sent one: it might be a real one.
        return EmergencyService("test", "", TEST_SOS, service)
    general = recogniser.match(SOS, "urn", "")
    return EmergencyService("emergency", general.number if general is not None else "112", service if scheme == "urn" else SOS, service)


def emergency_paths(service: EmergencyService, snapshot: Snapshot, rank: Callable[[TrunkId], int], last_good: str, *, modem: bool = False) -> tuple[Path, ...]:
    """Every trunk of the site, disabled ones too, and the modem where there is one, the most promising first.

    A way that could carry a test only as a real call is left out of the test; so the modem is, for what a mobile network makes of a test number nobody knows.
    """
    paths = []
    for key, trunk in snapshot.site.trunks.items():
        if service.number or trunk.emergency_uri == "urn":
            paths.append(Path(key, trunk.enabled, rank(TrunkId(key))))
    if modem and service.kind != "test":
        paths.append(modem_path(rank(MODEM)))
    return order(paths, last_good)


def modem_path(rank: int) -> Path:
    """The modem among the paths."""
    return Path(MODEM, rank=rank, location=False, silent_s=MODEM_SILENT_S, alone_s=MODEM_ALONE_S)


def emergency_dial(told: Told, trunk_id: TrunkId, trunk: Trunk, snapshot: Snapshot, *, with_location: bool) -> Dial:
    """The INVITE for this trunk; without `with_location` the body parts and their headers stay out (the plain retry)."""
    host = trunk_host(trunk)
    by_urn = trunk.emergency_uri == "urn"
    called = told.service.urn if by_urn else sip_uri(told.service.number, host)
    shown = told.callback or snapshot.site.main_number or trunk.caller_id or ""
    identity = sip_uri(to_trunk(shown, trunk.number_format, snapshot.country.code), host) if shown else ""
    headers = PRIORITY + ((("P-Asserted-Identity", f"<{identity}>"),) if identity else ())
    location = told.location if with_location else NOTHING
    return Dial(
        target=called if by_urn else called + trunk_parameters(trunk),
        destination=f"sip:{host}{trunk_parameters(trunk)};lr" if by_urn else "",
        account=trunk_id,
        from_uri=identity or sip_uri(trunk.username or "emergency", host),
        from_display=told.name,
        to_uri=called,
        headers=(*headers, *location.headers),
        codecs=_codecs(told.codecs, trunk.codecs),
        parts=tuple(BodyPart(part.content_type, part.body, part.headers) for part in location.parts),
        emergency=True,
    )


def _codecs(wanted: tuple[str, ...], trunk: tuple[str, ...]) -> tuple[str, ...]:
    """G.711 before everything, in the caller's order; then what the trunk may carry besides."""
    first = [codec for codec in wanted if codec in G711]
    return tuple(dict.fromkeys((*first, *G711, *trunk)))
