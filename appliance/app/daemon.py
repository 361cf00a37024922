"""The engine process: brings the box up, tells the supervisor, beats while the SIP thread lives, and takes it down again."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time

from appliance.app import logs
from appliance.app.child import EXIT_AGAIN, EXIT_ALL_AGAIN, HEARTBEAT_S, ParentLink
from appliance.app.pending import put_in_place, sweep
from appliance.app.preflight import hold_data_folder
from appliance.app.settings import Settings
from appliance.app.wiring import Box
from appliance.errors import DocumentError, HoldfastError

log = logging.getLogger(__name__)

SIP_SILENCE_S = 5.0
"""A SIP thread that has not polled for so long hangs: the heartbeat stops with it, and the supervisor starts the engine anew."""


async def _run(settings: Settings, parent: ParentLink, fault: str) -> int:
    box = Box(settings)
    if fault:
        box.alarm("restore", fault, "look at the log, then restore the backup again")
    stop = box.again
    stopped = False

    def on_signal() -> None:
        nonlocal stopped
        stopped = True
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await box.start()
    # What start-up made lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    parent.ready(box.endpoint.listening, box.revision)
    log.info("ready: revision %d%s", box.revision, " (rescue)" if settings.rescue else "")
    loop.run_in_executor(None, sweep, settings.data)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), HEARTBEAT_S)
        if time.monotonic() - box.endpoint.last_poll_s < SIP_SILENCE_S:
            parent.beat()
    log.info("stopping")
    await box.stop()
    return 0 if stopped else EXIT_ALL_AGAIN if box.whole else EXIT_AGAIN


def main() -> int:
    """Run until SIGTERM; exit code 0, EXIT_AGAIN or EXIT_ALL_AGAIN when a fresh start is wanted, or 1 with a sentence when the box cannot run."""
    parent = ParentLink.from_env(os.environ)
    try:
        settings = Settings.from_env(os.environ)
        logs.set_up(settings.log, data=settings.data, process="engine")
        hold_data_folder(settings.data, os.environ)
        code = asyncio.run(_run(settings, parent, put_in_place(settings.data)))
    except HoldfastError as error:
        if isinstance(error, DocumentError):
            # The supervisor prints one sentence and its hint; the list belongs before it.
            for problem in error.problems:
                log.error("%s", problem)
        return parent.refuse(error)
    # pjsip's threads end with the process; nothing waits for them.
    sys.stdout.flush()
    logging.shutdown()
    os._exit(code)
