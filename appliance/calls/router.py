"""Takes incoming legs, emergencies first, and gives each a coroutine of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace

from appliance.calls.caller import Caller, caller_of
from appliance.calls.cdr import CallRecord, Direction
from appliance.calls.context import CallContext
from appliance.calls.core import CallCore
from appliance.calls.dials import Calling, plan_for
from appliance.calls.emergency_call import EmergencyCall
from appliance.calls.emergency_context import EmergencyContext
from appliance.calls.originate import Announcement, OriginatedCall
from appliance.calls.page import branches, paging
from appliance.calls.plan import Outcome, Plan
from appliance.calls.program import Paged, Program
from appliance.calls.refer import by_a_person
from appliance.calls.route import Incoming, Refused, Route, ToCallBack, ToEmergency, ToExtension, ToFlow, ToMailbox, ToOutside, meant_by, reach, route
from appliance.calls.session import Session
from appliance.errors import HoldfastError, NotFound
from appliance.sip.api import Invite, Leg, Origin, Sound
from appliance.types import SessionId

log = logging.getLogger(__name__)

LEGS_OF_A_CALL = 2
STOP_WAIT_S = 3.0


class Router:
    """The dispatcher of calls. `run` never ends by itself; `stop` hangs up every call."""

    def __init__(self, context: CallContext, emergency: EmergencyContext) -> None:
        self._context = context
        self._emergency = emergency
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take legs for ever. After each ordinary one the loop gets a turn, so that an emergency that came meanwhile overtakes the rest."""
        invites = self._context.endpoint.invites
        while True:
            leg = await invites.get()
            try:
                self._take(leg)
            except Exception:
                log.exception("call %s could not be handled", leg.call_id)
                leg.hangup(500)
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Cancel every call; each releases its legs as it goes."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_WAIT_S)

    def start_emergency(self, leg: Leg, invite: Invite) -> None:
        """Bring the owner of `leg` to the emergency services."""
        self._spawn(EmergencyCall(self._context, self._emergency, leg, invite, self.start_emergency))

    def originate(self, extension: str, to: str) -> SessionId:
        """Ring the phones of `extension`; whoever picks up calls `to`, as if dialled there. The call's id, at once. Raises NotFound, HoldfastError."""
        context = self._context
        if self._emergency.recogniser().match(to if to.lower().startswith("urn:") else f"sip:{to}", "urn" if to.lower().startswith("urn:") else "sip", to):
            raise by_a_person(to)
        own = self._own(extension)
        caller = Caller(own.extension, own.name, user=own.user)
        found = meant_by(to, caller, context.snapshot(), context.view())
        if isinstance(found, ToEmergency):
            raise by_a_person(to)
        outside = isinstance(found, ToOutside)
        call = OriginatedCall(
            context, own, to, direction="outgoing" if outside else "internal", about=_about(found, to), start_emergency=self.start_emergency
        )
        self._spawn(call)
        return call.id

    def page(self, paged: Paged, source: str | Sound, limit_s: float, about: tuple[str, str]) -> tuple[SessionId, int]:
        """Free phones of `paged` pick up by themselves and hear `source`: a sound, or who takes up a phone of that extension, which rings first.

        The call's id and how many phones are free, at once. Raises NotFound, HoldfastError.
        """
        context = self._context
        call: CallCore
        if isinstance(source, Sound):
            self._not_overloaded()
            call = announcement = Announcement(context, paged, source, limit_s, about=about, start_emergency=self.start_emergency)
            phones = announcement.phones
        else:
            own = self._own(source)
            program = paging(paged, limit_s)
            call = OriginatedCall(context, own, about[0] or "page", direction="internal", about=about, start_emergency=self.start_emergency, program=program)
            mine = [target.device for target in own.targets if target.device is not None]
            phones = len(branches(paged, Caller(own.extension), context.snapshot(), context.view(), mine))
        if not phones:
            raise HoldfastError("No phone is free to be paged", "phones that are not registered, and those on a call, are left alone", code="unreachable")
        self._spawn(call)
        return call.id, phones

    def _own(self, extension: str) -> ToExtension:
        """The phones of `extension`, free to be rung for their own call. Raises NotFound, HoldfastError."""
        context = self._context
        entry = context.snapshot().extensions.get(extension)
        if entry is None or not entry.devices:
            raise NotFound(f"No device has the extension {extension}", "`holdfast registrations` lists the extensions")
        self._not_overloaded()
        own = reach(entry, Caller(""), context.snapshot(), context.view())
        if not isinstance(own, ToExtension):
            reason = own.outcome.reason if isinstance(own, Refused) else "it has no phone"
            raise HoldfastError(f"{extension} cannot be rung: {reason}", "`holdfast registrations` shows which phones are there", code="unreachable")
        return own

    def _not_overloaded(self) -> None:
        if self._overloaded():
            raise HoldfastError("No line is free for another call", "try again when a call has ended", code="congestion")

    def _take(self, leg: Leg) -> None:
        invite = leg.invite
        if invite is None:
            leg.hangup(500)
            return
        if invite.service:
            self.start_emergency(leg, invite)
            return
        context = self._context
        snapshot = context.snapshot()
        caller = caller_of(invite, snapshot)
        found = route(invite, snapshot, context.view())
        match found:
            case ToEmergency(number, test):
                self.start_emergency(leg, replace(invite, service=number, test_call=test))
                return
            case Refused(outcome) if invite.origin is Origin.TRUNK:
                self._refuse(leg, invite, caller, outcome)
                return
        emergency = isinstance(found, ToCallBack)
        if not emergency and self._overloaded():
            self._refuse(leg, invite, caller, _overload())
            return
        job: Plan | Program
        match found:
            case ToCallBack():
                job = plan_for(found, Calling(caller, invite.codecs), snapshot, context.trunk_order)
            case Incoming(number):
                job = context.programs().number(number)
            case _:
                # What a phone dials is its user's flow's affair (row E5); what it means in this house is only what displays begin with.
                job = context.programs().dialling(caller.user)
        direction, about = _direction(invite, outside=isinstance(found, ToOutside)), _about(found, invite.uri_user)
        self._spawn(Session(context, leg, invite, caller, job, direction=direction, about=about, start_emergency=self.start_emergency, emergency=emergency))

    def _overloaded(self) -> bool:
        context = self._context
        return context.live.ordinary() >= context.max_calls or context.endpoint.free_legs() < LEGS_OF_A_CALL

    def _refuse(self, leg: Leg, invite: Invite, caller: Caller, outcome: Outcome) -> None:
        log.info("call %s from %s to %s: %d %s", invite.call_id, caller.number, invite.uri_user, outcome.code, outcome.reason)
        leg.hangup(outcome.code, outcome.reason, outcome.headers())
        context = self._context
        now = context.wall()
        context.record(
            CallRecord(
                session=context.new_id(),
                call_id=invite.call_id,
                direction=_direction(invite, outside=False),
                started=now,
                answered=None,
                ended=now,
                caller=caller.number,
                caller_name=caller.name,
                callee="",
                dialled=invite.uri_user,
                device=caller.device,
                callee_device=None,
                trunk=invite.trunk,
                cause=outcome.cause,
                code=outcome.code,
                reason=outcome.reason,
                hangup_by="box",
                codec="",
            )
        )

    def _spawn(self, call: CallCore) -> None:
        task = asyncio.get_running_loop().create_task(call.run(), name=f"call {call.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _about(found: Route, dialled: str) -> tuple[str, str]:
    """Number and name of whom the call is for, as far as that shows before anything is done."""
    match found:
        case ToExtension(extension, name):
            return extension, name
        case ToOutside(number) | Incoming(number):
            return number, ""
        case ToFlow(_, name) | ToMailbox(_, name):
            return dialled, name
    return dialled, ""


def _direction(invite: Invite, *, outside: bool) -> Direction:
    if invite.origin is Origin.TRUNK:
        return "incoming"
    return "outgoing" if outside else "internal"


def _overload() -> Outcome:
    # Spread, so that the phones that were refused together do not come back together.
    return Outcome(503, "Too Many Calls", "congestion", 42, retry_after=random.randint(3, 12))  # noqa: S311 - no secret
