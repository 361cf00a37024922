"""Who asks the API, and whether they may: tokens with scopes, people signed in with a browser, and how often."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from flask import current_app, request

from appliance.site.tokens import PREFIX, SCOPES, Tokens
from webui.api.problems import Refused
from webui.guard import by_session
from webui.limits import source

SCOPES_OF_ROLES = {"administrator": frozenset(SCOPES), "installer": frozenset(SCOPES) - {"access", "backup", "system"}, "user": frozenset[str]()}
ANYBODY = "*"
"""A scope that everybody has who is known."""
PER_S, BURST = 50.0, 200.0
"""Requests a second that one token or person may send for long, and at once."""
WRONG_PER_S, WRONG_BURST = 1.0, 20.0
"""The same of requests with a token that is none, by address."""
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """`name`: who is written down as the author of a change: `token nightly`, `administrators.dana`. `expires_unix_s`: when the token does."""

    name: str
    scopes: frozenset[str]
    expires_unix_s: float | None = None


class Buckets:
    """Token buckets by who asks (pure; `now` in seconds, monotonic), for several threads."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str, now: float) -> float:
        """0 when `who` may ask now; else after how many seconds."""
        with self._lock:
            left, since = self._held.pop(who, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._per_s)
            self._held[who] = (left - 1.0 if left >= 1.0 else left, now)
            while len(self._held) > MOST:
                self._held.popitem(last=False)
            return 0.0 if left >= 1.0 else (1.0 - left) / self._per_s


class Gate:
    """What the API of one application knows of its callers."""

    def __init__(self, data: Path) -> None:
        self.tokens = Tokens(data)
        self._known = Buckets(PER_S, BURST)
        self._wrong = Buckets(WRONG_PER_S, WRONG_BURST)

    def admit(self, scope: str) -> Caller:
        """Who asks, if they may do what `scope` stands for. Raises Refused (401, 403, 429)."""
        caller = self._who()
        _bounded(self._known, caller.name)
        if scope not in {ANYBODY, *caller.scopes}:
            raise Refused(403, "scope", f"{caller.name} may not do this", f"it takes the scope {scope}: {SCOPES[scope]}")
        return caller

    def _who(self) -> Caller:
        written = request.headers.get("Authorization", "")
        if not written:
            account = by_session()
            if account is None:
                raise self._unknown("no-token", "Nobody is signed in", "send Authorization: Bearer TOKEN; holdfast token new makes one")
            return Caller(account.id, SCOPES_OF_ROLES[account.role])
        kind, _, text = written.partition(" ")
        text = text.strip()
        token = self.tokens.find(text) if kind.lower() == "bearer" and text.startswith(PREFIX) else None
        if token is None:
            raise self._unknown("token", "This token is not known", "it may have been revoked; write Authorization: Bearer TOKEN")
        if token.expired(time.time()):
            raise self._unknown("token-expired", f"The token {token.name} has expired", "make another: holdfast token new")
        self.tokens.used(token, request.remote_addr or "")
        return Caller(f"token {token.name}", frozenset(token.scopes), token.expires_unix_s)

    def _unknown(self, code: str, sentence: str, hint: str) -> Refused:
        _bounded(self._wrong, source(request.remote_addr or ""))
        return Refused(401, code, sentence, hint, headers={"WWW-Authenticate": 'Bearer realm="holdfast"'})


def gate() -> Gate:
    """That of the application."""
    found: Gate = current_app.extensions["api"]
    return found


def _bounded(buckets: Buckets, who: str) -> None:
    wait_s = buckets.take(who, time.monotonic())
    if wait_s > 0:
        raise Refused(429, "too-many", "Too many requests", "ask less often", headers={"Retry-After": str(int(wait_s) + 1)})
