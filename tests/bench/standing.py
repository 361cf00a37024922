"""Calls that stay up, with RTP both ways from one thread, for the benchmarks that look at media."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

from tests.bench.common import register_one
from tests.bench.flock import Flock, FlockEnd
from tests.support.box import Box
from tests.support.carrier import Call, Carrier, answer
from tests.support.proc import wait_until
from tests.support.sites import secret


class Standing:
    """Calls from `callers` to `called`, one after the other; `ends` are all their RTP ends."""

    def __init__(self, box: Box, flock: Flock) -> None:
        self.box, self.flock = box, flock
        self.calls: list[Call] = []
        self._far, self._near = Carrier(formats=("0",)), Carrier(formats=("0",))
        for side in (self._far, self._near):
            side.make_rtp = lambda call: flock.end()
        self._far.plan = [answer()]

    def add(self, caller: str, called: str) -> None:
        """Register the called phone at our address and call it."""
        register_one(self.box, self._far, called)
        call = self._near.call(self.box.uri(called), self.box.sip, from_uri=self.box.uri(caller), user=caller, secret=secret(caller))
        call.wait_answer()
        self.calls.append(call)

    @property
    def ends(self) -> list[FlockEnd]:
        return [cast(FlockEnd, call.rtp) for call in [*self.calls, *self._far.calls]]

    def wait_flowing(self) -> None:
        """Until every end hears."""
        wait_until(lambda: all(end.received > 25 for end in self.ends), 15.0, "RTP at every end")

    def lost(self) -> int:
        """Calls the box ended."""
        return sum(1 for call in [*self.calls, *self._far.calls] if call.has("BYE"))

    def hangup(self) -> None:
        for call in self.calls:
            call.hangup()
        self.calls.clear()

    def close(self) -> None:
        self._near.close()
        self._far.close()


@contextlib.contextmanager
def standing_calls(box: Box, pairs: list[tuple[str, str]]) -> Iterator[Standing]:
    """`pairs` of (caller, called) in a call with flowing RTP."""
    with Flock() as flock:
        calls = Standing(box, flock)
        try:
            for caller, called in pairs:
                calls.add(caller, called)
            calls.wait_flowing()
            yield calls
            calls.hangup()
        finally:
            calls.close()
