"""Calls that a program begins: for somebody, whose own phones ring first and who then has dialled the number; and what a sound tells to many phones."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from appliance.calls.caller import Caller, caller_of, sip_uri
from appliance.calls.cdr import Direction
from appliance.calls.context import CallContext
from appliance.calls.core import Party
from appliance.calls.dials import Calling, to_extension
from appliance.calls.live import CallState
from appliance.calls.page import branches
from appliance.calls.plan import NO_ANSWER, Branch, Outcome, Plan
from appliance.calls.port import CallPort
from appliance.calls.program import Paged, Program
from appliance.calls.route import ToExtension
from appliance.calls.session import Session, StartEmergency
from appliance.sip.api import Dial, Ended, Invite, Leg, Origin, Sound
from appliance.sip.registrar import uris
from appliance.site.snapshot import Snapshot
from appliance.types import Address, DeviceId, LegId, Transport


class _NobodyYet:
    """Stands for the caller's leg until a phone is picked up. Nothing is asked of it but who it is."""

    id = LegId("")
    call_id = ""


class OriginatedCall(Session):
    """Rings `own`, the phones of who shall call, then runs that phone's program towards `to` as if it had been dialled there (or `program`).

    `about`: number and name of whom `to` stands for, as the phones that ring first show it.
    """

    def __init__(
        self, context: CallContext, own: ToExtension, to: str, *, direction: Direction, about: tuple[str, str], start_emergency: StartEmergency,
        program: Program | None = None,
    ) -> None:  # fmt: skip
        snapshot = context.snapshot()
        shown = Calling(Caller(*about), snapshot.site.sip.codecs)
        self._own = to_extension(own, shown, snapshot)
        self._dialled: dict[LegId, Dial] = {}
        self._picked_up = False
        self._program = program
        caller = Caller(own.extension, own.name, user=own.user)
        nowhere = Plan((), *about)
        super().__init__(
            context, cast(Leg, _NobodyYet()), _asked(own, to, snapshot), caller, nowhere, direction=direction, about=about, start_emergency=start_emergency
        )

    def _begin(self) -> None:
        self._change("originate", CallState.DIALLING)
        self._announce()
        self._reach(self._own, self.near)

    def open_leg(self, branch: Branch) -> Leg | Ended:
        leg = super().open_leg(branch)
        if not isinstance(leg, Ended) and not self._picked_up:
            self._dialled[leg.id] = branch.dial
        return leg

    def on_ringing(self, waiting: Party, media: Leg | None) -> None:
        if self._picked_up:
            super().on_ringing(waiting, media)
        elif self.state is CallState.DIALLING:
            self._change("ringing at the caller's", CallState.RINGING)

    def on_missed(self, outcome: Outcome) -> None:
        if self._picked_up:
            super().on_missed(outcome)
            return
        self.add_note(f"{self._caller.number}: {outcome.reason}")
        self._finish("box", outcome.code, outcome.reason, outcome.cause)

    def on_won(self, waiting: Party, winner: Party) -> None:
        if self._picked_up:
            super().on_won(waiting, winner)
            return
        self._picked_up = True
        self.invite = _dialled_by(self.invite, winner.leg, winner.device, self._dialled[winner.leg.id])
        self.call_id = winner.leg.call_id
        self._caller = caller = caller_of(self.invite, self.snapshot())
        self.near = replace(winner, number=caller.number, name=caller.name)
        self._change("picked up by the caller", CallState.DIALLING)
        program = self._program or self._context.programs().dialling(caller.user)
        self._serve(program, CallPort(self, self.near, self.invite, caller, user=caller.user, dialled=self.invite.uri_user))


class Announcement(Session):
    """Free phones pick up by themselves and hear `sound`; nobody calls them."""

    def __init__(self, context: CallContext, paged: Paged, sound: Sound, limit_s: float, *, about: tuple[str, str], start_emergency: StartEmergency) -> None:
        snapshot = context.snapshot()
        caller = Caller("page", snapshot.site.name)
        here, realm = Address("0.0.0.0", 0), snapshot.realm  # noqa: S104  (nobody calls)
        invite = Invite(
            leg=LegId(""), call_id="", uri=sip_uri("page", realm), uri_user="page", from_uri=sip_uri("page", realm), from_user="page",
            from_display="", to_user="page", source=here, local=here, origin=Origin.DEVICE,
        )  # fmt: skip
        plan = Plan((), *about)
        super().__init__(context, cast(Leg, _NobodyYet()), invite, caller, plan, direction="internal", about=about, start_emergency=start_emergency)
        self._sound, self._limit_s = sound, limit_s
        self._wanted = branches(paged, caller, snapshot, context.view())

    @property
    def phones(self) -> int:
        """How many are free to hear it."""
        return len(self._wanted)

    def _begin(self) -> None:
        self._change("page", CallState.DIALLING)
        self._announce()
        self._start_page(self._wanted, self._sound, self._limit_s)

    async def _last_look(self) -> None:
        """Nobody talked."""

    def page_began(self) -> None:
        self._up(self._plan.callee, None)

    def page_over(self, reached: int) -> None:
        super().page_over(reached)
        if reached:
            self._finish("box", 200, "", "normal")
        else:
            self._finish("callee", NO_ANSWER.code, NO_ANSWER.reason, NO_ANSWER.cause)
        self._nudge()


def _asked(own: ToExtension, to: str, snapshot: Snapshot) -> Invite:
    """The INVITE that a phone of `own` would send, as far as that is known before one is picked up."""
    here, realm = Address("0.0.0.0", 0), snapshot.realm  # noqa: S104  (no address is known yet)
    return Invite(
        leg=LegId(""), call_id="", uri=sip_uri(to, realm), uri_user=to, from_uri=sip_uri(own.extension, realm), from_user=own.extension,
        from_display=own.name, to_user=to, source=here, local=here, origin=Origin.DEVICE,
    )  # fmt: skip


def _dialled_by(invite: Invite, leg: Leg, device: DeviceId | None, dial: Dial) -> Invite:
    """It is this phone that dials: its place is what an emergency centre would be told, should its program lead there."""
    at = uris.parse(dial.destination or dial.target)
    transport = Transport(dict(at.params).get("transport", "udp").lower())
    local = dial.account if isinstance(dial.account, Address) else invite.local
    return replace(invite, leg=leg.id, call_id=leg.call_id, device=device, source=Address(at.host, at.port or 5060, transport), local=local)
