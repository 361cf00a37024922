"""A call that a program begins for somebody: their own phones ring first, and whoever picks up has dialled the number."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from appliance.calls.caller import Caller, caller_of, sip_uri
from appliance.calls.cdr import Direction
from appliance.calls.context import CallContext
from appliance.calls.core import Party
from appliance.calls.dials import Calling, to_extension
from appliance.calls.live import CallState
from appliance.calls.plan import Branch, Outcome, Plan
from appliance.calls.port import CallPort
from appliance.calls.route import ToExtension
from appliance.calls.session import Session, StartEmergency
from appliance.sip.api import Dial, Ended, Invite, Leg, Origin
from appliance.sip.registrar import uris
from appliance.site.snapshot import Snapshot
from appliance.types import Address, DeviceId, LegId, Transport


class _NobodyYet:
    """Stands for the caller's leg until a phone is picked up. Nothing is asked of it but who it is."""

    id = LegId("")
    call_id = ""


class OriginatedCall(Session):
    """Rings `own`, the phones of who shall call, then runs that phone's program towards `to` as if it had been dialled there.

    `about`: number and name of whom `to` stands for, as the phones that ring first show it.
    """

    def __init__(
        self, context: CallContext, own: ToExtension, to: str, *, direction: Direction, about: tuple[str, str], start_emergency: StartEmergency
    ) -> None:
        snapshot = context.snapshot()
        shown = Calling(Caller(*about), snapshot.site.sip.codecs)
        self._own = to_extension(own, shown, snapshot)
        self._dialled: dict[LegId, Dial] = {}
        self._picked_up = False
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
        program = self._context.programs().dialling(caller.user)
        self._serve(program, CallPort(self, self.near, self.invite, caller, user=caller.user, dialled=self.invite.uri_user))


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
