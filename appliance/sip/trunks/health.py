"""Whether a trunk works, from what it answered to OPTIONS and REGISTER (pure state machine; time passed in)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from appliance.types import TrunkId

log = logging.getLogger(__name__)

DOWN_AFTER = 2
"""Failures in a row; one lost packet says nothing."""
SUSPECT_S = 5.0
"""After a first failure the next probe does not wait the whole interval."""
SPREAD = 0.1
"""Probes move by up to this share of the interval, so that trunks of many boxes do not meet at the carrier."""
DEAD = frozenset({408, 503})
"""What pjsip itself reports for silence and for a broken transport; a carrier that says 503 will not take a call either (RFC 3261 section 21.5.4)."""


def is_alive(code: int) -> bool:
    """True when a final status shows a working peer: any but 408 and 503, for even a refusal was written by somebody."""
    return code >= 200 and code not in DEAD


@dataclass(slots=True)
class Health:
    """One trunk. Times are `now` (seconds, monotonic). `interval_s` 0: no OPTIONS are sent, REGISTER alone is evidence.

    `reachable`: None until there is evidence. `registered`: None while the trunk does not register or no REGISTER has been answered or given up yet.
    `register_code`/`register_reason` and `options_code`: of the last final answer to each, 408 for silence, 0 before the first. `since_s`: when `reachable` or
    `registered` last changed.
    """

    id: TrunkId
    interval_s: float
    registers: bool
    since_s: float
    reachable: bool | None = None
    registered: bool | None = None
    options_code: int = 0
    register_code: int = 0
    register_reason: str = ""
    last_answer_s: float | None = None
    failures: int = 0
    probe_at_s: float = 0.0
    answers_options: bool = False

    @property
    def works(self) -> bool | None:
        """What `order` goes by: False when one of both says no, True when one says yes and none says no, None when nothing is known."""
        known = [said for said in (self.reachable, self.registered) if said is not None]
        return all(known) if known else None

    def on_options(self, now: float, code: int, chance: float) -> bool:
        """The outcome of a probe: final status, or 408 for silence; `chance` in [0, 1) spreads the next one. True: the state changed."""
        self.options_code = code
        self.answers_options = self.answers_options or is_alive(code)
        if not self.answers_options and self.registered:
            # Some carriers never answer OPTIONS. A registration that stands says more than that silence.
            self.failures = 0
            self._next_probe(now, chance)
            return False
        changed = self._heard(now, f"{code} to OPTIONS", code, self.registered)
        self._next_probe(now, chance)
        return changed

    def on_register(self, now: float, code: int, reason: str, expires_s: int) -> bool:
        """The outcome of a REGISTER; `expires_s` 0: not registered. `code` 0 (none was sent yet) says nothing. True: the state changed."""
        if code < 200 or not self.registers:
            return False
        self.register_code, self.register_reason = code, reason
        return self._heard(now, f"{code} to REGISTER", code, is_alive(code) and code < 300 and expires_s > 0)

    def moved(self, now: float) -> None:
        """It goes to another address now: what failed there says nothing of this one, so it is probed at once."""
        self.failures = 0
        self.probe_at_s = now

    def _next_probe(self, now: float, chance: float) -> None:
        wait_s = self.interval_s * (1 - SPREAD + 2 * SPREAD * chance)
        self.probe_at_s = now + (min(wait_s, SUSPECT_S) if 0 < self.failures < DOWN_AFTER and self.reachable is not False else wait_s)

    def _heard(self, now: float, event: str, code: int, registered: bool | None) -> bool:
        before = (self.reachable, self.registered)
        if is_alive(code):
            self.failures, self.last_answer_s, self.reachable = 0, now, True
        else:
            self.failures += 1
            if self.failures >= DOWN_AFTER:
                self.reachable = False
        self.registered = registered
        after = (self.reachable, self.registered)
        if before == after:
            return False
        self.since_s = now
        log.info("trunk %s: (reachable, registered) %s -> %s -> %s", self.id, before, event, after)
        return True
