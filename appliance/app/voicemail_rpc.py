"""The control socket's methods for voicemail."""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from appliance.control import shapes
from appliance.control.server import Peer
from appliance.errors import StateError
from appliance.people.voicemail import Message, Voicemail
from appliance.types import MailboxId

log = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20


def voicemail_methods(voicemail: Voicemail) -> Mapping[str, Callable[[dict[str, Any], Peer], Awaitable[Any]]]:
    """What `control.protocol.METHODS` has under `voicemail.`."""

    async def listed(params: dict[str, Any], _: Peer) -> shapes.VoicemailListResult:
        found = await voicemail.messages(MailboxId(params["mailbox"]) if params["mailbox"] else None)
        return {"messages": [_shape(message) for message in found]}

    async def read(params: dict[str, Any], peer: Peer) -> shapes.MessageReadResult:
        message = await voicemail.message(params["id"])
        data, whole = await voicemail.piece(message, params["offset"], PIECE_BYTES)
        if not params["offset"]:
            log.info("the message %s of %s is read by uid %d", message.id, message.mailbox, peer.uid)
        return {"data": base64.b64encode(data).decode(), "bytes": whole}

    async def heard(params: dict[str, Any], _: Peer) -> shapes.MessageResult:
        message = await voicemail.message(params["id"])
        await voicemail.mark_heard(message.id)
        return {"message": _shape(await voicemail.message(message.id))}

    async def new(params: dict[str, Any], _: Peer) -> shapes.MessageResult:
        message = await voicemail.message(params["id"])
        await voicemail.mark_new(message.id)
        return {"message": _shape(await voicemail.message(message.id))}

    async def delete(params: dict[str, Any], peer: Peer) -> shapes.MessageResult:
        message = await voicemail.message(params["id"])
        await voicemail.delete(message.id)
        log.info("the message %s of %s was deleted by uid %d", message.id, message.mailbox, peer.uid)
        return {"message": _shape(message)}

    async def counts(_: dict[str, Any], __: Peer) -> shapes.VoicemailCountsResult:
        try:
            found = await voicemail.all_counts()
        except StateError as error:
            # Who shows the box asks for this along with everything else, which must not be lost for it.
            return {"mailboxes": [], "fault": error.sentence}
        return {"mailboxes": [{"mailbox": box, "new": new, "old": old} for box, (new, old) in found.items()], "fault": ""}

    async def greeting(params: dict[str, Any], _: Peer) -> shapes.GreetingResult:
        return await _greeting(voicemail, MailboxId(params["mailbox"]))

    async def greeting_read(params: dict[str, Any], _: Peer) -> shapes.MessageReadResult:
        data, whole = await voicemail.greeting_piece(MailboxId(params["mailbox"]), params["offset"], PIECE_BYTES)
        return {"data": base64.b64encode(data).decode(), "bytes": whole}

    async def greeting_set(params: dict[str, Any], peer: Peer) -> shapes.GreetingResult:
        mailbox = MailboxId(params["mailbox"])
        seconds = await voicemail.set_greeting(mailbox, params["sha256"])
        log.info("uid %d set a greeting of %.1f s for the mailbox %s", peer.uid, seconds, mailbox)
        return await _greeting(voicemail, mailbox)

    async def greeting_clear(params: dict[str, Any], peer: Peer) -> shapes.GreetingResult:
        mailbox = MailboxId(params["mailbox"])
        await voicemail.delete_greeting(mailbox)
        log.info("uid %d took the mailbox %s its own greeting", peer.uid, mailbox)
        return await _greeting(voicemail, mailbox)

    return {
        "voicemail.list": listed, "voicemail.read": read, "voicemail.heard": heard, "voicemail.new": new, "voicemail.delete": delete,
        "voicemail.counts": counts, "voicemail.greeting": greeting, "voicemail.greeting-read": greeting_read,
        "voicemail.greeting-set": greeting_set, "voicemail.greeting-clear": greeting_clear,
    }  # fmt: skip


async def _greeting(voicemail: Voicemail, mailbox: MailboxId) -> shapes.GreetingResult:
    kind, recording, seconds = await voicemail.greeting_kind(mailbox)
    return {"mailbox": mailbox, "kind": kind, "recording": recording, "seconds": seconds}


def _shape(m: Message) -> shapes.MessageShape:
    return {
        "id": m.id,
        "mailbox": m.mailbox,
        "caller": m.caller,
        "caller_name": m.caller_name,
        "call": m.session,
        "started_unix_s": m.started_unix_s,
        "seconds": m.seconds,
        "heard_unix_s": m.heard_unix_s,
    }
