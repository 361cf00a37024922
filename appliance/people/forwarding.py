"""What becomes of a call to a user: their own phones or follow-me, then a forwarding list, then voicemail (pure; rows A5, A6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from appliance.site.model.people import ForwardStep, User
from appliance.types import UserId


class Happened(StrEnum):
    """How a ring ended without an answer."""

    NO_ANSWER = "no-answer"
    BUSY = "busy"
    """Or declined."""
    FAILED = "failed"
    """No phone could be reached."""


class Stage(StrEnum):
    """Where a call to a user is."""

    PHONES = "phones"
    FOLLOW_ME = "follow-me"
    NO_ANSWER = "no-answer list"
    BUSY = "busy list"
    VOICEMAIL = "voicemail"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Ring:
    """One line of a list: a user or a number (as a person of this site dials it), `ring_s` long from `delay_s` after the list was begun."""

    user: UserId | None
    number: str
    delay_s: float
    ring_s: float


def first(user: User) -> Stage:
    """What a call to `user` begins with."""
    forwarding = user.forwarding
    if not forwarding.follow_me_on:
        return Stage.PHONES
    return Stage.FOLLOW_ME if forwarding.follow_me else Stage.VOICEMAIL if forwarding.voicemail else Stage.OVER


def then(user: User, stage: Stage, happened: Happened) -> Stage:
    """What follows `stage` when nobody answered. Voicemail is where the user has a mailbox."""
    forwarding = user.forwarding
    if stage is Stage.PHONES:
        if happened is Happened.BUSY and forwarding.busy:
            return Stage.BUSY
        if happened is not Happened.BUSY and forwarding.no_answer:
            return Stage.NO_ANSWER
    if stage in (Stage.VOICEMAIL, Stage.OVER) or not forwarding.voicemail:
        return Stage.OVER
    return Stage.VOICEMAIL


def rings(user: User, stage: Stage) -> tuple[Ring, ...]:
    """Whom a list rings, in the order they begin; nobody for a stage that is none."""
    forwarding = user.forwarding
    match stage:
        case Stage.FOLLOW_ME:
            return plan(forwarding.follow_me)
        case Stage.NO_ANSWER:
            return plan(forwarding.no_answer)
        case Stage.BUSY:
            return plan(forwarding.busy)
    return ()


def plan(steps: Iterable[ForwardStep]) -> tuple[Ring, ...]:
    """The lines of a list in the order they begin; those that begin together in the order written. A line that names nobody is passed over.

    One that would ring while an earlier line rings the same person or number lengthens that one instead: nobody's phone rings twice at once.
    """
    found: list[Ring] = []
    for step in sorted(steps, key=lambda step: step.delay_seconds):
        if not (step.user or step.number):
            continue
        ring = Ring(UserId(step.user) if step.user else None, "" if step.user else step.number or "", float(step.delay_seconds), float(step.ring_seconds))
        for index, earlier in enumerate(found):
            if (earlier.user, earlier.number) == (ring.user, ring.number) and ring.delay_s <= earlier.delay_s + earlier.ring_s:
                end = max(earlier.delay_s + earlier.ring_s, ring.delay_s + ring.ring_s)
                found[index] = Ring(earlier.user, earlier.number, earlier.delay_s, end - earlier.delay_s)
                break
        else:
            found.append(ring)
    return tuple(found)
