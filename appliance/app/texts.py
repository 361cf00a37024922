"""Text messages from the SIP side to flows: each runs its sender's flow in a task of its own."""

from __future__ import annotations

import asyncio
import logging

from appliance.callflow.runner import Flows
from appliance.calls.context import CallContext
from appliance.calls.texting import TextSession

log = logging.getLogger(__name__)

AT_ONCE = 50
"""Messages served at a time; the others wait in the SIP side's queue, which drops the oldest when it is full."""
LIMIT_S = 60.0
"""Two SIP transactions that nobody answers, and some."""


async def serve_texts(context: CallContext, flows: Flows) -> None:
    """Take messages for ever."""
    slots = asyncio.Semaphore(AT_ONCE)
    running: set[asyncio.Task[None]] = set()
    while True:
        message = await context.endpoint.messages.get()
        await slots.acquire()
        task = asyncio.get_running_loop().create_task(_serve(TextSession(context, message), flows), name="text message")
        running.add(task)
        task.add_done_callback(running.discard)
        task.add_done_callback(lambda _: slots.release())


async def _serve(session: TextSession, flows: Flows) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            await flows.text(session.user)(session)
    except TimeoutError:
        session.note("its flow took too long")
    except Exception:
        log.exception("a text message to %s failed", session.dialled)
