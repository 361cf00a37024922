"""Hang up: ends the call, and the caller knows why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.nodes.say import Speech
from appliance.callflow.run import Run
from appliance.callflow.text import TextRun
from appliance.calls.plan import BUSY, CONGESTED, DECLINED, Outcome

CAUSES: dict[str, Outcome | None] = {"last": None, "normal": None, "busy": BUSY, "congestion": CONGESTED, "rejected": DECLINED}


class HangUpSettings(Settings):
    cause: Literal["last", "normal", "busy", "congestion", "rejected"] = Field(
        "last",
        json_schema_extra={
            "words": {"last": "What became of the last ring", "normal": "Ended", "busy": "Busy", "congestion": "All lines busy", "rejected": "Declined"}
        },
        title="The caller sees",
        description="What the caller's telephone shows: last is what became of the last ring.",
    )
    say: Speech | None = Field(None, title="Say first", description="Spoken first; before an answer the caller does not pay for it.")


class HangUp(Node[HangUpSettings]):
    """Before an answer the cause goes as the answer's code, after one as a tone."""

    kind = "hang-up"
    title = "Hang up"
    help = "Ends the call with a cause, and with a spoken reason where you write one."
    icon = "x"
    settings = HangUpSettings

    def exits(self, settings: HangUpSettings) -> tuple[Exit, ...]:
        return ()

    def says(self, settings: HangUpSettings) -> Iterator[tuple[str, str]]:
        if settings.say is not None:
            yield settings.say, ""

    async def run(self, run: Run, settings: HangUpSettings) -> Way:
        if settings.say is not None:
            sound = await run.speech(settings.say)
            if not run.port.answered:
                await run.port.early()
            await run.play(sound)
        if settings.cause == "normal":
            run.port.hang_up()
        else:
            await run.over(CAUSES[settings.cause])
        return None

    async def text(self, run: TextRun, settings: HangUpSettings) -> Way:
        if settings.say is not None:
            await run.reply(settings.say)
        return None


NODE = HangUp()
