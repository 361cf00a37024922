"""Step 2: what the place is called, where it is, and what follows from that."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from appliance.errors import HoldfastError
from appliance.site.countries import COUNTRIES
from webui.areas.welcome import AREA
from webui.areas.welcome.forms import AddressPart, SitePart, country_now
from webui.areas.welcome.shell import onward, page
from webui.guard import current
from webui.place import place


@AREA.route("/place", methods=["GET", "POST"], endpoint="place")
def step() -> Response | str:
    site, address = SitePart.at("site"), AddressPart.of_site()
    if request.method == "POST" and request.form.get("act") != "country":
        saved = [form.save() for form in (site, address)]
        if all(saved):
            _default(address.path.partition(".")[2])
            return onward("place")
    country = country_now(site.given)
    return page("place", site=site, address=address, rules=COUNTRIES[country])


def _default(key: str) -> None:
    """The building is where a phone is that nobody has placed."""
    held = place().document().get("emergency")
    if isinstance(held, dict) and held.get("default_location") in place().kind("locations"):
        return
    try:
        place().editor(current().author).set("emergency.default_location", key)
    except HoldfastError:
        return  # the emergency step asks for it
