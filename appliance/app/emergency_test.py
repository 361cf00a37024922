"""The emergency proof for one extension: what would be recognised, said, and sent where; on request with a real call to the test number."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

from appliance.app.trunk_rows import trunk_rows
from appliance.calls.emergency_dial import Told, emergency_dial, emergency_paths
from appliance.control import shapes
from appliance.emergency.conveyance import geolocation_headers
from appliance.emergency.location import Resolved, describe
from appliance.emergency.pidf_lo import Provider, build, device_urn, provider_info
from appliance.emergency.recognise import EmergencyService
from appliance.errors import HoldfastError, NotFound
from appliance.sip.api import Answered, Dial, Ended
from appliance.site.snapshot import DeviceEntry
from appliance.types import TrunkId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

ANSWER_WAIT_S = 40.0
LISTEN_S = 3.0
"""How long an answered test call stays up."""


async def emergency_test(box: Box, extension: str, *, call: bool) -> shapes.EmergencyTestResult:
    """Raises NotFound for an extension that rings nobody, HoldfastError when a call is wanted and no test number can be called."""
    snapshot = box.snapshot
    known = snapshot.extensions.get(extension)
    if known is None or not known.devices:
        raise NotFound(f"No device has the extension {extension}", "`holdfast registrations` lists the extensions")
    device = snapshot.devices[known.devices[0]]
    here = next((b for b in box.registrations.all() if b.device == device.id), None)
    place = box.locations.resolve(device.location, here.received.ip if here else "")
    dialled = next(iter(snapshot.country.emergency), "112")
    service = box.recogniser.match(f"sip:{dialled}@{snapshot.realm}", "sip", dialled)
    problems: list[shapes.ProblemShape] = []
    if service is None:
        raise HoldfastError(f"{dialled} was not recognised as an emergency number", "report this: it must never happen", code="emergency")
    callback = _callback(box, place)
    told = _told(box, device, place, service, callback)
    paths: list[shapes.EmergencyPathShape] = []
    rows = {row["id"]: row for row in trunk_rows(box)}
    invite = ""
    for path in emergency_paths(service, snapshot, box.paths.rank, box.last_good_path):
        trunk = snapshot.site.trunks[path.id]
        dial = emergency_dial(told, TrunkId(path.id), trunk, snapshot, with_location=True)
        paths.append({"id": path.id, "name": trunk.name, "state": rows[path.id]["state"], "armed": trunk.emergency_armed, "uri": dial.target})
        invite = invite or _text(dial)
    _judge(problems, place, callback, paths)
    return {
        "extension": extension, "device": device.id, "dialled": dialled, "number": service.number, "service": service.urn, "location": describe(place.location),
        "location_source": place.method, "civic": place.location.civic.model_dump(exclude_defaults=True) if place.location else {},
        "callback": callback, "paths": paths,
        "invite": invite, "problems": problems, "call": await _call(box, device, place, callback) if call else None,
    }  # fmt: skip


def _callback(box: Box, place: Resolved) -> str:
    if place.location is not None and place.location.elins:
        return place.location.elins[0]
    return box.snapshot.site.main_number or ""


def _told(box: Box, device: DeviceEntry, place: Resolved, service: EmergencyService, callback: str) -> Told:
    snapshot = box.snapshot
    site, call = snapshot.site, secrets.token_hex(6)
    provider = Provider(site.name, f"tel:{site.main_number}", snapshot.realm) if site.main_number else None
    mac = site.devices[device.id].mac
    entity = f"tel:{callback}" if callback else f"sip:{snapshot.realm}"
    pidf = build(place, entity=entity, device_id=device_urn(device.id, snapshot.realm, mac), timestamp=time.time(), provided_by=provider)
    block = provider_info(provider, call) if provider and pidf else b""
    return Told(service, callback, device.display_name, geolocation_headers(snapshot.realm, call, pidf, provider=block))


def _judge(problems: list[shapes.ProblemShape], place: Resolved, callback: str, paths: list[shapes.EmergencyPathShape]) -> None:
    def add(path: str, sentence: str, hint: str) -> None:
        problems.append({"path": path, "sentence": sentence, "hint": hint})

    if place.location is None:
        add("locations", "The dispatcher gets no address", "add a location and make it emergency.default_location")
    elif place.method == "default":
        add("devices", "The phone's place is only the site's default", "set the device's location, or give its location the phone's network")
    if not callback:
        add("main_number", "The dispatcher cannot call back", "set main_number, or elins of the location")
    if not paths:
        add("trunks", "There is no way out", "add a trunk")
    elif not any(path["armed"] for path in paths):
        add("trunks", "No trunk is marked as armed", "have the carrier register the callback numbers with this address, then set emergency_armed")
    if paths and not any(path["state"] in ("up", "unknown") for path in paths):
        add("trunks", "No way out is up now", "see `holdfast status`; an emergency call would try them all the same")


def _text(dial: Dial) -> str:
    """The INVITE as it would read, without what only a dialog gives it."""
    lines = [f"INVITE {dial.target} SIP/2.0", f"To: <{dial.to_uri or dial.target}>", f'From: "{dial.from_display}" <{dial.from_uri}>']
    lines += [f"{name}: {value}" for name, value in dial.headers]
    lines += ["Content-Type: multipart/mixed", ""] if dial.parts else []
    lines.append("Content-Type: application/sdp … (the phone's audio offer)")
    for part in dial.parts:
        lines += ["", f"Content-Type: {part.content_type}", *(f"{name}: {value}" for name, value in part.headers), "", part.body.decode(errors="replace")]
    return "\n".join(lines)


async def _call(box: Box, device: DeviceEntry, place: Resolved, callback: str) -> shapes.TestCallShape:
    """One test call from the box itself over the first path that can carry it."""
    snapshot = box.snapshot
    number = next(iter(sorted(snapshot.test_numbers)), "")
    service = box.recogniser.match(f"sip:{number}@{snapshot.realm}", "sip", number) if number else None
    paths = emergency_paths(service, snapshot, box.paths.rank, box.last_good_path) if service else ()
    if service is None or not paths:
        raise HoldfastError(
            "No test call can be placed: the site has no test number or no trunk that carries it",
            "set emergency.test_numbers (933 in the USA)",
            code="emergency",
        )
    path = paths[0]
    started = time.monotonic()
    dial = emergency_dial(_told(box, device, place, service, callback), TrunkId(path.id), snapshot.site.trunks[path.id], snapshot, with_location=True)
    leg = box.endpoint.dial(dial)
    try:
        async with asyncio.timeout(ANSWER_WAIT_S):
            while True:
                news = await leg.news.get()
                if isinstance(news, Answered):
                    setup_s = time.monotonic() - started
                    await asyncio.sleep(LISTEN_S)
                    return {"answered": True, "path": path.id, "code": 200, "reason": "", "setup_s": setup_s}
                if isinstance(news, Ended):
                    return {"answered": False, "path": path.id, "code": news.code, "reason": news.reason, "setup_s": time.monotonic() - started}
    except TimeoutError:
        return {"answered": False, "path": path.id, "code": 408, "reason": "no answer", "setup_s": ANSWER_WAIT_S}
    finally:
        leg.hangup()
