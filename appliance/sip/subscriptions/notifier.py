"""Subscriptions and what their watchers are told (RFC 6665, the notifier's side): a state machine per dialog; pure, time passed in."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from appliance.sip.messages import DialogRequest, Reply, Request
from appliance.sip.registrar import uris
from appliance.sip.repeats import Repeats
from appliance.types import Address, DeviceId

log = logging.getLogger(__name__)

MIN_EXPIRES_S, MAX_EXPIRES_S = 60, 600
"""A watcher whose notifier was restarted learns of it when it refreshes: so it is not let wait for an hour."""
PER_DEVICE = 64
"""Over it the subscription refreshed longest ago goes: a phone that restarts too often is never locked out."""
IN_ALL = 4096

Key = tuple[str, str, str]
"""Call-ID, our tag, the watcher's tag."""


class Watcher(Protocol):
    """The part of a device's snapshot entry that matters here."""

    @property
    def id(self) -> DeviceId: ...


class Package(Protocol):
    """An event package: what can be watched. `allow` gives the resource a SUBSCRIBE asks for, or the refusal; `body` what a watcher of it is told now, None
    when there is nothing to watch any more (it left the site, or is no longer this device's)."""

    @property
    def name(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    def allow(self, request: Request, device: DeviceId) -> str | Reply: ...

    def body(self, device: DeviceId, resource: str) -> bytes | None: ...


class State(StrEnum):
    ACTIVE = "active"
    TERMINATED = "terminated"


@dataclass(slots=True)
class _Subscription:
    """One dialog. `due`: a NOTIFY is to be sent; `waiting`: one is on its way, and the next waits for its answer. `reason`: why it ends.

    `told`: the body sent last. `local_uri` and `remote_uri` are To and From of the first SUBSCRIBE.
    """

    key: Key
    package: Package
    resource: str
    device: DeviceId
    event_id: str
    local: Address
    local_uri: str
    remote_uri: str
    target: str
    routes: tuple[str, ...]
    expires_at: float
    refreshed_at: float
    remote_cseq: int
    cseq: int = 0
    state: State = State.ACTIVE
    reason: str = ""
    due: bool = True
    waiting: bool = False
    told: bytes | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """For status and tests."""

    subscriptions: int
    by_package: dict[str, int] = field(default_factory=dict)


class Notifier:
    """All subscriptions in memory. Not thread-safe: it belongs to the SIP thread.

    What is to be sent is fetched with `drain`, what was answered is told with `answered`. `contact(local)` is our Contact on that address.
    """

    def __init__(self, packages: Iterable[Package], contact: Callable[[Address], str], new_tag: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._packages = {package.name: package for package in packages}
        self._contact, self._new_tag = contact, new_tag
        self._all: dict[Key, _Subscription] = {}
        self._repeats = Repeats()

    # ---- SUBSCRIBE -----------------------------------------------------------------------------------------------

    def subscribe(self, request: Request, device: Watcher, now: float) -> Reply:
        """Answer a SUBSCRIBE whose sender is authenticated as `device`; a NOTIFY is then due at once (section 4.2.1.2).

        200 with Expires and Contact, or a refusal that changed nothing: 400, 403, 404, 406, 423 (with Min-Expires), 481, 482, 489 (with Allow-Events),
        500, 503.
        """
        if (repeated := self._repeats.answer(request, now)) is not None:
            return repeated
        known = self._all.get((request.call_id, request.to_tag, request.from_tag))
        if request.to_tag and (known is None or known.state is State.TERMINATED):
            return Reply(481, "No such subscription")
        package = self._packages.get(_event_name(request.header("Event")))
        if package is None:
            return Reply(489, "", (("Allow-Events", ", ".join(self._packages)),))
        if not _accepts(request.every("Accept"), package.content_type):
            return Reply(406, "", (("Accept", package.content_type),))
        expires_s = min(MAX_EXPIRES_S if request.expires is None else request.expires, MAX_EXPIRES_S)
        if 0 < expires_s < MIN_EXPIRES_S:
            return Reply(423, "", (("Min-Expires", str(MIN_EXPIRES_S)),))
        if len(request.contacts) != 1:
            return Reply(400, "One Contact is needed")
        try:
            uris.parse(request.contacts[0].uri)
        except ValueError as error:
            return Reply(400, f"Bad Contact: {error}")
        if known is not None:
            return self._refresh(known, request, device, expires_s, now)
        return self._begin(package, request, device, expires_s, now)

    def _begin(self, package: Package, request: Request, device: Watcher, expires_s: int, now: float) -> Reply:
        resource = package.allow(request, device.id)
        if isinstance(resource, Reply):
            return resource
        mine = [one for one in self._all.values() if one.device == device.id]
        if len(mine) >= PER_DEVICE:
            oldest = min(mine, key=lambda one: one.refreshed_at)
            log.warning("device %s has %d subscriptions: the oldest, to %s, is forgotten", device.id, len(mine), oldest.resource)
            del self._all[oldest.key]
        elif len(self._all) >= IN_ALL:
            return Reply(503, "Too many subscriptions", (("Retry-After", "60"),))
        tag = self._new_tag()
        key = (request.call_id, tag, request.from_tag)
        one = self._all[key] = _Subscription(
            key=key, package=package, resource=resource, device=device.id, event_id=_event_id(request.header("Event")), local=request.local,
            local_uri=request.to_uri, remote_uri=request.from_uri, target="", routes=request.every("Record-Route"), expires_at=0.0, refreshed_at=now,
            remote_cseq=request.cseq,
        )  # fmt: skip
        log.info("device %s watches %s of %s (%s)", device.id, package.name, resource, request.call_id)
        return self._granted(one, request, expires_s, now, tag)

    def _refresh(self, one: _Subscription, request: Request, device: Watcher, expires_s: int, now: float) -> Reply:
        if one.device != device.id:
            return Reply(403, "Not your subscription")
        if request.cseq <= one.remote_cseq:
            return Reply(500, "CSeq out of order")
        event = request.header("Event")
        if (_event_name(event), _event_id(event)) != (one.package.name, one.event_id):
            return Reply(481, "No such subscription")
        one.remote_cseq, one.refreshed_at = request.cseq, now
        return self._granted(one, request, expires_s, now, "")

    def _granted(self, one: _Subscription, request: Request, expires_s: int, now: float, tag: str) -> Reply:
        uri = request.contacts[0].uri
        # Behind a proxy the Contact is for the proxy to find; else the phone is where the request came from, whatever it calls itself.
        one.target = uri if one.routes else uris.dial_uri(uri, request.source)
        one.local = request.local
        one.expires_at = now + expires_s
        one.due = True
        if expires_s == 0:
            self._enter(one, State.TERMINATED, "timeout", "Expires 0")
        return self._repeats.note(request, Reply(200, "", (("Expires", str(expires_s)), ("Contact", self._contact(request.local))), to_tag=tag), now)

    # ---- what happens to them ------------------------------------------------------------------------------------

    def changed(self, package: str) -> None:
        """What is watched may be another now: whoever would be told something new is told."""
        for one in self._all.values():
            if one.package.name == package and one.state is State.ACTIVE:
                body = one.package.body(one.device, one.resource)
                if body is None:
                    self._enter(one, State.TERMINATED, "noresource", "nothing to watch")
                elif body != one.told:
                    one.due = True

    def answered(self, key: Key, code: int) -> None:
        """The final status of a NOTIFY: whoever does not take it, or is not there, is not told again (section 4.2.2)."""
        one = self._all.get(key)
        if one is None:
            return
        one.waiting = False
        if code >= 300:
            self._enter(one, State.TERMINATED, "", f"{code} to NOTIFY")
            del self._all[key]

    def sweep(self, now: float) -> None:
        """End what was not refreshed in time; to be called every second or so."""
        for one in self._all.values():
            if one.state is State.ACTIVE and one.expires_at <= now:
                self._enter(one, State.TERMINATED, "timeout", "expired")

    def drain(self, now: float) -> list[tuple[Key, DialogRequest]]:
        """The NOTIFYs to send now; one at a time in each dialog, so that none overtakes another."""
        due: list[tuple[Key, DialogRequest]] = []
        for one in list(self._all.values()):
            if one.due and not one.waiting:
                due.append((one.key, self._notify(one, now)))
                one.due, one.waiting = False, True
                if one.state is State.TERMINATED:
                    del self._all[one.key]
        return due

    def counts(self) -> Counts:
        by_package = dict.fromkeys(self._packages, 0)
        for one in self._all.values():
            by_package[one.package.name] += 1
        return Counts(len(self._all), by_package)

    # ---- small parts ---------------------------------------------------------------------------------------------

    def _notify(self, one: _Subscription, now: float) -> DialogRequest:
        body = one.package.body(one.device, one.resource)
        if body is None and one.state is State.ACTIVE:
            self._enter(one, State.TERMINATED, "noresource", "nothing to watch")
        one.told = body
        one.cseq += 1
        state = f"active;expires={max(1, round(one.expires_at - now))}" if one.state is State.ACTIVE else f"terminated;reason={one.reason}"
        event = one.package.name + (f";id={one.event_id}" if one.event_id else "")
        call_id, local_tag, remote_tag = one.key
        return DialogRequest(
            method="NOTIFY", target=one.target, local=one.local, from_uri=one.local_uri, from_tag=local_tag, to_uri=one.remote_uri, to_tag=remote_tag,
            call_id=call_id, cseq=one.cseq,
            headers=(("Event", event), ("Subscription-State", state), *(("Route", route) for route in one.routes)),
            body=body or b"", content_type=one.package.content_type if body else "",
        )  # fmt: skip

    def _enter(self, one: _Subscription, state: State, reason: str, event: str) -> None:
        log.info("device %s, %s of %s: %s -> %s -> %s (%s)", one.device, one.package.name, one.resource, one.state, event, state, one.key[0])
        one.state, one.reason, one.due = state, reason, True


def _event_name(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _event_id(header: str) -> str:
    """The id parameter, which tells two subscriptions in one dialog apart (RFC 6665 section 4.5.2)."""
    pairs = (one.partition("=") for one in header.split(";")[1:])
    return next((value.strip() for name, _, value in pairs if name.strip().lower() == "id"), "")


def _accepts(headers: tuple[str, ...], content_type: str) -> bool:
    """Whether the watcher reads what it will be told (RFC 3261 section 20.1); without Accept it reads the package's own."""
    kinds = [kind.partition(";")[0].strip().lower() for header in headers for kind in header.split(",")]
    family = content_type.partition("/")[0] + "/*"
    return not any(kinds) or any(kind in (content_type, family, "*/*") for kind in kinds)
