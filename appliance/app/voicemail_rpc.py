"""The control socket's methods for voicemail."""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from appliance.control import shapes
from appliance.control.server import Peer
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

    async def delete(params: dict[str, Any], peer: Peer) -> shapes.MessageResult:
        message = await voicemail.message(params["id"])
        await voicemail.delete(message.id)
        log.info("the message %s of %s was deleted by uid %d", message.id, message.mailbox, peer.uid)
        return {"message": _shape(message)}

    return {"voicemail.list": listed, "voicemail.read": read, "voicemail.heard": heard, "voicemail.delete": delete}


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
