"""Where a call goes: a pure decision from the INVITE, the compiled site and what is registered and engaged now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.calls.caller import Caller, caller_of
from appliance.calls.plan import BUSY, NOT_REGISTERED, Outcome
from appliance.sip.api import Invite, Origin
from appliance.sip.trunks.numbers import Kind, barred, dialled, from_trunk
from appliance.site.countries import calling_code
from appliance.site.snapshot import ExtensionEntry, NumberEntry, Snapshot
from appliance.types import MODEM, Address, DeviceId, FlowId, GroupId, MailboxId, TrunkId, UserId


@dataclass(frozen=True, slots=True)
class Target:
    """One contact of a device: where its INVITE goes and our address it leaves from. `destination`: the address it was received from, "" = `uri`."""

    uri: str
    account: Address
    device: DeviceId | None
    q: float = 1.0
    destination: str = ""


@dataclass(frozen=True, slots=True)
class CallBack:
    """What an ELIN stands for now: the device that made the emergency call, or, for a phone nobody knows, its contact. Both empty: nobody is left."""

    elin: str
    device: DeviceId | None = None
    contact: Target | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What routing may look at beside the site: contacts, who is in a call, who is in an emergency call, and the numbers that call back into one."""

    targets: Callable[[DeviceId], tuple[Target, ...]]
    engaged: Callable[[DeviceId], bool]
    in_emergency: Callable[[DeviceId], bool]
    call_back: Callable[[str], CallBack | None]
    excluded: frozenset[DeviceId] = frozenset()
    """Phones that must not ring: those already in the call that is being transferred."""


@dataclass(frozen=True, slots=True)
class ToEmergency:
    """An emergency call. `number`: what was dialled, or the service URN."""

    number: str
    test: bool


@dataclass(frozen=True, slots=True)
class ToCallBack:
    """A call-back into an emergency: the phone that called first, then the security desk."""

    elin: str
    first: tuple[Target, ...]
    then: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class ToExtension:
    """Phones of ours, ringing together. `user`: whose they are, None for a group or a device on its own."""

    extension: str
    name: str
    targets: tuple[Target, ...]
    ring_s: float
    user: UserId | None = None


@dataclass(frozen=True, slots=True)
class ToOutside:
    """An outside number (E.164, or a short service number as dialled) over these trunks in this order."""

    number: str
    trunks: tuple[TrunkId, ...]


@dataclass(frozen=True, slots=True)
class ToFlow:
    """A flow's own extension, or a user who is a flow: then with that user's settings (row E12)."""

    flow: FlowId
    name: str
    user: UserId | None = None


@dataclass(frozen=True, slots=True)
class ToMailbox:
    """A mailbox: `leave` a message in it, or hear what is there."""

    mailbox: MailboxId
    name: str
    leave: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call from outside for a number of this site (E.164)."""

    number: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The call goes nowhere, and the caller is told why. `user`: whom it was for, where that is known."""

    outcome: Outcome
    user: UserId | None = None


Meant = ToEmergency | ToCallBack | ToExtension | ToOutside | ToFlow | ToMailbox | Refused
"""What a number means that somebody at this site dials."""
Route = Meant | Incoming


def route(invite: Invite, snapshot: Snapshot, view: View) -> Route:
    """Decide where this INVITE goes. Emergency before everything, call-back into an emergency before everything else."""
    if invite.service:
        return ToEmergency(invite.service, invite.test_call)
    if invite.origin is Origin.TRUNK:
        return _incoming(invite, snapshot, view)
    return meant_by(invite.uri_user, caller_of(invite, snapshot), snapshot, view)


def meant_by(asked: str, caller: Caller, snapshot: Snapshot, view: View) -> Meant:
    """What `asked` means when `caller` dials it here."""
    site = snapshot.site
    for number in (asked, asked.removeprefix(site.outbound.outside_prefix)):
        if _is_emergency(number, snapshot):
            return ToEmergency(number, number not in snapshot.emergency_numbers)
    if asked in snapshot.extensions:
        return reach(snapshot.extensions[asked], caller, snapshot, view)
    meant = dialled(asked, country=site.country, outside_prefix=site.outbound.outside_prefix, extensions=snapshot.extensions)
    if meant.kind is Kind.EMERGENCY:
        return ToEmergency(meant.number, meant.number not in snapshot.emergency_numbers)
    if meant.kind is Kind.EXTENSION:
        return reach(snapshot.extensions[meant.number], caller, snapshot, view)
    if meant.kind in (Kind.OUTSIDE, Kind.INTERNATIONAL):
        call_back = view.call_back(meant.number)
        if call_back is not None:
            return _call_back(call_back, snapshot, view)
        own = snapshot.numbers.get(meant.number)
        if own is not None and own.destination.kind != "none":
            # A number of this site needs no trunk, and no trunk's loss may cut it off.
            return _destination(own, caller, snapshot, view)
        why = barred(meant.number, country=site.country, allowed_countries=site.outbound.allowed_countries, blocked_prefixes=site.outbound.blocked_prefixes)
        if why is not None:
            return Refused(_barred(meant.number, meant.kind, why))
        return _outside(meant.number, snapshot)
    if meant.kind is Kind.SPECIAL and meant.number.isdigit():
        return _outside(meant.number, snapshot)
    by_name = snapshot.by_sip_user.get(asked)
    if by_name is not None and by_name.enabled:
        alone = ExtensionEntry(by_name.extension or by_name.sip_user, by_name.owner, (by_name.id,), by_name.display_name, True, 0)
        return reach(alone, caller, snapshot, view)
    return Refused(Outcome(404, _phrase(f"Not Found: {meant.reason}"), "refused", 1))


def _is_emergency(number: str, snapshot: Snapshot) -> bool:
    return number in snapshot.emergency_numbers or number in snapshot.test_numbers


def _incoming(invite: Invite, snapshot: Snapshot, view: View) -> Incoming | ToCallBack | Refused:
    if invite.trunk == MODEM:
        return _over_modem(invite.uri_user, snapshot, view)
    trunk = snapshot.site.trunks.get(invite.trunk) if invite.trunk is not None else None
    form = trunk.number_format if trunk is not None else "e164"
    number = None
    for user in (invite.uri_user, invite.to_user):
        # A registering trunk often sends its own user name as Request-URI and the number called in To.
        number = from_trunk(user, form, snapshot.country.code)
        if number is not None:
            break
    if number is None:
        return Refused(Outcome(404, "Not Found: no telephone number in the request", "refused", 1))
    call_back = view.call_back(number)
    if call_back is not None:
        ringing = _call_back(call_back, snapshot, view)
        if not isinstance(ringing, Refused):
            return ringing
    entry = snapshot.numbers.get(number)
    if entry is None or (entry.trunk is not None and entry.trunk != invite.trunk):
        return Refused(Outcome(404, _phrase(f"Not Found: {number} is no number of this site"), "refused", 1))
    return Incoming(number)


def _over_modem(own: str, snapshot: Snapshot, view: View) -> Incoming | ToCallBack | Refused:
    """`own`: the SIM card's number. An emergency centre that was called over the modem calls back over it: that is for whoever called."""
    call_back = view.call_back(MODEM)
    ringing = _call_back(call_back, snapshot, view) if call_back is not None else None
    if ringing is not None and not isinstance(ringing, Refused):
        return ringing
    entry = snapshot.numbers.get(own)
    if entry is None or (entry.trunk is not None and entry.trunk != MODEM):
        return Refused(Outcome(404, "Not Found: calls over the modem lead nowhere", "refused", 1))
    return Incoming(own)


def _destination(entry: NumberEntry, caller: Caller, snapshot: Snapshot, view: View) -> Meant:
    """Where an incoming number leads, for somebody inside who dials it."""
    kind, target = entry.destination.kind, entry.destination.target
    match kind:
        case "extension" if target in snapshot.extensions:
            return reach(snapshot.extensions[target], caller, snapshot, view)
        case "group" if GroupId(target) in snapshot.groups:
            return reach(snapshot.groups[GroupId(target)], caller, snapshot, view)
        case "flow":
            return ToFlow(FlowId(target), entry.name or entry.number)
        case "voicemail":
            return ToMailbox(MailboxId(target), entry.name or entry.number, leave=True)
        case "number" if target != entry.number:
            onward = dialled(target, country=snapshot.site.country, outside_prefix=snapshot.site.outbound.outside_prefix, extensions=snapshot.extensions)
            if onward.kind in (Kind.OUTSIDE, Kind.INTERNATIONAL) and onward.number not in snapshot.numbers:
                return _outside(onward.number, snapshot)
    return Refused(Outcome(404, _phrase(f"Not Found: {entry.number} has no destination"), "refused", 1))


def reach(entry: ExtensionEntry, caller: Caller, snapshot: Snapshot, view: View) -> ToExtension | ToFlow | ToMailbox | Refused:
    """Who rings when `entry` is called, or why nobody does."""
    if entry.flow is not None:
        return ToFlow(entry.flow, entry.name, entry.user)
    if entry.mailbox is not None:
        return ToMailbox(entry.mailbox, entry.name)
    # The phone that calls its own extension wants the others to ring (row K4); a phone in an emergency call is left alone.
    devices = [device for device in entry.devices if device != caller.device and device not in view.excluded]
    free = [device for device in devices if not view.in_emergency(device)]
    if entry.devices and not free:
        return Refused(BUSY, entry.user)
    if not entry.call_waiting and any(view.engaged(device) for device in devices):
        return Refused(BUSY, entry.user)
    targets = tuple(target for device in free for target in view.targets(device))
    if not targets:
        return Refused(NOT_REGISTERED, entry.user)
    return ToExtension(entry.extension, entry.name, targets, float(entry.ring_seconds or snapshot.site.sip.ring_seconds), entry.user)


def _call_back(call_back: CallBack, snapshot: Snapshot, view: View) -> ToCallBack | Refused:
    first: tuple[Target, ...] = ()
    if call_back.device is not None:
        first = view.targets(call_back.device)
    if not first and call_back.contact is not None:
        first = (call_back.contact,)
    called = {target.uri for target in first}
    desks = [snapshot.extensions[number] for number in snapshot.site.emergency.security_extensions if number in snapshot.extensions]
    security = [device for desk in desks for device in desk.devices]
    then = tuple(target for device in dict.fromkeys(security) for target in view.targets(device) if target.uri not in called)
    if not first and not then:
        return Refused(NOT_REGISTERED)
    return ToCallBack(call_back.elin, first, then)


def _outside(number: str, snapshot: Snapshot) -> ToOutside:
    """Without a trunk as well: there may be a modem."""
    return ToOutside(number, snapshot.outbound_trunks)


def _barred(number: str, kind: Kind, why: str) -> Outcome:
    if kind is Kind.INTERNATIONAL and why.startswith("calls to other countries"):
        return Outcome(403, f"International calls to +{calling_code(number)} are not allowed here", "refused", 21)
    return Outcome(403, _phrase(f"Not allowed here: {why}"), "refused", 21)


def _phrase(text: str) -> str:
    """A reason phrase: one line of plain characters (RFC 3261 section 25.1), short enough for a phone's display."""
    return "".join(char for char in text if 32 <= ord(char) < 127 and char != '"')[:120]
