"""Programs without flows: what is dialled rings, literally. For rescue, when nothing but the plainest may run, and as the last fallback."""

from __future__ import annotations

from collections.abc import Callable

from appliance.calls.plan import Outcome
from appliance.calls.program import Port, Program, RingTarget
from appliance.types import UserId

NOWHERE = Outcome(404, "Not Found: no flow runs at present", "refused", 1)


class PlainPrograms:
    """Implements `program.Programs`. `lead`: the extension an incoming number leads to, "" where it leads elsewhere."""

    def __init__(self, lead: Callable[[str], str]) -> None:
        self._lead = lead

    def dialling(self, user: UserId | None) -> Program:
        del user
        return _ring(RingTarget(dialled=True))

    def extension(self, extension: str) -> Program:
        return _ring(RingTarget(extension=extension))

    def number(self, number: str) -> Program:
        extension = self._lead(number)
        return _ring(RingTarget(extension=extension)) if extension else _nowhere


def _ring(target: RingTarget) -> Program:
    async def program(port: Port) -> None:
        result = await port.ring([target])
        if not isinstance(result, Outcome):
            return
        port.hang_up(result)

    return program


async def _nowhere(port: Port) -> None:
    port.hang_up(NOWHERE)
