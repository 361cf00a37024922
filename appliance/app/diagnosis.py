"""What is wrong? (row E14): from what was refused, who is silent, which calls led nowhere or sounded bad, cause and cure in a sentence each (pure)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from appliance.app.sound import of_record
from appliance.control.shapes import FindingShape
from appliance.sip.admission import Refused
from appliance.site.snapshot import DeviceEntry, Snapshot
from appliance.state.records import CallRecord
from appliance.types import Address, DeviceId

RECENT_S = 24 * 3600.0
"""What is older is history."""
Told = tuple[str, str]
"""Cause and cure."""


def diagnose(
    snapshot: Snapshot,
    refusals: Sequence[Refused],
    registered: Collection[DeviceId],
    calls: Sequence[CallRecord],
    listening: Sequence[Address],
    now_s: float,
    now_unix_s: float,
) -> list[FindingShape]:
    """The findings, the newest first, then phones that nothing was heard of.

    `refusals` as admission noted them, the oldest first, by the monotonic clock like `now_s`; `calls`: the latest records; `listening`: where the box hears.
    """
    names = {name.lower(): entry for name, entry in snapshot.by_sip_user.items()}
    found: dict[tuple[str, str, str], FindingShape] = {}
    heard: set[DeviceId] = set()
    for refused in refusals:
        entry = names.get(refused.username.lower())
        ago = now_s - refused.at_s
        if not 0 <= ago <= RECENT_S:
            continue
        if entry is not None:
            heard.add(entry.id)
            if entry.id in registered and refused.method == "REGISTER" and refused.reason != "unknown-user":
                continue  # it has come in since, or another of its places is in: nothing is wrong that a call would feel
        key = (refused.reason, refused.username.lower(), refused.source.ip)
        cause, cure = _refusal(refused, entry, snapshot)
        times = found[key]["times"] + 1 if key in found else 1
        found[key] = _finding(refused.reason, entry, refused.username, str(refused.source), refused.user_agent, cause, cure, now_unix_s - ago, times)
    for call in calls:
        if call.bad_sound and 0 <= now_unix_s - call.started_unix_s <= RECENT_S:
            _add_sound(found, call)
        if call.outcome != "no-flow" or not 0 <= now_unix_s - call.started_unix_s <= RECENT_S:
            continue
        key = ("no-flow", call.caller, "")
        told = _no_flow(call, snapshot)
        if key in found:
            found[key]["times"] += 1
        else:
            found[key] = _finding("no-flow", None, call.caller, "", "", *told, call.started_unix_s, 1)
    seen = sorted(found.values(), key=lambda each: -each["at_unix_s"])
    silent = [entry for entry in snapshot.devices.values() if entry.id not in registered and entry.id not in heard]
    for entry in silent:
        code, cause, cure = _silent(entry, listening)
        seen.append(_finding(code, entry, entry.sip_user, "", "", cause, cure, 0.0, 0))
    return seen


def _add_sound(found: dict[tuple[str, str, str], FindingShape], call: CallRecord) -> None:
    """What was wrong with how a call sounded; the same fault of the same side is one finding, told by its latest call."""
    judged = of_record(call)
    for heard in judged["findings"] if judged is not None else ():
        at = next((side["name"] for side in judged["sides"] if side["side"] == heard["side"]), "") if judged is not None else ""
        key = (heard["code"], at, "sound")
        if key in found:
            found[key]["times"] += 1
        else:
            found[key] = _finding(heard["code"], None, at, "", "", heard["cause"], heard["cure"], call.started_unix_s, 1, call.session)


def _finding(
    code: str, entry: DeviceEntry | None, username: str, source: str, user_agent: str, cause: str, cure: str, at_unix_s: float, times: int, call: str = ""
) -> FindingShape:
    return {
        "code": code, "device": entry.id if entry else "", "name": entry.display_name if entry else "", "username": username, "source": source,
        "user_agent": user_agent, "cause": cause, "cure": cure, "at_unix_s": at_unix_s, "times": times, "call": call,
    }  # fmt: skip


def _refusal(refused: Refused, entry: DeviceEntry | None, snapshot: Snapshot) -> Told:
    where = refused.source.ip
    who = refused.username or "no name at all"
    if refused.reason == "emergency-text":
        return (f"{who} sent a text message to an emergency number, which no text can reach", "Tell whoever uses it to make a voice call")
    if entry is None and (refused.reason in {"unknown-user", "wrong-password"}):
        near = _near(refused.username, snapshot)
        return (
            f"A phone at {where} signs in as {who}, and no phone of this site has that user name",
            f"Type {near} into it, if it is that phone" if near else "Type the SIP user name that Phones shows, or add the phone there",
        )
    return _REFUSALS.get(refused.reason, _other)(refused, entry, snapshot)


def _password(refused: Refused, entry: DeviceEntry | None, snapshot: Snapshot) -> Told:
    if entry is not None and entry.secret is None:
        return (f"{refused.username} has no SIP password yet, so nobody can sign in as it", "Make one under Phones, apply it and type it into the phone")
    site = snapshot.site
    owner = site.users.get(entry.owner) if entry is not None and entry.owner else None
    doubt = f", nor the one with which {owner.name} signs in to these pages" if owner is not None else ", nor one for these pages"
    return (
        f"The phone at {refused.source.ip} signs in as {refused.username} with another password than its SIP password",
        f"Type the SIP password that Phones shows for it: not an older one{doubt}",
    )


def _domain(refused: Refused, _: DeviceEntry | None, snapshot: Snapshot) -> Told:
    return (
        f"The phone at {refused.source.ip} signs in as {refused.username} in another domain than {snapshot.realm}",
        f"Type {snapshot.realm} as domain and registrar, or the address of the box where the network does not know that name",
    )


def _replayed(refused: Refused, _: DeviceEntry | None, __: Snapshot) -> Told:
    return (
        f"The phone at {refused.source.ip} repeats an old answer of {refused.username} to the box's question",
        "Restart the phone; if it goes on, something between it and the box sends its messages twice",
    )


def _other(refused: Refused, _: DeviceEntry | None, __: Snapshot) -> Told:
    return (
        f"The {refused.method} of {refused.username or 'a phone'} at {refused.source.ip} cannot be understood ({refused.reason})",
        "Look at its messages under Calls or with `holdfast trace`, and update the phone",
    )


_REFUSALS: dict[str, Callable[[Refused, DeviceEntry | None, Snapshot], Told]] = {
    "wrong-password": _password, "unknown-user": _password, "wrong-domain": _domain, "wrong-realm": _domain, "replayed": _replayed,
}  # fmt: skip


def _near(name: str, snapshot: Snapshot) -> str:
    """The one user name of whoever has `name` as extension, own or owner's: the usual slip."""
    found = [entry.sip_user for entry in snapshot.devices.values() if name and entry.extension == name]
    return found[0] if len(found) == 1 else ""


def _no_flow(call: CallRecord, snapshot: Snapshot) -> Told:
    owner = next((user for user in snapshot.site.users.values() if user.extension == call.caller), None)
    who = owner.name if owner is not None else call.caller_name or call.caller
    return (f"{call.caller} dialled {call.dialled or call.called}, but no flow is set for {who}", f"Choose a flow for {who} under People")


def _silent(entry: DeviceEntry, listening: Sequence[Address]) -> tuple[str, str, str]:
    name = entry.display_name or entry.sip_user
    if not entry.enabled:
        return ("switched-off", f"{name} ({entry.sip_user}) is switched off here, or its owner is", "Switch it on under Phones or People, and apply it")
    if entry.secret is None:
        return ("no-password", f"{name} ({entry.sip_user}) has no SIP password yet", "Make one under Phones, apply it and type it into the phone")
    ports = dict.fromkeys(f"{address.transport.name} port {address.port}" for address in listening)
    return (
        "silent",
        f"Not one message has come from {name} ({entry.sip_user}) since the box started: it is off, or asks another address, port or transport",
        f"Check its power and cable, then its server: {' or '.join(ports) or 'the box listens nowhere now'}",
    )
