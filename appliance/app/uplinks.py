"""Several ways to the internet in the engine: each is asked over itself, and netd is asked to put first the one that works."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.control import wan_shapes as shapes
from appliance.network.links import Network
from appliance.network.netd.client import call
from appliance.network.netd.protocol import NetdError
from appliance.network.probe import answers_over
from appliance.network.uplinks import Key, Level, Uplinks
from appliance.network.wan_state import Answer

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

ROUNDS = 3
"""Questions in the time after which silence counts."""
IDLE_S, AWAY_S = 20.0, 5.0
"""How often all ways are asked while the one in use is well; while it is not the first."""
RENEW_S = 10.0
"""netd takes a way back that is not kept up for three times as long."""
ASKED = 4
"""So many outside are asked over each way, at the same time; one answer is enough."""
_ALARM = "uplink"


class UplinkService:
    """Belongs to the loop."""

    def __init__(self, box: Box, clock: Callable[[], float] = time.monotonic) -> None:
        self._box, self._clock = box, clock
        self.uplinks = Uplinks()
        self._network: Network | None = None
        self._wake = asyncio.Event()
        self._held: Key | None = None
        self._kept_s = self._all_s = float("-inf")
        self._problem = ""

    def network_changed(self, network: Network) -> None:
        """Links or routes are not what they were."""
        if self._network is None and network.preferred is not None:
            # An engine before this one asked for it.
            self.uplinks.wanted = self._held = (network.preferred.interface, network.preferred.gateway)
        self._network = network
        self.uplinks.paths(self._clock(), network.by_metric)
        self._wake.set()

    async def run(self) -> None:
        """As long as the box."""
        while True:
            self._wake.clear()
            wait_s: float | None = 1.0
            try:
                await self._apply()
                wait_s = await self._round()
                await self._apply()
            except Exception:
                log.exception("choosing among the ways out failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _round(self) -> float | None:
        """Asks over the ways that are due; how long to wait then, None: until something changes."""
        network = self._network
        if network is None or len(network.by_metric) < 2:
            return None
        now, round_s = self._clock(), self.uplinks.times.silence_s / ROUNDS
        every_s = AWAY_S if self.uplinks.wanted is not None else IDLE_S
        all_due = self.uplinks.doubted() or now - self._all_s >= every_s
        if all_due:
            self._all_s = now
        keys = [(path.interface, path.gateway) for path in network.by_metric if path.carrier]
        await asyncio.gather(*(self._ask(key, round_s * 0.75) for key in keys if all_due or key == self.uplinks.used))
        self.uplinks.tick(self._clock())
        return max(0.05, round_s - (self._clock() - now))

    async def _ask(self, key: Key, timeout_s: float) -> None:
        interface, gateway = key
        quiet = key == self.uplinks.used and not self.uplinks.doubted()  # carriers are not there to be watched
        people = self._box.wan.outside()[: 1 if quiet else ASKED]
        asked = [asyncio.ensure_future(answers_over(interface, ip, port, how, timeout_s)) for ip, port, how in people]
        near = asyncio.ensure_future(self._gateway(interface, gateway, timeout_s))
        try:
            for each in asyncio.as_completed(asked):
                if await each:
                    self.uplinks.heard(self._clock(), key, Level.OUTSIDE)
                    return
            self.uplinks.heard(self._clock(), key, Level.GATEWAY if await near else Level.SILENT)
        finally:
            for task in (*asked, near):
                task.cancel()

    async def _gateway(self, interface: str, gateway: str, timeout_s: float) -> bool:
        if not gateway:
            return True  # a link without a gateway has nobody nearer than outside
        found = await self._box.wan.gateway(interface, gateway, timeout_s)
        return found is not None and found[0] is Answer.GOOD

    async def _apply(self) -> None:
        """Have netd do what is wanted, and keep it up."""
        wanted, now = self.uplinks.wanted, self._clock()
        if wanted == self._held and (wanted is None or now - self._kept_s < RENEW_S):
            return
        path = self._box.settings.netd_socket
        try:
            if wanted is not None:
                await call(path, "routes.prefer", interface=wanted[0], gateway=wanted[1])
            else:
                await call(path, "routes.release")
        except NetdError as error:
            self._kept_s = now
            if wanted is not None:
                self._problem = f"{wanted[0]} would be the better way to the internet, and it cannot be put first: {error.sentence}"
                self._box.alarm(_ALARM, self._problem, error.hint)
                self._held = wanted
            return
        self._held, self._kept_s, self._problem = wanted, now, ""
        self._box.alarm(_ALARM, "")

    # ---- what is told --------------------------------------------------------------------------------------------

    def rows(self) -> list[shapes.UplinkShape]:
        """The default routes by their metrics."""
        network = self._network
        if network is None:
            return []
        used = next((path for path in network.paths if path.carrier), None)
        found: list[shapes.UplinkShape] = []
        for path in network.by_metric:
            level = self.uplinks.level((path.interface, path.gateway))
            state = "unknown" if level is None else level.name.lower()
            found.append({"interface": path.interface, "gateway": path.gateway, "state": state, "used": path == used})
        return found

    def note(self) -> str:
        """Which of several is used and why, a sentence without its full stop; "" where the metrics decide."""
        if self._problem or self.uplinks.wanted is None:
            return self._problem
        return f"{self.uplinks.wanted[0]} is used: {self.uplinks.why or 'the first way out was dead'}"
