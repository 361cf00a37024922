"""Page: phones pick up by themselves and hear the caller."""

from __future__ import annotations

from pydantic import Field

from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.refs import GroupRef
from appliance.callflow.run import Run
from appliance.calls.program import Paged
from appliance.types import GroupId


class PageSettings(Settings):
    group: GroupRef | None = Field(None, description="Whose phones speak. None: every phone of the site.")
    seconds: int = Field(120, ge=5, le=900, description="Ends after this time at the latest.")


class Page(Node[PageSettings]):
    """A phone that is on a call is left alone; an emergency call of a phone that listens goes first."""

    kind = "page"
    title = "Page"
    help = "Every free phone of a group picks up by itself and hears the caller, until the caller hangs up or presses #."
    icon = "say"
    plain = "nobody"
    settings = PageSettings

    def exits(self, settings: PageSettings) -> tuple[Exit, ...]:
        return (Exit("next", "then", paced=True), Exit("nobody", "no phone was free", instead="next"))

    async def run(self, run: Run, settings: PageSettings) -> Way:
        group = GroupId(settings.group) if settings.group is not None else None
        return "next" if await run.port.page(Paged(group), float(settings.seconds)) else "nobody"


NODE = Page()
