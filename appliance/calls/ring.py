"""From the targets a program names to a plan of INVITEs, with everybody's delays and times (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from appliance.calls.caller import Caller
from appliance.calls.dials import PHONE_SILENCE_S, TRUNK_RING_S, TRUNK_SILENCE_S, Calling, TrunkOrder, plan_for
from appliance.calls.plan import NOT_REGISTERED, Branch, Outcome, Plan, Stage, best
from appliance.calls.program import IsMailbox, RingTarget, RunsFlow
from appliance.calls.route import (
    Meant,
    Refused,
    ToCallBack,
    ToEmergency,
    ToExtension,
    ToFlow,
    ToMailbox,
    ToOutside,
    View,
    meant_by,
    reach,
)
from appliance.site.snapshot import ExtensionEntry, Snapshot
from appliance.types import GroupId, UserId


@dataclass(frozen=True, slots=True)
class Rings:
    """Phones or lines to ring. `user`: whom it is for, where it is one person. `outside`: it takes a trunk."""

    plan: Plan
    user: UserId | None = None
    outside: bool = False
    call_back: bool = False
    """It calls back into an emergency: the call counts as one from here on."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nothing can ring, and why. `user`: whom it was for."""

    outcome: Outcome
    user: UserId | None = None


Ringing = Rings | Nobody | RunsFlow | IsMailbox | ToEmergency


@dataclass(frozen=True, slots=True)
class Asking:
    """Who wants to ring: `who` is the one the dial plan looks at, `calling` what the called side sees; `dialled` what was dialled."""

    who: Caller
    calling: Calling
    dialled: str


def ring(targets: Sequence[RingTarget], asking: Asking, snapshot: Snapshot, view: View, order: TrunkOrder, longest_s: float = 0.0) -> Ringing:
    """What ringing `targets` comes to. `longest_s`: bound of the whole, 0: none.

    An emergency number among them is an emergency call before everything else; then the first that is a flow or a mailbox counts, and nobody rings (E12).
    """
    found = [(target, meaning(target, asking.who, asking.dialled, snapshot, view)) for target in targets]
    for kind in (ToEmergency, ToFlow, ToMailbox):
        first = next((meant for _, meant in found if isinstance(meant, kind)), None)
        if isinstance(first, ToEmergency):
            return first
        if isinstance(first, ToFlow):
            return RunsFlow(first.flow, first.user)
        if isinstance(first, ToMailbox):
            return IsMailbox(first.mailbox, first.leave)
    if len(found) == 1:
        return _alone(*found[0], asking, snapshot, order, longest_s)
    return _several(found, asking, snapshot, order, longest_s)


def meaning(target: RingTarget, who: Caller, dialled: str, snapshot: Snapshot, view: View) -> Meant:
    """Whom a target stands for when `who` calls it and has dialled `dialled`."""
    entry: ExtensionEntry | None = None
    if target.user is not None:
        entry = snapshot.users.get(target.user)
    elif target.device is not None:
        device = snapshot.devices.get(target.device)
        if device is not None and device.enabled:
            entry = ExtensionEntry(device.extension or device.sip_user, None, (device.id,), device.name, call_waiting=True, ring_seconds=0)
    elif target.group is not None:
        entry = snapshot.groups.get(GroupId(target.group))
    elif target.extension:
        entry = snapshot.extensions.get(target.extension)
    else:
        return meant_by(dialled if target.dialled else target.number, who, snapshot, view)
    return reach(entry, who, snapshot, view) if entry is not None else Refused(NOT_REGISTERED)


def _alone(target: RingTarget, meant: Meant, asking: Asking, snapshot: Snapshot, order: TrunkOrder, longest_s: float) -> Rings | Nobody:
    match meant:
        case ToExtension() | ToOutside():
            plan = plan_for(meant, asking.calling, snapshot, order)
            bounds = [seconds for seconds in (target.ring_s, longest_s) if seconds]
            if bounds:
                plan = replace(plan, stages=tuple(replace(stage, ring_s=min(bounds)) for stage in plan.stages))
            return Rings(plan, meant.user if isinstance(meant, ToExtension) else None, isinstance(meant, ToOutside))
        case ToCallBack():
            return Rings(plan_for(meant, asking.calling, snapshot, order), call_back=True)
        case Refused(outcome, user):
            return Nobody(outcome, user)
    return Nobody(NOT_REGISTERED)


def _several(found: Sequence[tuple[RingTarget, Meant]], asking: Asking, snapshot: Snapshot, order: TrunkOrder, longest_s: float) -> Rings | Nobody:
    branches: list[Branch] = []
    refusals: list[Outcome] = []
    rung: set[str] = set()
    names: list[tuple[str, str]] = []
    outside = False
    for target, meant in found:
        if isinstance(meant, Refused):
            refusals.append(meant.outcome)
        if not isinstance(meant, ToExtension | ToOutside):
            continue
        plan = plan_for(meant, asking.calling, snapshot, order)
        if plan.nobody is not None and not plan.stages:
            refusals.append(plan.nobody)
            continue
        seconds = target.ring_s or (meant.ring_s if isinstance(meant, ToExtension) else TRUNK_RING_S)
        outside = outside or isinstance(meant, ToOutside)
        names.append((plan.callee, plan.callee_name))
        for branch in _together(plan) if isinstance(meant, ToExtension) else _one_after_another(plan):
            # A phone that two targets share rings once, the first time.
            if branch.dial.target not in rung or branch.device is None:
                rung.add(branch.dial.target)
                branches.append(replace(branch, after_s=target.delay_s, ring_s=seconds, callee=plan.callee, callee_name=plan.callee_name))
    if not branches:
        return Nobody(best(refusals))
    whole = max(branch.after_s + branch.ring_s for branch in branches)
    silence_s = 0.0 if any(branch.after_s for branch in branches) or outside else PHONE_SILENCE_S
    stage = Stage(tuple(branches), min(whole, longest_s or whole), silence_s, one_person=False)
    callee, name = names[0] if len(names) == 1 else (asking.dialled, ", ".join(name or number for number, name in names)[:80])
    return Rings(Plan((stage,), callee, name), outside=outside)


def _together(plan: Plan) -> tuple[Branch, ...]:
    return tuple(branch for stage in plan.stages for branch in stage.branches)


def _one_after_another(plan: Plan) -> tuple[Branch, ...]:
    """The trunks of an outside number as one branch with its next ways."""
    chain: Branch | None = None
    for branch in reversed(_together(plan)):
        chain = replace(branch, silence_s=TRUNK_SILENCE_S, then=chain)
    return (chain,) if chain is not None else ()


