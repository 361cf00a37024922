"""Firewall: what strangers outside can reach and why, who is banned, and who is never shut out."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import ControlError, HoldfastError
from webui.areas.lines import AREA
from webui.engine import engine
from webui.forms import Form, Lines, Number, Section, Switch
from webui.guard import by_script, current
from webui.i18n import gettext, lazy_gettext
from webui.later import ask
from webui.place import place
from webui.saved import toast

_l = lazy_gettext
AREA.tab("firewall", _l("Firewall"), 50)
SHOWN = 12
"""Sources named in one row."""
STATES = {
    "on": ("ok", _l("On")), "starting": ("wait", _l("Being put up")), "off": ("off", _l("Switched off")), "nothing": ("off", _l("Not needed")),
    "failed": ("bad", _l("There is none")),
}  # fmt: skip
WHAT = {
    "trunks": (_l("Your carriers"), _l("They bring calls. Their addresses are looked up by name, and added under Ways out.")),
    "phones": (_l("Registered phones outside"), _l("Who is registered is never cut off.")),
    "safe": (_l("The safe list"), _l("May use all that this box serves, these pages too.")),
    "lan": (_l("The LAN"), _l("Phones come in by the same interface. They are never cut off.")),
    "everybody": (_l("Phones anywhere"), _l("You allowed it below. Who guesses passwords is banned.")),
    "sound": (_l("Sound of calls"), _l("Carriers send it from other addresses than calls. Nobody listens on a port that no call uses.")),
    "upkeep": (_l("Upkeep"), _l("Answers to what this box itself asked, ping, DHCP, and what IPv6 needs.")),
}  # fmt: skip
REASONS = {
    "password": _l("Guessed SIP passwords"), "unknown-user": _l("Tried unknown SIP users"), "scanner": _l("A program that looks for boxes to abuse"),
    "sign-in": _l("Guessed passwords of these pages"), "by-hand": _l("Banned by hand"),
}  # fmt: skip


class FirewallForm(Form):
    fields = (
        Switch(name="enabled", label=_l("Keep strangers out"), on=True, wide=True, help=_l("Off only where another firewall stands before this box.")),
        Switch(name="sip_open", label=_l("Phones anywhere outside may register"), wide=True,
               help=_l("Off: only from the safe list. Calls of your carriers come in either way.")),
        Lines(name="safe_networks", label=_l("Safe list"), optional=True, wide=True,
              help=_l("Addresses and networks outside that may use everything and are never banned. One a line: 203.0.113.7 or 203.0.113.0/24.")),
        Number(name="ban_minutes", label=_l("Who fails too often is banned for"), unit=_l("minutes"), initial=60,
               help=_l("Ten wrong passwords. Never the LAN, carriers, registered phones, or where an administrator is signed in.")),
        Section(_l("Interfaces")),
        Lines(name="outside", label=_l("Lead outside only"), optional=True, rows=2,
              help=_l("Names, one a line: eth1. Without any, this box tells by its routes, and leaves private networks open where there is doubt.")),
    )  # fmt: skip


@AREA.route("/firewall", methods=["GET", "POST"])
def firewall() -> Response | str | tuple[str, int]:
    asked = request.form.get("form", "") if request.method == "POST" else ""
    if asked in {"ban", "unban"}:
        return _done(asked, request.form.get("address", "").strip()[:60])
    form = FirewallForm.at("firewall")
    if form.save():
        return redirect(url_for("lines.firewall"), 303)
    return _page(form)


@AREA.get("/firewall/now")
def firewall_now() -> str:
    """What the engine says of it, asked by the page's script where the page itself had no time to wait."""
    return _now()


def _done(what: str, address: str) -> Response | tuple[str, int]:
    try:
        said = engine().call(f"firewall.{what}", address=address, by=current().author[:80])
    except HoldfastError as error:
        return _page(FirewallForm.at("firewall"), address if what == "ban" else "", f"{error.sentence}. {error.hint[:1].upper()}{error.hint[1:]}."), 422
    toast(gettext("%(address)s is banned.", address=said["address"]) if what == "ban" else gettext("%(address)s is let in again.", address=said["address"]))
    return redirect(url_for("lines.firewall"), 303)


def _page(form: FirewallForm, typed: str = "", wrong: str = "") -> str:
    return render_template("lines/firewall.html", form=form, changed=place().pending().touches("firewall"), now_part=_now(typed, wrong))


def _now(typed: str = "", wrong: str = "") -> str:
    found: dict[str, Any] | None
    try:
        found, bans = ask("firewall"), ask("firewall.bans")["bans"]
    except ControlError:
        found, bans = None, []
    return render_template(
        "lines/firewall-now.html", found=found, bans=bans, states=STATES, what=WHAT, reasons=REASONS, shown=SHOWN, typed=typed, wrong=wrong,
        alone=by_script(),
    )  # fmt: skip
