"""Text to speech: espeak-ng speaks, sox brings it to a telephone's rate, a cache keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import re
import signal
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from functools import lru_cache
from pathlib import Path

from appliance.errors import HoldfastError, SpeechError
from appliance.sound import Sound, silence
from appliance.speech.cache import Cache

log = logging.getLogger(__name__)

RATE = 16_000
MAX_TEXT = 2000
"""Characters; some two minutes of speech."""
LIMIT_BYTES = 64 << 20
"""Of the cache: some 35 minutes of speech."""
TIME_LIMIT_S = 15.0
_AT_ONCE = 2
_MADE_WITH = "1"
"""Part of a cached text's name: to be raised when the same text shall be made anew."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}")
_NICE = ("nice", "-n", "15")
_NO_PROGRAM = 127
"""What `nice` ends with."""


class Speaker:
    """Speaks texts. Belongs to the loop; everything slow happens in child processes and executor threads.

    `folder`: of the cache. `alarm(sentence, hint)` is called when speaking begins to fail, `alarm("", "")` when it works again. `espeak` and `sox`: programs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        alarm: Callable[[str, str], None] = lambda sentence, hint: None,
        limit_bytes: int = LIMIT_BYTES,
        time_limit_s: float = TIME_LIMIT_S,
        espeak: str = "espeak-ng",
        sox: str = "sox",
    ) -> None:
        self._cache = Cache(folder, limit_bytes)
        self._alarm = alarm
        self._time_limit_s = time_limit_s
        self._espeak, self._sox = espeak, sox
        self._runs: dict[str, asyncio.Task[Sound]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._faults: dict[str, SpeechError] = {}

    async def speech(self, text: str, language: str) -> Sound:
        """`text` spoken in `language` (a voice of espeak-ng: "en-us"), at RATE. Never raises.

        Where it cannot be spoken it is `fallback()`: no caller hears silence.
        """
        try:
            return await self.make(text, language)
        except SpeechError as error:
            log.warning("a text of %d characters is not spoken: %s", len(text), error.sentence)
            return await asyncio.to_thread(fallback)

    async def make(self, text: str, language: str) -> Sound:
        """The same, but raises SpeechError: `speech-too-long`, `speech-language`, `speech-missing` (a program), `speech-voice`, `speech-failed`.

        Those who ask for the same text at the same time share one run; one that is cancelled leaves it to the others.
        """
        return await self._shared(_speakable(text), language, nice=False)

    async def warm(self, texts: Iterable[str], language: str) -> int:
        """Make what is not in the cache yet, one after the other and at low priority; how many were made. Stops where the box cannot speak at all."""
        made = 0
        for text in dict.fromkeys(texts):
            try:
                wanted = _speakable(text)
                there = await asyncio.to_thread(self._cache.get, _key(wanted, language))
                if there is None:
                    await self._shared(wanted, language, nice=True)
                    made += 1
            except SpeechError as error:
                if error.code in ("speech-missing", "speech-voice", "speech-language"):
                    return made
                log.warning("a text of %d characters cannot be spoken: %s", len(text), error.sentence)
        return made

    async def close(self) -> None:
        """End what runs."""
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    async def _shared(self, text: str, language: str, *, nice: bool) -> Sound:
        key = _key(text, language)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = asyncio.get_running_loop().create_task(self._run(key, text, language, nice), name="speech")
            run.add_done_callback(lambda done: self._ended(key, language, done))
        return await asyncio.shield(run)

    def _ended(self, key: str, language: str, run: asyncio.Task[Sound]) -> None:
        del self._runs[key]
        if run.cancelled():
            return
        error = run.exception()  # looked at even where nobody waits any more
        if error is None:
            if self._faults.pop(language, None) is not None and not self._faults:
                self._alarm("", "")
        elif isinstance(error, SpeechError) and error.code != "speech-too-long":
            if language not in self._faults:
                self._faults[language] = error
                self._alarm(error.sentence, error.hint)
        elif not isinstance(error, HoldfastError):
            log.error("speaking failed", exc_info=error)

    async def _run(self, key: str, text: str, language: str, nice: bool) -> Sound:
        if len(text) > MAX_TEXT:
            raise SpeechError(f"The text has {len(text)} characters; at most {MAX_TEXT} are spoken", "make it shorter, or record it", code="speech-too-long")
        if not _LANGUAGE.fullmatch(language):
            raise SpeechError(f"{language!r} is not a language", "give a voice such as en-us or de; `espeak-ng --voices` lists them", code="speech-language")
        found = await asyncio.to_thread(self._cache.get, key)
        if found is not None:
            return found
        async with self._slots:
            made = await self._synthesised(text, language, nice)
        try:
            await asyncio.to_thread(self._cache.put, key, made)
        except OSError as error:
            log.warning("a spoken text could not be kept: %s", error)
        return made

    async def _synthesised(self, text: str, language: str, nice: bool) -> Sound:
        # The text goes in by stdin: nothing in it can be an option; without -m it is no SSML either.
        speak = (self._espeak, "-b", "1", "-s", "160", "-v", language, "--stdin", "--stdout")
        convert = (self._sox, "-V1", "-D", "-t", "wav", "-", "-t", "raw", "-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed-integer", "-L", "-")
        before = _NICE if nice else ()
        async with contextlib.AsyncExitStack() as stack:
            try:
                reading, writing = os.pipe()
            except OSError as error:
                raise _no_start("a pipe", error) from error
            try:
                speaking = await stack.enter_async_context(_program((*before, *speak), asyncio.subprocess.PIPE, writing))
                converting = await stack.enter_async_context(_program((*before, *convert), reading, asyncio.subprocess.PIPE))
            finally:
                os.close(reading)
                os.close(writing)
            try:
                async with asyncio.timeout(self._time_limit_s):
                    (_, said), (pcm, complaint) = await asyncio.gather(speaking.communicate(text.encode() + b"\n"), converting.communicate())
            except TimeoutError:
                raise SpeechError(f"A text was not spoken within {self._time_limit_s:g} s", "see the load of the box", code="speech-failed") from None
        if speaking.returncode not in (0, -signal.SIGPIPE):  # SIGPIPE: it is sox that failed
            raise _refused(self._espeak, speaking.returncode or 0, said, language)
        if converting.returncode or (not pcm and any(c.isalnum() for c in text)):
            raise _refused(self._sox, converting.returncode or 0, complaint, language)
        return Sound(pcm[: len(pcm) & ~1], RATE) if pcm else silence(0.1, RATE)


@lru_cache(maxsize=1)
def fallback() -> Sound:
    """Three falling pairs of tones: what a caller hears where a text cannot be spoken."""
    samples: list[int] = []
    for frequency_hz, seconds in ((523.0, 0.18), (440.0, 0.3), (0.0, 0.25)) * 3:
        count = round(8000 * seconds)
        for at in range(count):
            fade = min(1.0, at / 80, (count - at) / 80)  # 10 ms, so that it does not click
            samples.append(round(8000 * fade * math.sin(2 * math.pi * frequency_hz * at / 8000)))
    return Sound(struct.pack(f"<{len(samples)}h", *samples), 8000)


@contextlib.asynccontextmanager
async def _program(argv: tuple[str, ...], stdin: int, stdout: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child process that does not outlive the block. Raises SpeechError where there is no such program."""
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=stdin, stdout=stdout, stderr=asyncio.subprocess.PIPE)
    except FileNotFoundError:
        raise _missing(argv[0]) from None
    except OSError as error:
        raise _no_start(argv[0], error) from error
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _no_start(what: str, error: OSError) -> SpeechError:
    return SpeechError(f"Speaking needs {what}, which the box cannot give it: {error.strerror}", "see its memory and its load", code="speech-failed")


def _missing(program: str) -> SpeechError:
    return SpeechError(f"The program {program}, which speaking needs, is not installed", f"install the Debian package {program}", code="speech-missing")


def _refused(program: str, code: int, said: bytes, language: str) -> SpeechError:
    words = said.decode(errors="replace").strip()
    if "voice does not exist" in words:
        return SpeechError(f"{program} has no voice for {language}", "set the language to one that `espeak-ng --voices` lists", code="speech-voice")
    if code == _NO_PROGRAM:
        return _missing(program)
    return SpeechError(f"{program} made no speech (exit code {code}): {words[-200:] or 'it said nothing'}", "try it by hand on the box", code="speech-failed")


def _key(text: str, language: str) -> str:
    return Cache.key(_MADE_WITH, language, text)


def _speakable(text: str) -> str:
    """One line of plain text: espeak-ng takes control characters as commands and what stands in [[ ]] as phonemes."""
    return re.sub(r"\[{2,}", "[", " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", " ", text).split()))
