"""Play: plays a recording."""

from __future__ import annotations

from pydantic import Field

from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.refs import AudioRef
from appliance.callflow.run import Run


class PlaySettings(Settings):
    audio: AudioRef = Field(title="Recording", description="The recording to play.")


class Play(Node[PlaySettings]):
    """Answers the caller where nothing did before."""

    kind = "play"
    title = "Play"
    help = "Plays a recording to the caller, to its end."
    icon = "play"
    settings = PlaySettings

    def exits(self, settings: PlaySettings) -> tuple[Exit, ...]:
        return (Exit("next", "then", paced=True),)

    async def run(self, run: Run, settings: PlaySettings) -> Way:
        await run.play(await run.recording(settings.audio))
        return "next"


NODE = Play()
