"""Recordings of the site: files people bring, converted once and kept under the hash of what they sound like, so that every revision finds its own."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from appliance import sound
from appliance.errors import SoundError
from appliance.site import files
from appliance.site.working import run_job
from appliance.sound import HEADER_BYTES

log = logging.getLogger(__name__)

RATE = 16_000
MAX_SECONDS = 900
MAX_INPUT_BYTES = 256 << 20
TIME_LIMIT_S = 60.0
_MEMORY_BYTES = 512 << 20
_CAP_SETID = 1 << 6 | 1 << 7
"""CAP_SETGID and CAP_SETUID, capabilities(7)."""
_UNUSED_S = 86_400.0
"""What nothing names is deleted at this age: its name may be on the way into a document."""
_BEGINS = {
    b"RIFF": "wav", b"RIFX": "wav", b"RF64": "wav", b"fLaC": "flac", b"OggS": "ogg", b"FORM": "aiff", b".snd": "au", b"caff": "caf", b"riff": "w64",
    b"ID3": "mp3",
    b"\xff\xfb": "mp3", b"\xff\xf3": "mp3", b"\xff\xf2": "mp3", b"\xff\xfa": "mp3", b"#!AMR-WB": "amr-wb", b"#!AMR": "amr-nb", b"Creative": "voc",
}  # fmt: skip
"""How a file begins -> what sox calls its kind. Its name is not asked: people rename files, and some kinds sox goes by are lists of other files."""
_BARE = {"al": "al", "alaw": "al", "ul": "ul", "ulaw": "ul", "gsm": "gsm"}
"""Endings of the telephone's own kinds, which begin with sound at once."""


def media_path(data: Path, sha256: str) -> Path:
    """Where the recording of that hash lies in the data folder."""
    return data / "media" / f"{sha256}.wav"


def add(data: Path, file: Path, called: str = "") -> tuple[str, float]:
    """Convert the sound file at `file` and keep it: its hash and its seconds. On the disk when this returns; waits for sox, a minute at most.

    `called`: its name where it came from, for its ending and for sentences; else that of `file`.

    Raises SoundError (`sound-unreadable`, `sound-unknown`, `sound-long`, `sound-tool`) for a file that cannot be used, StateError for a disk that refuses.
    """
    pcm = _converted(file, Path(called) if called else file)
    wav = sound.header(RATE, len(pcm)) + pcm
    sha256 = hashlib.sha256(wav).hexdigest()
    folder = data / "media"
    with files.locked(folder, "the folder of recordings"):
        files.write(media_path(data, sha256), wav)
    return sha256, len(pcm) / 2 / RATE


def speak(data: Path, text: str, language: str) -> tuple[str, float]:
    """Have the box speak `text` and keep that as `add` does. Raises SoundError, StateError, and HoldfastError where it cannot be spoken (`speech-…`)."""
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        spoken = Path(folder) / "spoken.wav"
        run_job("speak", {"text": text, "language": language, "to": str(spoken)})
        return add(data, spoken)


def seconds(data: Path, sha256: str) -> float | None:
    """How long the recording is; None where its file is missing or unreadable."""
    size = file_bytes(data, sha256)
    return None if size is None else max(0, size - HEADER_BYTES) / 2 / RATE


def file_bytes(data: Path, sha256: str) -> int | None:
    """How large its file is; None where it is missing or unreadable."""
    try:
        return media_path(data, sha256).stat().st_size
    except OSError:
        return None


def export(data: Path, sha256: str, to: Path) -> None:
    """Write the recording to the WAV file `to`. Raises SoundError where there is none, OSError."""
    sound.save(to, sound.load(media_path(data, sha256)))


def collect(data: Path) -> int:
    """Delete recordings that nothing under `site/` names, be it a revision, the candidate or what is to come; how many went. Raises StateError.

    Where anything there cannot be read, all stay.
    """
    with files.translated(f"look through {data}"):
        named: set[bytes] = set()
        for path in (data / "site").rglob("*"):
            if path.is_file():
                named.update(re.findall(rb"[0-9a-f]{64}", path.read_bytes()))
        gone = 0
        for path in (data / "media").glob("*.wav"):
            if path.stem.encode() not in named and time.time() - path.stat().st_mtime > _UNUSED_S:
                path.unlink(missing_ok=True)
                log.info("deleted the recording %s: nothing names it", path.name)
                gone += 1
    return gone


def _converted(file: Path, name: Path) -> bytes:
    with _opened(file, name) as source:
        kind = _kind(source, name)
        # The file is open already, so sox needs no right of ours and sees no name.
        limits = ("prlimit", f"--as={_MEMORY_BYTES}", f"--cpu={TIME_LIMIT_S:.0f}", "--core=0")
        sox = ("sox", "-V1", "-D", "-t", kind, "-", "-t", "raw", "-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed-integer", "-L", "-", "trim", "0")
        nobody: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if _changes_user() else {}
        try:
            command = (*limits, *sox, str(MAX_SECONDS + 1))
            done = subprocess.run(command, stdin=source, capture_output=True, timeout=TIME_LIMIT_S, check=False, **nobody)
        except FileNotFoundError:
            raise SoundError("The program prlimit is not installed", "install the Debian package util-linux", code="sound-tool") from None
        except subprocess.TimeoutExpired:
            raise SoundError(f"{_name(name)} was not converted within {TIME_LIMIT_S:g} s", "convert it to WAV elsewhere first", code="sound-unknown") from None
        except OSError as error:
            raise SoundError(f"sox cannot be started: {error.strerror or error}", "check the memory of the box", code="sound-tool") from error
    words = re.sub(r"sox (FAIL|WARN) [\w-]+: (can't open input\s+`-': )?", "", done.stderr.decode(errors="replace")).strip()[-200:]
    if done.returncode and "No such file" in words and "execute sox" in words:
        raise SoundError("The program sox is not installed", "install the Debian packages sox and libsox-fmt-mp3", code="sound-tool")
    if done.returncode or not done.stdout:
        raise SoundError(f"{_name(name)} cannot be read as {kind}: {words or 'it holds no sound'}", "save it as WAV and try again", code="sound-unknown")
    if len(done.stdout) > 2 * RATE * MAX_SECONDS:
        raise SoundError(f"{_name(name)} is longer than {MAX_SECONDS // 60} minutes", "shorten it", code="sound-long")
    pcm: bytes = done.stdout
    return pcm


def _changes_user() -> bool:
    """Whether this process may become somebody else: root may, unless it gave that up, as the web does."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    held = int(re.search(r"^CapEff:\t([0-9a-f]+)$", status, re.MULTILINE)[1], 16)  # type: ignore[index]
    return os.geteuid() == 0 and held & _CAP_SETID == _CAP_SETID


def _opened(file: Path, name: Path) -> IO[bytes]:
    hint = "choose a sound file that this user may read"
    try:
        # O_NONBLOCK: a pipe of that name must be refused, not waited for.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else error
        raise SoundError(f"{_name(name)} cannot be read: {why}", hint, code="sound-unreadable") from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_INPUT_BYTES:
        os.close(descriptor)
        why = f"is larger than {MAX_INPUT_BYTES >> 20} MiB" if stat.S_ISREG(facts.st_mode) else "is not a file"
        raise SoundError(f"{_name(name)} {why}", hint, code="sound-unreadable")
    return os.fdopen(descriptor, "rb", buffering=0)


def _kind(source: IO[bytes], name: Path) -> str:
    start = source.read(12)
    source.seek(0)
    for begins, kind in _BEGINS.items():
        if start.startswith(begins):
            return kind
    bare = _BARE.get(name.suffix.lower().removeprefix("."))
    if bare is None:
        raise SoundError(f"{_name(name)} is no sound file the box knows", "give a WAV, MP3, FLAC, OGG or AIFF file", code="sound-unknown")
    return bare


def _name(path: Path) -> str:
    return path.name or str(path)
