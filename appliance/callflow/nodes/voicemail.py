"""Voicemail: takes a message, or lets messages be heard."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.callflow.deposit import leave_message
from appliance.callflow.listen import hear_messages
from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.refs import MailboxRef
from appliance.callflow.run import Run
from appliance.types import MailboxId


class VoicemailSettings(Settings):
    mailbox: MailboxRef | None = Field(
        None,
        title="Voicemail box",
        description="The mailbox. None: to leave a message, that of whoever was rung last; to hear messages, that of whoever calls.",
    )
    mode: Literal["leave", "listen"] = Field(
        "leave",
        title="What for",
        json_schema_extra={"words": {"leave": "Leave a message", "listen": "Hear messages"}},
        description="leave: greeting, tone, recording. listen: a menu of keys, after the PIN if it is needed.",
    )


class VoicemailStep(Node[VoicemailSettings]):
    """Answers the caller where nothing did before."""

    kind = "voicemail"
    title = "Voicemail"
    help = "Lets the caller leave a message in a mailbox, or hear the messages in it."
    icon = "vm"
    plain = "no-mailbox"
    settings = VoicemailSettings

    def exits(self, settings: VoicemailSettings) -> tuple[Exit, ...]:
        none = Exit("no-mailbox", "no mailbox")
        done = Exit("done", "done", paced=True)
        return (done, none) if settings.mode == "listen" else (done, Exit("full", "takes no more", instead="done", paced=True), none)

    async def run(self, run: Run, settings: VoicemailSettings) -> Way:
        mailbox = MailboxId(settings.mailbox) if settings.mailbox is not None else _own(run, settings)
        if mailbox is None:
            return "no-mailbox"
        return await (leave_message if settings.mode == "leave" else hear_messages)(run, mailbox)


def _own(run: Run, settings: VoicemailSettings) -> MailboxId | None:
    """The mailbox that goes without saying."""
    user = run.port.callee() if settings.mode == "leave" else run.port.caller.user
    return run.snapshot.mailboxes.get(user) if user is not None else None


NODE = VoicemailStep()
