"""The process that phones ask over TFTP and SIP plug and play (`python -m appliance.app.provisioning`). It holds no data: the engine knows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time

from appliance.app import logs
from appliance.app.child import HEARTBEAT_S, ParentLink
from appliance.app.rights import drop_capabilities
from appliance.app.settings import Settings
from appliance.control.client import AsyncClient
from appliance.errors import ControlError, HoldfastError
from provisioning.answers import Where, file_for, question, understand
from provisioning.catalogue import families
from provisioning.identify import plain_mac
from provisioning.limits import Limit
from provisioning.neighbours import neighbour
from provisioning.pnp import Subscribe
from provisioning.servers.pnp import PnpServer
from provisioning.servers.tftp import Find, TftpServer

log = logging.getLogger(__name__)


class Provisioning:
    """The servers on every address of the box. A port that cannot be had is left out and said: the others serve on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = AsyncClient(settings.control)
        self._limit = Limit()
        self._servers: list[TftpServer | PnpServer] = []

    async def start(self) -> None:
        settings = self._settings
        for ip in settings.bind:
            try:
                self._servers.append(await TftpServer.listen(self._finder(ip), ip, settings.tftp_port))
            except OSError as error:
                log.warning("no TFTP on %s: port %d cannot be opened: %s", ip, settings.tftp_port, error.strerror)
            if ":" in ip or ip.startswith("127."):
                continue
            try:
                self._servers.append(await PnpServer.listen(ip, self._url))
            except OSError as error:
                log.warning("no plug and play on %s: %s", ip, error.strerror)

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        await self._client.close()

    def _finder(self, local_ip: str) -> Find:
        async def find(name: str, ip: str) -> bytes | None:
            if not self._limit.allows(ip, time.monotonic()):
                return None
            known = understand(name, "", neighbour(ip))
            asked = question(known, Where(ip, local_ip, self._settings.provisioning_port, "tftp"))
            if not asked.method:
                return None
            try:
                result = await self._client.call(asked.method, **asked.params)
            except ControlError as error:
                log.warning("the engine gave no answer for %s: %s", ip, error.sentence)
                return None
            file = file_for(known, result)
            return file.body if file else None

        return find

    def _url(self, ask: Subscribe, local_ip: str) -> str:
        family = next((each for each in families().values() if ask.vendor.casefold() in (vendor.casefold() for vendor in each.pnp_vendors)), None)
        file = family.pnp_file.format(model=ask.model.removeprefix("snom"), mac=plain_mac(ask.mac).upper()) if family else ""
        return f"http://{local_ip}:{self._settings.provisioning_port}/{file}"


async def _run(settings: Settings, parent: ParentLink) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopping.set)
    servers = Provisioning(settings)
    await servers.start()
    drop_capabilities(settings.data)
    parent.ready(())
    while not stopping.is_set():
        parent.beat()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_S):
                await stopping.wait()
    await servers.stop()


def main() -> int:
    """Run until SIGTERM."""
    parent = ParentLink.from_env(os.environ)
    os.umask(0o077)
    try:
        settings = Settings.from_env(os.environ)
        logs.set_up(settings.log, data=settings.data, process="provisioning")
    except HoldfastError as error:
        return parent.refuse(error)
    asyncio.run(_run(settings, parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
