"""The cache of spoken texts: it finds what it was given, stays within its bounds, and never trusts a damaged file."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from appliance.sound import Sound, load, save, silence
from appliance.speech import cache as cache_module
from appliance.speech.cache import Cache


def kept(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def test_what_is_put_is_found_also_by_another_process(tmp_path: Path) -> None:
    made = Sound(b"ab" * 500, 16_000)
    Cache(tmp_path / "deep" / "speech", 1 << 20).put("a", made)
    other = Cache(tmp_path / "deep" / "speech", 1 << 20)
    assert other.get("a") == made
    assert other.get("b") is None


def test_keys_do_not_run_into_each_other() -> None:
    keys = {Cache.key("en", "a"), Cache.key("e", "na"), Cache.key("en", "a", ""), Cache.key("en", "\ud800")}
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"\0" * 5000])
def test_a_damaged_file_counts_as_missing_and_is_overwritten(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path, 1 << 20)
    cache.put("a", silence(1))
    (tmp_path / "a.wav").write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert cache.get("a") is None
    assert "a.wav" in caplog.text
    cache.put("a", silence(2))
    assert cache.get("a") == silence(2)


def test_it_stays_within_its_bounds_and_the_longest_unused_goes_first(tmp_path: Path) -> None:
    size = 44 + 16_000
    cache = Cache(tmp_path, 10 * size)
    for number in range(10):
        cache.put(str(number), silence(1))
        os.utime(tmp_path / f"{number}.wav", (number, number))
    assert cache.get("0") is not None  # used just now
    cache.put("10", silence(1))
    left = kept(tmp_path)
    assert {"0", "10"} <= left
    assert "1" not in left
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10 * size
    for number in range(11, 100):
        cache.put(str(number), silence(1))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10 * size
    assert "99" in kept(tmp_path)


def test_what_was_there_before_counts(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / f"{number}.wav", silence(1))
        os.utime(tmp_path / f"{number}.wav", (number, number))
    (tmp_path / ".7.wav.123.new").write_bytes(bytes(5000))  # of a killed process
    os.utime(tmp_path / ".7.wav.123.new", (0, 0))
    Cache(tmp_path, 5 * 16_044).put("x", silence(1))
    assert kept(tmp_path) == {"x", "7", "8", "9"}


def test_a_sound_larger_than_the_bounds_is_kept_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    cache.put("a", silence(1))
    cache.put("b", silence(1))
    assert kept(tmp_path) == {"b"}
    assert load(tmp_path / "b.wav").seconds == 1


def test_a_use_is_noted_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path, 1 << 20)
    cache.put("a", silence(1))
    path = tmp_path / "a.wav"
    now = path.stat().st_mtime
    os.utime(path, (now - 3600, now - 3600))
    cache.get("a")
    assert path.stat().st_mtime == pytest.approx(now - 3600)
    monkeypatch.setattr(cache_module, "_TOUCH_S", 60.0)
    cache.get("a")
    assert path.stat().st_mtime >= now
