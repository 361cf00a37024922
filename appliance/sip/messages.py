"""What the SIP port hands to the pure deciders (admission, digest, registrar), and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.types import Address


@dataclass(frozen=True, slots=True)
class Contact:
    """One Contact of a REGISTER (RFC 3261 section 20.10). `expires` in seconds; None where the header has none."""

    uri: str
    q: float | None = None
    expires: int | None = None
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """One Digest Authorization header (RFC 7616 section 3.4), values unquoted, absent ones empty."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = ""
    cnonce: str = ""
    nc: str = ""
    qop: str = ""
    opaque: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """An out-of-dialog request. Users and hosts are unescaped and without brackets; hosts in lower case.

    `expires` is the Expires header (None: absent), `star` a `Contact: *`. `to_tag` is set on a request inside a dialog. Valid only while the decision is
    made: `header(name)` reads any other header (first value, "" when absent), `every(name)` all of that name, `body()` the body as it came.
    """

    method: str
    uri: str
    uri_scheme: str
    uri_user: str
    uri_host: str
    from_uri: str
    from_user: str
    from_host: str
    from_tag: str
    to_uri: str
    to_user: str
    to_host: str
    call_id: str
    cseq: int
    branch: str
    source: Address
    local: Address
    expires: int | None = None
    contacts: tuple[Contact, ...] = ()
    star: bool = False
    credentials: tuple[Credentials, ...] = ()
    user_agent: str = ""
    to_tag: str = ""
    header: Callable[[str], str] = field(default=lambda name: "", compare=False)
    every: Callable[[str], tuple[str, ...]] = field(default=lambda name: (), compare=False)
    body: Callable[[], bytes] = field(default=lambda: b"", compare=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A final answer made at once. `headers` are added as they are; a reason of "" takes the standard phrase. `to_tag`: ours, of the dialog it opens."""

    code: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    to_tag: str = ""


@dataclass(frozen=True, slots=True)
class DialogRequest:
    """A request of ours in a dialog that is not a call. `from_uri` and `to_uri` may be name-addrs; `local` is the box's own address it leaves from."""

    method: str
    target: str
    local: Address
    from_uri: str
    from_tag: str
    to_uri: str
    to_tag: str
    call_id: str
    cseq: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = ""
