"""What the control socket's methods do in this engine: shapes of `control.shapes` from what the box knows now."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from appliance.app.alerts import alert_methods
from appliance.app.cellular import cellular_methods
from appliance.app.diagnosis import RECENT_S, diagnose
from appliance.app.drill import drill_methods
from appliance.app.emergency_test import emergency_test
from appliance.app.firewall import firewall_methods
from appliance.app.health import health_methods
from appliance.app.network_look import network_look
from appliance.app.paging import page
from appliance.app.phones import phone_methods
from appliance.app.restart import restart
from appliance.app.sound import of_record, sound
from appliance.app.tracing import trace_result
from appliance.app.trunk_rows import not_armed, trunk_rows
from appliance.app.voicemail_rpc import voicemail_methods
from appliance.app.wan import wan_methods
from appliance.calls.session import Session
from appliance.control import shapes
from appliance.control.server import Peer
from appliance.errors import NotFound
from appliance.events.emergency import EmergencyNotice
from appliance.sip._pj.config import host_text
from appliance.state.records import Own, Wanted
from appliance.types import Transport

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any], Peer], Awaitable[Any]]


def methods(box: Box) -> Mapping[str, Handler]:
    """Every method of `control.protocol.METHODS`."""

    async def status(_: dict[str, Any], __: Peer) -> shapes.StatusResult:
        return _status(box)

    async def registrations(_: dict[str, Any], __: Peer) -> shapes.RegistrationsResult:
        return _registrations(box)

    async def diagnosis(_: dict[str, Any], __: Peer) -> shapes.DiagnosisResult:
        lately = time.time() - RECENT_S
        calls = await box.loop.run_in_executor(None, box.history, 200, 0, Wanted(outcome="no-flow", since_unix_s=lately))
        calls += await box.loop.run_in_executor(None, box.history, 200, 0, Wanted(bad_sound=True, since_unix_s=lately))
        registered = {binding.device for binding in box.registrations.all()}
        refusals = tuple(box.registrations.refusals)
        return {"findings": diagnose(box.snapshot, refusals, registered, calls, box.endpoint.listening, time.monotonic(), time.time())}

    async def sign_in(params: dict[str, Any], peer: Peer) -> shapes.SignInResult:
        snapshot = box.snapshot
        known = snapshot.extensions.get(params["extension"])
        if known is None or not known.devices:
            raise NotFound(f"No device has the extension {params['extension']}", "`holdfast registrations` lists the extensions")
        entries = [snapshot.devices[device] for device in known.devices]

        def reveal(name: str) -> str:
            return box.activation.place.vault.reveal(name, params["by"] or f"uid {peer.uid}", box.activation.secrets.revision)

        # Row E3: whoever looks at a password is on record.
        secrets = [await box.loop.run_in_executor(None, reveal, f"devices.{e.id}.secret") for e in entries]
        log.warning("the SIP passwords of extension %s were shown to uid %d (pid %d)", known.extension, peer.uid, peer.pid)
        servers = list(dict.fromkeys(f"{host_text(a.ip)}:{a.port}" for a in box.endpoint.listening if a.transport is Transport.UDP))
        devices: list[shapes.SignInShape] = [
            {"device": e.id, "name": e.display_name, "sip_user": e.sip_user, "secret": secret} for e, secret in zip(entries, secrets, strict=True)
        ]
        return {"domain": snapshot.realm, "servers": servers, "devices": devices}

    async def calls(_: dict[str, Any], __: Peer) -> shapes.CallsResult:
        now = time.time()
        rows = await box.context.live.detailed_rows()
        heard = {row.id: box.listening.live(row.id) for row in rows}
        return {
            "calls": [
                {
                    "id": r.id, "call_id": r.call_id, "from_number": r.from_number, "from_name": r.from_name, "to_number": r.to_number, "to_name": r.to_name,
                    "state": r.state.value, "since_s": max(0.0, now - r.since), "codec": r.codec, "forwarded": r.forwarded, "emergency": r.emergency,
                    "score": q.score if (q := heard[r.id]) else None, "bad_sound": q.bad if q else None,
                }
                for r in rows
            ]
        }  # fmt: skip

    async def history(params: dict[str, Any], _: Peer) -> shapes.HistoryResult:
        own = _own(box, params["user"]) if params["user"] else None
        wanted = Wanted(
            params["search"], params["direction"], params["outcome"], params["call"], own, params["bad_sound"], params["since_unix_s"], params["until_unix_s"]
        )
        rows = await box.loop.run_in_executor(None, box.history, params["limit"], params["before"], wanted)
        return {
            "calls": [
                {
                    "id": r.session, "serial": r.serial, "direction": r.direction, "from_number": r.caller, "from_name": r.caller_name, "to_number": r.called,
                    "started_unix_s": r.started_unix_s, "talk_s": r.talk_s, "outcome": r.outcome, "code": r.code, "trunk": r.trunk,
                    "dialled": r.dialled, "user": r.user, "path": list(r.path), "sound": of_record(r),
                }
                for r in rows
            ]
        }  # fmt: skip

    async def hangup(params: dict[str, Any], peer: Peer) -> shapes.HangupResult:
        call = box.context.live.get(params["call"])
        if call is None:
            raise NotFound(f"No call {params['call']} is up", "`holdfast calls` lists the calls and their ids")
        call.drop(f"by the control socket (uid {peer.uid})")
        return {"call": params["call"]}

    async def originate(params: dict[str, Any], peer: Peer) -> shapes.OriginateResult:
        call = box.router.originate(params["extension"], params["to"])
        log.info("call %s from %s to %s was begun by the control socket (uid %d)", call, params["extension"], params["to"], peer.uid)
        return {"call": call}

    async def line_test(params: dict[str, Any], peer: Peer) -> shapes.LineTestShape:
        made = box.line_tests.start(params["trunk"], params["to"])
        log.info("a test call over %s to %s was begun by the control socket (uid %d)", made["trunk"], made["to"], peer.uid)
        return made

    async def network(_: dict[str, Any], __: Peer) -> shapes.NetworkResult:
        return await network_look(box)

    async def paged(params: dict[str, Any], peer: Peer) -> shapes.PageResult:
        return await page(box, params, peer)

    async def transfer(params: dict[str, Any], peer: Peer) -> shapes.TransferResult:
        call = box.context.live.get(params["call"])
        if not isinstance(call, Session):
            raise NotFound(f"No call {params['call']} is up", "`holdfast calls` lists the calls and their ids")
        call.hand_over(params["to"], params["by"])
        log.info("call %s is transferred to %s by the control socket (uid %d)", call.id, params["to"], peer.uid)
        return {"call": call.id}

    async def trace(params: dict[str, Any], _: Peer) -> shapes.TraceResult:
        return await trace_result(box, params["selector"], params["limit"])

    async def activate(_: dict[str, Any], __: Peer) -> shapes.ActivateResult:
        return {"revision": await box.activation.activate()}

    async def secrets_changed(_: dict[str, Any], __: Peer) -> shapes.SecretsChangedResult:
        await box.activation.refresh_secrets()
        fault = box.activation.secrets.fault
        if fault is not None:
            raise fault
        return {"devices": sum(entry.secret is not None for entry in box.snapshot.devices.values())}

    async def certificate_changed(_: dict[str, Any], __: Peer) -> shapes.CertificateChangedResult:
        return {"sip": await box.renew_certificate()}

    async def test(params: dict[str, Any], _: Peer) -> shapes.EmergencyTestResult:
        return await emergency_test(box, params["extension"], call=params["call"])

    async def notices(params: dict[str, Any], _: Peer) -> shapes.NoticesResult:
        known = (*reversed(box.notices.live()), *box.notices.recent())
        return {"notices": [_notice(box, n) for n in known[: params["limit"]]]}

    async def acknowledge(params: dict[str, Any], peer: Peer) -> shapes.AcknowledgeResult:
        found = next((n for n in (*box.notices.live(), *box.notices.recent()) if n.id == params["notice"]), None)
        if found is None:
            raise NotFound(f"No emergency notice {params['notice']} is known", "`holdfast emergency notices` lists them")
        box.acknowledged.setdefault(found.id, (params["by"] or f"uid {peer.uid}", time.time()))
        box.bus.publish(found)  # whoever shows it looks again
        return {"notice": _notice(box, found)}

    async def box_restart(params: dict[str, Any], peer: Peer) -> shapes.RestartResult:
        return await restart(box, params, peer)

    return {
        "status": status, "registrations": registrations, "diagnosis": diagnosis, "devices.sign-in": sign_in, "calls": calls, "calls.history": history,
        "calls.sound": lambda params, peer: sound(box, params, peer),
        "calls.hangup": hangup, "calls.originate": originate, "calls.page": paged, "calls.transfer": transfer, "trunks.test": line_test, "network": network,
        "trace": trace, "box.restart": box_restart,
        "site.activate": activate, "secrets.changed": secrets_changed, "certificate.changed": certificate_changed,
        "emergency.test": test, "emergency.notices": notices, "emergency.acknowledge": acknowledge,
        **voicemail_methods(box.voice.voicemail), **health_methods(box), **alert_methods(box),
        **phone_methods(box.phones), **cellular_methods(box.cellular), **wan_methods(box.wan), **drill_methods(box.drills), **firewall_methods(box.firewall),
    }  # fmt: skip


def _own(box: Box, user: str) -> Own:
    """What makes a call one of `user`'s. Raises NotFound."""
    site = box.snapshot.site
    known = site.users.get(user)
    if known is None:
        raise NotFound(f"There is no user {user}", "`holdfast site show users` lists them")
    devices = {key: device for key, device in site.devices.items() if device.owner == user}
    numbers = {known.extension, *(device.extension for device in devices.values() if device.extension)}
    return Own(user, tuple(sorted(numbers)), tuple(devices))


def _status(box: Box) -> shapes.StatusResult:
    snapshot = box.snapshot
    bindings = box.registrations.all()
    recent = box.notices.recent()
    reasons = not_armed(box)
    return {
        "version": version("holdfast"),
        "pid": os.getpid(),
        "uptime_s": time.monotonic() - box.started_s,
        "site": snapshot.site.name,
        "revision": box.revision,
        "unconfirmed": _unconfirmed(box),
        "mode": "rescue" if box.settings.rescue else "normal",
        "rescue_reason": box.rescue_reason,
        "addresses": [str(a) for a in box.endpoint.listening],
        "devices": len(snapshot.devices),
        "devices_registered": len({b.device for b in bindings}),
        "registrations": len(bindings),
        "calls": len(box.context.live),
        "free_legs": box.endpoint.free_legs(),
        "trunks": trunk_rows(box),
        "emergency": {
            "armed": not reasons,
            "reasons": reasons,
            "active": [_notice(box, n) for n in box.notices.live()],
            "last": _notice(box, recent[0]) if recent else None,
        },
        "crashes": box.settings.crashes,
        "alarms": [{"code": a.code, "sentence": a.sentence, "hint": a.hint, "since_unix_s": box.alarm_since[a.code]} for a in box.alarms.values()],
        "missing": [name for name, there in box.endpoint.features.items() if not there],
        "health": box.health.summary(),
        "cellular": box.cellular.summary(),
        "wan": box.wan.summary(),
        "line_test": box.line_tests.last,
    }


def _unconfirmed(box: Box) -> shapes.UnconfirmedShape | None:
    held = box.activation.waiting
    if held is None:
        return None
    return {"revision": held.last, "previous": held.previous, "seconds_left": box.activation.seconds_left(), "author": held.author}


def _registrations(box: Box) -> shapes.RegistrationsResult:
    snapshot, now = box.snapshot, time.monotonic()
    wall = time.time()
    rows: list[shapes.RegistrationShape] = []
    there = set()
    for b in box.registrations.all():
        entry = snapshot.devices.get(b.device)
        there.add(b.device)
        place = box.locations.resolve(entry.location if entry else None, b.received.ip)
        rows.append(
            {
                "device": b.device, "sip_user": entry.sip_user if entry else "",
                "extension": entry.extension if entry else "", "name": entry.display_name if entry else "",
                "contact": b.uri, "received": str(b.received), "user_agent": b.user_agent, "expires_s": b.seconds_left(now),
                "registered_unix_s": wall - (now - b.registered_at), "location": place.location.name if place.location else "",
            }
        )  # fmt: skip
    absent: list[shapes.AbsentShape] = [
        {"device": d.id, "sip_user": d.sip_user, "extension": d.extension, "name": d.display_name}
        for d in snapshot.devices.values()
        if d.enabled and d.id not in there
    ]
    return {"registrations": rows, "absent": absent}


def _notice(box: Box, n: EmergencyNotice) -> shapes.NoticeShape:
    by, at = box.acknowledged.get(n.id, ("", None))
    return {
        "id": n.id,
        "session": n.session,
        "test": n.test,
        "started_unix_s": n.started_unix_s,
        "dialled": n.dialled,
        "service": n.service,
        "device": n.device or "",
        "extension": n.extension,
        "source_ip": n.source_ip,
        "callback_number": n.callback_number,
        "location": n.location,
        "location_sent": n.location_sent,
        "path": n.path,
        "outcome": n.outcome,
        "durable": n.durable,
        "note": n.note,
        "acknowledged_by": by,
        "acknowledged_unix_s": at,
    }
