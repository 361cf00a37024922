"""One attempt in the act: carries out what the fork decides, with real legs, and tells its call what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from appliance.calls.core import Party
from appliance.calls.fork import Act, Drop, Fail, Fork, Ring, Start, Win
from appliance.calls.plan import ANSWERED_ELSEWHERE, Branch, Outcome, Plan
from appliance.sip.api import Ended, Leg, LegState, MediaChanged, News
from appliance.types import DeviceId, LegId, TrunkId


class Owner(Protocol):
    """The call that an attempt works for."""

    call_id: str

    def open_leg(self, branch: Branch) -> Leg | Ended:
        """Send the INVITE of a branch, or say why it cannot go, in the words a leg would use."""

    def release(self, leg: Leg, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None: ...

    def on_ringing(self, waiting: Party, media: Leg | None) -> None:
        """It rings; `media` is the leg whose early media the waiting party shall hear."""

    def on_won(self, waiting: Party, winner: Party) -> None: ...

    def on_missed(self, outcome: Outcome) -> None: ...

    def on_trunk_failed(self, trunk: TrunkId, ended: Ended) -> None: ...


class Attempt:
    """Reach somebody for `waiting` by a plan. `deadline` is when `tick` wants to be called (loop time), None: never."""

    def __init__(self, owner: Owner, plan: Plan, waiting: Party, now: Callable[[], float]) -> None:
        self.plan = plan
        self.waiting = waiting
        self._owner = owner
        self._now = now
        self._fork = Fork(plan, owner.call_id)
        self._keys: dict[LegId, int] = {}
        self._legs: dict[int, tuple[Leg, Branch]] = {}
        self._ringing: set[int] = set()
        self._codecs: dict[LegId, str] = {}

    @property
    def over(self) -> bool:
        """Somebody answered, or nobody will."""
        return self._fork.over

    @property
    def deadline(self) -> float | None:
        return self._fork.deadline

    def start(self) -> None:
        self._carry_out(self._fork.start(self._now()))

    def tick(self) -> None:
        self._carry_out(self._fork.tick(self._now()))

    def stop(self) -> None:
        """The waiting party gave up."""
        self._carry_out(self._fork.stop())

    def owns(self, leg: Leg) -> bool:
        return leg.id in self._keys

    def news(self, leg: Leg, news: News) -> None:
        """News of one of its legs, a released one as well."""
        key = self._keys[leg.id]
        if isinstance(news, MediaChanged):
            self._codecs[leg.id] = news.codec
        if isinstance(news, Ended) and key in self._ringing:
            self._ringing.discard(key)
            self._note_failure(self._legs[key][1], news)
        self._carry_out(self._fork.news(key, news, self._now()))

    def devices(self) -> list[DeviceId]:
        """Those that ring now."""
        return [device for device in (self._legs[key][1].device for key in self._ringing) if device is not None]

    def trunks(self) -> list[TrunkId]:
        """Those with a call on the way."""
        return [trunk for trunk in (self._legs[key][1].trunk for key in self._ringing) if trunk is not None]

    def _carry_out(self, acts: list[Act]) -> None:
        todo = deque(acts)
        while todo:
            match todo.popleft():
                case Start(key, branch):
                    todo.extend(self._start(key, branch))
                case Ring(media_of):
                    media = self._legs[media_of][0] if media_of is not None else None
                    self._owner.on_ringing(self.waiting, media)
                case Win(key, branch):
                    leg = self._legs[key][0]
                    self._ringing.discard(key)
                    callee, name = (branch.callee, branch.callee_name) if branch.callee else (self.plan.callee, self.plan.callee_name)
                    winner = Party(leg, branch.device, branch.trunk, callee, name, confirmed=True)
                    winner.codec = self._codecs.get(leg.id, "")
                    self._owner.on_won(self.waiting, winner)
                case Drop(key, elsewhere):
                    self._ringing.discard(key)
                    self._drop(self._legs[key][0], ANSWERED_ELSEWHERE if elsewhere else ())
                case Fail(outcome):
                    self._owner.on_missed(outcome)

    def _start(self, key: int, branch: Branch) -> list[Act]:
        leg = self._owner.open_leg(branch)
        if isinstance(leg, Ended):
            self._note_failure(branch, leg)
            return self._fork.news(key, leg, self._now())
        self._keys[leg.id] = key
        self._legs[key] = (leg, branch)
        self._ringing.add(key)
        return []

    def _drop(self, leg: Leg, headers: tuple[tuple[str, str], ...]) -> None:
        if leg.state is LegState.CONFIRMED:
            # Its 200 crossed our CANCEL, so that it needs a BYE beside what was sent before.
            leg.hangup(headers=headers)
        else:
            self._owner.release(leg, headers=headers)

    def _note_failure(self, branch: Branch, ended: Ended) -> None:
        if branch.trunk is not None:
            self._owner.on_trunk_failed(branch.trunk, ended)
