"""The page of Home: how the box is in one sentence, the ways out in order, the numbers, what needs somebody, and today."""

from __future__ import annotations

from flask import render_template
from markupsafe import Markup

from webui.areas.emergency.journal import OUTCOMES
from webui.areas.home import AREA
from webui.areas.home.needs import needs, unplaced
from webui.areas.home.picture import address, clock, headline, numbers, ways_out, works
from webui.areas.home.today import today
from webui.engine import State, engine
from webui.live import live
from webui.vitals import emergency_number


@AREA.get("/")
def index() -> str:
    return render_template("home/index.html", state=engine().state)


@live("home")
def whole(state: State) -> Markup:
    """The page's middle: it is all live."""
    ways = ways_out(state)
    waits = needs(state)
    active = [notice for notice in state.status.get("emergency", {}).get("active", ()) if not notice["test"]]
    shown = render_template(
        "home/now.html", state=state, status=state.status, head=headline(state), ways=ways, numbers=numbers(state) if state.status else [], needs=waits,
        urgent=sum(each.kind == "bad" for each in waits), today=today(state), active=active, outcomes=OUTCOMES, works=works(state), number=emergency_number(),
        unplaced=unplaced(state), clock=clock(state), address=address(state),
    )  # fmt: skip
    return Markup(shown)  # noqa: S704  (a template's output)
