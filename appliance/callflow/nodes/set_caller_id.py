"""Set caller ID: what the called side sees from here on."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from appliance.callflow.node import Node, Settings, Way
from appliance.callflow.nodes.dial import Number
from appliance.callflow.run import Run
from appliance.site.model.base import Text


class SetCallerIdSettings(Settings):
    name: Annotated[Text, StringConstraints(min_length=1)] | None = Field(None, description="The name shown; {caller_name} and other variables may be in it.")
    number: Number | None = Field(None, description="The number shown: an extension, or a full number the line may show.")
    original: bool = Field(False, title="Back to the original", description="Back to what the caller brought.")

    @model_validator(mode="after")
    def _something(self) -> SetCallerIdSettings:
        if self.original == (self.name is not None or self.number is not None):
            raise ValueError("changes nothing, or two things at once; write a name or a number, or original = true")
        return self


class SetCallerId(Node[SetCallerIdSettings]):
    """Calls that ring already keep what they show."""

    kind = "set-caller-id"
    title = "Set caller ID"
    help = "Changes the name or number that is shown to whoever is called next."
    icon = "set"
    settings = SetCallerIdSettings

    async def run(self, run: Run, settings: SetCallerIdSettings) -> Way:
        if settings.original:
            run.caller = replace(run.port.caller, user=run.caller.user)
            return "next"
        name = run.caller.name if settings.name is None else run.facts().fill(settings.name, spoken=False)[:80]
        # What a flow chooses to show is shown, also for a caller who withheld the number.
        run.caller = replace(run.caller, name=name, number=settings.number or run.caller.number, private=run.caller.private and settings.number is None)
        return "next"


NODE = SetCallerId()
