"""The areas of the pages, one folder each; whoever adds one adds a folder, and no list grows.

A folder's `__init__.py` defines `AREA`; every other module of the folder is imported and hangs its views on it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, current_app, render_template, url_for

from webui.guard import EVERYBODY, STAFF, allowed, may_see

Text = Any
"""Text for people: a str, or what flask_babel.lazy_gettext makes."""


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of an area in the row of tabs. `count`: shown behind the label."""

    endpoint: str
    label: Text
    order: int
    count: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class Badge:
    """How many things in an area need somebody. `bad`: lives or lines are in danger."""

    count: int
    bad: bool = False


class Area(Blueprint):
    """An entry of the main navigation with its pages under `/<id>`. The page at the endpoint `<id>.index` is where the entry leads.

    `order`: its place; 100 and above stand below the rule. `thumb`: it is one of the four that fit at the bottom of a phone's screen. `first_hour`: who has
    just claimed the box begins here. `listed`: whether there is an entry for it now; absent: always.
    """

    def __init__(
        self,
        id: str,
        package: str,
        label: Text,
        *,
        icon: str,
        order: int,
        roles: Collection[str] = STAFF,
        thumb: bool = False,
        prefix: str | None = None,
        first_hour: bool = False,
        listed: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(id, package, template_folder="templates", url_prefix=f"/{id}" if prefix is None else prefix)
        self.label, self.icon, self.order, self.thumb = label, icon, order, thumb
        self.roles, self.first_hour, self.listed = frozenset(roles), first_hour, listed
        self.tabs: list[Tab] = []
        self.badge: Callable[[], Badge | None] | None = None

    def tab(self, endpoint: str, label: Text, order: int, count: Callable[[], int] | None = None) -> None:
        """Show the page `endpoint` (of this area: without its prefix) in the area's row of tabs, to those who may open it."""
        self.tabs.append(Tab(f"{self.name}.{endpoint}", label, order, count))

    def badged(self, look: Callable[[], Badge | None]) -> Callable[[], Badge | None]:
        """Decorator: `look` says how many things need somebody."""
        self.badge = look
        return look


more = Blueprint("areas", __name__)


@more.get("/more", endpoint="more")
@allowed(*EVERYBODY)
def _more() -> str:
    """Every area, where the screen is too small for the navigation."""
    return render_template("more.html")


def set_up(app: Flask) -> None:
    """Find and register every area."""
    app.extensions["areas"] = found = sorted(_found(), key=lambda area: area.order)
    for area in found:
        app.register_blueprint(area)
    app.register_blueprint(more)
    app.jinja_env.globals.update(areas=shown, tabs=tabs, home=home_address, may_see=may_see)


def _found() -> list[Area]:
    areas = []
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        package = importlib.import_module(module.name)
        for part in pkgutil.walk_packages(package.__path__, f"{module.name}."):
            importlib.import_module(part.name)
        areas.append(package.AREA)
    return areas


def shown() -> list[Area]:
    """The areas that the one who asks may open, in their order."""
    found: list[Area] = current_app.extensions["areas"]
    return [area for area in found if may_see(f"{area.name}.index") and area.listed()]


def tabs(name: str) -> list[Tab]:
    """The tabs of an area, for the one who asks."""
    area = current_app.blueprints[name]
    assert isinstance(area, Area)
    return sorted((tab for tab in area.tabs if may_see(tab.endpoint)), key=lambda tab: tab.order)


def home_address() -> str:
    """Where somebody is at home: the first area he may open, else his account."""
    found = shown()
    return url_for(f"{found[0].name}.index") if found else url_for("access.account")
