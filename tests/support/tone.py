"""The proof of audio: makes WAV files with a tone and measures, frame by frame, how much of it arrived."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

FRAME_MS = 20
PROOF = 0.95
"""A call is proven when at least this share of its 20 ms frames holds the tone."""
_LEVEL_FLOOR = 0.01
"""RMS below 1 % of full scale is silence, whatever its spectrum."""
_PURITY = 0.6
"""Share of a frame's energy that must lie in the tone (a clean G.711 tone is above 0.99; half a frame of it is about 0.5)."""

Samples = npt.NDArray[np.float64]


def tone(freq_hz: float = 1000.0, seconds: float = 5.0, rate: int = 8000, amplitude: float = 0.3) -> Samples:
    """A sine, -1..1."""
    return amplitude * np.sin(2 * np.pi * freq_hz * np.arange(round(seconds * rate)) / rate)


def write_pcm(path: Path, pcm: bytes, rate: int = 8000) -> Path:
    """16-bit little-endian mono PCM as a WAV."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm)
    return path


def write_wav(path: Path, samples: Samples, rate: int = 8000) -> Path:
    """16-bit mono PCM."""
    return write_pcm(path, (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), rate)


def tone_wav(path: Path, freq_hz: float = 1000.0, seconds: float = 30.0, rate: int = 8000) -> Path:
    """Write a WAV with a tone and return its path."""
    return write_wav(path, tone(freq_hz, seconds, rate), rate)


def read_wav(path: Path) -> tuple[Samples, int]:
    """Samples (-1..1, first channel) and rate. Also reads a file whose writer was killed and never completed the header's lengths."""
    raw = path.read_bytes()
    if len(raw) < 44 or raw[:4] != b"RIFF":
        return np.zeros(0), 8000
    at = 12
    channels, rate, width = 1, 8000, 16
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], int.from_bytes(raw[at + 4 : at + 8], "little")
        if name == b"fmt ":
            channels = int.from_bytes(raw[at + 10 : at + 12], "little")
            rate = int.from_bytes(raw[at + 12 : at + 16], "little")
            width = int.from_bytes(raw[at + 22 : at + 24], "little")
        elif name == b"data":
            if width != 16:
                raise ValueError(f"{path}: {width} bits per sample; only 16 are read")
            body = raw[at + 8 :] if size in (0, 0xFFFFFFFF) or at + 8 + size > len(raw) else raw[at + 8 : at + 8 + size]
            usable = len(body) - len(body) % (2 * channels)
            return np.frombuffer(body[:usable], "<i2").reshape(-1, channels)[:, 0].astype(np.float64) / 32768, rate
        at += 8 + size + size % 2
    return np.zeros(0), rate


def goertzel(frames: Samples, rate: int, freq_hz: float) -> Samples:
    """Energy of one frequency in each row of `frames`, on the scale of the row's sum of squares (a pure tone gives that sum)."""
    count = frames.shape[1]
    turn = 2 * np.cos(2 * np.pi * freq_hz / rate)
    one = np.zeros(frames.shape[0])
    two = np.zeros(frames.shape[0])
    for column in range(count):
        one, two = frames[:, column] + turn * one - two, one
    power: Samples = (one * one + two * two - turn * one * two) * 2 / count
    return power


def tone_frames(samples: Samples, rate: int, freq_hz: float = 1000.0) -> npt.NDArray[np.bool_]:
    """For each whole 20 ms frame: does it hold the tone?"""
    size = rate * FRAME_MS // 1000
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    if not len(frames):
        return np.zeros(0, dtype=bool)
    energy = (frames * frames).sum(axis=1)
    loud = energy > _LEVEL_FLOOR**2 * size
    found: npt.NDArray[np.bool_] = loud & (goertzel(frames, rate, freq_hz) > _PURITY * energy)
    return found


def tone_fraction(wav: Path, freq_hz: float = 1000.0, seconds: float = 5.0) -> float:
    """Share of 20 ms frames holding the tone in the `seconds` after it is first heard; frames that were never recorded count as missing."""
    found = tone_frames(*read_wav(wav), freq_hz)
    if not found.any():
        return 0.0
    window = round(seconds * 1000 / FRAME_MS)
    first = int(found.argmax())
    return float(found[first : first + window].sum()) / window


def longest_gap_ms(wav: Path, freq_hz: float = 1000.0) -> int:
    """The longest stretch without the tone between the first and the last frame that hold it, in ms; -1 when it was never heard."""
    found = np.flatnonzero(tone_frames(*read_wav(wav), freq_hz))
    if not len(found):
        return -1
    return int((np.diff(found).max(initial=1) - 1) * FRAME_MS)


def tone_seconds(wav: Path, freq_hz: float = 1000.0) -> float:
    """How much of the tone there is in the whole file, in seconds."""
    return float(tone_frames(*read_wav(wav), freq_hz).sum()) * FRAME_MS / 1000


def spoken_seconds(wav: Path) -> float:
    """How long something that is no silence is heard, in seconds."""
    samples, rate = read_wav(wav)
    size = rate // 50
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    return float((np.sqrt((frames**2).mean(axis=1)) > 0.01).sum()) / 50 if len(frames) else 0.0
