"""Say: speaks a text (row E8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from appliance.callflow.facts import VARIABLES, unknown_variables
from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.run import Run
from appliance.callflow.text import TextRun
from appliance.site.wording import close, quoted

LONGEST = 1000


def _known_variables(text: str) -> str:
    for name in unknown_variables(text):
        raise ValueError(f"{quoted('{' + name + '}')} stands for nothing; {close(name, VARIABLES)}")
    return text


Speech = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST), AfterValidator(_known_variables)]
"""A text to be spoken, with variables such as {caller_name}."""
Voice = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}$")]


class SaySettings(Settings):
    text: Speech = Field(description="What is said. {dialled}, {caller}, {caller_name}, {user}, {digits} and {time} stand for what they name.")
    language: Voice | None = Field(None, description="The voice, where it is not the site's language: fr, en-gb.")


class Say(Node[SaySettings]):
    """Answers the caller where nothing did before."""

    kind = "say"
    title = "Say"
    help = "Speaks a text to the caller; a text message is answered with it."
    icon = "say"
    settings = SaySettings

    def exits(self, settings: SaySettings) -> tuple[Exit, ...]:
        return (Exit("next", "then", paced=True),)

    async def run(self, run: Run, settings: SaySettings) -> Way:
        await run.play(await run.speech(settings.text, settings.language or ""))
        return "next"

    def says(self, settings: SaySettings) -> Iterator[tuple[str, str]]:
        yield settings.text, settings.language or ""

    async def text(self, run: TextRun, settings: SaySettings) -> Way:
        await run.reply(settings.text)
        return "next"


NODE = Say()
