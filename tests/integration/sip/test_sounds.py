"""Sounds from memory: any rate, any length, right through, and after every change of the call's media."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.proc import wait_until
from tests.support.tone import PROOF, goertzel, read_wav, tone, tone_fraction, tone_seconds, tone_wav, write_wav


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 11025, 44100, 48000, 12345])
def test_a_sound_of_any_rate_is_heard_whole_and_its_end_is_told_once(up, tmp_path: Path, rate: int) -> None:
    _, call, leg = up()
    playback = leg.play(tone_wav(tmp_path / "sound.wav", 700, 2.0, rate))
    ended = leg.wait_news("PlaybackEnded", playback=playback)
    wait_until(lambda: tone_seconds(call.recording, 700) >= 1.9, 3, "the tone at the phone", interval_s=0.1)
    call.hangup()
    assert tone_fraction(call.recording, 700, 1.9) >= PROOF
    assert tone_seconds(call.recording, 700) <= 2.1
    assert leg.news("PlaybackEnded") == [ended]


@pytest.mark.slow
def test_a_long_message_plays_right_through(up, tmp_path: Path) -> None:
    """The pitch rises with every second, so that a cut or a repetition would show."""
    _, call, leg = up()
    pitches = [300 + 10 * second for second in range(45)]
    leg.play(write_wav(tmp_path / "long.wav", np.concatenate([tone(hz, 1.0) for hz in pitches])))
    leg.wait_news("PlaybackEnded", 60)
    call.hangup()
    samples, rate = read_wav(call.recording)
    windows = samples[: len(samples) // (rate // 5) * (rate // 5)].reshape(-1, rate // 5)
    share = np.array([goertzel(windows, rate, hz) for hz in pitches]) / np.maximum((windows * windows).sum(axis=1), 1e-9)
    # A window on the border of two seconds, or one that a busy machine tore, shows none.
    heard = [int(index) for index, best in zip(share.argmax(axis=0), share.max(axis=0), strict=True) if best > 0.9]
    assert heard == sorted(heard), "nothing comes twice, nothing too early"
    assert sorted(set(heard)) == list(range(45)), "nothing is left out"


def test_a_new_sound_takes_the_place_of_the_old_one(up, tmp_path: Path) -> None:
    box, call, leg = up()
    first = leg.play(tone_wav(tmp_path / "a.wav", 500, 30.0))
    wait_until(lambda: tone_seconds(call.recording, 500) > 0.3, 5, "the first sound")
    second = leg.play(tone_wav(tmp_path / "b.wav", 900, 1.0))
    leg.wait_news("PlaybackEnded", playback=second)
    assert not [e for e in leg.news("PlaybackEnded") if e["playback"] == first], "what is stopped does not end by itself"
    wait_until(lambda: tone_seconds(call.recording, 900) > 0.9, 3, "the second sound")
    wait_until(lambda: box.counts()["sounds"] == 0, 3, "both sounds forgotten")


def test_a_looped_sound_goes_on_without_a_seam_until_it_is_stopped(up, tmp_path: Path) -> None:
    box, call, leg = up()
    leg.play(tone_wav(tmp_path / "loop.wav", 500, 0.5), loop=True)
    wait_until(lambda: tone_seconds(call.recording, 500) > 3, 8, "the loop", interval_s=0.1)
    leg.stop_playing()
    assert tone_fraction(call.recording, 500, 2.5) >= PROOF
    wait_until(lambda: box.counts()["sounds"] == 0, 3, "the sound forgotten")
    assert leg.news("PlaybackEnded") == []


def test_a_sound_asked_for_before_there_is_media_waits_for_it(bare, phone, tmp_path: Path) -> None:
    from tests.support.sites import secret

    box = bare()
    caller = phone("p201")
    assert caller.register("201", secret(201), box.sip).ok
    call = caller.call(box.uri("900"))
    leg = box.incoming()
    leg.ring(180)
    playback = leg.play(tone_wav(tmp_path / "sound.wav", 700, 1.0))
    call.wait("EARLY")
    leg.answer()
    leg.wait_news("PlaybackEnded", playback=playback)
    wait_until(lambda: tone_seconds(call.recording, 700) >= 0.9, 3, "all of the sound")


def test_a_sound_goes_on_after_hold_and_resume(up, tmp_path: Path) -> None:
    _, call, leg = up()
    playback = leg.play(tone_wav(tmp_path / "sound.wav", 700, 6.0))
    wait_until(lambda: tone_seconds(call.recording, 700) > 0.5, 5, "the sound")
    call.hold()
    call.resume()
    before = tone_seconds(call.recording, 700)
    wait_until(lambda: tone_seconds(call.recording, 700) > before + 1, 5, "the sound again", interval_s=0.1)
    leg.wait_news("PlaybackEnded", playback=playback)


def test_what_cannot_be_played_ends_at_once(up, tmp_path: Path) -> None:
    _, call, leg = up()
    empty = leg.play(write_wav(tmp_path / "empty.wav", np.zeros(0)))
    leg.wait_news("PlaybackEnded", playback=empty)
    call.hangup()
    leg.wait_news("Ended")
    late = leg.play(tone_wav(tmp_path / "late.wav", 500, 1.0))
    leg.wait_news("PlaybackEnded", playback=late)
