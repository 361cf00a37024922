"""An emergency call: everything known goes into the INVITE, nothing that fails holds it up, and every path is tried until one answers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from appliance.calls.caller import Caller, caller_of
from appliance.calls.context import CallContext
from appliance.calls.core import Nudge, Party, Tick
from appliance.calls.emergency_context import EmergencyContext, source_uri
from appliance.calls.emergency_dial import MODEM_SILENT_S, NOTHING, Told, emergency_dial, emergency_paths, modem_path, service_of
from appliance.calls.live import CallState
from appliance.calls.modem_dial import modem_dial
from appliance.calls.plan import Plan
from appliance.calls.session import Session, StartEmergency
from appliance.emergency.conveyance import PhoneLocation, geolocation_headers
from appliance.emergency.location import Resolved, describe
from appliance.emergency.pidf_lo import Provider, build, device_urn, provider_info
from appliance.emergency.recognise import SOS, EmergencyService
from appliance.emergency.routing import Action, Attempt, Cancel, EmergencyRoute, GiveUp, Path, Send, Won
from appliance.events.emergency import EmergencyNotice
from appliance.network.survivability import Standing
from appliance.sip.api import Answered, Dial, Ended, Invite, Leg, LegState, MediaChanged, News, Progress
from appliance.types import MODEM, LegId, SessionId, TrunkId

log = logging.getLogger(__name__)

JOURNAL_WAIT_S = 0.035
"""Just above the journal's own budget: should it not even say that it is late, the INVITE leaves."""
BUSY_CODES = frozenset({486, 503, 600})

_T = TypeVar("_T")
_UNKNOWN_PLACE = Resolved(None, None, "none", "the location could not be determined")


class EmergencyCall(Session):
    """A call to the emergency services, or (`test`) one that tries that way. Never challenged, counted, limited, held or ended for another call."""

    def __init__(self, context: CallContext, help_context: EmergencyContext, leg: Leg, invite: Invite, start_emergency: StartEmergency) -> None:
        self._help = help_context
        self._snapshot = context.snapshot()
        plain = EmergencyService("emergency", self._snapshot.country.emergency[0], SOS, invite.service)
        service = self._try("recognition", lambda: service_of(invite, help_context.recogniser()), plain)
        self._service = service
        caller = self._try("caller", lambda: caller_of(invite, self._snapshot), Caller(invite.from_user, invite.from_display, invite.device))
        plan = Plan((), service.number or service.urn, "Emergency test" if service.kind == "test" else "Emergency")
        invite = replace(invite, test_call=service.kind == "test")
        super().__init__(context, leg, invite, caller, plan, direction="emergency", start_emergency=start_emergency, emergency=True)
        self._told = Told(service)
        self._route: EmergencyRoute | None = None
        self._journal: asyncio.Task[Any] | None = None
        self._durable = False
        self._place = _UNKNOWN_PLACE
        self._attempt_of: dict[LegId, int] = {}
        self._sent: dict[int, tuple[Leg, Send]] = {}
        self._codecs: dict[LegId, str] = {}
        self._made_room: set[str] = set()
        self._announced = False
        self._modem_dialled = False  # a call over the modem may have reached the network

    # ---- start ----

    def _begin(self) -> None:
        if self._service.kind != "test":
            self._try("begun", self._help.begun, None)
        self._adopt(self.near.leg)
        self._change("invite", CallState.DIALLING)
        if self.near.leg.state is LegState.CONFIRMED:
            # Transferred to us in mid-call: it hears our ringback instead of its own.
            self.near.confirmed = True
            self._play_tone(self.near, "ringback")
        else:
            self.near.leg.ring(180)
        self._told = self._tell()
        self._set_timer("journal", self._now() + JOURNAL_WAIT_S)
        self._journal = self._try("journal", lambda: asyncio.ensure_future(self._help.journal.write(self._entry("call"))), None)
        if self._journal is None:
            self._depart()
        else:
            self._journal.add_done_callback(lambda _: self._nudge())

    def _on_nudge(self) -> None:
        if self._journal is not None and self._journal.done():
            self._depart()

    def _depart(self) -> None:
        """The journal has the entry, or had its time: the INVITE leaves now."""
        if self._route is not None or self.state is CallState.ENDED:
            return
        self._set_timer("journal", None)
        journal = self._journal
        if journal is not None and journal.done():
            self._durable = self._try("journal", lambda: journal.result().durable, False)
        self._route = EmergencyRoute(self._paths(), call_id=self.call_id, jitter=random.random())  # noqa: S311 - no secret
        self._carry_out(self._route.start(self._now()))
        if (phone := self.invite.device) is not None:
            self._try("ending its page", lambda: self._live.let_go(phone), None)
        self._announce()
        self._notify()

    def _announce(self) -> None:
        """Once, and only when the INVITE has left or never will."""
        if not self._announced:
            self._announced = True
            super()._announce()

    def _publish(self, event: object) -> None:
        self._try("event", lambda: self._context.publish(event), None)

    def _paths(self) -> tuple[Path, ...]:
        """Each part on its own: what cannot be found out of one path costs neither the others their order nor the call the modem."""
        ask, service, snapshot = self._help, self._service, self._snapshot

        def rank(way: TrunkId) -> int:
            return self._try("rank of a path", lambda: ask.rank(way), int(Standing.UNKNOWN))

        last_good = self._try("path that worked last", ask.last_good, "")
        # Where nobody can tell, it is tried: one that is not there fails at once.
        modem = service.kind != "test" and self._try("modem", ask.modem, True)
        plain = (*(Path(key) for key in snapshot.site.trunks), *((modem_path(Standing.UNKNOWN),) if modem else ()))
        return self._try("paths", lambda: emergency_paths(service, snapshot, rank, last_good, modem=modem), plain)

    # ---- what the dispatcher is told ----

    def _tell(self) -> Told:
        """Put together what is known. Each part that fails is left out."""
        invite = self.invite
        self._place = self._try("location", self._resolve, _UNKNOWN_PLACE)
        callback = self._try("callback number", self._allocate, "") or self._snapshot.site.main_number or ""
        phone = PhoneLocation(invite.headers.get("Geolocation", ""), invite.location)
        pidf = self._try("location document", lambda: self._pidf(callback), b"")
        provider = self._try("provider block", self._provider_block, b"") if pidf else b""
        host, call = self._snapshot.realm, str(self.id)
        location = self._try("location headers", lambda: geolocation_headers(host, call, pidf, phone=phone, provider=provider), NOTHING)
        return Told(self._service, callback, self._caller.name, location, tuple(codec.lower().partition("/")[0] for codec in invite.codecs))

    def _resolve(self) -> Resolved:
        entry = self._snapshot.devices.get(self.invite.device) if self.invite.device is not None else None
        return self._help.locations().resolve(entry.location if entry is not None else None, self.invite.source.ip)

    def _allocate(self) -> str:
        """A number that rings this phone when it is called back: of its location's pool, else the site's main number."""
        place = self._place
        pool = place.location.elins if place.location is not None and place.location.elins else ()
        if not pool and self._snapshot.site.main_number:
            pool = (self._snapshot.site.main_number,)
        record = self._help.callbacks.allocate(
            self.id,
            pool,
            device=self.invite.device,
            location=place.location_id,
            now=self._help.moment(),
            started_unix_s=self.started,
            target="" if self.invite.device is not None else source_uri(self.invite.source),
        )
        if record is None:
            return ""
        self._try("storing the callback number", lambda: self._help.store_callback(record), None)
        return record.elin

    def _pidf(self, callback: str) -> bytes:
        device = self.invite.device
        mac = self._snapshot.site.devices[device].mac if device is not None and device in self._snapshot.site.devices else ""
        urn = device_urn(device or self.invite.source.ip, self._snapshot.realm, mac)
        entity = f"tel:{callback}" if callback else f"sip:{self._snapshot.realm}"
        return build(self._place, entity=entity, device_id=urn, timestamp=self.started, provided_by=self._provider())

    def _provider(self) -> Provider | None:
        number = self._snapshot.site.main_number
        return Provider(self._snapshot.site.name, f"tel:{number}", self._snapshot.realm) if number else None

    def _provider_block(self) -> bytes:
        provider = self._provider()
        return provider_info(provider, str(self.id)) if provider is not None else b""

    # ---- the way ----

    def _carry_out(self, actions: Iterable[Action]) -> None:
        route = self._route
        assert route is not None
        todo = deque(actions)
        while todo:
            match todo.popleft():
                case Send() as send:
                    leg = self._send(send)
                    if leg is None:
                        todo.extend(route.on_failed(send.attempt, 0, self._now()))
                case Cancel(attempt):
                    self._cancel(attempt)
                case Won(attempt):
                    self._reached(attempt)
                case GiveUp(why):
                    self._give_up(why)
        self._set_timer("route", route.next_deadline)

    def _send(self, send: Send) -> Leg | None:
        key = TrunkId(send.path)
        trunk = self._snapshot.site.trunks.get(key)  # None: the modem, which carries one call
        most = trunk.max_calls if trunk is not None else 1
        if most and self._live.on_trunk(key) >= most:
            self._try("making room", lambda: self._live.make_room(key), False)

        def built(told: Told) -> Callable[[], Dial]:
            if trunk is None:
                return lambda: modem_dial(told.service.number, emergency=True)
            return lambda: emergency_dial(told, key, trunk, self._snapshot, with_location=send.with_location)

        dial = self._try("INVITE", built(self._told), None) or self._try("plain INVITE", built(Told(self._service)), None)
        leg = self._try("sending", lambda: self._dial(dial), None) if dial is not None else None
        self._write("sent" if leg is not None else "not sent", path=send.path, attempt=send.attempt, location=send.with_location)
        if leg is None or dial is None:
            return None
        if trunk is None:
            self._try("callback over the modem", self._expect_over_modem, None)
        self._attempt_of[leg.id] = send.attempt
        self._sent[send.attempt] = (leg, send)
        self._last_trunk = key
        self.near.identity = dial.from_uri
        return leg

    def _expect_over_modem(self) -> None:
        """The centre sees the SIM card's number and calls that back: what comes in over the modem is for this phone then, as long as for its own number."""
        record = self._help.callbacks.allocate(
            _over_modem(self.id), (MODEM,), device=self.invite.device, location=self._place.location_id, now=self._help.moment(), started_unix_s=self.started,
            target="" if self.invite.device is not None else source_uri(self.invite.source),
        )  # fmt: skip
        if record is not None:
            self._help.store_callback(record)

    def _cancel(self, attempt: int) -> None:
        if attempt not in self._sent:
            return
        leg, send = self._sent[attempt]
        if send.path == MODEM:
            self._modem_dialled = True  # who could say how far it has come
        if self._joined is not None and leg in self._joined:
            self._unjoin()
            self._play_tone(self.near, "ringback")
        if leg.state is LegState.CONFIRMED:
            leg.hangup()
        else:
            self.release(leg)
        self._notes.append(f"path {send.path}: given up")

    def _reached(self, attempt: int) -> None:
        leg, send = self._sent[attempt]
        trunk = TrunkId(send.path)
        # It may be a path given up before: its CANCEL came too late, and it is a party like any other now.
        self._released.discard(leg.id)
        winner = Party(leg, trunk=trunk, number=self._plan.callee, name=self._plan.callee_name, confirmed=True, codec=self._codecs.get(leg.id, ""))
        self._last_trunk = trunk
        self.on_won(self.near, winner)
        self._try("remembering the path", lambda: self._help.worked(trunk), None)
        seen = self._told.callback if trunk != MODEM else self._snapshot.site.modem.sim.number or ""
        self._write("answered", path=send.path, attempt=attempt, location=send.with_location, callback=seen)
        sent = send.with_location and self._place.location is not None
        self._notify(outcome="connected", path=send.path, location_sent=sent, callback_number=seen)

    def _give_up(self, why: str) -> None:
        log.error("emergency call %s (%s) did not get through: %s", self.id, self.call_id, why)
        self._notes.append(why)
        self.release(self.near.leg, 503, "No Way To Emergency Services", (("Reason", f'Q.850;cause=38;text="{why[:80]}"'),))
        self._finish("box", 503, why, "unreachable")

    # ---- news ----

    def _handle(self, leg: Leg | None, news: News | Tick | Nudge) -> None:
        # A fault in a detail must not end this call.
        self._try("handling news", lambda: Session._handle(self, leg, news), None)

    def _on_news(self, leg: Leg, news: News) -> None:
        attempt = self._attempt_of.get(leg.id)
        route = self._route
        if attempt is None or route is None or (self.far is not None and leg is self.far.leg):
            super()._on_news(leg, news)
            return
        if self._sent[attempt][1].path == MODEM and not self._turned_down(route.attempts[attempt - 1], news):
            self._modem_dialled = True
        match news:
            case MediaChanged():
                self._codecs[leg.id] = news.codec
            case Progress():
                self._carry_out(route.on_progress(attempt, news.code, self._now()))
                if news.early_media and self._is_live(attempt):
                    self.on_ringing(self.near, leg)
                elif self.state is CallState.DIALLING and news.code > 100:
                    self._change("ringing", CallState.RINGING)
            case Answered():
                self._carry_out(route.on_answered(attempt, self._now()))
            case Ended():
                self._path_failed(attempt, leg, news)
            case _:
                pass

    def _turned_down(self, tried: Attempt, news: News) -> bool:
        """Whether this is the modem's no to dialling. One that said nothing for long may have dialled all the same."""
        return isinstance(news, Ended) and news.code == 503 and self._now() - tried.started < MODEM_SILENT_S

    def _path_failed(self, attempt: int, leg: Leg, ended: Ended) -> None:
        _, send = self._sent[attempt]
        if self._is_live(attempt):
            self._notes.append(f"path {send.path}: {ended.code} {ended.reason}".rstrip())
            if ended.code in BUSY_CODES and send.path not in self._made_room:
                # All its channels may be taken: one ordinary call makes room, once per path, for its next turn.
                self._made_room.add(send.path)
                self._try("making room", lambda: self._live.make_room(TrunkId(send.path)), False)
            if self._joined is not None and leg in self._joined:
                self._unjoin()
                self._play_tone(self.near, "ringback")
        if self._route is not None:
            self._carry_out(self._route.on_failed(attempt, ended.code if ended.code >= 300 else 0, self._now()))

    def _is_live(self, attempt: int) -> bool:
        """Whether this is the attempt the caller waits for: the last one sent, while nobody has answered."""
        return self.far is None and attempt == max(self._sent, default=0) and self._sent[attempt][0].id not in self._released

    def _party_ended(self, party: Party, news: Ended) -> None:
        if self.answered is None and self._route is not None:
            self._carry_out(self._route.on_hangup(self._now()))
        super()._party_ended(party, news)

    def _on_tick(self, name: str) -> None:
        if name == "journal":
            self._depart()
        elif name == "route" and self._route is not None:
            self._carry_out(self._route.on_tick(self._now()))
        else:
            super()._on_tick(name)

    def _may_refer(self, sender: Party) -> bool:
        return sender is not self.near

    # ---- end, and what is kept of it ----

    def _write_record(self) -> None:
        self._try("ending the callback window", self._end_callback, None)
        self._write("ended", answered=self.answered, notes=self._notes)
        self._announce()
        if self.answered is not None:
            self._notify(outcome="ended")
        elif self._end is not None and self._end.by == "caller":
            self._notify(outcome="abandoned")
        else:
            self._notify(outcome="failed")
        super()._write_record()

    def _end_callback(self) -> None:
        hold = self._service.kind != "test"
        # A centre that the modem did not reach does not call its SIM card back.
        for window, held in ((self.id, hold), (_over_modem(self.id), hold and self._modem_dialled)):
            record = self._help.callbacks.ended(window, self._help.moment(), hold=held)
            if record is not None:
                self._help.store_callback(record)

    def _entry(self, event: str, **more: Any) -> dict[str, Any]:
        entry: dict[str, Any] = {"event": event, "session": self.id, "call_id": self.call_id, "at": self._wall()}
        if event == "call":
            invite, place = self.invite, self._place
            entry |= {
                "test": invite.test_call,
                "dialled": invite.uri_user or invite.uri,
                "service": self._service.urn,
                "number": self._service.number,
                "device": invite.device,
                "extension": self._caller.number,
                "source": str(invite.source),
                "callback": self._told.callback,
                "location_id": place.location_id,
                "location": describe(place.location),
                "method": place.method,
                "note": place.note,
            }
        return entry | more

    def _write(self, event: str, **more: Any) -> None:
        self._try("journal", lambda: self._help.journal.append(self._entry(event, **more)), None)

    def _notify(self, **changes: Any) -> None:
        """Tell the site (47 CFR 9.16(b)(2)); always after the INVITE has left."""

        def tell() -> None:
            known = self._help.notices.update(str(self.id), **changes)
            if known is None:
                known = self._help.notices.put(replace(self._notice(), **changes))
            self._context.publish(known)

        self._try("notice", tell, None)

    def _notice(self) -> EmergencyNotice:
        invite, place = self.invite, self._place
        return EmergencyNotice(
            id=str(self.id),
            session=self.id,
            test=invite.test_call,
            dialled=invite.uri_user or invite.uri,
            service=self._service.urn,
            started_unix_s=self.started,
            started_s=self._now(),
            device=invite.device,
            extension=self._caller.number,
            source_ip=invite.source.ip,
            callback_number=self._told.callback,
            location_id=place.location_id,
            location=describe(place.location),
            path=str(self._last_trunk or ""),
            durable=self._durable,
            note=place.note,
        )

    def _try(self, what: str, act: Callable[[], _T], otherwise: _T) -> _T:
        """Nothing beside the INVITE itself may cost the caller the call: whatever fails is logged and left out."""
        try:
            return act()
        except Exception:
            log.exception("emergency call: %s failed; the call goes on without", what)
            return otherwise


def _over_modem(session: SessionId) -> SessionId:
    """The name of the second claim to be called back: over the modem, beside that on a number of the site."""
    return SessionId(f"{session}/modem")
