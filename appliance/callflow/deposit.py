"""Leaving a message in a mailbox: greeting, tone, recording."""

from __future__ import annotations

import logging
from typing import Literal

from appliance.callflow.run import Run
from appliance.callflow.services import Draft
from appliance.errors import HoldfastError
from appliance.types import MailboxId

log = logging.getLogger(__name__)

Deposit = Literal["done", "full", "no-mailbox"]

BEEP_S = 0.4
SILENCE_S = 5.0
"""So long a silence ends a recording."""
TAIL_S = 0.5
"""What is left of that silence."""
SHORTEST_S = 1.0
"""Less than this is somebody who hung up."""
BYTES_PER_S = 16_000


async def leave_message(run: Run, mailbox: MailboxId) -> Deposit:
    """Let the caller leave a message. "full" where the mailbox takes none, also because of the disk; the caller has been told."""
    box = run.snapshot.site.mailboxes.get(mailbox)
    if box is None:
        return "no-mailbox"
    store = run.services.voicemail
    try:
        if sum(await store.counts(mailbox)) >= box.max_messages:
            await run.play(await run.words("mailbox-full", name=box.name))
            return "full"
        # Any key skips the greeting.
        await run.ask([await store.greeting(mailbox) or await run.words("not-available", name=box.name)], 0.0)
        draft = await store.begin(mailbox, run.caller.number, run.caller.name, run.port.session)
        kept = await record(run, draft, box.max_message_seconds)
    except HoldfastError as error:
        log.error("call %s: no message for mailbox %s: %s", run.port.call_id, mailbox, error.sentence)
        run.port.note(f"voicemail {mailbox}: {error.sentence}")
        full = error.code == "voicemail-full"
        await run.play(await run.words("mailbox-full", name=box.name) if full else await run.words("not-taken"))
        return "full"
    if kept:
        await run.play(await run.words("kept"))
    return "done"


async def record(run: Run, draft: Draft, max_s: float) -> bool:
    """A tone, then what the caller says until #, silence or hanging up. Whether it was long enough; `draft` is kept or dropped, whatever ended the call."""
    written = 0
    quiet_s = 0.0

    def write(pcm: bytes) -> None:
        nonlocal written
        written += len(pcm)
        draft.write(pcm)

    kept = False
    try:
        run.port.forget_digits()
        await run.port.tone("beep", BEEP_S)
        log.info("call %s: recording", run.port.call_id)
        taken = await run.port.record(write, max_s=max_s, silence_s=SILENCE_S)
        if taken.why == "silence":
            quiet_s = SILENCE_S
    finally:
        seconds = written / BYTES_PER_S
        kept = seconds - quiet_s >= SHORTEST_S
        await (draft.keep(seconds - max(quiet_s - TAIL_S, 0.0)) if kept else draft.drop())
    return kept
