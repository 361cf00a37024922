"""Ring user: rings one user and does nothing else (row K5)."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from appliance.callflow import ringing
from appliance.callflow.callee import flow_of
from appliance.callflow.node import Exit, Jump, Node, Settings, Way
from appliance.callflow.refs import UserRef
from appliance.callflow.run import Run
from appliance.callflow.text import TextRun
from appliance.calls.program import RingTarget
from appliance.site.model.site import Site
from appliance.types import FlowId, UserId


class RingUserSettings(Settings):
    user: UserRef = Field(description="Whose phones ring, all of them together.")
    ring_seconds: int = Field(0, ge=0, le=600, title="Rings for", description="Rings so long; 0: as long as is set for the user.")

    def target(self) -> RingTarget:
        """As calls know it."""
        return RingTarget(user=UserId(self.user), ring_s=float(self.ring_seconds))


class RingUser(Node[RingUserSettings]):
    """Voicemail after it is a step of its own."""

    kind = "ring-user"
    title = "Ring user"
    help = "Rings all phones of one user and does nothing else: no forwarding, no voicemail."
    icon = "people"
    plain = "failed"
    settings = RingUserSettings

    def exits(self, settings: RingUserSettings) -> tuple[Exit, ...]:
        return ringing.EXITS

    async def run(self, run: Run, settings: RingUserSettings) -> Way:
        return await ringing.literally(run, [settings.target()], 0.0)

    async def text(self, run: TextRun, settings: RingUserSettings) -> Way:
        other = flow_of(settings.target(), run.port.dialled, run.snapshot)
        if other is not None:
            return Jump(other.flow, other.user)
        return None if await run.port.send(settings.target(), run.port.text) is True else self.plain

    def jumps(self, settings: RingUserSettings, site: Site) -> Iterator[FlowId]:
        user = site.users.get(settings.user)
        if user is not None and user.mode == "flow" and user.flow:
            yield FlowId(user.flow)


NODE = RingUser()
