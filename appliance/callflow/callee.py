"""Whom a target belongs to, before anybody rings (pure)."""

from __future__ import annotations

from appliance.calls.program import RingTarget, RunsFlow
from appliance.sip.trunks.numbers import Kind, dialled
from appliance.site.snapshot import ExtensionEntry, Snapshot
from appliance.types import FlowId, UserId


def callee(target: RingTarget, number: str, snapshot: Snapshot) -> UserId | None:
    """The user `target` reaches, where it is one person with phones; `number`: what was dialled."""
    entry = _entry(target, number, snapshot)
    return entry.user if entry is not None and entry.flow is None else None


def flow_of(target: RingTarget, number: str, snapshot: Snapshot) -> RunsFlow | None:
    """The flow that `target` is, or whose user it is (row E12)."""
    entry = _entry(target, number, snapshot)
    if entry is not None:
        return RunsFlow(entry.flow, entry.user) if entry.flow is not None else None
    own = snapshot.numbers.get(_outside(_asked(target, number), snapshot))
    return RunsFlow(FlowId(own.destination.target)) if own is not None and own.destination.kind == "flow" else None


def extension_of(number: str, snapshot: Snapshot) -> str:
    """The extension that dialling `number` here reaches, "" where it reaches none."""
    if number in snapshot.extensions:
        return number
    own = snapshot.numbers.get(_outside(number, snapshot))
    return own.destination.target if own is not None and own.destination.kind == "extension" else ""


def _entry(target: RingTarget, number: str, snapshot: Snapshot) -> ExtensionEntry | None:
    if target.user is not None:
        return snapshot.users.get(target.user)
    return snapshot.extensions.get(target.extension or extension_of(_asked(target, number), snapshot))


def _asked(target: RingTarget, number: str) -> str:
    return number if target.dialled else target.number


def _outside(number: str, snapshot: Snapshot) -> str:
    """`number` as E.164, "" where it is no outside number."""
    site = snapshot.site
    meant = dialled(number, country=site.country, outside_prefix=site.outbound.outside_prefix, extensions=snapshot.extensions)
    return meant.number if meant.kind in (Kind.OUTSIDE, Kind.INTERNATIONAL) else ""
