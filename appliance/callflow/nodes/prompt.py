"""Prompt: speaks or plays, and takes keys: the auto attendant (row E10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from appliance.callflow.node import Exit, Node, Settings, Way
from appliance.callflow.nodes.say import Speech
from appliance.callflow.patterns import begins, matches
from appliance.callflow.refs import AudioRef
from appliance.callflow.run import Run
from appliance.sound import Sound

MOST_KEYS = 20
TIMEOUT = "timeout"
INVALID = "invalid"
ENTERED = "entered"


def _choice(text: str) -> str:
    if not 1 <= len(text) <= MOST_KEYS or any(key not in "0123456789*#xn" for key in text):
        raise ValueError('is not made of keys: 0 to 9, * and #, x for any digit, n for 2 to 9; "1", "2xx"')
    return text


Choice = Annotated[str, AfterValidator(_choice)]


class PromptSettings(Settings):
    text: Speech | None = Field(None, description="What is said. {dialled}, {caller}, {caller_name}, {user}, {digits} and {time} stand for what they name.")
    audio: AudioRef | None = Field(None, title="Recording", description="The recording to play; with a text, it plays first.")
    choices: tuple[Choice, ...] = Field(
        (), max_length=50, title="Keys", description="Keys that lead somewhere, each an exit: 1, 0, *, or with x for any digit 2xx. None: any keys are taken."
    )
    max_digits: int = Field(
        MOST_KEYS, ge=1, le=MOST_KEYS, title="Most keys", description="Without choices: so many keys are taken at most; # ends them earlier."
    )
    barge_in: bool = Field(True, title="A key interrupts", description="A key counts while the prompt still plays.")
    timeout_seconds: int = Field(6, ge=1, le=60, title="Waits for a key", description="So long the first key is waited for after the prompt.")
    between_seconds: int = Field(3, ge=1, le=20, title="Waits between keys", description="So long each further key is waited for.")
    tries: int = Field(3, ge=1, le=10, description="So often it is played to somebody who presses nothing, or nothing that leads anywhere.")

    @model_validator(mode="after")
    def _whole(self) -> PromptSettings:
        if self.text is None and self.audio is None:
            raise ValueError("says nothing; write a text or name an audio")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("has the same choice twice; keep one")
        return self


class Prompt(Node[PromptSettings]):
    """What was pressed stays as {digits}."""

    kind = "prompt"
    title = "Prompt"
    help = "Speaks or plays, waits for keys and goes the way of the key pressed."
    icon = "keys"
    plain = TIMEOUT
    settings = PromptSettings

    def exits(self, settings: PromptSettings) -> tuple[Exit, ...]:
        keys = [Exit(choice, f"key {choice}", required=True, paced=True) for choice in settings.choices]
        return (
            *(keys or [Exit(ENTERED, "keys pressed", required=True, paced=True)]),
            Exit(TIMEOUT, "nothing pressed", required=True, paced=True),
            Exit(INVALID, "another key", instead=TIMEOUT, paced=True),
        )

    def says(self, settings: PromptSettings) -> Iterator[tuple[str, str]]:
        if settings.text is not None:
            yield settings.text, ""

    async def run(self, run: Run, settings: PromptSettings) -> Way:
        recording = await run.recording(settings.audio) if settings.audio is not None else None
        sounds = [recording, await run.speech(settings.text) if settings.text is not None else None]
        way = TIMEOUT
        for attempt in range(settings.tries):
            typed = await _keys(run, settings, sounds)
            if typed is None:
                way = TIMEOUT
                continue
            run.digits = typed
            found = chosen(settings, typed)
            if found is not None:
                return found
            way = INVALID
            if attempt + 1 < settings.tries:
                await run.play(await run.words("not-a-choice"))
        return way


def chosen(settings: PromptSettings, typed: str) -> str | None:
    """The exit for `typed`, None where it leads nowhere; of several choices that fit, the first."""
    if not settings.choices:
        return ENTERED if typed else None
    return next((choice for choice in settings.choices if matches(choice, typed)), None)


def whole(settings: PromptSettings, typed: str) -> bool:
    """Whether nothing more is to be waited for after `typed`."""
    if not settings.choices:
        return len(typed) >= settings.max_digits
    return not any(begins(choice, typed) for choice in settings.choices)


def ends(settings: PromptSettings, typed: str) -> bool:
    """Whether # after `typed` says that this was all, instead of being a key like others."""
    with_it = f"{typed}#"
    return not any(matches(choice, with_it) or begins(choice, with_it) for choice in settings.choices)


async def _keys(run: Run, settings: PromptSettings, sounds: list[Sound | None]) -> str | None:
    """The keys pressed, None where there were none."""
    key = await run.ask(sounds, settings.timeout_seconds, barge_in=settings.barge_in)
    if key is None:
        return None
    typed = ""
    while key is not None and not (key == "#" and ends(settings, typed)):
        typed += key
        if whole(settings, typed):
            break
        key = await run.port.digit(settings.between_seconds)
    return typed


NODE = Prompt()
