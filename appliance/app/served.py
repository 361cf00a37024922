"""The networks whose phones get settings: those the site names, else those on the box's own wires that do not lead outside only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from ipaddress import ip_network

from appliance.errors import SettingsError
from appliance.network.firewall import Leg, Network, Role, guard, inside, on_link
from appliance.network.firewall_look import legs
from appliance.site import boards
from appliance.site.model.site import Site

log = logging.getLogger(__name__)

AGAIN_S = 2.0


class ServedNetworks:
    """`site()`: the document in force. `interfaces` asks the kernel; it blocks for milliseconds, in a thread."""

    def __init__(self, site: Callable[[], Site], interfaces: Callable[[], tuple[Leg, ...]] = legs) -> None:
        self._site, self._interfaces = site, interfaces
        self._looking, self._looked_s = asyncio.Lock(), float("-inf")
        self._legs: tuple[Leg, ...] = ()
        self._roles: dict[str, Role | None] = {}
        self._asked: tuple[tuple[str, ...], tuple[Network, ...]] = ((), ())

    async def look(self) -> None:
        """See which networks the box is in, unless that was seen just now; who asks meanwhile waits for it. Never raises: what was known stays."""
        async with self._looking:
            if time.monotonic() - self._looked_s < AGAIN_S:
                return
            try:
                self._legs, self._roles = await asyncio.get_running_loop().run_in_executor(None, self._look)
            except OSError as error:
                log.warning("the box's networks cannot be seen: %s", error)
            self._looked_s = time.monotonic()

    def _look(self) -> tuple[tuple[Leg, ...], dict[str, Role | None]]:
        found = self._interfaces()
        try:
            _, board = boards.current()
        except SettingsError:  # the health page says what is wrong with the board's file
            return found, {}
        return found, {leg.name: board.role(leg.name) for leg in found}

    def now(self) -> tuple[str, ...]:
        """In canonical form, none within another."""
        site = self._site()
        if site.provisioning.networks:
            return tuple(map(str, site.provisioning.networks))
        found = on_link(self._legs, guard(self._legs, self._roles, site.firewall.outside))
        return tuple(text for text in found if not ip_network(text).is_link_local)  # phones do not ask from there

    async def served(self, ip: str) -> bool:
        """Whether a phone at `ip` gets settings."""
        if not self._inside(ip):
            await self.look()
        return self._inside(ip)

    def _inside(self, ip: str) -> bool:
        texts = self.now()
        if self._asked[0] != texts:
            self._asked = texts, tuple(ip_network(text, strict=False) for text in texts)
        return inside(ip, self._asked[1])
