"""Hearing a mailbox's messages by phone: PIN where needed, then a menu of keys."""

from __future__ import annotations

import asyncio
import hmac
import logging
from datetime import datetime
from typing import Literal

from appliance.callflow.deposit import record
from appliance.callflow.pins import TRIES
from appliance.callflow.run import Run
from appliance.callflow.words import phrase, when
from appliance.errors import HoldfastError
from appliance.site.model.people import Mailbox
from appliance.state.records import VoicemailRecord
from appliance.types import MailboxId

log = logging.getLogger(__name__)

KEY_WAIT_S = 6.0
PIN_WAIT_S = 10.0
LONGEST_PIN = 16
LONGEST_GREETING_S = 60.0
IDLE_ROUNDS = 3
"""So often a menu is spoken to somebody who presses nothing it knows."""


async def hear_messages(run: Run, mailbox: MailboxId) -> Literal["done", "no-mailbox"]:
    """Let the caller, if allowed, hear and sort the messages, and record a greeting."""
    box = run.snapshot.site.mailboxes.get(mailbox)
    if box is None:
        return "no-mailbox"
    await run.port.answer()
    if await _allowed(run, mailbox, box):
        try:
            await _menu(run, mailbox, box)
        except HoldfastError as error:
            log.error("call %s: mailbox %s: %s", run.port.call_id, mailbox, error.sentence)
            run.port.note(f"voicemail {mailbox}: {error.sentence}")
            await run.play(await run.words("not-done"))
    return "done"


async def _allowed(run: Run, mailbox: MailboxId, box: Mailbox) -> bool:
    """The owner's own phones need no PIN. Who calls is what signed in, whatever the flow presents."""
    caller = run.port.caller
    if box.owner is not None and caller.user == box.owner and caller.device is not None:
        return True
    pin = run.services.pin(mailbox)
    pins, clock = run.services.pins, asyncio.get_running_loop().time
    if not pin:
        await run.play(await run.words("no-pin"))
        return False
    for _ in range(TRIES):
        if pins.blocked(mailbox, clock()):
            break
        typed = await run.number([await run.words("pin")], LONGEST_PIN, PIN_WAIT_S)
        if not typed:
            return False
        if hmac.compare_digest(typed.encode(), pin.encode()):
            pins.passed(mailbox)
            return True
        pins.failed(mailbox, clock())
        run.port.note(f"voicemail {mailbox}: wrong PIN")
        await run.play(await run.words("wrong-pin"))
    await run.play(await run.words("locked"))
    return False


async def _menu(run: Run, mailbox: MailboxId, box: Mailbox) -> None:
    new, old = await run.services.voicemail.counts(mailbox)
    await run.play(await run.words("counts", new=new, old=old))
    # A greeting chosen by the site goes before one recorded here: recording one would change nothing.
    menu = await run.words("menu-listen" if box.greeting else "menu")
    idle = 0
    while idle < IDLE_ROUNDS:
        match await run.ask([menu], KEY_WAIT_S):
            case "1":
                await _listen(run, mailbox)
            case "3" if not box.greeting:
                await _record_greeting(run, mailbox)
            case "*":
                break
            case None:
                idle += 1
            case _:
                idle += 1
                await run.play(await run.words("not-a-choice"))
    await run.play(await run.words("goodbye"))


async def _listen(run: Run, mailbox: MailboxId) -> None:
    """One after the other, new ones first. What was played for the greater part, or is saved, counts as heard."""
    store = run.services.voicemail
    messages = sorted(await store.messages(mailbox), key=lambda message: (message.heard_unix_s is not None, message.started_unix_s))
    index = 0
    while index < len(messages):
        message = messages[index]
        try:
            key = await _one(run, message, index + 1)
            if key == "7":
                await store.delete(message.id)
                messages.pop(index)
                await run.play(await run.words("deleted"))
                continue
            if key == "9":
                await store.mark_heard(message.id)
                await run.play(await run.words("saved"))
        except HoldfastError as error:
            log.warning("call %s: message %s: %s", run.port.call_id, message.id, error.sentence)
            await run.play(await run.words("not-done"))
            key = "#"
        index = max(0, index - 1) if key == "*" else index + 1
    await run.play(await run.words("no-more"))


async def _one(run: Run, message: VoicemailRecord, number: int) -> str:
    """Play one message; the key that says what becomes of it, "#" where none is pressed."""
    facts, language = run.facts(), run.snapshot.site.language
    at = when(language, datetime.fromtimestamp(message.started_unix_s, facts.now.tzinfo), facts.now)
    caller = message.caller_name or " ".join(message.caller) or phrase(language, "unknown")[0]
    heading = await run.words("message", number=number, caller=caller, when=at)
    sound = await run.services.voicemail.load(message)
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        key = await run.ask([heading, sound], 0.0)
    finally:
        # Most people hang up before the last word: who heard the greater part has heard it.
        if clock() - began >= heading.seconds + sound.seconds / 2:
            await run.services.voicemail.mark_heard(message.id)
    menu = await run.words("message-menu")
    for _ in range(IDLE_ROUNDS):
        if key in ("7", "9", "#", "*"):
            return key
        key = await run.ask([menu], KEY_WAIT_S)
        if key is None:
            break
    return "#"


async def _record_greeting(run: Run, mailbox: MailboxId) -> None:
    store = run.services.voicemail
    await run.play(await run.words("say-greeting"))
    if await record(run, await store.begin_greeting(mailbox), LONGEST_GREETING_S):
        await run.play(await run.words("greeting-is"), await store.greeting(mailbox))
    else:
        await run.play(await run.words("greeting-short"))
