"""What a call attempt is made of: branches that ring together, stages that follow each other, and the outcome when nobody answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.sip.api import Dial, Ended
from appliance.types import DeviceId, TrunkId


@dataclass(frozen=True, slots=True)
class Branch:
    """One outgoing INVITE of a fork, and whom it reaches: a device of ours or a trunk.

    `after_s` after its stage began; `ring_s` of its own, 0: as long as the stage. `then`: the next way to the same person, taken when the way there
    failed or stayed without any answer for `silence_s` (0: the stage's rule alone). `callee`: who it is, where a plan reaches several people.
    """

    dial: Dial
    device: DeviceId | None = None
    trunk: TrunkId | None = None
    after_s: float = 0.0
    ring_s: float = 0.0
    silence_s: float = 0.0
    then: Branch | None = None
    callee: str = ""
    callee_name: str = ""


class Advance(StrEnum):
    """When the next stage is tried after this one failed."""

    NETWORK = "network"
    """Only where the way there failed (trunks): what the person called decided stands."""
    ALWAYS = "always"
    """Whatever became of it (call-back to a phone, then the security desk)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Branches that ring together or staggered. `ring_s`: how long in all; `silence_s`: how long without any provisional answer, 0: as long as `ring_s`.

    `one_person`: all branches are phones of one person, so that a 6xx of one speaks for all (RFC 3261 section 16.7).
    """

    branches: tuple[Branch, ...]
    ring_s: float
    silence_s: float = 0.0
    advance: Advance = Advance.NETWORK
    one_person: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages of one attempt, in order, and the number as a person would name it (for records and displays).

    `nobody`: what a plan without stages comes to, None: the phone cannot be reached.
    """

    stages: tuple[Stage, ...]
    callee: str
    callee_name: str = ""
    nobody: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why an attempt failed, as the caller is told: a SIP status with its reason phrase and a Q.850 cause (RFC 6432).

    `cause` is a word of `Ended.cause`; `q850` 0 means no Reason header.
    """

    code: int
    reason: str
    cause: str
    q850: int = 0
    retry_after: int = 0

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers of the final answer: Reason (RFC 3326) and Retry-After where they apply."""
        found: list[tuple[str, str]] = []
        if self.q850:
            found.append(("Reason", f'Q.850;cause={self.q850};text="{self.reason}"'))
        if self.retry_after:
            found.append(("Retry-After", str(self.retry_after)))
        return tuple(found)


BUSY = Outcome(486, "Busy Here", "busy", 17)
NO_ANSWER = Outcome(480, "No Answer", "no-answer", 19)
UNREACHABLE = Outcome(480, "Phone Not Reachable", "unreachable", 20)
NOT_REGISTERED = Outcome(480, "Phone Not Registered", "unreachable", 20)
DECLINED = Outcome(603, "Decline", "declined", 21)
CONGESTED = Outcome(503, "All Lines Are Busy", "congestion", 34, retry_after=5)
NO_TRUNK = Outcome(503, "No Outside Line Works", "unreachable", 38, retry_after=5)
GONE = Outcome(487, "Request Terminated", "cancelled")

ANSWERED_ELSEWHERE = (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)
"""RFC 3326 section 2: the phone that lost the race shows no missed call."""

_NETWORK_CAUSES = frozenset({"unreachable", "timeout", "error", "congestion"})
_TRUNK_REFUSALS = frozenset({401, 407, 408})
"""408: nobody there; 401 and 407 after our credentials: the trunk does not know us. Neither is the called person's word."""


def is_network_failure(ended: Ended) -> bool:
    """Whether this end of a leg says that the way there failed, and not that the called side decided (RFC 3261 sections 16.7, 21)."""
    if ended.code in _TRUNK_REFUSALS or 500 <= ended.code < 600:
        return True
    return ended.code < 300 and ended.cause in _NETWORK_CAUSES


def outcome_of(ended: Ended, *, rang: bool, trunk: bool) -> Outcome:
    """What the caller is told of one failed leg.

    A phone of ours that is silent or broken is "not reachable" (480), never our own 5xx; a trunk's user answers (404, 484 …) pass as they came,
    and its failures become 503 so that the caller may try again.
    """
    code = ended.code
    if ended.cause == "congestion":
        return CONGESTED
    if is_network_failure(ended):
        if not trunk:
            return NO_ANSWER if rang and code == 408 else UNREACHABLE
        return Outcome(503, ended.reason or NO_TRUNK.reason, ended.cause if ended.cause != "normal" else "unreachable", NO_TRUNK.q850, ended.retry_after)
    if code in (486, 600):
        return Outcome(code, ended.reason or BUSY.reason, "busy", BUSY.q850)
    if code >= 600 or ended.cause == "declined":
        return Outcome(code if code >= 400 else DECLINED.code, ended.reason or DECLINED.reason, "declined", DECLINED.q850)
    if code in (480, 487):
        # 487 without our CANCEL: the far end gave up ringing by itself.
        return NO_ANSWER if rang else UNREACHABLE
    if trunk and code >= 300:
        return Outcome(code, ended.reason, ended.cause if ended.cause != "normal" else "refused")
    if code == 488:
        return Outcome(488, ended.reason or "Not Acceptable Here", "refused", 88)
    return UNREACHABLE


_RANK = {"no-answer": 1, "busy": 2, "refused": 3, "congestion": 4, "unreachable": 5}


def best(outcomes: list[Outcome]) -> Outcome:
    """The one answer for the caller out of those of all branches (RFC 3261 section 16.7 step 6, in words of people: declined, no answer, busy, …)."""
    if not outcomes:
        return UNREACHABLE
    return min(outcomes, key=lambda o: (0 if o.code >= 600 else _RANK.get(o.cause, 3), o.code))
