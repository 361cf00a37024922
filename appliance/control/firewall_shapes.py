"""What the control socket answers of the firewall. Sentences come without their full stop."""

from __future__ import annotations

from typing_extensions import TypedDict


class GuardedShape(TypedDict):
    """An interface behind which strangers are. `outside_only`: the LAN is not behind it as well."""

    name: str
    addresses: list[str]
    outside_only: bool


class OpenShape(TypedDict):
    """Something that is open to the outside. `what`: "sound", "lan", "safe", "trunks", "phones", "everybody" or "upkeep"; `ports` "": all. `sources`: who,
    empty: anybody.
    """

    what: str
    ports: str
    sources: list[str]
    why: str


class BanShape(TypedDict):
    """`address`: one, or an IPv6 network of /64. `reason`: "password", "unknown-user", "scanner", "sign-in" or "by-hand"."""

    address: str
    reason: str
    since_unix_s: float
    ends_unix_s: float


class FirewallResult(TypedDict):
    """`state`: "on", "starting", "off" (by the settings), "nothing" (nothing leads outside, or the box serves itself alone) or "failed", then `why` and `cure`.

    `interfaces`, `open`: what is guarded, and who gets in. `turned_away`, `of_banned`: packets dropped since the rules were first there. `banned`: how many.
    """

    state: str
    why: str
    cure: str
    interfaces: list[GuardedShape]
    open: list[OpenShape]
    turned_away: int
    of_banned: int
    banned: int


class BansResult(TypedDict):
    """The latest first."""

    bans: list[BanShape]


class UnbanResult(TypedDict):
    """`address`: as it was banned."""

    address: str


class SeenResult(TypedDict):
    """Nothing to say."""
