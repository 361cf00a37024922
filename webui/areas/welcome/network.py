"""Step 3: what the box found of the network. Nothing is asked where nothing has to be decided."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from appliance.errors import ControlError
from webui.areas.welcome import AREA
from webui.areas.welcome.shell import page
from webui.engine import engine
from webui.guard import by_script
from webui.place import place

LOOK_S = 20.0


@AREA.get("/network", endpoint="network")
def step() -> str:
    """At once; what was found follows (the same address, asked by the script), for it takes a second or two."""
    if by_script():
        return render_template("welcome/found.html", **_found())
    return page("network", shown=_found() if request.args.get("look") else None)


def _found() -> dict[str, Any]:
    """{"found": control.shapes.NetworkResult or None, "fault": why there is none, "names": device -> what people call it}."""
    users = place().kind("users")
    names = {
        key: str(held.get("name") or users.get(str(held.get("owner")), {}).get("name") or key) for key, held in place().kind("devices").items()
    }  # fmt: skip
    try:
        return {"found": engine().ask("network", LOOK_S), "fault": "", "names": names}
    except ControlError as error:
        return {"found": None, "fault": f"{error.sentence}. {error.hint}", "names": names}
