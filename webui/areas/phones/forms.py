"""What is asked of a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.forms import Form, Mac, Number, Ref, Switch, Text, slug
from webui.i18n import lazy_gettext as _l
from webui.place import place


def has_phones(_: str, user: Mapping[str, Any]) -> bool:
    """Row E12: a user of mode flow has none."""
    return user.get("mode") != "flow"


class DeviceForm(Form):
    """A device, with an owner or alone (rows K1, K2)."""

    kind = "devices"
    fields = (
        Text(name="name", label=_l("Name"), optional=True, help=_l("Its model or its place, for example Front door."), attributes={"maxlength": "80"}),
        Ref(name="owner", label=_l("Owner"), kind="users", none=True, only=has_phones, nothing=_l("Nobody: it stands alone"),
            help=_l("Calls to the owner's main extension ring it.")),
        Text(name="extension", label=_l("Own extension"), none=True, optional=True, attributes={"inputmode": "numeric"},
             help=_l("2 to 8 digits, unique in the whole site. Needed where nobody owns it.")),
        Text(name="sip_user", label=_l("SIP user name"), attributes={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"},
             help=_l("What the phone signs in with. Empty: the extension.")),
        Ref(name="location", label=_l("Location for emergency calls"), kind="locations", none=True, nothing=_l("The default of the site")),
        Mac(name="mac", label=_l("MAC address"), optional=True, attributes={"autocomplete": "off", "spellcheck": "false"},
            help=_l("12 digits on the back of the phone, in any notation.")),
        Number(name="max_contacts", label=_l("May be signed in at"), unit=_l("places at once"), initial=4),
        Switch(name="enabled", label=_l("Switched on"), help=_l("Off: it does not ring and cannot sign in, and nothing is lost."), on=True),
    )  # fmt: skip

    def key_for(self, value: Mapping[str, Any]) -> str:
        return slug(str(value.get("name") or value.get("owner") or f"phone-{value.get('sip_user')}"), self.kind, place().kind(self.kind))

    def complete(self, value: dict[str, Any]) -> dict[str, Any]:
        """Without a user name it gets its extension, or the owner's; a second phone of the same number is `201-2`."""
        if value.get("sip_user"):
            return value
        owner = place().kind("users").get(str(value.get("owner")), {})
        number = str(value.get("extension") or owner.get("extension") or "")
        if not number:
            return value
        path = self.path.partition(".")[2]
        taken = {str(device.get("sip_user")).lower() for key, device in place().kind("devices").items() if key != path}
        name, count = number, 2
        while name in taken:
            name, count = f"{number}-{count}", count + 1
        return {**value, "sip_user": name}
