"""Sound in memory, and the box's own WAV files of it: 16-bit little-endian mono PCM everywhere."""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import SoundError

HEADER_BYTES = 44
MAX_FILE_BYTES = 64 << 20
"""Half an hour at 16 kHz: what is larger is none of ours and is not loaded into memory."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio in memory: 16-bit little-endian mono PCM. Loaded where waiting for a disk is allowed, so that playing never does."""

    pcm: bytes
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate


def silence(seconds: float, rate: int = 8000) -> Sound:
    return Sound(bytes(2 * round(seconds * rate)), rate)


def header(rate: int, data_bytes: int) -> bytes:
    """The HEADER_BYTES in front of `data_bytes` of PCM in a WAV file."""
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", data_bytes + HEADER_BYTES - 8, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", data_bytes)


def load(path: Path) -> Sound:
    """The sound in the WAV file at `path`, as `save` writes it; waits for the disk. Raises SoundError: `sound-missing`, or `sound` where it is damaged."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _unusable(path, f"larger than {MAX_FILE_BYTES >> 20} MiB")
        data = path.read_bytes()
    except FileNotFoundError:
        raise SoundError(f"The sound file {path.name} does not exist", "add it again", code="sound-missing") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    rate = int.from_bytes(data[24:28], "little")
    # All of them are ours: what differs in one byte of the header was cut short, or is of somebody else.
    if not 4000 <= rate <= 192_000 or len(data) % 2 or data[:HEADER_BYTES] != header(rate, len(data) - HEADER_BYTES):
        raise _unusable(path, "damaged")
    return Sound(data[HEADER_BYTES:], rate)


def save(path: Path, sound: Sound) -> None:
    """Put `sound` at `path` in one step: whoever looks finds all of it or what was there before.

    After a power cut the file may be damaged (`load` notices). Raises OSError.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("wb") as file:
            file.write(header(sound.rate, len(sound.pcm)))
            file.write(sound.pcm)
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _unusable(path: Path, why: str) -> SoundError:
    return SoundError(f"The sound file {path.name} cannot be used: {why}", "add it again, or restore a backup")
