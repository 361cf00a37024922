"""What to type into a phone: names, servers, and its SIP password, which is shown on demand and on record (rows E3, E4, A9)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from appliance.errors import Conflict
from appliance.site.secrets import DEVICE, new_secret
from webui.areas.phones import AREA
from webui.areas.phones.fleet import name_of
from webui.engine import engine
from webui.guard import current
from webui.i18n import gettext
from webui.place import place
from webui.saved import toast


@dataclass(frozen=True, slots=True)
class SignIn:
    """As it is in force; `known` False: the device waits to be applied, and has no password before. `renewed`: a new password waits."""

    key: str
    name: str
    known: bool
    sip_user: str
    domain: str
    servers: tuple[tuple[str, str, str], ...]
    """(UDP, TCP or TLS; address; port), as the engine says."""
    has_secret: bool
    renewed: bool
    version: int


def sign_in(key: str) -> SignIn:
    """That of the device `key` of the candidate."""
    site, secret = place().site(), DEVICE.name(key)
    device = site.devices.get(key) if site is not None else None
    shown = place().show(f"devices.{key}")
    return SignIn(
        key, name_of(shown.value, key), device is not None, device.sip_user if device else "", site.domain if site else "", tuple(_servers()),
        device is not None and secret in place().secrets(), secret in place().vault.staged(), shown.version,
    )  # fmt: skip


def _servers() -> list[tuple[str, str, str]]:
    """`tls:192.168.1.5:5061` taken apart; the safest first."""
    order = {"tls": 0, "tcp": 1, "udp": 2}
    found = [match.groups() for text in engine().state.status.get("addresses", ()) if (match := re.fullmatch(r"(\w+):(.+):([0-9]+)", text))]
    return [(kind.upper(), host.strip("[]"), port) for kind, host, port in sorted(found, key=lambda each: (order.get(each[0], 9), each[1]))]


@AREA.post("/devices/<key>/new-password")
def renew(key: str) -> Response:
    """Another password, which counts from the next commit on."""
    sent = request.form.get("version", "")
    try:
        place().editor(current().author).set(DEVICE.name(key), new_secret(), int(sent) if re.fullmatch(r"[0-9]{1,17}", sent) else -1)
    except Conflict:
        toast(gettext("Somebody changed this phone meanwhile. It has no new password; look at it as it is now."))
    else:
        toast(gettext("A new SIP password is made, not applied. The old one counts until then."))
    return redirect(url_for("phones.device", key=key), 303)
