"""One call between two parties, from the first INVITE to the last BYE: ringing, answer, hold, digits, transfer, record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from appliance.calls.attempt import Attempt
from appliance.calls.caller import Caller, sip_uri
from appliance.calls.cdr import CallRecord, Direction
from appliance.calls.context import CallContext
from appliance.calls.core import CallCore, Party
from appliance.calls.dials import Calling
from appliance.calls.live import CallState, LiveCall
from appliance.calls.page import Page, branches
from appliance.calls.plan import GONE, NO_ANSWER, Branch, Outcome, Plan
from appliance.calls.port import CallPort
from appliance.calls.program import Paged, Program, RingTarget
from appliance.calls.quality import Quality, Side, judge
from appliance.calls.refer import NO_DIALOG, NOT_YOURS, EmergencyTarget, Onward, blind_target, by_a_person, codecs_of, psap_target, recall_plan
from appliance.calls.ring import Asking, Ringing, Rings, ring
from appliance.calls.route import ToEmergency
from appliance.calls.transfer import Transfer, TransferState, parse_replaces
from appliance.errors import HoldfastError
from appliance.events.calls import CallAnswered, CallStarted
from appliance.sip.api import Answered, Dial, Digit, Ended, Invite, Leg, MediaChanged, News, Sound, TransferRequested
from appliance.site.snapshot import Snapshot
from appliance.types import DeviceId, TrunkId

log = logging.getLogger(__name__)

STATS_WAIT_S = 0.25
"""A BYE is not held up longer than this for the counters of the call's audio."""

StartEmergency = Callable[[Leg, Invite], None]
"""Takes over a leg (answered or not) whose owner must reach the emergency services."""
By = Literal["caller", "callee", "box"]


@dataclass(frozen=True, slots=True)
class _End:
    by: By
    code: int
    reason: str
    cause: str


class Session(CallCore):
    """An ordinary call, or (with `emergency`) the call-back of an emergency centre to a phone.

    `job`: what is done for the caller, a plan of INVITEs or a program. `about`: what the call is about before anybody was rung, as (number, name).
    """

    def __init__(
        self,
        context: CallContext,
        leg: Leg,
        invite: Invite,
        caller: Caller,
        job: Plan | Program,
        *,
        direction: Direction,
        about: tuple[str, str] = ("", ""),
        start_emergency: StartEmergency,
        emergency: bool = False,
    ) -> None:
        super().__init__(context.new_id(), invite.call_id, context.endpoint, context.live, context.wall)
        self.emergency = emergency
        self.invite = invite
        self.near = Party(leg, invite.device, invite.trunk, caller.number, caller.name)
        self.far: Party | None = None
        self._context = context
        self._caller = caller
        self._job = job
        self._plan = job if isinstance(job, Plan) else Plan((), *about)
        self._port: CallPort | None = None
        self._direction: Direction = direction
        self._start_emergency = start_emergency
        self._attempt: Attempt | None = None
        self._transfer: Transfer | None = None
        self._page: Page | None = None
        self._end: _End | None = None
        self._last_trunk: TrunkId | None = invite.trunk
        self._notes: list[str] = []
        self._quality: Quality | None = None

    # ---- what the registry of calls sees ----

    def row(self) -> LiveCall:
        number, name = (self.far.number, self.far.name) if self.far is not None else (self._plan.callee, self._plan.callee_name)
        return LiveCall(self.id, self.call_id, self.near.number, self.near.name, number, name, self.state, self.since, self._codec(), False, self.emergency)

    def devices(self) -> Iterable[DeviceId]:
        ringing = [*(self._attempt.devices() if self._attempt is not None else ()), *(self._page.devices() if self._page is not None else ())]
        return [party.device for party in self._parties() if party.device is not None] + ringing

    def trunks(self) -> Iterable[TrunkId]:
        dialled = self._attempt.trunks() if self._attempt is not None else []
        return [party.trunk for party in self._parties() if party.trunk is not None] + dialled

    def leg_with(self, call_id: str) -> Leg | None:
        return next((party.leg for party in self._parties() if party.leg.call_id == call_id), None)

    def audio_leg(self) -> Leg | None:
        return self.far.leg if self.far is not None and self.state is CallState.UP else None

    def sides(self) -> tuple[Side, ...]:
        known = zip(("caller", "called"), self._parties(), strict=False)
        return tuple(
            Side(side, f"{party.number} {party.name}".strip() or str(party.trunk or ""), party.trunk is not None, party.codec, party.leg.id)
            for side, party in known
        )

    def drop(self, reason: str, cause: str = "dropped") -> None:
        self._release_all(503, reason, (("Reason", f'SIP;cause=503;text="{reason}"'),))
        self._notes.append(reason)
        self._finish("box", 503, reason, cause)
        self._nudge()

    # ---- start and end ----

    def _begin(self) -> None:
        self._adopt(self.near.leg)
        self._change("invite", CallState.DIALLING)
        self._announce()
        if isinstance(self._job, Plan):
            self._reach(self._job, self.near)
        else:
            # The INVITE of a trunk may name the number in To alone; what it is about is the number found.
            dialled = self._plan.callee if self.invite.trunk is not None else self.invite.uri_user
            self._serve(self._job, CallPort(self, self.near, self.invite, self._caller, user=self._caller.user, dialled=dialled))

    def _announce(self) -> None:
        """Put on the bus that this call has begun."""
        caller, plan, invite = self._caller, self._plan, self.invite
        self._publish(
            CallStarted(
                self.started, self.id, self.call_id, self._direction, caller.number, caller.name, plan.callee, invite.uri_user, caller.device, invite.trunk,
                self.emergency,
            )
        )  # fmt: skip

    def _publish(self, event: object) -> None:
        self._context.publish(event)

    def _serve(self, program: Program, port: CallPort) -> None:
        self._port = port
        port.start(program)

    def _reach(self, plan: Plan, waiting: Party) -> None:
        self._attempt = Attempt(self, plan, waiting, self._now)
        self._attempt.start()
        self._watch_attempt()

    def _watch_attempt(self) -> None:
        self._set_timer("attempt", self._attempt.deadline if self._attempt is not None else None)

    def _finish(self, by: By, code: int, reason: str, cause: str) -> None:
        if self._end is None:
            self._end = _End(by, code, reason, cause)
        if self._attempt is not None:
            self._attempt.stop()
        if self._page is not None:
            self._page.stop()
        if self._port is not None:
            self._port.gone()
        self._change(f"{cause} by {by}", CallState.ENDED)

    def _on_nudge(self) -> None:
        """An ordinary call waits for nothing outside."""

    async def _last_look(self) -> None:
        if self.answered is None:
            return
        try:
            async with asyncio.timeout(STATS_WAIT_S):
                found = [(side, await party.leg.stats()) for side, party in zip(self.sides(), self._parties(), strict=True)]
                self._quality = judge([side.with_stats(stats) for side, stats in found if stats is not None])
        except TimeoutError:
            log.info("call %s: no counters within %.2f s", self.id, STATS_WAIT_S)

    def _write_record(self) -> None:
        end = self._end or _End("box", 500, "", "error")
        self._context.record(
            CallRecord(
                session=self.id,
                call_id=self.call_id,
                dialogs=self.dialogs(),
                direction=self._direction,
                started=self.started,
                answered=self.answered,
                ended=self._wall(),
                caller=self._caller.number,
                caller_name=self._caller.name,
                callee=self._plan.callee,
                dialled=self.invite.uri_user,
                device=self._caller.device,
                callee_device=self.far.device if self.far is not None else None,
                trunk=self._last_trunk,
                cause=end.cause,
                code=200 if self.answered is not None else end.code,
                reason=end.reason,
                hangup_by=end.by,
                codec=self._codec(),
                quality=self._quality,
                emergency=self.emergency,
                test=self.invite.test_call,
                notes=tuple(self._notes),
                user=self._caller.user,
            )
        )

    # ---- what an attempt reports ----

    def open_leg(self, branch: Branch) -> Leg | Ended:
        if branch.trunk is not None:
            self._last_trunk = branch.trunk
            trunk = self._context.snapshot().trunks.get(branch.trunk)
            limit = trunk.max_calls if trunk is not None and not self.emergency else 0
            if limit and self._live.on_trunk(branch.trunk) >= limit:
                return Ended(503, "All Lines Are Busy", local=True, cause="congestion")
        if branch.dial.emergency and branch.device is not None:
            self._live.let_go(branch.device)  # who calls back into an emergency does not wait for a page
        return self._dial(branch.dial) or Ended(503, "No Line Free", local=True, cause="congestion")

    def on_ringing(self, waiting: Party, media: Leg | None) -> None:
        if self._transfer is not None:
            self._transfer.ringing()
        elif self.state is CallState.DIALLING:
            self._change("ringing", CallState.RINGING)
        if media is not None:
            self._stop_tone(waiting)
            if not waiting.confirmed:
                waiting.leg.ring(183)
                waiting.early = True
            self._join(waiting.leg, media)
            return
        self._unjoin()
        if waiting.confirmed or waiting.early:
            self._play_tone(waiting, "ringback")
        else:
            waiting.leg.ring(180)

    def on_won(self, waiting: Party, winner: Party) -> None:
        self._stop_tone(waiting)
        if self._port is not None:
            self._port.won()
            self._port = None
        if self._transfer is not None:
            self._transferred(self._transfer, winner)
            return
        if self.emergency:
            winner.identity = self.invite.uri
        self.far = winner
        if not waiting.confirmed:
            # What the winner negotiated is asked of the caller, too, so that their packets can be forwarded as they are.
            waiting.leg.answer((winner.codec,) if winner.codec else ())
            waiting.confirmed = True
        self._join(waiting.leg, winner.leg)
        self._up(winner.number or self._plan.callee, winner)

    def _up(self, callee: str, winner: Party | None) -> None:
        """The caller talks to somebody, or to the box (`winner` None)."""
        now = self._wall()
        if self.answered is None:
            self.answered = now
            minutes = self._context.snapshot().site.sip.max_call_minutes
            if minutes and not self.emergency:
                self._set_timer("limit", self._now() + minutes * 60)
        self._change("answered", CallState.UP)
        trunk = (winner.trunk if winner is not None else None) or self.invite.trunk
        self._publish(CallAnswered(now, self.id, callee, winner.device if winner is not None else None, trunk))

    def on_missed(self, outcome: Outcome) -> None:
        if self._port is not None and not self._port.connected:
            self._unjoin()
            self._stop_tone(self._port.waiting)
            self._port.missed(outcome)
            return
        if self._transfer is not None:
            self._transfer_failed(self._transfer, outcome)
            return
        self.release(self.near.leg, outcome.code, outcome.reason, outcome.headers())
        self._finish("callee", outcome.code, outcome.reason, outcome.cause)

    def on_trunk_failed(self, trunk: TrunkId, ended: Ended) -> None:
        self._notes.append(f"trunk {trunk}: {ended.code} {ended.reason}".rstrip())

    # ---- what a program asks for (port.Host) ----

    def snapshot(self) -> Snapshot:
        return self._context.snapshot()

    def add_note(self, text: str) -> None:
        self._notes.append(text)

    def plan_ring(self, port: CallPort, targets: Sequence[RingTarget], ring_s: float, shown: Caller) -> Ringing:
        context = self._context
        codecs = port.invite.codecs if not port.waiting.confirmed else codecs_of(port.waiting)
        present = frozenset(party.device for party in self._parties() if party.device is not None and self._transfer is not None)
        asking = Asking(port.who, Calling(shown, codecs, port.headers), port.dialled)
        return ring(targets, asking, context.snapshot(), context.view(self.id, present), context.trunk_order, ring_s)

    def begin_ring(self, port: CallPort, rings: Rings) -> None:
        self.emergency = self.emergency or rings.call_back
        if rings.outside and self._direction == "internal":
            self._direction = "outgoing"
        if self._transfer is None:  # the record names whom the call was for, not whom it was passed on to
            self._plan = rings.plan
        self._unjoin()
        self._reach(rings.plan, port.waiting)

    def stop_ring(self) -> None:
        attempt = self._attempt
        if attempt is not None and not attempt.over:
            attempt.stop()
            self._watch_attempt()
            self._unjoin()
            self._stop_tone(attempt.waiting)

    def plan_page(self, port: CallPort, paged: Paged) -> tuple[Branch, ...]:
        return branches(paged, port.caller, self.snapshot(), self._context.view(self.id), self.devices())

    def begin_page(self, port: CallPort, wanted: tuple[Branch, ...], limit_s: float) -> None:
        self._unjoin()
        self._start_page(wanted, port.waiting.leg, limit_s)

    def _start_page(self, wanted: tuple[Branch, ...], source: Leg | Sound, limit_s: float) -> None:
        end, view = self._endpoint, self._context.view(self.id)
        self._page = Page(self, wanted, source, self._now() + limit_s, listen=end.listen, free_legs=end.free_legs, engaged=view.engaged, now=self._now)
        self._page.start()
        self._watch_page()

    def _watch_page(self) -> None:
        self._set_timer("page", self._page.deadline if self._page is not None else None)

    def end_page(self) -> None:
        if self._page is not None:
            self._page.stop()

    def let_go(self, device: DeviceId) -> None:
        if self._page is not None:
            self._page.let_go(device)

    def page_leg(self, request: Dial) -> Leg | None:
        return self._dial(request)

    def page_began(self) -> None:
        if self._port is not None:
            self._play_tone(self._port.waiting, "beep")

    def page_over(self, reached: int) -> None:
        self._notes.append(f"page: heard on {reached} phones")
        if self._port is not None:
            self._port.page_over(reached)

    def take_by_box(self, waiting: Party) -> None:
        if self._transfer is not None:
            # The flow speaks to the one who was transferred: to its sender that is an answer.
            transfer, self._transfer = self._transfer, None
            self._unjoin()
            self._leave_sender(transfer)
            self.near, self.far = waiting, None
            self._change("taken by a flow", CallState.UP)
        if not waiting.confirmed:
            waiting.leg.answer()
            waiting.confirmed = True
        elif self.answered is not None:
            return
        self._up(self._plan.callee, None)

    def to_emergency(self, port: CallPort, target: ToEmergency) -> None:
        """The flow dials an emergency number: its caller becomes an emergency caller, and this call ends."""
        self._port = None
        leg = port.waiting.leg
        invite = replace(port.invite, service=target.number, test_call=target.test)
        if self._transfer is not None:
            transfer, self._transfer = self._transfer, None
            place = port.waiting.device or transfer.sender.device
            self._to_emergency(transfer, replace(invite, device=place, leg=leg.id, call_id=leg.call_id))
            return
        self._unjoin()
        self._open.pop(leg.id, None)
        unread = self._take_news_of(leg)
        self._finish("box", 200, "", "emergency")
        self._nudge()
        if not any(isinstance(news, Ended) for news in unread):
            self._start_emergency(leg, invite)

    def end_by_program(self, port: CallPort, outcome: Outcome | None) -> None:
        if port is not self._port or self.state is CallState.ENDED:
            return
        self._port = None
        self.stop_ring()
        end = outcome or NO_ANSWER
        if self._transfer is not None:
            self._transfer_failed(self._transfer, end)
        else:
            self.release(port.waiting.leg, end.code, end.reason, end.headers())
            self._finish("callee" if outcome is not None else "box", end.code, end.reason, end.cause if self.answered is None else "normal")
        self._nudge()

    # ---- news ----

    def _on_news(self, leg: Leg, news: News) -> None:
        party = next((party for party in self._parties() if party.leg is leg), None)
        if party is not None:
            self._on_party(party, news)
        elif self._attempt is not None and self._attempt.owns(leg):
            self._attempt.news(leg, news)
            self._watch_attempt()
        elif self._page is not None and self._page.owns(leg):
            self._page.news(leg, news)
            self._watch_page()
        elif isinstance(news, Answered):
            # A leg of an attempt that is over: its 200 crossed our CANCEL.
            leg.hangup()

    def _on_party(self, party: Party, news: News) -> None:
        port = self._port
        if port is not None and party is port.waiting:
            port.take(news)
        match news:
            case Ended():
                self._party_ended(party, news)
            case MediaChanged():
                party.codec = news.codec or party.codec
                party.holds = news.held_by_peer
                self._sync_hold()
            case Digit() if port is None or party is not port.waiting:
                self._relay_digit(party, self._other(party) if self.state is CallState.UP else None, news)
            case TransferRequested():
                self._on_refer(party, news)
            case _:
                pass

    def _party_ended(self, party: Party, news: Ended) -> None:
        if self._transfer is not None and party is self._transfer.sender:
            self._transfer.sender_left()
            return
        by: By = "caller" if party is self.near else "callee"
        if self._transfer is not None:
            self._transfer.failed(GONE)
        if self.answered is None:
            self._finish(by, news.code if news.code >= 300 else GONE.code, news.reason, "cancelled" if news.cause == "normal" else news.cause)
        else:
            if news.cause == "vanished":
                # A display says why the line went quiet: Q.850 "network out of order" or "destination out of order".
                what = 'cause=38;text="The network on the other side is gone"' if party.trunk is not None else 'cause=27;text="The other phone is gone"'
                self._release_all(headers=(("Reason", f"Q.850;{what}"),))
            self._finish(by, news.code, news.reason, news.cause)

    def _sync_hold(self) -> None:
        """Whom one party's phone puts on hold, we put on hold. The phone in an emergency has no say in it: the emergency centre keeps hearing."""
        if self.state is not CallState.UP or self.far is None:
            return
        for holder, other in ((self.near, self.far), (self.far, self.near)):
            wanted = holder.holds and not (self.emergency and holder.trunk is None)
            if other.held != wanted:
                other.held = wanted
                if wanted:
                    other.leg.hold()
                else:
                    other.leg.resume()

    def _on_tick(self, name: str) -> None:
        if name == "attempt" and self._attempt is not None:
            self._attempt.tick()
            self._watch_attempt()
        elif name == "page" and self._page is not None:
            self._page.tick()
            self._watch_page()
        elif name == "limit":
            self._release_all(headers=(("Reason", 'Q.850;cause=31;text="Longest call duration of this site reached"'),))
            self._finish("box", 200, "Longest call duration reached", "limit")

    # ---- transfer ----

    def _on_refer(self, sender: Party, request: TransferRequested) -> None:
        kept = self._other(sender)
        if kept is None or not self._may_refer(sender) or self.state is not CallState.UP:
            sender.leg.accept_transfer(491 if self.state is CallState.TRANSFERRING else 403)
            return
        transfer = Transfer(self.call_id, sender, kept, request)
        transfer.accept()
        if request.replaces:
            self._attended(transfer)
        else:
            self._blind(transfer)

    def hand_over(self, to: str, by: str = "") -> None:
        """Transfer the other party to `to`, as the phone of a party would without asking first. `by`: which party, by its number or device; "": the one who
        was called, else the one who called. A party from outside cannot. Raises HoldfastError; what becomes of it later is seen in the call.
        """
        sender = self._hander(by)
        kept = self._other(sender)
        if kept is None or self.state is not CallState.UP:
            raise HoldfastError(f"The call {self.id} is not between two who talk", "wait until it is answered and no transfer is under way", code="not-up")
        request = TransferRequested(sip_uri(to, self._context.snapshot().realm), to)
        transfer = Transfer(self.call_id, sender, kept, request, by_phone=False)
        target = blind_target(self._context, self.id, self.invite, transfer)
        if isinstance(target, EmergencyTarget):
            raise by_a_person(to)
        transfer.accept()
        self._send_on(transfer, target)
        self._nudge()

    def _hander(self, by: str) -> Party:
        if self.emergency:
            raise HoldfastError("An emergency call cannot be transferred", "the emergency centre alone moves it", code="emergency")
        ours = [party for party in (self.far, self.near) if party is not None and party.device is not None and self._may_refer(party)]
        found = next((party for party in ours if not by or by in {party.number, party.device}), None)
        if found is None:
            who = f"{by} takes no part in the call {self.id}" if by else f"None of our phones takes part in the call {self.id}"
            raise HoldfastError(who, "only a phone of this site that is in a call can transfer it", code="not-a-party")
        return found

    def _may_refer(self, sender: Party) -> bool:
        # A carrier must not steer our calls; in an emergency it is the other way round: only the emergency centre may.
        return (sender.trunk is not None) == self.emergency

    def _blind(self, transfer: Transfer) -> None:
        sender, kept = transfer.sender, transfer.kept
        if sender.trunk is not None:
            target: Plan | Onward | EmergencyTarget = psap_target(sender.trunk, kept, transfer.request)
        else:
            target = blind_target(self._context, self.id, self.invite, transfer)
        if isinstance(target, EmergencyTarget):
            self._to_emergency(transfer, target.invite)
        else:
            self._send_on(transfer, target)

    def _send_on(self, transfer: Transfer, target: Plan | Onward) -> None:
        """Reach the target for the one who is kept."""
        sender, kept = transfer.sender, transfer.kept
        self._notes.append(f"transfer by {sender.number or sender.trunk} to {transfer.request.target_user}")
        self._transfer = transfer
        if kept.held:
            kept.held = False
            kept.leg.resume()
        self._change("transfer", CallState.TRANSFERRING)
        if isinstance(target, Plan):
            self._unjoin()
            self._reach(target, kept)
            return
        asked = target.invite
        user = target.who.user
        port = CallPort(self, kept, asked, target.caller, user=user, dialled=asked.uri_user, who=target.who, headers=target.headers)
        self._serve(self._context.programs().dialling(user), port)

    def _transferred(self, transfer: Transfer, newcomer: Party) -> None:
        """The new party answered: it takes the place of whoever asked for the transfer."""
        if transfer.sender is self.near:
            self.near = newcomer
        else:
            self.far = newcomer
        self._transfer = None
        self._join(transfer.kept.leg, newcomer.leg)
        self._leave_sender(transfer)
        self._change("transferred", CallState.UP)
        self._sync_hold()

    def _leave_sender(self, transfer: Transfer) -> None:
        transfer.done()
        if transfer.sender_there:
            self.release(transfer.sender.leg)

    def _transfer_failed(self, transfer: Transfer, outcome: Outcome) -> None:
        self._stop_tone(transfer.kept)
        if transfer.sender_there:
            self._transfer = None
            transfer.failed(outcome)
            self._join(transfer.sender.leg, transfer.kept.leg)
            self._change("transfer failed", CallState.UP)
            self._sync_hold()
            return
        self._unjoin()
        recall = recall_plan(self._context, transfer.sender, transfer.kept) if transfer.state is not TransferState.RECALLING else None
        if recall is None:
            transfer.failed(outcome)
            self._finish("box", outcome.code, outcome.reason, outcome.cause)
            return
        self._notes.append(f"back to {transfer.sender.number}: {outcome.reason}")
        transfer.recall()
        self._reach(recall, transfer.kept)

    def _attended(self, transfer: Transfer) -> None:
        """Join the far ends of the sender's two calls. The dialog named must be one of ours, and the sender's own."""
        wanted = parse_replaces(transfer.request.replaces)
        found = self._live.find(wanted.call_id) if wanted is not None else None
        call = found[0] if found is not None else None
        if found is None or not isinstance(call, Session) or call is self or call.emergency:
            transfer.failed(NO_DIALOG)
            return
        consultant = next(party for party in call._parties() if party.leg is found[1])
        if consultant.device is None or consultant.device != transfer.sender.device:
            transfer.failed(NOT_YOURS)
            return
        third = call._other(consultant)
        if third is None or call.state is not CallState.UP:
            # Transferred while it still rings: the consultation ends, and its target is rung for the one who waits.
            call._abandon("transferred")
            transfer.request = replace(transfer.request, target_user=call.invite.uri_user, target_uri=call.invite.uri, replaces="")
            self._blind(transfer)
            return
        self._notes.append(f"transfer by {transfer.sender.number} to {third.number}")
        unread = call._give_away(third)
        self._adopt(third.leg)
        self._transferred(transfer, third)
        for news in unread:
            self._handle(third.leg, news)

    def _give_away(self, party: Party) -> list[News]:
        """Another call takes this party over; this one ends. Returns the party's news that were not read yet."""
        self._unjoin()
        self._open.pop(party.leg.id, None)
        unread = self._take_news_of(party.leg)
        self._abandon("transferred")
        return unread

    def _abandon(self, cause: str) -> None:
        if self.answered is None:
            self.release(self.near.leg, GONE.code, GONE.reason)
        self._finish("box", 200 if self.answered is not None else GONE.code, "", cause)
        self._nudge()

    def _to_emergency(self, transfer: Transfer, invite: Invite) -> None:
        """Somebody transferred a caller to an emergency number: the caller becomes an emergency caller of its own, and this call ends."""
        leg, held = transfer.kept.leg, transfer.kept.held
        self._leave_sender(transfer)
        if any(isinstance(news, Ended) for news in self._give_away(transfer.kept)):
            return
        if held:
            leg.resume()
        self._start_emergency(leg, invite)

    # ---- small things ----

    def _parties(self) -> tuple[Party, ...]:
        return (self.near,) if self.far is None else (self.near, self.far)

    def _other(self, party: Party) -> Party | None:
        return self.far if party is self.near else self.near

    def _codec(self) -> str:
        return (self.far.codec if self.far is not None else "") or self.near.codec
