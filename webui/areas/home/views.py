"""The page of Home."""

from __future__ import annotations

from flask import render_template
from markupsafe import Markup

from webui.areas.home import AREA
from webui.engine import State, engine
from webui.live import live


@AREA.get("/")
def index() -> str:
    return render_template("home/index.html", state=engine().state)


@live("home")
def whole(state: State) -> Markup:
    """The page's middle: it is all live."""
    return Markup(render_template("home/now.html", state=state))  # noqa: S704  (a template's output)
