"""Worker job "speak": a text as a sound file, for a recording that nobody has to record."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from appliance import sound
from appliance.errors import SpeechError
from appliance.speech.speaker import Speaker


def speak(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"text", "language": a voice of espeak-ng, "to": path of the WAV file to make}. Returns {"seconds"}. Raises SpeechError."""
    if not any(character.isalnum() for character in given["text"]):
        raise SpeechError("There is nothing to say in this text", "write what callers shall hear", code="speech-empty")
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        made = asyncio.run(Speaker(Path(folder)).make(given["text"], given["language"]))
    sound.save(Path(given["to"]), made)
    return {"seconds": made.seconds}
