"""What people call the checks of the machine's health, and where each is cured."""

from __future__ import annotations

from flask import url_for

from webui.guard import may_see
from webui.i18n import lazy_gettext

_l = lazy_gettext
NAMES = {
    "data-folder": _l("Data folder"), "disk": _l("Disk"), "clock": _l("Clock"), "memory": _l("Memory"), "swap": _l("Swap space"), "processor": _l("Processor"),
    "load": _l("Load"), "temperature": _l("Temperature"), "power": _l("Power supply"), "speed": _l("Speed of the processor"),
    "handles": _l("Open files and connections"), "certificate-web": _l("Certificate of these pages"), "certificate-sip": _l("Certificate of SIP over TLS"),
    "firewall": _l("Firewall"),
}  # fmt: skip
"""Checks by their names in the engine."""
CURES = {
    "disk": ("flows.mailboxes", _l("Open voicemail")), "memory": ("diag.system", _l("See processes")), "swap": ("diag.system", _l("See processes")),
    "processor": ("diag.system", _l("See processes")), "load": ("diag.system", _l("See processes")), "handles": ("diag.system", _l("Open System")),
    "data-folder": ("settings.backup", _l("Make a backup")), "certificate-web": ("settings.certificate", _l("Replace it")),
    "certificate-sip": ("settings.certificate", _l("Replace it")), "firewall": ("lines.firewall", _l("Open Firewall")),
}  # fmt: skip
"""Where each is cured, where a page can."""


def name_of(check: str) -> str:
    return str(NAMES.get(check, check))


def cure_of(check: str) -> tuple[str, str] | None:
    """(address, what its button says) of the page that cures it, for the one who asks."""
    endpoint, word = CURES.get(check, ("", ""))
    return (url_for(endpoint), str(word)) if endpoint and may_see(endpoint) else None
