"""Who may try a mailbox's PIN, and when again (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.types import MailboxId

TRIES = 3
FIRST_WAIT_S = 60.0
LONGEST_WAIT_S = 3600.0


@dataclass(slots=True)
class _Failures:
    count: int = 0
    blocked_until: float = 0.0


class PinGuard:
    """After every third wrong PIN in a row a mailbox is closed to PINs, each time twice as long. Its owner's own phones need none and are never shut out."""

    def __init__(self) -> None:
        self._failures: dict[MailboxId, _Failures] = {}

    def blocked(self, mailbox: MailboxId, now: float) -> bool:
        """Whether no PIN is taken now."""
        found = self._failures.get(mailbox)
        return found is not None and now < found.blocked_until

    def failed(self, mailbox: MailboxId, now: float) -> None:
        """A wrong PIN."""
        found = self._failures.setdefault(mailbox, _Failures())
        found.count += 1
        if found.count % TRIES == 0:
            found.blocked_until = now + min(FIRST_WAIT_S * 2.0 ** min(found.count // TRIES - 1, 20), LONGEST_WAIT_S)

    def passed(self, mailbox: MailboxId) -> None:
        """The right PIN."""
        self._failures.pop(mailbox, None)
