"""The shim's field text of a request -> `messages.Request`; the order is hook.c's."""

from __future__ import annotations

from appliance.sip._pj.text import request_body, request_header, request_headers
from appliance.sip.messages import Contact, Credentials, Request
from appliance.types import Address, Transport

_TRANSPORT = {"udp": Transport.UDP, "tcp": Transport.TCP, "tls": Transport.TLS}


def parse(text: str) -> Request:
    """Read one request's fields. Raises ValueError or IndexError when they are not what hook.c writes."""
    f = text.split("\x1e")
    transport = _TRANSPORT[f[17]]
    star, n_contacts = f[22] == "1", int(f[23])
    at = 24
    contacts = []
    for _ in range(min(n_contacts, 32)):
        uri, q1000, expires, params = f[at : at + 4]
        at += 4
        contacts.append(Contact(uri, int(q1000) / 1000 if q1000 != "0" else None, int(expires) if expires != "-1" else None, _params(params)))
    credentials = []
    for index in range(int(f[at])):
        v = f[at + 1 + 10 * index : at + 11 + 10 * index]
        credentials.append(Credentials(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9]))
    to_tag = f[at + 1 + 10 * len(credentials)]
    return Request(
        method=f[0], uri=f[1], uri_scheme=f[2].lower(), uri_user=f[3], uri_host=f[4].lower(),
        from_uri=f[5], from_user=f[6], from_host=f[7].lower(), from_tag=f[8], to_uri=f[9], to_user=f[10], to_host=f[11].lower(),
        call_id=f[12], cseq=int(f[13]), branch=f[14],
        source=Address(f[15], int(f[16]), transport), local=Address(f[18], int(f[19]), transport),
        expires=int(f[20]) if f[20] != "-1" else None, user_agent=f[21],
        contacts=tuple(contacts), star=star, credentials=tuple(credentials), to_tag=to_tag,
        header=request_header, every=request_headers, body=request_body,
    )  # fmt: skip


def _params(text: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    pairs = (item.partition("=") for item in text[1:].split(";"))
    return tuple((name, value.strip('"')) for name, _, value in pairs)
