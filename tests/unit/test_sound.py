"""WAV files: what goes in comes out, and whatever is damaged is one clear error."""

from __future__ import annotations

import os
import struct
import subprocess
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import sound
from appliance.errors import SoundError
from appliance.sound import Sound, header, load, save, silence


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    made = Sound(os.urandom(3000), 16_000)
    save(tmp_path / "a.wav", made)
    assert load(tmp_path / "a.wav") == made
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_another_program_reads_it_alike(tmp_path: Path) -> None:
    """sox, on a second of sound of a known kind."""
    save(tmp_path / "a.wav", Sound(struct.pack("<8000h", *([1000, -1000] * 4000)), 8000))
    asked = [subprocess.run(["soxi", f"-{what}", tmp_path / "a.wav"], check=True, capture_output=True, text=True).stdout.strip() for what in "rcbDe"]
    assert asked == ["8000", "1", "16", "1.000000", "Signed Integer PCM"]


def test_seconds() -> None:
    assert silence(1.5, 16_000).seconds == 1.5
    assert set(silence(0.1).pcm) == {0}


def test_saving_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    save(path, silence(1))
    held = path.open("rb")
    save(path, silence(2))
    assert len(held.read()) == 44 + 16_000
    assert load(path).seconds == 2
    held.close()


def test_saving_where_nothing_can_be_saved_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(OSError, match="directory"):
        save(tmp_path / "a.wav", silence(1))
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_missing_file_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(SoundError) as caught:
        load(tmp_path / "none.wav")
    assert (caught.value.code, "none.wav" in caught.value.sentence, bool(caught.value.hint)) == ("sound-missing", True, True)


GOOD = header(8000, 1000) + bytes(1000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        GOOD[:43],
        GOOD[:-1],
        GOOD[:500],
        b"x" * 2000,
        b"\xff" * 44 + GOOD[44:],
        header(8000, 0xF0000000) + bytes(100),
        header(0, 100) + bytes(100),
        header(3, 100) + bytes(100),
        header(1 << 30, 100) + bytes(100),
        GOOD[:20] + b"\x07\x00" + GOOD[22:],  # µ-law
        GOOD[:22] + b"\x02\x00" + GOOD[24:],  # two channels
        GOOD[:34] + b"\x08\x00" + GOOD[36:],  # eight bits
    ],
    ids=["empty", "start", "half-header", "odd", "short", "text", "noise", "too-long", "rate-0", "rate-3", "rate-huge", "ulaw", "stereo", "8-bit"],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(SoundError) as caught:
        load(path)
    assert caught.value.code == "sound"
    assert "a.wav" in caught.value.sentence


def test_a_folder_or_an_unreadable_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="directory"):
        load(tmp_path)
    with pytest.raises(SoundError):
        load(Path("/proc/self/environ"))


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "a.wav"
    save(path, silence(100))
    with pytest.raises(SoundError, match="larger than 1 MiB"):
        load(path)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_damage_is_an_error_or_a_sound(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.wav"
    path.write_bytes(GOOD[:at] + noise + GOOD[at + len(noise) :])
    try:
        found = load(path)
    except SoundError:
        return
    with wave.open(str(path)) as other:
        assert found == Sound(other.readframes(other.getnframes()), other.getframerate())
