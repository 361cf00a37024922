"""Answer: picks the call up."""

from __future__ import annotations

from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.run import Run


class AnswerSettings(Settings):
    pass


class Answer(Node[AnswerSettings]):
    """Steps that play something answer by themselves; this one is for where it shall happen earlier."""

    kind = "answer"
    title = "Answer"
    help = "Picks the call up, so that the caller pays from here on and hears what follows."
    icon = "calls"
    settings = AnswerSettings

    def exits(self, settings: AnswerSettings) -> tuple[Exit, ...]:
        return (Exit("next", "then", required=True),)

    async def run(self, run: Run, settings: AnswerSettings) -> Way:
        await run.port.answer()
        return "next"


NODE = Answer()
