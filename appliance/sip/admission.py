"""Who may do what at the SIP port: emergency first, then trunks by address, then digest, then everything else refused (pure, in memory)."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Protocol

from appliance.sip.api import Origin
from appliance.sip.digest import DigestAuth, Outcome, Reason, Verdict
from appliance.sip.messages import Reply, Request
from appliance.sip.registrar.register import Registrar
from appliance.site.snapshot import DeviceEntry, Snapshot
from appliance.types import Address, DeviceId, TrunkId

log = logging.getLogger(__name__)

SCORE_LIMIT = 400.0
"""What one source may cost before it is refused: a challenge left unanswered costs 1, a wrong password 5; 20 are forgiven every second."""
FORGIVEN_PER_S = 20.0
CHALLENGE_COST, WRONG_COST, SUCCESS_CREDIT = 1.0, 5.0, 10.0
SOURCES = 4096
KNOWS_SHA256 = re.compile(r"pjsip|pjsua|linphone|zoiper|yealink|snom|grandstream grp|poly", re.IGNORECASE)
"""User-Agents that take two challenges as RFC 8760 has them. Others give up at an algorithm they do not know, even beside MD5 (seen with baresip 1.0)."""
SCANNERS = re.compile(r"friendly-scanner|friendly-request|sipvicious|sipcli|sundayddr|sip-?scan|pplsip|vaxsipuseragent|sipptk", re.IGNORECASE)
"""User-Agents of programs that look for boxes to abuse, as far as they say who they are."""
ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO, REFER, SUBSCRIBE, NOTIFY, MESSAGE, UPDATE, PRACK"


class Service(Protocol):
    """What the recogniser says of a request that asks for help."""

    @property
    def kind(self) -> str: ...

    @property
    def number(self) -> str: ...

    @property
    def urn(self) -> str: ...


Handler = Callable[[Request, DeviceEntry, float], Reply]
"""Answers a request of an authenticated device, at once (SIP thread)."""
Recognise = Callable[[str, str, str], "Service | None"]
"""(uri, scheme, user) -> the emergency service asked for, or None."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An INVITE that may go on to a session."""

    origin: Origin
    device: DeviceId | None = None
    trunk: TrunkId | None = None
    service: str = ""
    test_call: bool = False

    @property
    def emergency(self) -> bool:
        """Goes out whatever else is wrong with it."""
        return bool(self.service)


@dataclass(frozen=True, slots=True)
class Refused:
    """News for the diagnosis page (row E14): what the box saw and why it said no."""

    method: str
    reason: str
    username: str
    source: Address
    user_agent: str
    at_s: float
    code: int
    """The SIP status it was answered with."""


@dataclass(slots=True)
class _Score:
    points: float
    at_s: float


@dataclass(slots=True)
class Rules:
    """What one site revision means at the port; swapped as a whole."""

    snapshot: Snapshot
    recognise: Recognise
    trunk_hosts: dict[str, TrunkId] = field(default_factory=dict)
    """IP literal -> trunk, of the addresses the trunks' hosts resolve to."""

    def trunk_of(self, ip: str) -> TrunkId | None:
        """The trunk a source address belongs to."""
        found = self.trunk_hosts.get(ip)
        if found is not None and found in self.snapshot.trunks:
            return found
        address = ip_address(ip)
        for key, trunk in self.snapshot.trunks.items():
            if any(address in ip_network(str(network)) for network in trunk.networks):
                return key
        return None


class Admission:
    """Decides every out-of-dialog request on the SIP thread; nothing here waits. `free_legs` counts those an ordinary call may take."""

    def __init__(
        self,
        rules: Rules,
        digest: DigestAuth,
        registrar: Registrar,
        free_legs: Callable[[], int],
        crowded_by: Callable[[str], bool],
        refused: Callable[[Refused], None],
    ) -> None:
        self.rules = rules
        self.digest = digest
        self.registrar = registrar
        self._free_legs = free_legs
        self._crowded_by = crowded_by
        self._refused = refused
        self._scores: OrderedDict[str, _Score] = OrderedDict()
        self._by_name: dict[str, DeviceEntry] = {}
        self.offered: Mapping[DeviceId, str] = {}
        """Passwords taken beside those of the rules: of phones that are getting another one."""
        self.proved: Callable[[DeviceId], None] = lambda device: None
        """Told that a device signed in with what it was offered."""
        self.handlers: dict[str, Handler] = {}
        """Who answers MESSAGE and SUBSCRIBE of the site's devices; what has no handler is not served."""
        self.swap(rules)

    def swap(self, rules: Rules) -> None:
        """Put another revision into force."""
        self.rules = rules
        self._by_name = {name.lower(): entry for name, entry in rules.snapshot.by_sip_user.items()}

    def decide(self, request: Request, now: float) -> Admitted | Reply | None:
        """Let an INVITE on, answer at once, or (None) stay silent towards a source that floods."""
        if request.method == "INVITE":
            service = self._service(request)
            if service is not None:
                admitted = self._emergency(request, service, now)
                # The one limit there is: a stranger who holds the last legs with emergency calls leaves none to the phones of the site.
                if admitted.origin is Origin.UNKNOWN and self._crowded_by(request.source.ip):
                    return Reply(503, "Too many emergency calls from this address", (("Retry-After", "5"),))
                return admitted
        if self._over_limit(request.source.ip, now):
            # Silence is cheaper than an answer; now and then one says why.
            return Reply(503, "Too many requests from this address", (("Retry-After", "10"),)) if request.cseq % 50 == 0 else None
        if request.method == "REGISTER":
            return self._register(request, now)
        if request.method == "INVITE":
            return self._invite(request, now)
        if request.method == "OPTIONS":
            self._cost(request.source.ip, CHALLENGE_COST, now)
            self._note_scanner(request, now)
            return Reply(200, "", (("Allow", ALLOW), ("Accept", "application/sdp"), ("Supported", "replaces, timer, 100rel")))
        if request.method == "MESSAGE" and self._asks_for_help(request):
            return self._no_text(request, now)
        handler = self.handlers.get(request.method)
        return self._other(request) if handler is None else self._of_device(request, handler, now)

    # ---- emergency -----------------------------------------------------------------------------------------------

    def _service(self, request: Request) -> Service | None:
        try:
            return self.rules.recognise(request.uri, request.uri_scheme, request.uri_user)
        except Exception:  # noqa: BLE001 - a fault in recognition must not refuse the call: bare 911/112 still goes
            return _Plain(request.uri_user) if request.uri_user in self.rules.snapshot.emergency_numbers else None

    def _emergency(self, request: Request, service: Service, now: float) -> Admitted:
        """No challenge, no limit. The device is found as well as can be, for its place: right password, else its registration, else what it calls itself."""
        asked = service.number or service.urn
        trunk: TrunkId | None = None
        device: DeviceEntry | None = None
        try:
            trunk = self._trunk_of(request)
            if request.credentials:
                device = self.digest.verify(request, self._lookup, now).identity
            device = device or self._registered_at(request, now) or self._lookup(request.from_user)
        except Exception:  # a fault in finding out who calls must not cost the call
            log.exception("an emergency call from %s goes out, its device could not be told", request.source)
        if device is not None:
            return Admitted(Origin.DEVICE, device=device.id, service=asked, test_call=service.kind == "test")
        if trunk is not None:
            return Admitted(Origin.TRUNK, trunk=trunk, service=asked, test_call=service.kind == "test")
        return Admitted(Origin.UNKNOWN, service=asked, test_call=service.kind == "test")

    def _asks_for_help(self, request: Request) -> bool:
        """In a dialog the URI is our own Contact, and whom the text is for stands in To."""
        return self._service(replace(request, uri=request.to_uri, uri_scheme="sip", uri_user=request.to_user) if request.to_tag else request) is not None

    def _no_text(self, request: Request, now: float) -> Reply:
        """Said at once and in words, whoever asks: nobody must wait for help that cannot come."""
        log.warning("%s at %s sent a text message to an emergency number (%s): refused, it cannot be delivered", request.from_user, request.source, request.uri)
        self._refused(Refused("MESSAGE", "emergency-text", request.from_user, request.source, request.user_agent, now, 403))
        return Reply(403, "Emergency services cannot be reached by text here: make a voice call")

    def _registered_at(self, request: Request, now: float) -> DeviceEntry | None:
        """The one device whose binding came from this very address and port, or from this address alone when only one did."""
        near = {b.device for b in self.registrar.bindings if b.received.ip == request.source.ip and b.expires_at > now}
        exact = {
            b.device for b in self.registrar.bindings if b.received.ip == request.source.ip and b.received.port == request.source.port and b.expires_at > now
        }
        found = exact if len(exact) == 1 else near
        return self.rules.snapshot.devices.get(next(iter(found))) if len(found) == 1 else None

    def _trunk_of(self, request: Request) -> TrunkId | None:
        """The trunk that sent this. A phone of ours at a trunk's address (behind one gateway) is still a phone, unless it sends from the trunk's port."""
        trunk = self.rules.trunk_of(request.source.ip)
        if trunk is None or request.source.port == self.rules.snapshot.trunks[trunk].port:
            return trunk
        return None if self._lookup(request.from_user) is not None else trunk

    # ---- the rest ------------------------------------------------------------------------------------------------

    def _register(self, request: Request, now: float) -> Reply:
        device = self._authenticated(request, now)
        return device if isinstance(device, Reply) else self.registrar.register(request, device, now)

    def _invite(self, request: Request, now: float) -> Admitted | Reply:
        trunk = self._trunk_of(request)
        admitted: Admitted
        if trunk is not None:
            admitted = Admitted(Origin.TRUNK, trunk=trunk)
        else:
            device = self._authenticated(request, now)
            if isinstance(device, Reply):
                return device
            admitted = Admitted(Origin.DEVICE, device=device.id)
        if self._free_legs() < 2:
            return Reply(503, "All lines of the box are in use", (("Retry-After", "5"),))
        return admitted

    def _of_device(self, request: Request, handler: Handler, now: float) -> Reply:
        if self._trunk_of(request) is not None:
            self._cost(request.source.ip, CHALLENGE_COST, now)
            return Reply(403, f"{request.method} is not taken from a trunk")
        device = self._authenticated(request, now)
        return device if isinstance(device, Reply) else handler(request, device, now)

    def _authenticated(self, request: Request, now: float) -> DeviceEntry | Reply:
        """The device that signed the request, or what to answer instead."""
        verdict = self.digest.verify(request, self._lookup, now)
        if verdict.reason is Reason.WRONG_PASSWORD and self.offered:
            verdict = self._by_offer(request, verdict, now)
        if verdict.outcome is Outcome.OK and verdict.identity is not None:
            self._cost(request.source.ip, -SUCCESS_CREDIT, now)
            return verdict.identity
        reply = self.digest.answer(verdict, now, request.source, self._offered(request))
        self._count(request, verdict.outcome, verdict.reason, verdict.username, now, reply.code)
        return reply

    def _by_offer(self, request: Request, verdict: Verdict[DeviceEntry], now: float) -> Verdict[DeviceEntry]:
        """Judged by the password the device was offered; else `verdict` stays."""

        def lookup(name: str) -> DeviceEntry | None:
            entry = self._lookup(name)
            return replace(entry, secret=self.offered[entry.id]) if entry is not None and entry.id in self.offered else None

        second = self.digest.verify(request, lookup, now)
        if second.identity is None:
            return second if second.stale else verdict
        self.proved(second.identity.id)
        return second

    def _offered(self, request: Request) -> tuple[str, ...]:
        wanted = self.rules.snapshot.site.sip.digest
        if wanted == "auto":
            return () if KNOWS_SHA256.search(request.user_agent) else ("MD5",)
        return ("SHA-256",) if wanted == "sha-256" else ()

    @staticmethod
    def _other(request: Request) -> Reply:
        if request.method == "SUBSCRIBE":
            return Reply(489, "Event package not supported", (("Allow-Events", "refer"),))
        if request.method in {"BYE", "INFO", "UPDATE", "PRACK", "NOTIFY"}:
            return Reply(481, "No such call")
        return Reply(405, "Not accepted here", (("Allow", ALLOW),))

    def _lookup(self, name: str) -> DeviceEntry | None:
        entry = self._by_name.get(name.lower())
        return entry if entry is not None and entry.enabled else None

    # ---- what a source may cost ----------------------------------------------------------------------------------

    def _count(self, request: Request, outcome: Outcome, reason: Reason, username: str, now: float, code: int) -> None:
        wrong = reason in {Reason.WRONG_PASSWORD, Reason.UNKNOWN_USER, Reason.WRONG_REALM, Reason.WRONG_DOMAIN, Reason.REPLAYED} or outcome is Outcome.MALFORMED
        self._cost(request.source.ip, WRONG_COST if wrong else CHALLENGE_COST, now)
        if wrong:
            self._refused(Refused(request.method, reason.value, username or request.from_user, request.source, request.user_agent, now, code))
        else:
            self._note_scanner(request, now)

    def _note_scanner(self, request: Request, now: float) -> None:
        """It is answered as anybody is; the firewall hears of it."""
        if SCANNERS.search(request.user_agent):
            self._refused(Refused(request.method, "scanner", request.from_user, request.source, request.user_agent, now, 0))

    def _cost(self, ip: str, points: float, now: float) -> None:
        score = self._scores.get(ip)
        if score is None:
            if points <= 0:
                return
            score = self._scores[ip] = _Score(0.0, now)
            if len(self._scores) > SOURCES:
                self._scores.popitem(last=False)
        score.points = max(0.0, score.points - (now - score.at_s) * FORGIVEN_PER_S) + points
        score.points = min(max(score.points, 0.0), SCORE_LIMIT + 100.0)
        score.at_s = now
        self._scores.move_to_end(ip)

    def _over_limit(self, ip: str, now: float) -> bool:
        score = self._scores.get(ip)
        return score is not None and score.points - (now - score.at_s) * FORGIVEN_PER_S > SCORE_LIMIT


@dataclass(frozen=True, slots=True)
class _Plain:
    """The service of a bare emergency number, for when the recogniser itself fails."""

    number: str
    urn: str = "urn:service:sos"
    kind: str = "emergency"


def with_hosts(rules: Rules, hosts: dict[str, TrunkId]) -> Rules:
    """The same rules with other trunk addresses (a name resolved anew)."""
    return replace(rules, trunk_hosts=hosts)
