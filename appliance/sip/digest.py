"""Digest authentication of SIP requests (RFC 7616 with RFC 3261 section 22 and RFC 8760): pure, in memory, microseconds."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from appliance.sip.messages import Credentials, Reply, Request
from appliance.types import Address

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_HEX_LENGTH = {"MD5": 32, "SHA-256": 64}
_COUNT = re.compile(r"[0-9A-Fa-f]{1,8}")
_MAX_CREDENTIALS = 4
"""Headers looked at in one request: bounds the work a hostile one can cause."""


class Identity(Protocol):
    """What a look-up gives: anything with a plain `secret` (None or empty: it may not sign in)."""

    @property
    def secret(self) -> str | None: ...


Who = TypeVar("Who", bound=Identity)


class Outcome(StrEnum):
    OK = "ok"
    CHALLENGE = "challenge"  # 401 with fresh challenges
    FORBIDDEN = "forbidden"  # 403: computed over a nonce of ours in force, and wrong
    MALFORMED = "malformed"  # 400


class Reason(StrEnum):
    """Why; for the diagnosis page (row E14) and the counters, never for the wire."""

    OK = "ok"
    RETRANSMISSION = "retransmission"  # accepted again, exactly as before
    NO_CREDENTIALS = "no-credentials"
    UNKNOWN_USER = "unknown-user"
    WRONG_DOMAIN = "wrong-domain"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105
    WRONG_REALM = "wrong-realm"
    STALE = "stale"
    REPLAYED = "replayed"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Verdict(Generic[Who]):
    """`identity` is set only when OK. `username` is what the client called itself. `stale`: the next challenge says so."""

    outcome: Outcome
    reason: Reason
    identity: Who | None = None
    username: str = ""
    stale: bool = False
    detail: str = ""


@dataclass(slots=True)
class _Use:
    """The last successful use of a nonce. `nc` -1: used without qop, so never again."""

    nc: int
    fingerprint: tuple[str, str, str, int, Address]


class DigestAuth:
    """Challenges and verifies for one realm. Not thread-safe: it belongs to the SIP thread.

    `now` everywhere is one monotonic clock in seconds. `secret` keys the nonces; it may be new at each start (clients then get stale=true once).
    `algorithms` is the order offered (RFC 8760 section 2.4: the preferred one first). `domains` are accepted after `user@` beside the realm.

    A nonce is `time serial mac(time serial source-ip)`: it proves itself, so a flood of unauthenticated requests stores nothing. Only a nonce a right
    password was computed with is remembered, `max_nonces` of them; when that is full the oldest goes, and with it (they would be open to replay) every
    unused nonce of that age becomes stale.
    """

    def __init__(
        self,
        realm: str,
        secret: bytes,
        nonce_lifetime_s: int = 300,
        *,
        algorithms: Sequence[str] = ("SHA-256", "MD5"),
        domains: Collection[str] = (),
        max_nonces: int = 20_000,
        max_cached: int = 8_192,
    ) -> None:
        if not algorithms or any(name not in _HASHES for name in algorithms):
            raise ValueError(f"digest algorithms must be of {', '.join(_HASHES)}")
        self.realm = realm
        self.nonce_lifetime_s = nonce_lifetime_s
        self._algorithms = tuple(algorithms)
        self._domains = frozenset(name.lower() for name in (realm, *domains))
        self._key = hashlib.blake2s(secret).digest()
        self._serial = secrets.randbits(32)
        self._max_nonces = max_nonces
        self._max_cached = max_cached
        self._used: dict[str, _Use] = {}
        self._floor = ""
        self._ha1: dict[tuple[str, str], tuple[str, str]] = {}
        self._nobody = secrets.token_hex(16)

    # ---- challenge -----------------------------------------------------------------------------------------------

    def challenge(self, now: float, source: Address, stale: bool = False, algorithms: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
        """WWW-Authenticate headers, one per algorithm in the order offered (RFC 8760 section 2.3); `algorithms` narrows them for a client that stumbles."""
        nonce = self._nonce(now, source.ip)
        tail = ", stale=true" if stale else ""
        names = algorithms or self._algorithms
        return tuple(("WWW-Authenticate", f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={name}, qop="auth"{tail}') for name in names)

    def answer(self, verdict: Verdict[Who], now: float, source: Address, algorithms: Sequence[str] = ()) -> Reply:
        """The reply to a request that is not OK. A wrong password and an unknown user get the very same one."""
        if verdict.outcome is Outcome.FORBIDDEN:
            return Reply(403)
        if verdict.outcome is Outcome.MALFORMED:
            return Reply(400, f"Bad Authorization: {verdict.detail}")
        return Reply(401, "", self.challenge(now, source, verdict.stale, algorithms))

    # ---- verify --------------------------------------------------------------------------------------------------

    def verify(self, request: Request, lookup: Callable[[str], Who | None], now: float) -> Verdict[Who]:
        """Judge the Authorization headers of `request`. `lookup` takes the bare user name and gives the identity with its secret, or None.

        Of several headers for our realm one that is right suffices (a client may answer both challenges).
        """
        if not request.credentials:
            return Verdict(Outcome.CHALLENGE, Reason.NO_CREDENTIALS)
        first: Verdict[Who] | None = None
        for credentials in request.credentials[:_MAX_CREDENTIALS]:
            if credentials.realm != self.realm:
                continue
            verdict = self._verify_one(request, credentials, lookup, now)
            if verdict.outcome is Outcome.OK:
                return verdict
            first = first or verdict
        return first or Verdict(Outcome.CHALLENGE, Reason.WRONG_REALM, username=request.credentials[0].username, detail=request.credentials[0].realm)

    def _verify_one(self, request: Request, given: Credentials, lookup: Callable[[str], Who | None], now: float) -> Verdict[Who]:
        username = given.username
        algorithm = given.algorithm.upper() or "MD5"
        fault = self._fault(request, given, algorithm)
        if fault:
            return Verdict(Outcome.MALFORMED, Reason.MALFORMED, username=username, detail=fault)

        user, at, domain = username.partition("@")
        known_domain = not at or domain.lower() in self._domains or domain.strip("[]") == request.local.ip
        identity = lookup(user) if known_domain else None
        secret = (identity.secret if identity is not None else None) or None  # an empty one opens nothing
        # An unknown user costs the same hashes as a known one, so that time tells nothing.
        try:
            expected = _response(self._hashed(username if secret is not None else "", algorithm, secret or self._nobody), given, request.method, algorithm)
        except UnicodeEncodeError:
            return Verdict(Outcome.MALFORMED, Reason.MALFORMED, username=username, detail="text is not UTF-8")
        right = hmac.compare_digest(expected, given.response.lower()) and secret is not None
        fresh = self._in_force(given.nonce, now, request.source.ip)
        if not right:
            reason = Reason.WRONG_PASSWORD if secret is not None else Reason.UNKNOWN_USER if known_domain else Reason.WRONG_DOMAIN
            return Verdict(Outcome.FORBIDDEN if fresh else Outcome.CHALLENGE, reason, username=username)
        assert identity is not None
        if not fresh:
            return Verdict(Outcome.CHALLENGE, Reason.STALE, username=username, stale=True)
        return self._use(request, given, identity, now)

    def _fault(self, request: Request, given: Credentials, algorithm: str) -> str:
        """What makes these credentials impossible to judge, or ""."""
        length = _HEX_LENGTH.get(algorithm)
        if length is None:
            return "algorithm not offered"
        if not given.username:
            return "no username"
        if len(given.response) != length or not given.response.isascii():
            return "response has the wrong length"
        if given.qop:
            if given.qop.lower() != "auth":
                return "qop not offered"
            if not given.cnonce:
                return "no cnonce"
            if _count(given.nc) is None:
                return "nc is not a count"
        elif given.nc:
            return "nc without qop"
        return "" if _same_target(given.uri, request) else "uri is not the one requested"

    def _use(self, request: Request, given: Credentials, identity: Who, now: float) -> Verdict[Who]:
        """A right response over a nonce in force: once per nc, except for the very same message sent again."""
        nonce = given.nonce
        nc = _count(given.nc) if given.qop else None
        # The response does not cover Contact: only the same transaction from the same place counts as the same message.
        fingerprint = (given.response, request.branch, request.call_id, request.cseq, request.source)
        use = self._used.get(nonce)
        if use is None:
            if nonce[:16] <= self._floor:
                return Verdict(Outcome.CHALLENGE, Reason.STALE, username=given.username, stale=True)
            self._make_room(now)
            self._used[nonce] = _Use(-1 if nc is None else nc, fingerprint)
        elif use.fingerprint == fingerprint:
            return Verdict(Outcome.OK, Reason.RETRANSMISSION, identity, given.username)
        elif nc is None or use.nc < 0 or nc <= use.nc:
            return Verdict(Outcome.CHALLENGE, Reason.REPLAYED, username=given.username, stale=True)
        else:
            use.nc = nc
            use.fingerprint = fingerprint
        return Verdict(Outcome.OK, Reason.OK, identity, given.username)

    # ---- nonces --------------------------------------------------------------------------------------------------

    def _nonce(self, now: float, ip: str) -> str:
        self._serial = (self._serial + 1) & 0xFFFFFFFF
        head = f"{int(now) & 0xFFFFFFFF:08x}{self._serial:08x}"
        return head + self._mac(head, ip)

    def _mac(self, head: str, ip: str) -> str:
        return hashlib.blake2s((head + ip).encode(), key=self._key, digest_size=12).hexdigest()

    def _in_force(self, nonce: str, now: float, ip: str) -> bool:
        """Made here, for this source address, within the lifetime."""
        if len(nonce) != 40 or not nonce.isascii():
            return False
        head = nonce[:16]
        if not hmac.compare_digest(nonce[16:], self._mac(head, ip)):
            return False
        return 0 <= (int(now) & 0xFFFFFFFF) - int(head[:8], 16) <= self.nonce_lifetime_s

    def _make_room(self, now: float) -> None:
        """Forget used nonces that are out of force; past the bound also the oldest in force."""
        oldest_in_force = f"{max(0, int(now) - self.nonce_lifetime_s) & 0xFFFFFFFF:08x}"
        for _ in range(2):  # two out for one in: the table shrinks without a pass over it
            nonce = next(iter(self._used), None)
            if nonce is None or nonce[:8] >= oldest_in_force:
                break
            del self._used[nonce]
        if len(self._used) >= self._max_nonces:
            nonce = next(iter(self._used))
            del self._used[nonce]
            self._floor = max(self._floor, nonce[:8] + "ffffffff")

    def _hashed(self, username: str, algorithm: str, secret: str) -> str:
        """H(user:realm:password), cached; a changed secret is noticed."""
        key = (username, algorithm)
        cached = self._ha1.get(key)
        if cached is not None and cached[0] == secret:
            return cached[1]
        if len(self._ha1) >= self._max_cached:
            del self._ha1[next(iter(self._ha1))]
        ha1 = _HASHES[algorithm](f"{username}:{self.realm}:{secret}".encode("utf-8", "surrogateescape")).hexdigest()
        self._ha1[key] = (secret, ha1)
        return ha1


def _response(ha1: str, given: Credentials, method: str, algorithm: str) -> str:
    """RFC 7616 section 3.4.1; without qop RFC 2617 section 3.2.2.1."""
    hashed = _HASHES[algorithm]
    ha2 = hashed(f"{method}:{given.uri}".encode("utf-8", "surrogateescape")).hexdigest()
    middle = f"{given.nonce}:{given.nc}:{given.cnonce}:{given.qop}" if given.qop else given.nonce
    return hashed(f"{ha1}:{middle}:{ha2}".encode("utf-8", "surrogateescape")).hexdigest()


def _count(nc: str) -> int | None:
    """nc is eight hex digits; clients that leave out leading zeros are let through."""
    return int(nc, 16) if _COUNT.fullmatch(nc) else None


def _same_target(digest_uri: str, request: Request) -> bool:
    """RFC 3261 section 22.4 item 7 lets the hosts differ (proxies rewrite them); the user part must not. A REGISTER's target is the whole domain."""
    if digest_uri == request.uri:
        return True
    scheme, colon, rest = digest_uri.partition(":")
    if not colon or not rest:
        return False
    if request.method == "REGISTER":
        return scheme.lower() in ("sip", "sips")
    user = rest.rpartition("@")[0].partition(":")[0] if scheme.lower() in ("sip", "sips") else rest
    if not user:
        return True  # simple clients sign the server alone (sipp does); the nonce is theirs and rises all the same
    return unquote(user) == request.uri_user or unquote(user.partition(";")[0]) == request.uri_user.partition(";")[0]
