"""Who calls: identity as the called side may see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from appliance.sip.api import Invite, Origin
from appliance.sip.trunks.numbers import from_trunk
from appliance.site.snapshot import Snapshot
from appliance.types import DeviceId, TrunkId, UserId

ANONYMOUS_URI = "sip:anonymous@anonymous.invalid"
"""RFC 3323 section 4.1.1.3."""

_USER_SAFE = "-_.!~*'()&=+$,;?/"
"""What the user part of a SIP URI may hold unescaped (RFC 3261 section 25.1); `;` and `?` stay out of it in practice, see `sip_uri`."""
_IDENTITY = re.compile(r'^\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*))?\s*<(?:sips?|tel):([^@;>]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """The calling party. `number`: an extension, or an E.164 number where it is known to be one, or what the trunk sent; "" when withheld.

    `private`: it asked not to be shown (RFC 3323); the number is still ours to keep in records.
    """

    number: str
    name: str = ""
    device: DeviceId | None = None
    user: UserId | None = None
    trunk: TrunkId | None = None
    private: bool = False
    chosen: bool = False
    """A flow chose this identity: outside, too, it stands before the user's own number."""


def caller_of(invite: Invite, snapshot: Snapshot) -> Caller:
    """Who sent this INVITE. A device is who it signed in as, whatever its From says; a trunk's P-Asserted-Identity goes before its From (RFC 3325)."""
    private = is_private(invite)
    if invite.origin is Origin.DEVICE and invite.device is not None:
        entry = snapshot.devices.get(invite.device)
        if entry is not None:
            return Caller(entry.extension or entry.sip_user, entry.display_name, invite.device, entry.owner, private=private)
    if invite.origin is Origin.TRUNK and invite.trunk is not None:
        number, name = _asserted(_header(invite, "P-Asserted-Identity")) or (invite.from_user, invite.from_display)
        trunk = snapshot.site.trunks.get(invite.trunk)
        known = from_trunk(number, trunk.number_format, snapshot.country.code) if trunk is not None else None
        withheld = not number or number.lower() in {"anonymous", "unavailable", "restricted"}
        return Caller("" if withheld else known or number, "" if withheld else _plain(name), trunk=invite.trunk, private=private or withheld)
    return Caller(invite.from_user, _plain(invite.from_display), invite.device, private=private)


def is_private(invite: Invite) -> bool:
    """`Privacy: id`, `user` or `header` asks that the identity stays hidden (RFC 3323 section 4.2, RFC 3325 section 9.3)."""
    wanted = {word.strip().lower() for word in _header(invite, "Privacy").split(";")}
    return bool(wanted & {"id", "user", "header"})


def sip_uri(user: str, host: str, parameters: str = "") -> str:
    """`sip:user@host` with the user part escaped; an IPv6 literal gets its brackets. `parameters` like ";user=phone"."""
    where = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    return f"sip:{quote(user, safe=_USER_SAFE.replace(';', '').replace('?', ''))}@{where}{parameters}"


def presented(caller: Caller, host: str) -> tuple[str, str]:
    """From URI and display name shown to a phone of ours."""
    if caller.private or not caller.number:
        return ANONYMOUS_URI, "Anonymous"
    return sip_uri(caller.number, host), caller.name


def _asserted(value: str) -> tuple[str, str] | None:
    found = _IDENTITY.match(value)
    if found is None:
        bare = re.match(r"^\s*(?:sips?|tel):([^@;>\s]+)", value, re.IGNORECASE)
        return (bare.group(1), "") if bare else None
    return found.group(3), (found.group(1) or found.group(2) or "").strip()


def _header(invite: Invite, name: str) -> str:
    return invite.headers.get(name, "")


def _plain(text: str) -> str:
    """A display name without control characters and of a length a phone can show."""
    return re.sub(r"[\x00-\x1f\x7f]", "", text).strip()[:80]
