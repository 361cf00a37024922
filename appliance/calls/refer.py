"""What a REFER asks for: a new target for the other party, the join of two calls, an emergency call, or nothing that may be done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from appliance.calls.caller import Caller, caller_of, sip_uri
from appliance.calls.context import CallContext
from appliance.calls.core import Party
from appliance.calls.dials import Calling, plan_for, to_extension
from appliance.calls.plan import Branch, Outcome, Plan, Stage
from appliance.calls.route import ToCallBack, ToEmergency, ToExtension, route
from appliance.calls.transfer import Transfer
from appliance.errors import HoldfastError
from appliance.sip.api import Dial, Invite, Origin, TransferRequested
from appliance.types import SessionId, TrunkId

RECALL_RING_S = 30.0
PSAP_RING_S = 60.0

NO_DIALOG = Outcome(481, "Call/Transaction Does Not Exist", "refused")
NOT_YOURS = Outcome(403, "Not Your Call", "refused")


def by_a_person(number: str) -> HoldfastError:
    """Why no program may bring anybody to an emergency number: a dispatcher must reach who called."""
    return HoldfastError(f"{number} is an emergency number", "a person at a phone dials it: no program does", code="emergency-number")


@dataclass(frozen=True, slots=True)
class EmergencyTarget:
    """The target is an emergency number: this is the INVITE the party would have sent itself."""

    invite: Invite


@dataclass(frozen=True, slots=True)
class Onward:
    """The sender's own flow decides (row E5): `invite` is what its phone would have sent, `who` its dialler, `caller` whom the target sees."""

    invite: Invite
    who: Caller
    caller: Caller
    headers: tuple[tuple[str, str], ...]


def blind_target(context: CallContext, session: SessionId, invite: Invite, transfer: Transfer) -> Plan | Onward | EmergencyTarget:
    """Where a blind transfer goes: as if the sender had dialled the target (row E5). `invite` is the one the call began with."""
    sender, kept, request = transfer.sender, transfer.kept, transfer.request
    snapshot = context.snapshot()
    asked = replace(
        invite,
        leg=sender.leg.id,
        uri=request.target_uri,
        uri_user=request.target_user,
        to_user=request.target_user,
        from_user=sender.number,
        from_display=sender.name,
        origin=Origin.DEVICE,
        device=sender.device,
        trunk=None,
        headers={},
    )
    present = frozenset(device for device in (sender.device, kept.device) if device is not None)
    entry = snapshot.devices.get(sender.device) if sender.device is not None else None
    referred = (("Referred-By", f"<{sip_uri(sender.number, snapshot.realm)}>"),) if sender.number else ()
    # Inside, the one who is transferred is shown; outside, the number of the transferring user, who pays for the call.
    caller = Caller(kept.number, kept.name, user=entry.owner if entry else None)
    found = route(asked, snapshot, context.view(session, present))
    if isinstance(found, ToEmergency):
        # The help must come to the one who will talk to the dispatcher; a caller from outside has no place here, so the sender's counts.
        place = kept.device or sender.device
        return EmergencyTarget(replace(asked, service=found.number, test_call=found.test, device=place, leg=kept.leg.id, call_id=kept.leg.call_id))
    if isinstance(found, ToCallBack):
        return plan_for(found, Calling(caller, codecs_of(kept), referred), snapshot, context.trunk_order)
    return Onward(asked, caller_of(asked, snapshot), caller, referred)


def psap_target(trunk: TrunkId, kept: Party, request: TransferRequested) -> Plan:
    """Where an emergency centre transfers a caller: wherever it says, over the trunk it speaks on."""
    dial = Dial(
        target=request.target_uri,
        account=trunk,
        from_uri=kept.identity,
        to_uri=request.target_uri,
        headers=(("Priority", "emergency"),),
        codecs=codecs_of(kept),
        emergency=True,
    )
    return Plan((Stage((Branch(dial, trunk=trunk),), PSAP_RING_S),), request.target_user)


def recall_plan(context: CallContext, sender: Party, kept: Party) -> Plan | None:
    """Back to the phone that transferred a call and hung up; None when it cannot be rung."""
    targets = context.targets(sender.device) if sender.device is not None else ()
    if not targets:
        return None
    calling = Calling(Caller(kept.number, kept.name), codecs_of(kept))
    return to_extension(ToExtension(sender.number, sender.name, targets, RECALL_RING_S), calling, context.snapshot())


def codecs_of(party: Party) -> tuple[str, ...]:
    """What the party talks with: the next INVITE offers it first, so that its audio can be forwarded as it is."""
    return (party.codec,) if party.codec else ()
