"""Random kills: what a test does to the box while calls and registrations go on. Every run can be repeated from its seed."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import Self

from tests.support.box import Box


@dataclass(frozen=True)
class Kill:
    """One kill and how long the box was away (seconds until it was ready again)."""

    at_s: float
    away_s: float


class Killer:
    """Kills a supervised box `times` times, each `between_s` (low, high) seconds after it was ready again. Use as a context or call `run`."""

    def __init__(self, box: Box, *, times: int = 3, between_s: tuple[float, float] = (0.5, 3.0), seed: int | None = None) -> None:
        self.seed = random.randrange(1 << 32) if seed is None else seed
        self.kills: list[Kill] = []
        self.error: BaseException | None = None
        self._random = random.Random(self.seed)
        self._box, self._times, self._between_s = box, times, between_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name="killer", daemon=True)

    def run(self) -> list[Kill]:
        """All the kills, one after the other; returns them."""
        for _ in range(self._times):
            if self._stop.wait(self._random.uniform(*self._between_s)):
                break
            pid = self._box.kill9()
            killed = time.monotonic()
            self.kills.append(Kill(killed, self._box.wait_back(other_than=pid) - killed))
        return self.kills

    def _guarded(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30.0)
        if self.error is not None:
            raise AssertionError(f"killer with seed {self.seed}: {self.error}") from self.error
