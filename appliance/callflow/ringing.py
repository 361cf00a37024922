"""Ringing as Dial and Ring user do it: literally, or with the called person's forwarding (rows K5, A5, A6)."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.callflow.callee import callee, extension_of
from appliance.callflow.deposit import leave_message
from appliance.callflow.listen import hear_messages
from appliance.callflow.node import Exit, Jump, Way
from appliance.callflow.run import Run
from appliance.calls.plan import Outcome
from appliance.calls.program import Connected, IsMailbox, RingResult, RingTarget, RunsFlow
from appliance.people import forwarding
from appliance.people.forwarding import Happened, Stage
from appliance.types import UserId

EXITS = (
    Exit(Happened.NO_ANSWER, "no answer", paced=True),
    Exit(Happened.BUSY, "busy", instead=Happened.NO_ANSWER),
    Exit(Happened.FAILED, "nobody reachable", instead=Happened.NO_ANSWER),
)


async def literally(run: Run, targets: Sequence[RingTarget], ring_s: float) -> Way:
    """Ring the targets and nothing else."""
    return await _settle(run, await run.ring(targets, ring_s))


async def with_forwarding(run: Run, targets: Sequence[RingTarget], ring_s: float) -> Way:
    """Ring the targets, each by its follow-me where that is on; of a single person's call the lists and voicemail take what is not answered."""
    user = _user(run, targets[0]) if len(targets) == 1 else None
    if user is not None:
        return await _person(run, targets[0], user, ring_s)
    return await literally(run, [ring for target in targets for ring in _followed(run, target)], ring_s)


def _happened(outcome: Outcome) -> Happened:
    """A failed ring in the words of exits and lists."""
    if outcome.cause in {"busy", "declined"}:
        return Happened.BUSY
    return Happened.NO_ANSWER if outcome.cause == "no-answer" else Happened.FAILED


async def _person(run: Run, target: RingTarget, name: UserId, ring_s: float) -> Way:
    user = run.snapshot.site.users[name]
    stage, what = forwarding.first(user), Happened.FAILED
    while stage is not Stage.OVER:
        if stage is Stage.VOICEMAIL:
            mailbox = run.snapshot.mailboxes.get(name)
            if mailbox is None:
                break
            run.port.note(f"{name}: voicemail {mailbox}")
            await leave_message(run, mailbox)
            return None
        if stage is Stage.PHONES:
            result = await run.ring([target], ring_s)
        else:
            run.port.note(f"{name}: {stage}")
            result = await run.ring([_target(run, ring) for ring in forwarding.rings(user, stage)])
        if not isinstance(result, Outcome):
            return await _settle(run, result)
        what = _happened(result)
        stage = forwarding.then(user, stage, what)
    return what


def _user(run: Run, target: RingTarget) -> UserId | None:
    name = callee(target, run.port.dialled, run.snapshot)
    return name if name in run.snapshot.site.users else None


def _followed(run: Run, target: RingTarget) -> list[RingTarget]:
    """`target`, or the follow-me list of the user it is."""
    name = _user(run, target)
    if name is None:
        return [target]
    user = run.snapshot.site.users[name]
    stage = forwarding.first(user)
    return [target] if stage is Stage.PHONES else [_target(run, ring, target.delay_s) for ring in forwarding.rings(user, stage)]


def _target(run: Run, ring: forwarding.Ring, after_s: float = 0.0) -> RingTarget:
    """A line of a list as a target: literal, or two people who forward to each other would never end."""
    delay_s = ring.delay_s + after_s
    if ring.user is not None:
        return RingTarget(user=ring.user, delay_s=delay_s, ring_s=ring.ring_s)
    if extension := extension_of(ring.number, run.snapshot):
        return RingTarget(extension=extension, delay_s=delay_s, ring_s=ring.ring_s)
    return RingTarget(number=ring.number, delay_s=delay_s, ring_s=ring.ring_s)


async def _settle(run: Run, result: RingResult) -> Way:
    """What follows a ring."""
    match result:
        case Outcome():
            return _happened(result)
        case Connected():
            return None
        case RunsFlow(flow, user):
            return Jump(flow, user)
        case IsMailbox(mailbox, leave):
            await (leave_message(run, mailbox) if leave else hear_messages(run, mailbox))
            return None
