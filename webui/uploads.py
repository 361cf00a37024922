"""Sound files that people send, made recordings of the site."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import IO

from appliance.errors import SoundError
from appliance.site import media
from webui.place import place

MOST_BYTES = 60 * 1024 * 1024
"""Of a sound file, below what a request may have as a whole."""
_PIECE = 1 << 18
_AT_ONCE = threading.BoundedSemaphore(2)
_TURN_S = 60.0


def received(stream: IO[bytes], called: str) -> tuple[str, float]:
    """Convert and keep what comes in `stream`, a file that was `called` so where it came from: its hash and its seconds.

    Waits for the one who sends and for sox. Raises SoundError, StateError.
    """
    with tempfile.NamedTemporaryFile(prefix="holdfast-") as file:
        while piece := stream.read(_PIECE):
            file.write(piece)
        file.flush()
        # Calls come first: no more than two files are converted at once, however many people send some.
        if not _AT_ONCE.acquire(timeout=_TURN_S):
            raise SoundError("Too many files are being converted", "send it again in a minute", code="busy")
        try:
            return media.add(place().data, Path(file.name), called)
        finally:
            _AT_ONCE.release()
