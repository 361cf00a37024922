"""Waiting messages (RFC 3842): the event package `message-summary`, whose body says how many new and old voice messages a mailbox holds (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.sip.messages import Reply, Request
from appliance.types import DeviceId, MailboxId

Resolve = Callable[[DeviceId, str], "tuple[MailboxId, ...] | None"]
"""(device, user part it subscribes to) -> the mailboxes whose messages count together; () where there is none, None when that is not this device's business."""


class MessageSummary:
    """Implements `notifier.Package`. `domain` stands in Message-Account; `resolve` is asked anew for every body, so a commit shows by itself."""

    name = "message-summary"
    content_type = "application/simple-message-summary"

    def __init__(self, resolve: Resolve, domain: Callable[[], str]) -> None:
        self._resolve, self._domain = resolve, domain
        self._counts: dict[MailboxId, tuple[int, int]] = {}

    def update(self, counts: Mapping[MailboxId, tuple[int, int]]) -> None:
        """(new, old) messages of the mailboxes named; the others stay as they were."""
        self._counts.update(counts)

    def forget(self, known: Callable[[MailboxId], bool]) -> None:
        """Drop mailboxes that left the site."""
        self._counts = {box: counts for box, counts in self._counts.items() if known(box)}

    def allow(self, request: Request, device: DeviceId) -> str | Reply:
        # Phones ask for their own address, a mailbox, or the box with their address in To.
        for user in (request.uri_user, request.to_user):
            if user and self._resolve(device, user) is not None:
                return user
        return Reply(404, "No mailbox of yours")

    def body(self, device: DeviceId, resource: str) -> bytes | None:
        boxes = self._resolve(device, resource)
        if boxes is None:
            return None
        new = sum(self._counts.get(box, (0, 0))[0] for box in boxes)
        old = sum(self._counts.get(box, (0, 0))[1] for box in boxes)
        return summary(f"sip:{resource}@{self._domain()}", new, old)


def summary(account: str, new: int, old: int) -> bytes:
    """The body (section 3.5, `simple-message-summary`): urgent messages are not told apart, so there are none."""
    return f"Messages-Waiting: {'yes' if new else 'no'}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old} (0/0)\r\n".encode()
