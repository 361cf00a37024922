"""The fork as a pure machine: stages of branches, first answer wins, losers are released, the best failure is reported (RFC 3261 section 16.7)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from appliance.calls.plan import NO_ANSWER, NO_TRUNK, UNREACHABLE, Advance, Branch, Outcome, Plan, best, is_network_failure, outcome_of
from appliance.sip.api import Answered, Ended, News, Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """Send this branch's INVITE; its news come back under `key`."""

    key: int
    branch: Branch


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the caller that it rings. `media_of` names the branch whose early media the caller shall hear, None: plain ringback."""

    media_of: int | None = None


@dataclass(frozen=True, slots=True)
class Win:
    """This branch answered first: it is the call."""

    key: int
    branch: Branch


@dataclass(frozen=True, slots=True)
class Drop:
    """Release this branch: CANCEL, or BYE where its 200 crossed ours. `elsewhere`: because another answered."""

    key: int
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """Nobody answered; the attempt is over."""

    outcome: Outcome


Act = Start | Ring | Win | Drop | Fail


class BranchState(StrEnum):
    """WAITING (for its time) -> CALLING -> PROCEEDING -> RINGING -> WON; DROPPED and FAILED can follow any but WON."""

    WAITING = "waiting"
    CALLING = "calling"
    PROCEEDING = "proceeding"
    RINGING = "ringing"
    WON = "won"
    DROPPED = "dropped"
    FAILED = "failed"


_ALIVE = frozenset({BranchState.CALLING, BranchState.PROCEEDING, BranchState.RINGING})


@dataclass(slots=True)
class _Running:
    """`start_at` and `until` are times; `silent_until` None: it has answered something, or need not."""

    branch: Branch
    stage: int
    start_at: float
    until: float = 0.0
    silent_until: float | None = None
    state: BranchState = BranchState.WAITING


class Fork:
    """One attempt at reaching somebody. Feed it news and time; it answers with what to do. `now` in seconds, monotonic.

    `deadline` is when `tick` wants to be called next (None: never). After a Win or Fail it is over; it still answers a late 200 with a Drop.
    A branch that waits for its time starts at once when nothing else rings any more: no caller listens to silence.
    """

    def __init__(self, plan: Plan, call_id: str) -> None:
        self.plan = plan
        self.deadline: float | None = None
        self.over = False
        self._call_id = call_id
        self._stage = -1
        self._ring_until = 0.0
        self._silent_until: float | None = None
        self._branches: list[_Running] = []
        self._outcomes: list[Outcome] = []
        self._ringing_told = False
        self._media_told: int | None = None

    def start(self, now: float) -> list[Act]:
        """Begin with the first stage."""
        if not self.plan.stages:
            self._finish()
            return [Fail(self.plan.nobody or UNREACHABLE)]
        return self._next_stage(now)

    def news(self, key: int, news: News, now: float) -> list[Act]:
        """News of a branch. Kinds that do not matter to a fork give no action."""
        running = self._branches[key]
        match news:
            case Progress():
                return self._progress(key, running, news)
            case Answered():
                return self._answered(key, running)
            case Ended():
                return self._ended(key, running, news, now)
        return []

    def tick(self, now: float) -> list[Act]:
        """Time passed; call it at `deadline` or later."""
        if self.over or self.deadline is None or now < self.deadline:
            return []
        if now >= self._ring_until:
            return self._stage_failed(now, NO_ANSWER if self._rang() else self._silence(), network=not self._rang())
        if self._silent_until is not None and now >= self._silent_until:
            return self._stage_failed(now, self._silence(), network=True)
        acts: list[Act] = []
        for key, running in enumerate(self._branches):
            if running.state not in _ALIVE:
                continue
            if running.silent_until is not None and now >= running.silent_until:
                acts += self._give_up(key, running, "silent", self._silence())
                acts += self._next_way(running, now)
            elif now >= running.until:
                acts += self._give_up(key, running, "rang long enough", NO_ANSWER if running.state is BranchState.RINGING else UNREACHABLE)
        return acts + self._go_on(now, network=False)

    def stop(self) -> list[Act]:
        """The caller gave up: release whatever still rings."""
        acts = self._drop_alive()
        self._finish()
        return acts

    def _next_stage(self, now: float) -> list[Act]:
        self._stage += 1
        stage = self.plan.stages[self._stage]
        self._ring_until = now + stage.ring_s
        self._silent_until = now + stage.silence_s if stage.silence_s else None
        self._branches += [_Running(branch, self._stage, now + branch.after_s) for branch in stage.branches]
        return self._go_on(now, network=True)

    def _go_on(self, now: float, *, network: bool) -> list[Act]:
        """Start the branches whose time has come, or the next ones when nothing rings any more; the stage has failed when there is none.

        `network`: whether the last thing that failed was the way there.
        """
        current = self._current()
        waiting = [running for running in current if running.state is BranchState.WAITING]
        if waiting and not any(running.state in _ALIVE for running in current):
            early = max(0.0, min(running.start_at for running in waiting) - now)
            for running in waiting:
                running.start_at -= early
        acts: list[Act] = []
        for key, running in enumerate(self._branches):
            if running.stage == self._stage and running.state is BranchState.WAITING and running.start_at <= now:
                acts.append(self._begin(key, running, now))
        if not acts and not any(running.state in _ALIVE for running in current):
            return self._stage_failed(now, None, network=network)
        self._set_deadline()
        return acts

    def _begin(self, key: int, running: _Running, now: float) -> Start:
        branch = running.branch
        running.until = now + branch.ring_s if branch.ring_s else self._ring_until
        running.silent_until = now + branch.silence_s if branch.silence_s else None
        self._move(key, running, "its time", BranchState.CALLING)
        return Start(key, branch)

    def _next_way(self, running: _Running, now: float) -> list[Act]:
        """Another way to the person whom `running` did not reach."""
        then = running.branch.then
        if then is None:
            return []
        other = _Running(then, running.stage, now)
        self._branches.append(other)
        start = self._begin(len(self._branches) - 1, other, now)
        other.until = running.until
        return [start]

    def _give_up(self, key: int, running: _Running, event: str, outcome: Outcome) -> list[Act]:
        self._move(key, running, event, BranchState.DROPPED)
        self._outcomes.append(outcome)
        return [*self._silence_of(key), Drop(key)]

    def _silence_of(self, key: int) -> list[Act]:
        """The branch whose early media the caller hears is gone: plain ringback again."""
        if self._media_told != key:
            return []
        self._media_told = None
        return [Ring()]

    def _progress(self, key: int, running: _Running, news: Progress) -> list[Act]:
        if self.over or running.state not in _ALIVE:
            return []
        # A 100 shows that somebody is there, not that anything rings (RFC 3261 section 21.1.1).
        reached = BranchState.RINGING if news.code > 100 or running.state is BranchState.RINGING else BranchState.PROCEEDING
        self._move(key, running, f"progress {news.code}", reached)
        self._silent_until = running.silent_until = None
        self._set_deadline()
        if news.early_media and len(self._current()) == 1:
            if self._media_told == key:
                return []
            self._media_told, self._ringing_told = key, True
            return [Ring(key)]
        if news.code in (180, 183) and not self._ringing_told:
            self._ringing_told = True
            return [Ring()]
        return []

    def _answered(self, key: int, running: _Running) -> list[Act]:
        if self.over or running.state not in _ALIVE:
            # Its 200 crossed our CANCEL, or it came second: a call nobody wants is released (RFC 3261 section 13.3.1.4).
            return [Drop(key, elsewhere=True)]
        self._move(key, running, "answered", BranchState.WON)
        acts: list[Act] = [Win(key, running.branch)]
        acts += self._drop_alive(elsewhere=True)
        self._finish()
        return acts

    def _ended(self, key: int, running: _Running, news: Ended, now: float) -> list[Act]:
        alive = running.state in _ALIVE
        rang = running.state is BranchState.RINGING
        if self.over or not alive:
            return []
        self._move(key, running, f"ended {news.code} {news.cause}", BranchState.FAILED)
        network = is_network_failure(news)
        outcome = outcome_of(news, rang=rang, trunk=running.branch.trunk is not None)
        if outcome.code >= 600 and self.plan.stages[self._stage].one_person:
            # RFC 3261 section 16.7: a 6xx speaks for the person, not for one phone.
            return self._stage_failed(now, outcome, network=False)
        self._outcomes.append(outcome)
        acts = self._silence_of(key) if len(self._current()) > 1 or (network and running.branch.then is not None) else []
        if network:
            acts += self._next_way(running, now)
        if any(other.state in _ALIVE for other in self._current()):
            self._set_deadline()
            return acts
        return acts + self._go_on(now, network=network)

    def _stage_failed(self, now: float, outcome: Outcome | None, *, network: bool) -> list[Act]:
        acts = self._drop_alive()
        if outcome is not None:
            self._outcomes.append(outcome)
        stage = self.plan.stages[self._stage]
        verdict = best(self._outcomes)
        more = self._stage + 1 < len(self.plan.stages)
        if more and (network or stage.advance is Advance.ALWAYS):
            if self._media_told is not None:
                self._media_told = None
                acts.append(Ring())
            self._outcomes = []
            return acts + self._next_stage(now)
        self._finish()
        return [*acts, Fail(verdict)]

    def _drop_alive(self, *, elsewhere: bool = False) -> list[Act]:
        acts: list[Act] = []
        for key, running in enumerate(self._branches):
            if running.state in _ALIVE:
                acts.append(Drop(key, elsewhere))
            if running.state in _ALIVE or running.state is BranchState.WAITING:
                self._move(key, running, "released", BranchState.DROPPED)
        return acts

    def _current(self) -> list[_Running]:
        return [running for running in self._branches if running.stage == self._stage]

    def _rang(self) -> bool:
        return any(running.state is BranchState.RINGING for running in self._current())

    def _silence(self) -> Outcome:
        return NO_TRUNK if any(running.branch.trunk for running in self._current()) else UNREACHABLE

    def _set_deadline(self) -> None:
        times = [self._ring_until]
        if self._silent_until is not None:
            times.append(self._silent_until)
        for running in self._current():
            if running.state is BranchState.WAITING:
                times.append(running.start_at)
            elif running.state in _ALIVE:
                times.append(running.until)
                if running.silent_until is not None:
                    times.append(running.silent_until)
        self.deadline = min(times)

    def _finish(self) -> None:
        self.over = True
        self.deadline = None

    def _move(self, key: int, running: _Running, event: str, new: BranchState) -> None:
        if running.state is not new:
            log.debug("call %s branch %d: %s -> %s -> %s", self._call_id, key, running.state, event, new)
            running.state = new
