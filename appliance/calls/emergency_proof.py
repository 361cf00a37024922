"""Proves that every emergency number leaves from every phone of a site document, by the functions that carry real calls (pure; row Z2)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar, cast
from urllib.parse import quote, unquote

from appliance.calls.dials import trunk_host
from appliance.calls.emergency_dial import G711, NOTHING, Told, emergency_dial, emergency_paths, service_of
from appliance.calls.route import CallBack, ToEmergency, View, route
from appliance.emergency.conveyance import PRIORITY, Conveyance, geolocation_headers
from appliance.emergency.location import LocationTable, Resolved
from appliance.emergency.pidf_lo import Provider, build, device_urn, provider_info
from appliance.emergency.recognise import EmergencyService, Recogniser
from appliance.errors import Problem
from appliance.sip.api import Dial, Invite, Origin
from appliance.site.countries import EVERYWHERE
from appliance.site.model.site import Site
from appliance.site.snapshot import Snapshot, compile
from appliance.types import Address, DeviceId, LegId, TrunkId

LISTED = 20
"""Broken cases told one by one; the rest is counted."""

_HERE = Address("192.0.2.1", 5060)
_REPORT = "undo the change named here and report this: the box must carry such a call whatever the site says"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Form:
    """One way a phone writes a number in its Request-URI. `second`: the number also stands in a transfer's target, where nothing has recognised it before."""

    name: str
    uri: str
    scheme: str
    user: str
    second: bool = False


@dataclass(frozen=True, slots=True)
class Leaves:
    """What becomes of one number: `number` as dialled; `sent`: trunk name -> what that trunk is asked for; `problem`: why it does not leave, else ""."""

    number: str
    sent: dict[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Phones that an emergency call treats alike. `phones`: their names; `known` False: the phone nobody knows, and devices that are switched off."""

    phones: tuple[str, ...]
    place: str
    callback: str
    known: bool
    calls: tuple[Leaves, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """`problems`: why the document must not come into force; `warnings`: sentences; `cases`: calls proved (phones x numbers x written forms x trunks)."""

    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    cases: int
    groups: tuple[Group, ...] = ()


def prove(site: Site, before: Site | None = None) -> Proof:
    """Prove `site`, whose fields are right, as it would be after a commit. `before`: the site in force now, None for a box's first."""
    return _Prover(site, before).proof()


def written(number: str, prefix: str, realm: str) -> Iterator[Form]:
    """Every form in which phones write the emergency number `number`."""
    user = quote(number, safe="*")
    yield Form("plain", f"sip:{user}@{realm}", "sip", number, second=True)
    if prefix:
        yield Form(f"after {prefix}", f"sip:{quote(prefix + number, safe='*')}@{realm}", "sip", prefix + number, second=True)
    if number.isdigit() and len(number) < 7:
        # Seven digits after a + would be somebody's telephone.
        yield Form("with +", f"sip:+{user}@{realm}", "sip", f"+{number}")
    yield Form("as tel:", f"tel:{user}", "tel", number)
    yield Form("as a dial string", f"sip:{user}@{realm};user=dialstring", "sip", number)
    yield Form("as a service", "urn:service:sos", "urn", "")


@dataclass(frozen=True, slots=True)
class _Told:
    """One thing a dispatcher may be told: the group it stands for, its place and one of the place's callback numbers."""

    place: Resolved
    callback: str
    location: Conveyance


@dataclass(slots=True)
class _Broken:
    """One fault, with everything it strikes. `path`, `cause` and `cure` tell faults apart."""

    path: str
    cause: str
    cure: str
    numbers: dict[str, None] = field(default_factory=dict)
    phones: dict[str, None] = field(default_factory=dict)


class _Fault(Exception):
    """A step of a call that does not hold. `cause`: what happens instead, `path`: what in the document it hangs on."""

    def __init__(self, cause: str, path: str = "emergency", cure: str = _REPORT) -> None:
        super().__init__(cause)
        self.cause, self.path, self.cure = cause, path, cure


class _Prover:
    """Proves one document. The phones are grouped by what an emergency call looks at: whether the phone is known, and where it is."""

    def __init__(self, site: Site, before: Site | None) -> None:
        self._site, self._before = site, before
        self._broken: dict[tuple[str, str], _Broken] = {}
        self._done: dict[Hashable, object] = {}
        self._cases = 0

    def proof(self) -> Proof:
        try:
            self._snapshot = compile(self._site, 0, {})
            self._recogniser = Recogniser.of(self._snapshot)
            self._locations = LocationTable(self._site)
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine would meet it as well
            return Proof((Problem("document", f"no emergency call would leave: the site cannot be compiled ({_named(error)})", _REPORT),), (), 0)
        country = self._snapshot.country.emergency
        self._numbers = (*country, *sorted(self._snapshot.emergency_numbers - set(country)))
        self._forms = {number: tuple(written(number, self._site.outbound.outside_prefix, self._snapshot.realm)) for number in self._numbers}
        groups = tuple(self._group(phones, known, places) for phones, known, places in self._alike())
        return Proof((*self._problems(), *self._lost_way()), tuple(self._warnings()), self._cases, groups)

    # ---- the phones ----------------------------------------------------------------------------------------------

    def _alike(self) -> Iterator[tuple[tuple[DeviceId | None, ...], bool, tuple[Resolved, ...]]]:
        """(devices, whether admission would know them, where they may be). None among the devices: the phone nobody knows."""
        pinned: dict[str, list[DeviceId | None]] = {}
        free: list[DeviceId | None] = []
        off: list[DeviceId | None] = []
        for entry in self._snapshot.devices.values():
            if not entry.enabled:
                off.append(entry.id)
            elif entry.location in self._site.locations:
                pinned.setdefault(str(entry.location), []).append(entry.id)
            else:
                free.append(entry.id)
        for devices in pinned.values():
            place = self._locations.resolve(self._snapshot.devices[DeviceId(str(devices[0]))].location, _HERE.ip)
            yield tuple(devices), True, (place,)
        anywhere = tuple(self._anywhere())
        if free:
            yield tuple(free), True, anywhere
        yield (None, *off), False, anywhere

    def _anywhere(self) -> Iterator[Resolved]:
        """The places of a phone that is not pinned to one: by its network, or the site's default."""
        yield self._locations.resolve(None, _HERE.ip)
        for location in self._site.locations.values():
            for network in location.networks[:1]:
                yield self._locations.resolve(None, str(network.network_address))

    def _group(self, devices: tuple[DeviceId | None, ...], known: bool, places: tuple[Resolved, ...]) -> Group:
        names = tuple(self._name(device) for device in devices)
        told = [each for place in places for each in self._told(devices[0], place, names)]
        if known:
            for device in devices:
                for number in self._numbers:
                    self._try(("routed", device, number), partial(self._routed, device, number), number, (self._name(device),))
        calls = tuple(self._leaves(number, devices[0], known, told, names) for number in self._numbers)
        place = places[0].location.name if places[0].location is not None else "no place"
        return Group(names, place if len(places) == 1 else f"{place}, or by network", told[0].callback if told else "", known, calls)

    def _name(self, device: DeviceId | None) -> str:
        return self._snapshot.devices[device].name if device is not None else "a phone nobody knows"

    # ---- one number from one group -------------------------------------------------------------------------------

    def _leaves(self, number: str, sender: DeviceId | None, known: bool, told: list[_Told], names: tuple[str, ...]) -> Leaves:
        services: dict[EmergencyService, None] = {}
        faults: list[str] = []
        origins = (Origin.DEVICE,) if known else (Origin.UNKNOWN, Origin.TRUNK)
        for form in self._forms[number]:
            for origin in origins:
                step = partial(self._recognised, number, form, sender, origin)
                service = self._try(("recognised", number, form.name, origin), step, number, names, faults)
                if service is not None:
                    services[service] = None
            self._cases += len(names) * len(self._site.trunks)
        sent: dict[str, str] = {}
        for service in services:
            for trunk in self._try(("paths", service), partial(self._paths, service), number, names, faults) or ():
                for one in told:
                    key = ("departs", trunk, service, one.place.location_id, one.callback)
                    asked = self._try(key, partial(self._departs, trunk, service, one), number, names, faults)
                    if asked:
                        sent.setdefault(self._site.trunks[trunk].name, asked)
        if not self._site.trunks:
            faults.append("there is no trunk it could leave on")
        return Leaves(number, sent, faults[0] if faults else "")

    def _routed(self, device: DeviceId | None, number: str) -> None:
        """The last line of defence, for each phone by itself: even where nothing recognised the number before, the router does."""
        routed = route(replace(_invite(self._snapshot, device), uri_user=number), self._snapshot, _WORST)
        if not isinstance(routed, ToEmergency) or routed.test:
            raise _Fault("it is routed like an ordinary call")

    def _recognised(self, number: str, form: Form, sender: DeviceId | None, origin: Origin) -> EmergencyService:
        """What the box makes of this INVITE, through admission's recognition and the router, as it does for a real one."""
        snapshot, recogniser = self._snapshot, self._recogniser
        found = recogniser.match(form.uri, form.scheme, form.user)
        if found is None or found.kind != "emergency":
            raise _Fault(f"written {form.name}, it is {'taken for a test' if found else 'not recognised'}")
        service = found.number or found.urn
        trunk = next(iter(snapshot.trunks), None) if origin is Origin.TRUNK else None
        invite = replace(_invite(snapshot, sender), uri=form.uri, uri_user=form.user, to_user=form.user, origin=origin, trunk=trunk)
        ways = [replace(invite, service=service)]
        if form.second and origin is Origin.DEVICE:
            ways.append(invite)
        for way in ways:
            routed = route(way, snapshot, _WORST)
            if not isinstance(routed, ToEmergency):
                raise _Fault(f"written {form.name}, it is routed like an ordinary call")
            found = service_of(replace(way, service=routed.number, test_call=routed.test), recogniser)
            carried = self._carried(number) if form.scheme != "urn" else snapshot.country.emergency[0]
            if found.kind != "emergency" or found.number != carried:
                raise _Fault(f"written {form.name}, it would be carried as {found.number or 'nothing'} and not as {carried}")
        return replace(found, dialled="")

    def _carried(self, number: str) -> str:
        """A country's own number stays as it is; what its carriers do not know goes out as its principal number."""
        country = self._snapshot.country.emergency
        return number if number in country and number != EVERYWHERE else country[0]

    def _paths(self, service: EmergencyService) -> tuple[TrunkId, ...]:
        paths = tuple(TrunkId(path.id) for path in emergency_paths(service, self._snapshot, lambda _: 0, ""))
        left_out = [trunk.name for key, trunk in self._site.trunks.items() if key not in paths]
        if left_out:
            raise _Fault(f"{', '.join(left_out)} would not be tried", "trunks")
        return paths

    def _departs(self, trunk_id: TrunkId, service: EmergencyService, told: _Told) -> str:
        """What this trunk is asked for, with the location and without it. Raises _Fault where that is not the number, or nobody could call back."""
        trunk = self._site.trunks[trunk_id]
        path = f"trunks.{trunk_id}"
        wanted = service.urn if trunk.emergency_uri == "urn" else service.number
        for with_location in (True, False):
            said = Told(service, told.callback, "", told.location)
            dial = emergency_dial(said, trunk_id, trunk, self._snapshot, with_location=with_location)
            asked = dial.target if trunk.emergency_uri == "urn" else _called(dial.target, trunk_host(trunk))
            if asked != wanted or _called(dial.to_uri, trunk_host(trunk)) not in (wanted, ""):
                raise _Fault(f"{trunk.name} would be asked for {asked or dial.target} and not for {wanted}", path, "look at this trunk's host and format")
            if not dial.emergency or dial.account != trunk_id or PRIORITY[0] not in dial.headers or not set(G711) <= set(dial.codecs):
                raise _Fault(f"over {trunk.name} it would leave like an ordinary call", path)
            if bool(dial.parts) != (with_location and bool(told.location.parts)):
                raise _Fault(f"over {trunk.name} its location would not stand where it belongs", path)
            self._can_call_back(dial, trunk.name, told)
        return wanted

    def _can_call_back(self, dial: Dial, trunk: str, told: _Told) -> None:
        """A number that can be called back goes along when the site has any; in the trunk's form, but it is this one (its last six digits are)."""
        place = told.place.location
        has_one = self._site.main_number or any(location.elins for location in self._site.locations.values())
        shown = dict(dial.headers).get("P-Asserted-Identity", "")
        if not shown and has_one:
            where = f"locations.{told.place.location_id}.elins" if place is not None else "main_number"
            cause = f"from {place.name if place is not None else 'an unknown place'} it would carry no number that calls back"
            raise _Fault(cause, where, "write the site's main_number, or callback numbers (elins) for this place")
        if told.callback and not all(told.callback[-6:] in uri for uri in (shown, dial.from_uri)):
            raise _Fault(f"over {trunk} it would carry {shown} and not {told.callback} as the number that calls back", "trunks")

    # ---- what the dispatcher is told -----------------------------------------------------------------------------

    def _told(self, sender: DeviceId | None, place: Resolved, names: tuple[str, ...]) -> list[_Told]:
        main = self._site.main_number or ""
        pool = place.location.elins if place.location is not None and place.location.elins else (main,)
        step = partial(self._conveyed, sender, place, pool[0])
        location = self._try(("place", place.location_id), step, "", names, path=f"locations.{place.location_id}") or NOTHING
        return [_Told(place, callback, location) for callback in pool]

    def _conveyed(self, sender: DeviceId | None, place: Resolved, callback: str) -> Conveyance:
        site, realm = self._site, self._snapshot.realm
        mac = site.devices[sender].mac if sender is not None and sender in site.devices else ""
        provider = Provider(site.name, f"tel:{site.main_number}", realm) if site.main_number else None
        entity = f"tel:{callback}" if callback else f"sip:{realm}"
        pidf = build(place, entity=entity, device_id=device_urn(sender or _HERE.ip, realm, mac), timestamp=0.0, provided_by=provider)
        if place.location is not None and not pidf:
            raise _Fault("its place would not be told", f"locations.{place.location_id}")
        block = provider_info(provider, "proof") if provider is not None and pidf else b""
        return geolocation_headers(realm, "proof", pidf, provider=block)

    # ---- faults --------------------------------------------------------------------------------------------------

    def _try(
        self, key: Hashable, step: Callable[[], _T], number: str, names: Iterable[str], faults: list[str] | None = None, path: str = "emergency"
    ) -> _T | None:
        """The step's result, or None and its fault noted for these phones. Each `key` is tried once: what it stands for is alike for every phone."""
        found = self._done.get(key)
        if key not in self._done:
            try:
                found = step()
            except _Fault as fault:
                found = fault
            except Exception as error:  # noqa: BLE001 - what stops the proof would stop the call; the other cases are still proved
                found = _Fault(_named(error), path)
            self._done[key] = found
        if not isinstance(found, _Fault):
            return cast(_T, found)
        broken = self._broken.setdefault((found.path, found.cause), _Broken(found.path, found.cause, found.cure))
        broken.numbers.update(dict.fromkeys((number,) if number else self._numbers))
        broken.phones.update(dict.fromkeys(names))
        if faults is not None:
            faults.append(found.cause)
        return None

    def _problems(self) -> Iterator[Problem]:
        broken = list(self._broken.values())
        for one in broken[:LISTED]:
            yield Problem(one.path, f"{_some(one.numbers)} from {_phones(tuple(one.phones))} would not leave as it should: {one.cause}", one.cure)
        if len(broken) > LISTED:
            yield Problem("emergency", f"{len(broken) - LISTED} more faults of emergency calls are not listed", "cure the listed ones first")

    def _lost_way(self) -> Iterator[Problem]:
        if not self._site.trunks and self._before is not None and self._before.trunks:
            lost = _some(trunk.name for trunk in self._before.trunks.values())
            sentence = f"no emergency call would leave: {lost} goes, and {_some(self._numbers)} from {_phones(self._all())} would have no way out"
            yield Problem("trunks", sentence, "add the new trunk before removing the last one")

    def _all(self) -> tuple[str, ...]:
        return (*(entry.name for entry in self._snapshot.devices.values()), self._name(None))

    def _warnings(self) -> Iterator[str]:
        site, trunks = self._site, self._site.trunks.values()
        if not trunks:
            if self._before is None or not self._before.trunks:
                yield f"There is no trunk: {_some(self._numbers)} cannot leave from any phone. Add a trunk."
            return
        if not any(trunk.enabled for trunk in trunks):
            yield "Every trunk is switched off: emergency calls try them all the same, but nothing shows whether one works. Switch one on."
        elif not any(trunk.emergency_armed for trunk in trunks if trunk.enabled):
            yield "No trunk is marked as armed: have the carrier register this site's addresses and callback numbers, then set emergency_armed."
        if not site.locations:
            yield "There is no location: the dispatcher gets no address. Add one and make it emergency.default_location."
        if self._before is not None:
            gone = self._known_before() - self._snapshot.emergency_numbers
            if gone:
                yield f"{_some(sorted(gone))} called emergency services until now and will not any more."

    def _known_before(self) -> frozenset[str]:
        try:
            return compile(self._before, 0, {}).emergency_numbers if self._before is not None else frozenset()
        except KeyError:  # a country this release does not know
            return frozenset()


_WORST = View(targets=lambda _: (), engaged=lambda _: True, in_emergency=lambda _: True, call_back=CallBack)
"""Nobody registered, everybody busy, and whatever is dialled a call-back number: none of it may matter."""


def _invite(snapshot: Snapshot, sender: DeviceId | None) -> Invite:
    entry = snapshot.devices.get(sender) if sender is not None else None
    user = entry.sip_user if entry is not None else "stranger"
    return Invite(
        leg=LegId("proof"),
        call_id="proof",
        uri="",
        uri_user="",
        from_uri=f"sip:{user}@{snapshot.realm}",
        from_user=user,
        from_display="",
        to_user="",
        source=_HERE,
        local=_HERE,
        origin=Origin.DEVICE if sender is not None else Origin.UNKNOWN,
        device=sender,
    )


def _called(uri: str, host: str) -> str:
    """The user part of a SIP URI on exactly this host; "" for any other URI."""
    scheme, _, rest = uri.partition(":")
    user, at, where = rest.partition(";")[0].rpartition("@")
    return unquote(user) if scheme == "sip" and at and where == host else ""


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _some(words: Iterable[str]) -> str:
    """`911`, `911 and 112`, `911, 112, 15 and 4 more`."""
    listed = list(dict.fromkeys(words))
    if len(listed) > 4:
        return f"{', '.join(listed[:3])} and {len(listed) - 3} more"
    return f"{', '.join(listed[:-1])} and {listed[-1]}" if len(listed) > 1 else "".join(listed)


def _phones(names: tuple[str, ...]) -> str:
    if len(names) < 4:
        return _some(names)
    return f"{names[0]} and {len(names) - 1} other phones"
