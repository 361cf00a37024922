"""Events of voicemail: what a mailbox holds has changed."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.types import MailboxId


@dataclass(frozen=True, slots=True)
class VoicemailChanged:
    """A message came, was heard or was deleted. `new` and `old`: how many there are now (RFC 3842: message waiting is lit by `new`)."""

    mailbox: MailboxId
    new: int
    old: int
