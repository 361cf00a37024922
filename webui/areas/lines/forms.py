"""What is asked of a trunk, an incoming number, and outside dialling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.errors import Problem
from appliance.site.wording import path_of
from webui.areas.lines.destination import DestinationField
from webui.areas.lines.order import in_order
from webui.forms import Choices, Form, Lines, Number, Phone, Ref, Secret, Section, Select, Switch, Text
from webui.forms.form import slug
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l
from webui.place import place

TRANSPORTS = (("udp", "UDP"), ("tcp", "TCP"), ("tls", "TLS"))
PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class TrunkForm(Form):
    """A way out over SIP."""

    kind = "trunks"
    fields = (
        Text(name="name", label=_l("Name"), attributes={"autocomplete": "off", "maxlength": "80"}),
        Text(name="host", label=_l("Carrier's server"), help=_l("A name or an address, for example sip.carrier.example."), attributes=PLAIN),
        Number(name="port", label=_l("Port"), initial=5060, help=_l("5060, or 5061 for TLS, unless the carrier says otherwise.")),
        Select(name="transport", label=_l("Transport"), options=TRANSPORTS, initial="udp"),
        Switch(name="enabled", label=_l("Switched on"), on=True, help=_l("Off: only emergency calls still try it, last of all.")),
        Section(_l("Signing in at the carrier"), _l("Without a user name the carrier knows this box by its address.")),
        Text(name="username", label=_l("User name"), optional=True, attributes=PLAIN),
        Secret(name="secret", label=_l("New carrier password"), optional=True, help=_l("Kept sealed. Empty: as it is.")),
        Text(name="auth_username", label=_l("Sign-in name"), optional=True, help=_l("Only where it differs from the user name."), attributes=PLAIN),
        Number(name="register_seconds", label=_l("Registers for"), unit=_l("seconds"), initial=300),
        Section(_l("Calls")),
        Select(name="number_format", label=_l("Numbers are written"), initial="e164", options=(
            ("e164", _l("+1 503 555 0142 (E.164)")), ("e164-no-plus", _l("1 503 555 0142 (without +)")),
            ("national", _l("503 555 0142 (national)")), ("as-dialled", _l("As dialled")),
        ), help=_l("Both ways. The carrier says which.")),
        Phone(name="caller_id", label=_l("Number shown"), optional=True, help=_l("Where the caller has no outgoing number.")),
        Number(name="max_calls", label=_l("Most calls at once"), help=_l("0: no limit. Emergency calls are never counted.")),
        Lines(name="codecs", label=_l("Codecs, best first"), rows=4, help=_l("One a line: opus, g722, pcmu, pcma.")),
        Section(_l("Emergency calls")),
        Switch(name="emergency_armed", label=_l("Armed"), help=_l("On when the carrier holds this site's addresses and callback numbers.")),
        Select(name="emergency_uri", label=_l("The carrier is asked for"), initial="number",
            options=(("number", _l("The number dialled")), ("urn", "urn:service:sos (NG911)"))),
        Section(_l("Network")),
        Lines(name="networks", label=_l("Its calls come from"), optional=True,
            help=_l("Addresses or networks beside the server's own, one a line: 198.51.100.0/24.")),
        Number(name="health_seconds", label=_l("Asked for its health every"), unit=_l("seconds"), initial=30, help=_l("0: never.")),
        Text(name="bind", label=_l("Leaves from"), optional=True, help=_l("One of the box's own addresses. Empty: chosen by the route."), attributes=PLAIN),
        Text(name="advertised", label=_l("Public address"), optional=True, help=_l("Told to the carrier where the box is behind NAT."), attributes=PLAIN),
    )  # fmt: skip

    def _bind(self, asked: Any) -> Any:
        row = super()._bind(asked)
        if self.given is None and not self.exists and asked.name == "codecs":
            row.value = "pcmu\npcma\ng722\nopus"
        return row

    def _read(self) -> dict[str, Any]:
        """A trunk that registers needs a password: said here, not first when it is applied."""
        typed = super()._read()
        named = self.path or path_of((self.kind, "new"))
        if typed.get("username") and not typed.get("secret") and f"{named}.secret" not in place().secret_names():
            sentence, hint = gettext("A line that signs in needs the carrier's password"), gettext("The carrier gives it with the user name")
            self["secret"].problems.append(Problem("secret", sentence, hint))
        return typed


class NumberForm(Form):
    """An incoming number and where it leads (row A2)."""

    kind = "numbers"
    fields = (
        Phone(name="number", label=_l("Number"), text=True, help=_l("With country code, for example +1 503 555 0142.")),
        Text(name="name", label=_l("Name"), optional=True, help=_l("What it is for: Pharmacy line."), attributes={"autocomplete": "off"}),
        Ref(name="trunk", label=_l("Comes in over"), kind="trunks", none=True, nothing=_l("Any line")),
        DestinationField(name="destination", label=_l("Leads to")),
    )

    def key_for(self, value: Mapping[str, Any]) -> str:
        return slug(str(value.get("number", "")), self.kind, place().kind(self.kind))


class OutboundForm(Form):
    """Outside dialling: by which lines, with which prefix, whereto."""

    fields = (
        Text(name="outside_prefix", label=_l("Digits before an outside number"), optional=True, attributes={"inputmode": "tel", "maxlength": "3"},
            help=_l("May be left out where the number is no extension. Emergency numbers work with it and without.")),
        Choices(name="trunks", label=_l("Lines for outside calls"), options=in_order,
            help=_l("Tried in this order, which you change under Ways out. None chosen: every line that is switched on.")),
        Section(_l("Where calls may go"), _l("Emergency calls are never held back.")),
        Lines(name="allowed_countries", label=_l("Countries beside our own"), optional=True, help=_l("Country codes, one a line: +44. A * allows all.")),
        Lines(name="blocked_prefixes", label=_l("Never called"), optional=True, help=_l("Beginnings of numbers, one a line: +1900.")),
    )  # fmt: skip
