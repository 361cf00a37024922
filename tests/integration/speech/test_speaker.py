"""Text to speech with the real programs: it is speech, it is made once, it is never anything but the text, and no failure is silence."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import stat
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.errors import SpeechError
from appliance.sound import Sound
from appliance.speech.speaker import MAX_TEXT, RATE, Speaker, fallback
from tests.support.proc import wait_until

SENTENCE = "Welcome. For sales press one, for service press two."


class Bench:
    """A speaker in a folder of its own; `programs` stand in front of the real ones and write down that they ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "speech"
        self.log = folder / "runs"
        self.alarms: list[tuple[str, str]] = []

    def speaker(self, **more: Any) -> Speaker:
        return Speaker(self.cache, alarm=lambda *words: self.alarms.append(words), **more)

    def script(self, body: str, name: str = "program") -> str:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def counting(self) -> str:
        """The real espeak-ng, with a line for each run."""
        return self.script(f'echo run >> {self.log}\nexec espeak-ng "$@"')

    def runs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
    left = [path.name for path in (tmp_path / "speech").glob(".*")] if (tmp_path / "speech").exists() else []
    assert not left, "half-made files were left"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def samples(sound: Sound) -> np.ndarray:
    return np.frombuffer(sound.pcm, "<i2").astype(float)


def levels(sound: Sound) -> np.ndarray:
    """RMS of each 20 ms."""
    size = sound.rate // 50
    whole = samples(sound)
    return np.sqrt(np.mean(whole[: len(whole) // size * size].reshape(-1, size) ** 2, axis=1))


def longest_silence_s(sound: Sound) -> float:
    quiet = "".join("q" if level < 50 else "l" for level in levels(sound)).strip("q")
    return max((len(each) for each in re.findall("q+", quiet)), default=0) / 50


def assert_speech(sound: Sound) -> None:
    """Loud and quiet by turns, and most of its power where a telephone carries it."""
    loud = levels(sound)
    assert sound.rate == RATE
    assert loud.max() > 1000, "hardly audible"
    assert 0.2 < np.mean(loud > 300) < 0.98, "no pauses, or nothing but"
    assert loud.std() / loud.mean() > 0.3, "as even as a tone"
    power = np.abs(np.fft.rfft(samples(sound))) ** 2
    hz = np.fft.rfftfreq(len(samples(sound)), 1 / sound.rate)
    assert power[(hz > 80) & (hz < 3800)].sum() > 0.8 * power.sum()


# ---- it speaks ---------------------------------------------------------------------------------------------------


@pytest.mark.row("E8")
@pytest.mark.parametrize(
    ("text", "language"),
    [
        (SENTENCE, "en-us"),
        ("You dialled 4 0 0 1.", "en-us"),
        ("Grüß Gott, bitte bleiben Sie in der Leitung.", "de"),
        ("Un moment, s'il vous plaît.", "fr-fr"),
        ("Подождите, пожалуйста.", "ru"),
    ],
    ids=["menu", "digits", "german", "french", "russian"],
)
def test_it_is_speech(bench: Bench, text: str, language: str) -> None:
    made = run(bench.speaker().make(text, language))
    assert_speech(made)
    assert 0.03 * len(text) < made.seconds < 0.25 * len(text)
    assert bench.alarms == []


def test_other_words_and_other_languages_are_other_sounds(bench: Bench) -> None:
    speaker = bench.speaker()

    async def work() -> list[Sound]:
        return [await speaker.make(text, language) for text, language in (("seven", "en-us"), ("eleven", "en-us"), ("seven", "de"))]

    assert len({sound.pcm for sound in run(work())}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "--version",
        "-v de -f /etc/passwd",
        'before <break time="9s"/> after',
        '<audio src="/etc/passwd">x</audio>',
        "before [[_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:_:]] after",
        "before \x01 9000S \x011P after",
        "before \x00 after",
        "before\nafter\r\nend",
        "$(touch /tmp/x) `id` | ; & > < * ? ~",
        "before \ud800 after",
        "%s %n %x {0} ${HOME}",
        "\u202eright to left\u202c and \U0001f600",
    ],
)
def test_a_text_is_only_ever_spoken(bench: Bench, text: str) -> None:
    """Nothing in it is an option, a file, markup, a phoneme or a command."""
    made = run(bench.speaker().make(text, "en-us"))
    assert_speech(made)
    assert made.seconds < 15
    assert longest_silence_s(made) < 1.5


@pytest.mark.parametrize("text", ["", "   ", "\n", ".", "...!?", "\x01"])
def test_nothing_to_say_is_a_short_silence(bench: Bench, text: str) -> None:
    made = run(bench.speaker().make(text, "en-us"))
    assert 0 < made.seconds < 1
    assert bench.alarms == []


# ---- it is made once ---------------------------------------------------------------------------------------------


def test_the_same_text_is_made_once_for_all_who_ask(bench: Bench) -> None:
    async def work() -> list[Sound]:
        speaker = bench.speaker(espeak=bench.counting())
        first = await asyncio.gather(*(speaker.speech(SENTENCE, "en-us") for _ in range(20)))
        return [*first, await speaker.speech(SENTENCE, "en-us")]

    found = run(work())
    assert len({sound.pcm for sound in found}) == 1
    assert bench.runs() == 1
    assert run(bench.speaker(espeak=bench.counting()).speech(f" {SENTENCE}\n", "en-us")) == found[0], "another process, blanks more or less"
    assert bench.runs() == 1


def test_a_damaged_file_is_made_anew(bench: Bench) -> None:
    first = run(bench.speaker(espeak=bench.counting()).make(SENTENCE, "en-us"))
    (path,) = bench.cache.iterdir()
    for damage in (b"", path.read_bytes()[:1000], b"\xff" * 5000):
        path.write_bytes(damage)
        assert run(bench.speaker(espeak=bench.counting()).make(SENTENCE, "en-us")) == first
    assert bench.runs() == 4
    assert bench.alarms == []


def test_at_most_two_speak_at_once(bench: Bench) -> None:
    program = bench.script(f'echo begin >> {bench.log}; while [ ! -e {bench.folder}/gate ]; do sleep 0.02; done; espeak-ng "$@"; echo end >> {bench.log}')

    async def work() -> None:
        speaker = bench.speaker(espeak=program)
        task = asyncio.gather(*(speaker.make(f"text {number}", "en-us") for number in range(5)))
        await asyncio.to_thread(wait_until, lambda: bench.runs() == 2, 10, "two that run")
        (bench.folder / "gate").touch()
        await task

    run(work())
    running = most = 0
    for line in bench.log.read_text().split():
        running += 1 if line == "begin" else -1
        most = max(most, running)
    assert most == 2
    assert bench.runs() == 10


def test_who_leaves_does_not_take_the_text_from_the_others(bench: Bench) -> None:
    gate = bench.folder / "gate"
    program = bench.script(f'echo run >> {bench.log}; while [ ! -e {gate} ]; do sleep 0.02; done; exec espeak-ng "$@"')

    async def work() -> Sound:
        speaker = bench.speaker(espeak=program)
        leaver, stayer = (asyncio.create_task(speaker.speech(SENTENCE, "en-us")) for _ in range(2))
        await asyncio.to_thread(wait_until, lambda: bench.runs() == 1, 10, "it runs")
        leaver.cancel()
        await asyncio.gather(leaver, return_exceptions=True)
        gate.touch()
        return await stayer

    assert_speech(run(work()))
    assert bench.runs() == 1


def test_warm_makes_what_is_missing_and_once(bench: Bench) -> None:
    async def work() -> list[int]:
        speaker = bench.speaker(espeak=bench.counting())
        await speaker.make("one", "en-us")
        return [await speaker.warm(["one", "two", "three", "two"], "en-us") for _ in range(2)]

    assert run(work()) == [2, 0]
    assert bench.runs() == 3


def test_warm_leaves_the_processor_to_others(bench: Bench) -> None:
    program = bench.script(f'nice >> {bench.log}; exec espeak-ng "$@"')

    async def work() -> None:
        speaker = bench.speaker(espeak=program)
        await speaker.warm(["one"], "en-us")
        await speaker.make("two", "en-us")

    run(work())
    assert [int(line) for line in bench.log.read_text().split()] == [15 + os.nice(0), os.nice(0)]


# ---- it cannot speak ---------------------------------------------------------------------------------------------


def refused(speaker: Speaker, text: str = "x", language: str = "en-us") -> SpeechError:
    with pytest.raises(SpeechError) as caught:
        run(speaker.make(text, language))
    assert caught.value.hint
    return caught.value


Broken = Callable[[Bench], tuple[Speaker, str]]


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        (lambda b: (b.speaker(espeak="no-such-program"), "en-us"), "speech-missing", "no-such-program"),
        (lambda b: (b.speaker(sox="no-such-program"), "en-us"), "speech-missing", "no-such-program"),
        (lambda b: (b.speaker(), "xx"), "speech-voice", "xx"),
        (lambda b: (b.speaker(), "../../en"), "speech-language", "../../en"),
        (lambda b: (b.speaker(), "-h"), "speech-language", "-h"),
        (lambda b: (b.speaker(espeak=b.script("echo it hurts >&2; exit 3")), "en-us"), "speech-failed", "it hurts"),
        (lambda b: (b.speaker(espeak=b.script("exit 0")), "en-us"), "speech-failed", "sox"),
        (lambda b: (b.speaker(sox=b.script("cat > /dev/null; echo no memory >&2; exit 2")), "en-us"), "speech-failed", "no memory"),
        (lambda b: (b.speaker(espeak=b.script("echo garbage; exit 0")), "en-us"), "speech-failed", "sox"),
    ],
    ids=["no-espeak", "no-sox", "no-voice", "path", "option", "fails", "says-nothing", "sox-fails", "garbage"],
)
def test_a_text_that_cannot_be_spoken_is_a_clear_error_and_a_tone(bench: Bench, broken: Broken, code: str, words: str) -> None:
    speaker, language = broken(bench)
    error = refused(speaker, language=language)
    assert error.code == code
    assert words in error.sentence
    assert bench.alarms == [(error.sentence, error.hint)]
    heard = run(speaker.speech("x", language))
    assert heard == fallback()
    assert len(bench.alarms) == 1, "said once"
    assert run(speaker.warm(["a", "b"], language)) == 0


def test_the_tone_is_audible_and_no_speech() -> None:
    tone = fallback()
    assert 1 < tone.seconds < 5
    assert levels(tone).max() > 2000
    assert longest_silence_s(tone) < 0.5


def test_when_it_works_again_the_alarm_is_over(bench: Bench) -> None:
    path = Path(bench.script("exit 1", "espeak"))
    speaker = bench.speaker(espeak=str(path))

    async def work() -> Sound:
        assert await speaker.speech("x", "en-us") == fallback()
        bench.script('exec espeak-ng "$@"', "espeak")
        return await speaker.speech("x", "en-us")

    assert run(work()) != fallback()
    assert [bool(sentence) for sentence, _ in bench.alarms] == [True, False]


def test_a_program_that_hangs_is_ended(bench: Bench) -> None:
    program = bench.script(f"echo $$ > {bench.log}; exec sleep 1000")
    began = time.monotonic()
    assert "within 0.5 s" in refused(bench.speaker(espeak=program, time_limit_s=0.5)).sentence
    assert time.monotonic() - began < 5
    assert not Path(f"/proc/{bench.log.read_text().strip()}").exists()


def test_at_the_end_nothing_runs_on(bench: Bench) -> None:
    program = bench.script(f"echo $$ > {bench.log}; exec sleep 1000")

    async def work() -> None:
        speaker = bench.speaker(espeak=program)
        task = asyncio.create_task(speaker.speech("x", "en-us"))
        await asyncio.to_thread(wait_until, lambda: bench.log.exists() and bench.log.read_text().strip(), 10, "it runs")
        await speaker.close()
        await asyncio.gather(task, return_exceptions=True)

    run(work())
    assert not Path(f"/proc/{bench.log.read_text().strip()}").exists()


def test_a_text_too_long_is_refused_without_an_alarm(bench: Bench) -> None:
    speaker = bench.speaker()
    assert refused(speaker, "word " * MAX_TEXT).code == "speech-too-long"
    assert run(speaker.speech("word " * MAX_TEXT, "en-us")) == fallback()
    assert bench.alarms == []


def test_the_longest_text_allowed_is_spoken(bench: Bench) -> None:
    made = run(bench.speaker().make((SENTENCE * MAX_TEXT)[:MAX_TEXT], "en-us"))
    assert_speech(made)


def test_a_box_without_free_descriptors_is_no_silence_either(bench: Bench) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def work() -> Sound:
        speaker = bench.speaker()
        await asyncio.to_thread(fallback)  # a thread is there
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(int(each.name) for each in Path("/proc/self/fd").iterdir()) + 1, limits[1]))
        full = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    full.append(os.open("/dev/null", os.O_RDONLY))
            return await speaker.speech(SENTENCE, "en-us")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for descriptor in full:
                os.close(descriptor)

    assert run(work()) == fallback()
    assert "Too many open files" in bench.alarms[0][0]


def test_a_disk_that_refuses_costs_the_cache_not_the_caller(bench: Bench) -> None:
    bench.cache.write_text("in the way of the folder")
    assert_speech(run(bench.speaker().speech(SENTENCE, "en-us")))
    bench.cache.unlink()
    assert bench.alarms == []


def test_speaking_does_not_hold_the_loop(bench: Bench) -> None:
    """Programs that take a second each: what else the loop has to do is done meanwhile."""
    slow = bench.script('sleep 1; exec espeak-ng "$@"')

    async def work() -> float:
        speaker = bench.speaker(espeak=slow)
        making = asyncio.gather(*(speaker.speech(text, "en-us") for text in ("red", "green", "blue")))
        worst = 0.0
        while not making.done():
            before = time.monotonic()
            await asyncio.sleep(0.001)
            worst = max(worst, time.monotonic() - before)
        assert fallback() not in await making
        return worst

    assert run(work()) < 0.5
