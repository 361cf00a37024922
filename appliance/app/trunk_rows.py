"""The trunks as `holdfast status` shows them, and what keeps emergency calling from being armed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from appliance.control import shapes
from appliance.site.model.places import Civic
from appliance.site.sample import sample_site
from appliance.types import TrunkId

if TYPE_CHECKING:
    from appliance.app.wiring import Box


def trunk_rows(box: Box) -> list[shapes.TrunkShape]:
    """Every trunk of the document, the disabled ones too: an emergency call would try them, last."""
    states = {row.id: row for row in box.trunks.states()}
    rows: list[shapes.TrunkShape] = []
    for key, trunk in box.snapshot.site.trunks.items():
        row = states.get(TrunkId(key))
        if not trunk.enabled:
            state, reason = "disabled", "switched off in the site document"
        elif row is None or not row.address:
            state, reason = "down", (row.reason if row else "") or f"the name {trunk.host} has no address yet"
        elif row.registered is False:
            state, reason = ("down", f"{row.code} {row.reason}") if row.code else ("registering", "waiting for the carrier's answer")
        elif row.reachable is False:
            state, reason = "down", "does not answer OPTIONS"
        elif row.reachable is None:
            state, reason = "unknown", "not asked yet" if trunk.health_seconds else "its health is not asked (health_seconds = 0)"
        else:
            state, reason = "up", ""
        rows.append(
            {
                "id": key, "name": trunk.name, "host": trunk.host, "state": state, "reason": reason, "calls": box.context.live.on_trunk(TrunkId(key)),
                "max_calls": trunk.max_calls, "emergency_armed": trunk.emergency_armed,
            }
        )  # fmt: skip
    return rows


def not_armed(box: Box) -> list[str]:
    """Why an emergency call may not reach the dispatcher whole; empty: armed (L6)."""
    site = box.snapshot.site
    trunks = [t for t in site.trunks.values() if t.enabled]
    reasons = []
    if not trunks:
        left = "no way out" if box.cellular.driver is None else "the modem alone, which does not tell where the caller is"
        reasons.append(f"No trunk is set up: an emergency call has {left}")
    elif not any(t.emergency_armed for t in trunks):
        reasons.append("No trunk is marked as armed: the carriers do not hold this site's addresses and callback numbers")
    if not site.locations:
        reasons.append("No location is set up: the dispatcher gets no address")
    example = _example_address()
    if any(place.civic == example for place in site.locations.values()):
        reasons.append("The address is still that of the example: help would be sent nowhere")
    if site.main_number is None and not any(place.elins for place in site.locations.values()):
        reasons.append("No callback number is set up: the dispatcher cannot call back")
    return reasons


@cache
def _example_address() -> Civic:
    """That of the site a new box begins with."""
    return sample_site().locations["main"].civic
