"""How often one address may ask (pure; the time is passed in)."""

from __future__ import annotations

from collections import OrderedDict

PER_S = 10.0
BURST = 40.0
"""A phone asks for a dozen files within a second or two when it starts."""
_MOST = 2000


class Limit:
    """A bucket of tokens for each address; the addresses used least lately are forgotten."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, ip: str, now: float) -> bool:
        """Take a token for `ip`; False: it has none left."""
        tokens, at = self._buckets.pop(ip, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_S)
        allowed = tokens >= 1
        self._buckets[ip] = (tokens - 1 if allowed else tokens, now)
        while len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return allowed
