"""Recordings of the site: what people bring is converted by the real sox, whatever it is called, and what is no sound is one clear error."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import SoundError, StateError
from appliance.site import media
from appliance.site.media import RATE, add, collect, media_path, seconds
from appliance.sound import load
from tests.support.disks import fill, tmpfs


def tone(path: Path, *sox: str, length: str = "2", hz: str = "440") -> Path:
    """A tone made by sox, of a kind told by `path` and options."""
    subprocess.run(["sox", "-n", *sox, path, "synth", length, "sine", hz, "vol", "0.5"], check=True, capture_output=True)
    return path


def loudest_hz(path: Path) -> float:
    pcm = np.frombuffer(load(path).pcm, "<i2").astype(float)
    assert np.abs(pcm).max() > 8000
    return float(np.fft.rfftfreq(len(pcm), 1 / RATE)[np.argmax(np.abs(np.fft.rfft(pcm)))])


@pytest.mark.row("A13")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", ["-r", "8000", "-b", "16", "-c", "1"]),
        ("a.wav", ["-r", "44100", "-b", "24", "-c", "2"]),
        ("a.wav", ["-r", "16000", "-b", "16", "-c", "1"]),
        ("a.wav", ["-r", "48000", "-b", "32", "-e", "floating-point", "-c", "6"]),
        ("a.wav", ["-r", "8000", "-e", "u-law", "-c", "1"]),
        ("a.mp3", ["-r", "44100", "-c", "2"]),
        ("a.flac", ["-r", "48000"]),
        ("a.ogg", ["-r", "22050"]),
        ("a.aiff", ["-r", "44100"]),
        ("a.au", ["-r", "8000"]),
        ("a.ul", ["-r", "8000", "-c", "1"]),
        ("a.gsm", ["-r", "8000", "-c", "1"]),
    ],
    ids=lambda part: part if isinstance(part, str) else "".join(part),
)
def test_what_people_bring_becomes_what_the_box_plays(tmp_path: Path, name: str, options: list[str]) -> None:
    data = tmp_path / "data"
    sha256, length_s = add(data, tone(tmp_path / name, *options))
    path = media_path(data, sha256)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    assert load(path).rate == RATE
    assert length_s == pytest.approx(2, abs=0.1) == load(path).seconds
    assert seconds(data, sha256) == length_s
    assert loudest_hz(path) == pytest.approx(440, abs=2)
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([path.name, "lock"])


@pytest.mark.parametrize("name", ["a.txt", "noending", "a.m3u", "-n.wav", "|touch x", "a b;c.wav"])
def test_its_name_does_not_matter(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tone(tmp_path / "a.wav").rename(tmp_path / name)
    sha256, _ = add(tmp_path / "data", Path(name))
    assert loudest_hz(media_path(tmp_path / "data", sha256)) == pytest.approx(440, abs=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "data"])


def test_the_same_sound_is_kept_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = add(data, tone(tmp_path / "a.mp3", "-r", "44100", "-c", "2"))
    shutil.copy(tmp_path / "a.mp3", tmp_path / "b.mp3")
    assert add(data, tmp_path / "b.mp3") == first
    assert add(data, tone(tmp_path / "c.wav", hz="500")) != first
    assert len(list((data / "media").glob("*.wav"))) == 2


def refused(tmp_path: Path, file: Path, code: str) -> str:
    with pytest.raises(SoundError) as caught:
        add(tmp_path / "data", file)
    assert caught.value.code == code
    assert caught.value.hint
    assert not list((tmp_path / "data").rglob("*.wav"))
    return caught.value.sentence


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, this is a text",
        b"RIFF",
        b"RIFF\xff\xff\xff\xffWAVE",
        b"ID3\x04",
        b"\xff\xfb" + bytes(3000),
        b"fLaC" + os.urandom(5000),
        b"OggS" + os.urandom(5000),
        b"\x7fELF" + bytes(100),
    ],
    ids=["empty", "text", "riff", "wav-header", "id3", "mp3-sync", "flac", "ogg", "program"],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "greeting.wav"
    file.write_bytes(content)
    assert "greeting.wav" in refused(tmp_path, file, "sound-unknown")


def test_a_list_of_other_files_is_no_sound(tmp_path: Path) -> None:
    """sox would open what a list names."""
    secret = tone(tmp_path / "secret.wav")
    for name, content in (("a.m3u", f"{secret}\n"), ("a.pls", f"[playlist]\nFile1={secret}\nNumberOfEntries=1\n")):
        (tmp_path / name).write_text(content)
        refused(tmp_path, tmp_path / name, "sound-unknown")


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        assert "is not a file" in refused(tmp_path, file, "sound-unreadable")
    assert "No such file" in refused(tmp_path, tmp_path / "none", "sound-unreadable")
    assert "null" in refused(tmp_path, Path("a\0b"), "sound-unreadable")


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.wav"
    with file.open("wb") as sparse:
        sparse.truncate(media.MAX_INPUT_BYTES + 1)
    assert "larger" in refused(tmp_path, file, "sound-unreadable")


def test_a_recording_too_long_is_refused(tmp_path: Path) -> None:
    file = tone(tmp_path / "long.flac", "-r", "8000", length=str(media.MAX_SECONDS + 2))
    assert "15 minutes" in refused(tmp_path, file, "sound-long")


def test_a_file_that_unpacks_without_end_is_cut_short(tmp_path: Path) -> None:
    """Ten hours of silence in a file of a few kilobytes."""
    file = tone(tmp_path / "bomb.flac", "-r", "8000", "-c", "1", length="1")
    subprocess.run(["sox", "-n", "-r", "8000", "-c", "1", tmp_path / "bomb.flac", "trim", "0", "36000"], check=True)
    assert file.stat().st_size < 1 << 20
    began = time.monotonic()
    refused(tmp_path, file, "sound-long")
    assert time.monotonic() - began < 30


def test_a_header_that_lies_about_its_length(tmp_path: Path) -> None:
    file = tone(tmp_path / "a.wav", "-r", "8000", "-b", "16", "-c", "1")
    data = bytearray(file.read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", 0x7FFFF000)
    file.write_bytes(data)
    sha256, length_s = add(tmp_path / "data", file)
    assert length_s == pytest.approx(2, abs=0.1)
    assert seconds(tmp_path / "data", sha256) == length_s


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_root_converts_as_nobody_with_bounded_memory(tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in a decoder must not be a fault in the box."""
    private = tone(tmp_path / "a.wav")
    private.chmod(0o600)
    spy = public / "sox"
    spy.write_text('#!/bin/sh\necho "$(id -un) $(id -gn) $(id -Gn) $(ulimit -v)" >&2\nexit 1\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{public}:{os.environ['PATH']}")
    assert "nobody nogroup nogroup 524288" in refused(tmp_path, private, "sound-unknown")
    monkeypatch.undo()
    add(tmp_path / "data", private)


def test_missing_programs_are_named(tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tone(tmp_path / "a.wav")
    monkeypatch.setenv("PATH", str(public))
    assert "prlimit" in refused(tmp_path, file, "sound-tool")
    (public / "prlimit").symlink_to("/usr/bin/prlimit")
    assert "sox" in refused(tmp_path, file, "sound-tool")


def test_a_full_disk_leaves_nothing_half(tmp_path: Path) -> None:
    file = tone(tmp_path / "a.wav", length="10")
    with tmpfs(tmp_path / "disk", 1 << 20) as data:
        filler = fill(data)
        with pytest.raises(StateError):
            add(data, file)
        filler.unlink()
        assert not list(data.rglob("*.wav"))
        add(data, file)


# ---- what nothing names any more ---------------------------------------------------------------------------------


def test_only_old_recordings_that_nothing_names_are_deleted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    kept = {}
    for number, where in enumerate(["revisions/000001.json", "revisions/000009.json", "candidate.json", "nothing", "young"]):
        sha256, _ = add(data, tone(tmp_path / f"{number}.wav", hz=str(300 + 50 * number), length="0.2"))
        kept[where] = sha256
        if where != "young":
            os.utime(media_path(data, sha256), (0, 0))
    for where in list(kept)[:3]:
        path = data / "site" / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"site": {"audio": {"a": {"name": "A", "sha256": kept[where]}}}}))
    assert collect(data) == 1
    assert {path.stem for path in (data / "media").glob("*.wav")} == set(kept.values()) - {kept["nothing"]}
    assert collect(data) == 0


def test_where_a_revision_cannot_be_read_everything_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    sha256, _ = add(data, tone(tmp_path / "a.wav", length="0.2"))
    os.utime(media_path(data, sha256), (0, 0))
    (data / "site").mkdir()
    (data / "site" / "unreadable").symlink_to("/proc/self/mem")
    with pytest.raises(StateError):
        collect(data)
    assert media_path(data, sha256).exists()


def test_a_box_without_recordings(tmp_path: Path) -> None:
    assert collect(tmp_path) == 0
    assert seconds(tmp_path, "ab" * 32) is None
