"""Events of the registrar: a contact came, went, or was refused. Times are wall clock (Unix seconds)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.types import Address, DeviceId


class Gone(StrEnum):
    """Why a contact is gone."""

    REMOVED = "removed"  # by its owner
    REPLACED = "replaced"  # a newer contact took its place
    EXPIRED = "expired"


class RefusalReason(StrEnum):
    """Why a REGISTER was refused; for the diagnosis, never for the wire."""

    UNKNOWN_USER = "unknown-user"
    WRONG_DOMAIN = "wrong-domain"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a reason, not a password
    WRONG_REALM = "wrong-realm"
    REPLAYED = "replayed"
    MALFORMED = "malformed"
    NOT_YOURS = "not-yours"  # good credentials for another address of record
    TOO_BRIEF = "too-brief"
    OUT_OF_ORDER = "out-of-order"
    LIMITED = "limited"  # rate limit or ban


@dataclass(frozen=True, slots=True)
class Registered:
    """A contact is bound. `new`: it was not there before, or moved; False for a refresh. `expires_s` is the lifetime granted."""

    at_unix_s: float
    device: DeviceId
    sip_user: str
    contact: str
    received: Address
    expires_s: int
    user_agent: str = ""
    new: bool = True


@dataclass(frozen=True, slots=True)
class Unregistered:
    """A contact is gone. `last`: the device has none left, nothing rings it any more."""

    at_unix_s: float
    device: DeviceId
    sip_user: str
    contact: str
    cause: Gone
    last: bool


@dataclass(frozen=True, slots=True)
class RegistrationRefused:
    """A REGISTER was refused with SIP status `code`. `sip_user` is what it claimed to be; nothing of it is trusted."""

    at_unix_s: float
    sip_user: str
    source: Address
    reason: RefusalReason
    code: int
    detail: str = ""
    user_agent: str = ""
