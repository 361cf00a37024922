"""What a commit sets right by itself, visibly in its difference: the rules that follow from another choice. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from appliance.site.checks.extensions import known_extensions
from appliance.site.model.site import Site


def normalise(site: Site) -> Site:
    """`site`, whose references hold, with its rules applied."""
    return _main_devices(site)


def _main_devices(site: Site) -> Site:
    """Row T4: of a user's several devices the main one's own extension is the main extension. What led to the old one leads to the new one."""
    owned = Counter(device.owner for device in site.devices.values() if device.owner)
    renamed: dict[str, str] = {}
    users = dict(site.users)
    for key, user in site.users.items():
        main = site.devices[user.main_device] if user.main_device and owned[key] > 1 else None
        if main is not None and main.extension and main.extension != user.extension:
            users[key] = user.model_copy(update={"extension": main.extension})
            renamed[user.extension] = main.extension
    if not renamed:
        return site
    changed = site.model_copy(update={"users": users})
    # A device may still carry the old extension; what leads there stays.
    gone = {old: new for old, new in renamed.items() if old not in (known_extensions(changed) or ())}
    numbers = {key: number.model_copy(update={"destination": _led(number.destination, gone)}) for key, number in site.numbers.items()}
    security = tuple(gone.get(extension, extension) for extension in site.emergency.security_extensions)
    modem = site.modem.model_copy(update={"destination": _led(site.modem.destination, gone)})
    return changed.model_copy(update={"numbers": numbers, "modem": modem, "emergency": site.emergency.model_copy(update={"security_extensions": security})})


def _led(destination: Any, gone: dict[str, str]) -> Any:
    if destination.kind != "extension" or destination.target not in gone:
        return destination
    return destination.model_copy(update={"target": gone[destination.target]})
