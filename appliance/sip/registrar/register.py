"""The registrar: what a REGISTER does to the bindings of a device, and the answer (RFC 3261 section 10.3; pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.sip.messages import Contact, Reply, Request
from appliance.sip.registrar import uris
from appliance.sip.registrar.bindings import Binding, Bindings, to_record
from appliance.state.clock import Moment
from appliance.state.records import BindingChange, BindingRecord, ChangeKind
from appliance.types import DeviceId

_INSTANCE = re.compile(r"<[!#-;=?-\[\]-~]{1,120}>")
_MAX_USER_AGENT = 120


class RegisteringDevice(Protocol):
    """The part of a device's snapshot entry that matters here."""

    @property
    def id(self) -> DeviceId: ...

    @property
    def sip_user(self) -> str: ...

    @property
    def extension(self) -> str: ...

    @property
    def max_contacts(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Lifetimes granted, in seconds."""

    min_expires_s: int = 60
    max_expires_s: int = 3600
    default_expires_s: int = 3600


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one binding."""

    kind: ChangeKind
    binding: Binding

    def record(self, now: float, moment: Moment) -> BindingChange:
        """As it goes to disk; `now` and `moment` are the same instant on the two clocks."""
        return BindingChange(self.kind, to_record(self.binding, now, moment))


@dataclass(frozen=True, slots=True)
class _Wish:
    """One Contact of the request, checked. `expires_s` 0: remove it."""

    uri: str
    q: float | None
    expires_s: int
    instance: str
    reg_id: int


class _Refused(Exception):
    """The request is answered with `reply` and changes nothing."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


class Registrar:
    """Applies REGISTER requests whose sender is authenticated as the device. Not thread-safe: it belongs to the SIP thread.

    `now` is one monotonic clock in seconds. Every change is queued for `drain_changes`; a request is applied whole or not at all.
    """

    def __init__(self, bindings: Bindings, limits: Limits | None = None) -> None:
        self.bindings = bindings
        self.limits = limits or Limits()
        self._changes: list[Change] = []

    def register(self, request: Request, device: RegisteringDevice, now: float) -> Reply:
        """200 with all bindings (section 10.3 item 8), or a refusal that changed nothing: 400, 403, 420, 423 (with Min-Expires), 500.

        500 is for a CSeq that is not higher than one seen with the same Call-ID; the same request again (same branch) gets its 200 again.
        """
        required = request.header("Require")
        if required:
            return Reply(420, "", (("Unsupported", " ".join(required.split())),))
        record = request.to_user.partition("@")[0].lower()
        if not record or record not in (device.sip_user.lower(), device.extension):
            return Reply(403, "Not your address of record")
        self._changes += [Change(ChangeKind.EXPIRED, binding) for binding in self.bindings.expire(device.id, now)]
        held = self.bindings.of(device.id, now)
        after: tuple[Binding, ...] = ()
        if not request.contacts and not request.star:
            return _listing(held, now)
        try:
            if _seen(request, held):
                return _listing(held, now)
            if request.star:
                if request.contacts or request.expires != 0:
                    raise _Refused(Reply(400, "Contact * goes alone and with Expires 0"))
                changes = [Change(ChangeKind.REMOVED, binding) for binding in held]
            else:
                after, changes = self._apply(request, device, held, now)
        except _Refused as refused:
            return refused.reply
        self.bindings.replace(device.id, after)
        self._changes += changes
        return _listing(self.bindings.of(device.id, now), now)

    def sweep(self, now: float) -> None:
        """Expire what is due; to be called every second or so."""
        self._changes += [Change(ChangeKind.EXPIRED, binding) for binding in self.bindings.sweep(now)]

    def forget(self, device: DeviceId) -> None:
        """Drop a device that is no longer in the site document."""
        self._changes += [Change(ChangeKind.REMOVED, binding) for binding in self.bindings.forget(device)]

    def restore(self, records: Iterable[BindingRecord], now: float, moment: Moment, known: Callable[[DeviceId], bool] = lambda device: True) -> int:
        """Take back the bindings on disk at start (see `Bindings.restore`), without those of devices no longer `known`; how many live.

        What did not come back is a change (it leaves the disk), and so is what came over from another boot: written again it is measured by this one.
        """
        records = tuple(records)
        self._changes += [Change(ChangeKind.EXPIRED, binding) for binding in self.bindings.restore(records, now, moment)]
        for device in self.bindings.devices():
            if not known(device):
                self.forget(device)
        foreign = {(record.device, record.uri) for record in records if record.stored.boot_id != moment.boot_id}
        self._changes += [Change(ChangeKind.REFRESHED, binding) for binding in self.bindings if (binding.device, binding.uri) in foreign]
        return len(self.bindings)

    def drain_changes(self) -> list[Change]:
        """What changed since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    # ---- one request ---------------------------------------------------------------------------------------------

    def _apply(self, request: Request, device: RegisteringDevice, held: tuple[Binding, ...], now: float) -> tuple[tuple[Binding, ...], list[Change]]:
        wishes = [self._wish(contact, request.expires) for contact in request.contacts]
        if sum(wish.expires_s > 0 for wish in wishes) > device.max_contacts:
            raise _Refused(Reply(403, f"Too many contacts, {device.max_contacts} allowed"))
        after = list(held)
        changes: list[Change] = []
        for wish in wishes:
            old = [binding for binding in after if _stands_for(wish, binding, request.call_id)]
            for binding in old:
                after.remove(binding)
            if wish.expires_s == 0:
                changes += [Change(ChangeKind.REMOVED, binding) for binding in old]
                continue
            before = next((binding for binding in old if uris.equal(binding.uri, wish.uri)), None)
            new = _bind(request, device.id, wish, before, now)
            changes += [Change(ChangeKind.REPLACED, binding) for binding in old if binding.uri != new.uri]
            changes.append(Change(_kind(before, new), new))
            after.append(new)
        # Over the limit the contacts refreshed longest ago go: a phone that comes back on new ports is never locked out.
        excess = len(after) - device.max_contacts
        if excess <= 0:
            return tuple(after), changes
        others = [binding for binding in after if (binding.call_id, binding.cseq) != (request.call_id, request.cseq)]
        for binding in sorted(others, key=lambda binding: binding.refreshed_at)[:excess]:
            after.remove(binding)
            changes.append(Change(ChangeKind.REPLACED, binding))
        return tuple(after), changes

    def _wish(self, contact: Contact, header_expires: int | None) -> _Wish:
        try:
            uris.parse(contact.uri)
        except ValueError as error:
            raise _Refused(Reply(400, f"Bad Contact {_quotable(contact.uri)}: {error}")) from error
        if contact.q is not None and not 0.0 <= contact.q <= 1.0:
            raise _Refused(Reply(400, f"Bad q in Contact {_quotable(contact.uri)}"))
        asked_s = contact.expires if contact.expires is not None else header_expires
        if asked_s is None:
            asked_s = self.limits.default_expires_s
        if asked_s < 0:
            raise _Refused(Reply(400, f"Bad expires in Contact {_quotable(contact.uri)}"))
        if 0 < asked_s < self.limits.min_expires_s:
            raise _Refused(Reply(423, "", (("Min-Expires", str(self.limits.min_expires_s)),)))
        instance, reg_id = _instance(contact)
        return _Wish(contact.uri, contact.q, min(asked_s, self.limits.max_expires_s), instance, reg_id)


def _seen(request: Request, held: tuple[Binding, ...]) -> bool:
    """Whether this very request was applied before; _Refused (500) when it comes too late (section 10.3 items 6 and 7).

    All contacts a Call-ID registered count, not only those named again: the CSeq of a Call-ID is one sequence.
    """
    seen = False
    for binding in held:
        if binding.call_id != request.call_id or binding.cseq < request.cseq:
            continue
        # After a restart the branch is not known: the same number again is taken for the same request.
        if binding.cseq > request.cseq or binding.branch not in ("", request.branch):
            raise _Refused(Reply(500, "CSeq out of order"))
        seen = True
    return seen


def _stands_for(wish: _Wish, binding: Binding, call_id: str) -> bool:
    """Whether `binding` is the same contact, or the same device's former one.

    With reg-id the instance and the reg-id are the name of the contact (RFC 5626 section 6). Without, an instance that comes back under another Call-ID
    has restarted: what it had before is gone.
    """
    if wish.instance and wish.instance == binding.instance:
        if wish.reg_id and binding.reg_id:
            if wish.reg_id == binding.reg_id:
                return True
        elif binding.call_id != call_id:
            return True
    return uris.equal(wish.uri, binding.uri)


def _bind(request: Request, device: DeviceId, wish: _Wish, before: Binding | None, now: float) -> Binding:
    return Binding(
        device=device,
        uri=wish.uri,
        received=request.source,
        local=request.local,
        q=wish.q,
        expires_at=now + wish.expires_s,
        call_id=request.call_id,
        cseq=request.cseq,
        user_agent=request.user_agent[:_MAX_USER_AGENT],
        registered_at=before.registered_at if before is not None else now,
        refreshed_at=now,
        instance=wish.instance,
        reg_id=wish.reg_id,
        branch=request.branch,
    )


def _kind(before: Binding | None, new: Binding) -> ChangeKind:
    if before is None:
        return ChangeKind.ADDED
    same = before.uri == new.uri and before.received == new.received and before.local == new.local and before.q == new.q
    return ChangeKind.REFRESHED if same else ChangeKind.MOVED


def _instance(contact: Contact) -> tuple[str, int]:
    """`+sip.instance` with its angle brackets and `reg-id`; "" and 0 where absent or unusable (then the URI alone names the contact)."""
    instance, reg_id = "", 0
    for name, value in contact.params:
        lowered = name.lower()
        if lowered == "+sip.instance":
            text = value.strip('"')
            instance = text if _INSTANCE.fullmatch(text) else ""
        elif lowered == "reg-id" and value.isascii() and value.isdigit() and len(value) <= 9:
            reg_id = int(value)
    return instance, reg_id if instance else 0


def _listing(held: Sequence[Binding], now: float) -> Reply:
    """200 with one Contact header per binding."""
    return Reply(200, "", tuple(("Contact", _contact(binding, now)) for binding in held))


def _contact(binding: Binding, now: float) -> str:
    text = f"<{binding.uri}>;expires={binding.seconds_left(now)}"
    if binding.q is not None:
        text += f";q={binding.q:.3g}"
    if binding.instance:
        text += f';+sip.instance="{binding.instance}"'
        if binding.reg_id:
            text += f";reg-id={binding.reg_id}"
    return text


def _quotable(uri: str) -> str:
    """A contact as it may stand in a reason phrase."""
    return "".join(letter if " " < letter < "\x7f" else "?" for letter in uri[:60])
