"""The process that changes the machine's network (`python -m appliance.app.netd`): the verbs of `appliance.network.netd`, with one right of root's.

Started by the supervisor, or by a systemd unit of its own where the box is an ordinary user's. Where it may not change the network it runs all the same,
and says so to who asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys

from appliance.app import logs
from appliance.app.child import HEARTBEAT_S, ParentLink
from appliance.app.rights import has_net_admin, keep_net_admin
from appliance.app.settings import Settings
from appliance.app.systemd import Service
from appliance.errors import HoldfastError
from appliance.network.netd import nft
from appliance.network.netd.part import Tools
from appliance.network.netd.parts import load
from appliance.network.netd.server import Server
from appliance.network.netd.undo import UndoFiles

log = logging.getLogger(__name__)


def unable() -> str:
    """Why the network cannot be changed from here, "" where it can."""
    if not has_net_admin():
        return "this process has not the right to (CAP_NET_ADMIN)"
    if nft.program() is None:
        return "the program nft is missing (Debian package nftables)"
    return ""


async def _run(settings: Settings, parent: ParentLink) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopping.set)
    why = unable()
    if why:
        log.warning("the network cannot be changed: %s", why)
    undo = UndoFiles(settings.data / "netd")
    parts = load(Tools(nft.Nft(), undo, why))
    for part in parts:
        undo.register(part.name, part.undo)
    await undo.load()
    if not why:
        for part in parts:
            try:
                await part.heal()
            except HoldfastError as error:
                log.error("what an earlier netd left of %s could not be taken back: %s", part.name, error)
    due = asyncio.create_task(undo.run())
    server = Server(settings.netd_socket, parts, why)
    await server.start()
    service = Service(os.environ)
    parent.ready(())
    service.ready()
    log.info("ready at %s%s", settings.netd_socket, f"; it cannot change the network: {why}" if why else "")
    while not stopping.is_set():
        parent.beat()
        service.beat(loop.time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_S):
                await stopping.wait()
    service.stopping()
    await server.stop()
    due.cancel()
    for part in parts:
        try:
            await part.stop()
        except HoldfastError as error:
            log.error("%s: %s", part.name, error)
    await undo.undo_all()


def main() -> int:
    """Run until SIGTERM."""
    parent = ParentLink.from_env(os.environ)
    os.umask(0o077)
    try:
        settings = Settings.from_env(os.environ, discover=lambda: ("127.0.0.1",))
        logs.set_up(settings.log, data=settings.data, process="netd")
        keep_net_admin(settings.data)
        asyncio.run(_run(settings, parent))
    except HoldfastError as error:
        return parent.refuse(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
