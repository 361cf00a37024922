"""Pages of what only the engine knows: it is asked briefly, and where it has no time now the page comes without, and asks again by itself.

try:
    found = ask("diagnosis")
except ControlError as error:
    if late(error):
        return later(gettext("Diagnose"), "diag")      # the same address, asked by the script, is patient
… a template that begins with {% extends layout() %}
"""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template, request

from appliance.errors import ControlError
from webui.engine import engine
from webui.guard import by_script

QUICK_S, PATIENT_S = 0.3, 5.0


def set_up(app: Flask) -> None:
    app.jinja_env.globals["layout"] = layout


def layout() -> str:
    """What a page extends: its middle alone where the script fetches that."""
    return "part.jinja" if by_script() else "base.jinja"


def ask(method: str, **params: Any) -> Any:
    """The engine's answer. Raises ControlError."""
    return engine().ask(method, PATIENT_S if _patient() else QUICK_S, **params)


def late(error: ControlError) -> bool:
    """Whether it may answer yet."""
    return error.code == "timeout" and not _patient()


def later(title: str, area: str, *css: str) -> str:
    """The page without what it shows, which follows. `css`: what that needs."""
    return render_template("later.html", title=title, area=area, styles=css, address=request.full_path.rstrip("?"))


def _patient() -> bool:
    return by_script() or "wait" in request.args
