"""What is asked of a user."""

from __future__ import annotations

from webui.forms import Form, Number, Phone, Ref, Secret, Section, Select, Switch, Text
from webui.i18n import lazy_gettext as _l

MODES = (
    ("sip_phone", _l("Desk phone (SIP)")),
    ("softphone", _l("Softphone")),
    ("flow", _l("Flow, no phone")),
)


class UserForm(Form):
    """Tab General, and a new user (rows E1, E2, A4)."""

    kind = "users"
    fields = (
        Text(name="name", label=_l("Name"), help=_l("Shown as caller ID inside."), attributes={"autocomplete": "off", "maxlength": "80"}),
        Text(name="extension", label=_l("Main extension"), help=_l("2 to 8 digits, unique in the whole site."), attributes={"inputmode": "numeric"}),
        Select(name="mode", label=_l("Mode"), options=MODES, initial="sip_phone", help=_l("A flow answers by itself; it has no phone and signs in nowhere.")),
        Ref(name="flow", label=_l("Flow for what this person dials"), kind="flows", initial="house", nothing=_l("None: dialling goes nowhere"),
            help=_l("Emergency numbers never depend on this.")),
        Text(name="email", label=_l("E-mail"), optional=True, input="email", attributes={"autocomplete": "off"}),
        Phone(name="mobile", label=_l("Mobile number"), optional=True, help=_l("With country code, for example +1 503 555 0166.")),
        Phone(name="outbound_number", label=_l("Outgoing number"), optional=True, help=_l("Shown outside instead of the main number of the site.")),
        Text(name="customer", label=_l("Customer"), optional=True, help=_l("Where one box serves several.")),
        Section(_l("Calls")),
        Number(name="ring_seconds", label=_l("Rings for"), unit=_l("seconds"), initial=30),
        Switch(name="call_waiting", label=_l("Several calls at once"), help=_l("Call waiting on desk phone and apps."), on=True),
        Switch(name="enabled", label=_l("Switched on"), help=_l("Off: nothing rings, nobody signs in, and nothing is lost."), on=True),
        Section(_l("Signing in to these pages")),
        Secret(name="password", label=_l("New password"), optional=True, help=_l("At least 8 characters. It never registers a phone. Empty: as it is.")),
    )  # fmt: skip
