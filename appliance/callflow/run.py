"""One caller on the way through a flow: what a step has at hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo

from appliance.callflow.facts import Facts
from appliance.callflow.services import Services
from appliance.callflow.words import phrase
from appliance.calls.plan import Outcome
from appliance.calls.program import Port, RingResult, RingTarget
from appliance.errors import HoldfastError
from appliance.sound import Sound
from appliance.types import UserId

log = logging.getLogger(__name__)

TONE_S = 3.0
FOREVER_S = 86_400.0


class Run:
    """`caller`: as the next ring presents it. `digits`: the keys collected last. The revision it began with stays its own to the end."""

    def __init__(self, port: Port, services: Services, zone: tzinfo) -> None:
        self.port = port
        self.services = services
        self.snapshot = port.snapshot()
        self.caller = port.caller
        self.digits = ""
        self._zone = zone
        self._failed: Outcome | None = None

    def facts(self) -> Facts:
        """What is known now."""
        port = self.port
        return Facts(self.snapshot, port.dialled, self.caller, port.user, self.services.now().astimezone(self._zone), self.digits)

    def become(self, user: UserId) -> None:
        """From here on this user's settings count (row E12)."""
        self.port.user = user
        self.caller = replace(self.caller, user=user)

    # ---- what the caller hears ----

    async def speech(self, text: str, language: str = "") -> Sound:
        """`text` with its variables, spoken; `language` "": the site's."""
        return await self.services.speaker.speech(self.facts().fill(text, spoken=True), language or self.snapshot.site.language)

    async def words(self, key: str, **holes: str | int) -> Sound:
        """A sentence of the box's own, spoken in the site's language where it is known, else in English."""
        text, voice = phrase(self.snapshot.site.language, key, **holes)
        return await self.services.speaker.speech(text, voice)

    async def recording(self, audio: str) -> Sound | None:
        """The audio object with this id; None, with a note, where it cannot be played: the call goes on."""
        known = self.snapshot.site.audio.get(audio)
        if known is None:
            self.port.note(f"there is no audio {audio}")
            return None
        try:
            return await self.services.audio(known.sha256)
        except HoldfastError as error:
            log.warning("call %s: audio %s: %s", self.port.call_id, audio, error.sentence)
            self.port.note(f"audio {audio} could not be played: {error.sentence}")
            return None

    async def play(self, *sounds: Sound | None) -> None:
        """One after the other, to the end."""
        for sound in sounds:
            if sound is not None:
                self._failed = None
                await self.port.play(sound)

    async def ask(self, sounds: Sequence[Sound | None], timeout_s: float, *, barge_in: bool = True) -> str | None:
        """Play; the first key pressed meanwhile, or within `timeout_s` after the end. Without `barge_in` only keys after the end count."""
        if barge_in:
            return await self._play_until_key(sounds) or await self.port.digit(timeout_s)
        await self.play(*sounds)
        self.port.forget_digits()
        return await self.port.digit(timeout_s)

    async def number(self, sounds: Sequence[Sound | None], longest: int, timeout_s: float) -> str:
        """Keys until # or a pause of `timeout_s`, at most `longest` of them."""
        typed = ""
        key = await self.ask(sounds, timeout_s)
        while key is not None and key != "#":
            typed += key
            if len(typed) >= longest:
                break
            key = await self.port.digit(timeout_s)
        return typed

    async def _play_until_key(self, sounds: Sequence[Sound | None]) -> str | None:
        playing = asyncio.ensure_future(self.play(*sounds))
        pressed = asyncio.ensure_future(self.port.digit(FOREVER_S))
        try:
            await asyncio.wait((playing, pressed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            playing.cancel()
            pressed.cancel()
            played, key = await asyncio.gather(playing, pressed, return_exceptions=True)
        for ended in (played, key):
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                raise ended
        return key if isinstance(key, str) else None

    # ---- whom it reaches, and the end ----

    async def ring(self, targets: Sequence[RingTarget], ring_s: float = 0.0) -> RingResult:
        """Ring, presenting the caller as the flow left it."""
        result = await self.port.ring(targets, ring_s, self.caller)
        self._failed = result if isinstance(result, Outcome) else None
        return result

    async def over(self, outcome: Outcome | None = None) -> None:
        """End the call so that the caller knows why: by the answer's code before an answer, by a tone after one. Without `outcome`: what the last ring
        said, where nothing was played since.
        """
        told = outcome or self._failed
        if told is not None and self.port.answered:
            await self.port.tone("busy" if told.cause in {"busy", "declined"} else "congestion", TONE_S)
        self.port.hang_up(outcome)
