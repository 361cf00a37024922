"""What alerts need: addresses that are some, a server for e-mail, a web address for the webhook."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from appliance.errors import Problem
from appliance.site.checks.common import email, host, twice
from appliance.site.model.site import Site
from appliance.site.wording import path_of, quoted


def alerts(site: Site) -> Iterator[Problem]:
    mail = site.alerts.mail
    for name, addresses in (("to", mail.to), ("emergency_to", mail.emergency_to)):
        seen: dict[str, str] = {}
        for index, address in enumerate(addresses):
            path = path_of(("alerts", "mail", name, index))
            yield from email(path, address)
            yield from twice(seen, address.lower(), path, f"{quoted(address)} is listed already", "list each address once")
    yield from email("alerts.mail.sender", mail.sender)
    if mail.host:
        yield from host("alerts.mail.host", mail.host)
        if not mail.sender:
            yield Problem("alerts.mail.sender", "is missing: a mail server wants to know who sends", 'write an address it takes: "holdfast@example.org"')
        if mail.security == "none" and mail.username:
            yield Problem("alerts.mail.security", "would send the password for all to read", "use starttls or tls, or leave out the user name")
    elif mail.host is None and (mail.to or mail.emergency_to):
        yield Problem("alerts.mail.host", "is missing: there are addresses, and no server that takes mail to them", 'write its name: "smtp.example.org"')
    yield from _url("alerts.webhook.url", site.alerts.webhook.url)


def _url(path: str, value: str) -> Iterator[Problem]:
    if not value:
        return
    hint = 'for example "https://hooks.example.org/holdfast"'
    try:
        parts = urlsplit(value)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    else:
        if fits and (parts.username or parts.password):
            yield Problem(path, "holds a password, which everybody could read here", "leave it out; the signature proves who sends")
            return
    if not fits or not value.isascii() or not value.isprintable() or " " in value:
        yield Problem(path, f"{quoted(value)} is not a web address", hint)
