"""Worker job "mail": a voicemail message with its sound to a mail server. Megabytes are turned into a letter here, away from calls."""

from __future__ import annotations

import asyncio
import ctypes
import signal
from pathlib import Path
from typing import Any

from appliance.alerts import delivery
from appliance.alerts.voicemail import MOST_SOUND_BYTES, Note, as_mail
from appliance.site.model.alerts import AlertMail

_PR_SET_PDEATHSIG = 1


def mail(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"note": as kept, "sound": path of the WAV file, "dedupe", "to", "settings": AlertMail, "ip", "password", "domain", "zone", "patience_s"}.

    Returns {}, or what `Undelivered` says. Raises OSError for a sound that cannot be read.
    """
    # An engine that is killed starts again and sends what it does not know to be sent: this one must not go on beside it (prctl(2)).
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    note, settings, path = Note.of(given["note"]), AlertMail.model_validate(given["settings"]), Path(given["sound"])
    sound = path.read_bytes() if note.sound and path.stat().st_size <= MOST_SOUND_BYTES else None
    made = as_mail(note, sound, given["dedupe"], settings.sender, given["to"], given["domain"], given["zone"])
    try:
        asyncio.run(delivery.mail(made, settings, given["ip"], given["password"], delivery.context(), given["domain"], given["patience_s"]))
    except delivery.Undelivered as error:
        return {"sentence": error.sentence, "hint": error.hint, "place": error.place, "lost": error.lost}
    return {}
