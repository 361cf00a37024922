"""The audio proof proves itself: it must accept a tone and refuse silence, noise, another tone, gaps and short recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.tone import longest_gap_ms, read_wav, tone, tone_fraction, tone_seconds, tone_wav, write_wav


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_clean_tone_is_found_in_every_frame(tmp_path: Path, rate: int) -> None:
    wav = tone_wav(tmp_path / "a.wav", seconds=5, rate=rate)
    assert tone_fraction(wav) == 1.0
    assert longest_gap_ms(wav) == 0


def test_silence_noise_and_another_tone_are_not_the_tone(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, 40000)
    for name, samples in {"silence": np.zeros(40000), "noise": noise, "other": tone(1500)}.items():
        wav = write_wav(tmp_path / f"{name}.wav", samples)
        assert tone_fraction(wav) == 0.0, name
        assert longest_gap_ms(wav) == -1, name


def test_a_tone_in_noise_30_db_below_is_found(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(0, 0.007, 40000)
    assert tone_fraction(write_wav(tmp_path / "a.wav", tone() + noise)) == 1.0


def test_a_gap_is_counted_and_measured(tmp_path: Path) -> None:
    samples = tone(seconds=5)
    samples[16000:20000] = 0.0  # 500 ms
    wav = write_wav(tmp_path / "a.wav", samples)
    assert tone_fraction(wav) == pytest.approx(0.9)
    assert longest_gap_ms(wav) == 500


def test_silence_before_the_tone_is_no_gap_and_a_short_recording_is_no_proof(tmp_path: Path) -> None:
    late = write_wav(tmp_path / "late.wav", np.concatenate([np.zeros(12345), tone(seconds=5.2)]))
    assert tone_fraction(late) >= 0.95
    assert longest_gap_ms(late) == 0
    short = tone_wav(tmp_path / "short.wav", seconds=2)
    assert tone_fraction(short) == pytest.approx(0.4)
    assert tone_seconds(short) == 2.0


def test_alternate_frames_lost_are_half_the_tone(tmp_path: Path) -> None:
    samples = tone(seconds=5)
    for frame in range(0, 250, 2):
        samples[frame * 160 : frame * 160 + 160] = 0
    assert tone_fraction(write_wav(tmp_path / "a.wav", samples)) == pytest.approx(0.5, abs=0.01)


def test_a_recording_cut_off_by_a_kill_is_still_read(tmp_path: Path) -> None:
    whole = tone_wav(tmp_path / "a.wav", seconds=1).read_bytes()
    unfinished = tmp_path / "b.wav"
    unfinished.write_bytes(whole[:40] + b"\0\0\0\0" + whole[44:-100])
    samples, rate = read_wav(unfinished)
    assert rate == 8000
    assert len(samples) == 8000 - 50
