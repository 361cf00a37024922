"""A text message on the way through a flow (rows E5, E8): the contract with whoever receives and sends messages, and what a step has at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import tzinfo
from typing import Protocol

from appliance.callflow.facts import Facts
from appliance.callflow.services import Services
from appliance.calls.caller import Caller
from appliance.calls.program import RingTarget, RunsFlow
from appliance.site.snapshot import Snapshot
from appliance.types import UserId


class TextPort(Protocol):
    """One message, as a flow serves it. `dialled`: whom it is for, as written; `caller`: who sent it; `user`: whose settings count."""

    dialled: str
    text: str
    caller: Caller
    user: UserId | None

    def snapshot(self) -> Snapshot:
        """The revision in force now."""

    async def reply(self, text: str) -> None:
        """Send `text` to the device the message came from. Does not raise where that fails."""

    async def send(self, target: RingTarget, text: str) -> bool | RunsFlow:
        """Send `text`, in the sender's name, to every phone of `target`: whether one took it. A target that is a flow gets nothing, and is returned."""

    def note(self, text: str) -> None:
        """One line for the log."""


TextProgram = Callable[[TextPort], Awaitable[None]]


class TextRun:
    """Like Run, without a voice."""

    def __init__(self, port: TextPort, services: Services, zone: tzinfo) -> None:
        self.port = port
        self.snapshot = port.snapshot()
        self.caller = port.caller
        self._services = services
        self._zone = zone

    def facts(self) -> Facts:
        """What is known now."""
        port = self.port
        return Facts(self.snapshot, port.dialled, self.caller, port.user, self._services.now().astimezone(self._zone), text=port.text)

    def become(self, user: UserId) -> None:
        """From here on this user's settings count (row E12)."""
        self.port.user = user
        self.caller = replace(self.caller, user=user)

    async def reply(self, text: str) -> None:
        """Answer the sender; variables are filled in."""
        await self.port.reply(self.facts().fill(text, spoken=False))
