"""The message lamps of phones: whose mailbox a device may watch, and telling the watchers how many messages wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appliance.sip.subscriptions.message_summary import MessageSummary
from appliance.sip.subscriptions.service import Port, Subscriptions
from appliance.site.snapshot import Snapshot
from appliance.types import DeviceId, MailboxId, UserId


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The mailboxes of one revision: by owner in the order written, and by extension."""

    snapshot: Snapshot
    owned: dict[UserId, tuple[MailboxId, ...]]
    dialled: dict[str, tuple[MailboxId, UserId | None]]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Mailboxes:
        owned: dict[UserId, tuple[MailboxId, ...]] = {}
        dialled: dict[str, tuple[MailboxId, UserId | None]] = {}
        for name, box in snapshot.site.mailboxes.items():
            owner = UserId(box.owner) if box.owner else None
            if owner is not None:
                owned[owner] = (*owned.get(owner, ()), MailboxId(name))
            if box.extension:
                dialled[box.extension] = (MailboxId(name), owner)
        return cls(snapshot, owned, dialled)

    def watched(self, device: DeviceId, user: str) -> tuple[MailboxId, ...] | None:
        """What a device sees that subscribes to `user`: its own SIP user or extension means all mailboxes of its owner; a mailbox's extension that one, when
        it is the owner's or nobody's. None: nothing that is its business."""
        entry = self.snapshot.devices.get(device)
        if entry is None or not entry.enabled:
            return None
        if user.lower() == entry.sip_user.lower() or user in (entry.extension, self.snapshot.site.devices[device].extension):
            return self.owned.get(entry.owner, ()) if entry.owner is not None else ()
        box, owner = self.dialled.get(user, (None, None))
        return (box,) if box is not None and owner in (None, entry.owner) else None


class Mwi:
    """Message waiting for everybody. `subscriptions.decide` answers SUBSCRIBE for admission, `subscriptions.tick` is due every second on the SIP thread."""

    def __init__(self, port: Port, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._mailboxes = Mailboxes.of(snapshot())
        self._package = MessageSummary(self._watched, lambda: self._snapshot().realm)
        self.subscriptions = Subscriptions(port, (self._package,))

    def update(self, counts: Mapping[MailboxId, tuple[int, int]]) -> None:
        """(new, old) messages of the mailboxes named; phones whose lamp changes are told at once (any thread)."""
        mine = dict(counts)
        self.subscriptions.changed(self._package.name, lambda: self._package.update(mine))

    def site_changed(self) -> None:
        """Another revision is in force: subscriptions stay, what they show may be another, and some have nothing left to show (any thread)."""
        known = frozenset(self._snapshot().site.mailboxes)
        self.subscriptions.changed(self._package.name, lambda: self._package.forget(lambda box: box in known))

    def _watched(self, device: DeviceId, user: str) -> tuple[MailboxId, ...] | None:
        snapshot = self._snapshot()
        if self._mailboxes.snapshot is not snapshot:
            self._mailboxes = Mailboxes.of(snapshot)
        return self._mailboxes.watched(device, user)
