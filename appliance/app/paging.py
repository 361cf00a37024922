"""A page that a program begins: whom it is for, and what they hear."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from appliance.calls.program import Paged
from appliance.control import shapes
from appliance.control.server import Peer
from appliance.errors import HoldfastError, NotFound
from appliance.sip.api import Sound
from appliance.types import GroupId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

SILENCE_S = 1.0
"""Phones chirp as they pick up: what is said begins after it, and ends with a rest."""


async def page(box: Box, params: dict[str, Any], peer: Peer) -> shapes.PageResult:
    """Begin it. Raises NotFound, HoldfastError."""
    named = [name for name in ("phone", "text", "audio") if params[name].strip()]
    if len(named) != 1:
        raise HoldfastError("A page is one thing", "say whose phone speaks, a text or a recording, and only one of them", code="page")
    if params["everybody"] == bool(params["to"]):
        raise HoldfastError("Nobody is named who should hear it" if not params["to"] else "It is for everybody, or for some",
                            "name extensions or groups, or everybody", code="page")  # fmt: skip
    paged, about = _whom(box, params["to"])
    source: str | Sound = params["phone"].strip()
    if params["text"].strip():
        source = _padded(await box.voice.speaker.speech(params["text"].strip(), box.snapshot.site.language))
    elif params["audio"]:
        known = box.snapshot.site.audio.get(params["audio"])
        if known is None:
            raise NotFound(f"There is no recording {params['audio']}", "`holdfast audio` lists them")
        source = _padded(await box.voice.audio(known.sha256))
    call, phones = box.router.page(paged, source, float(params["seconds"]), about)
    log.info("a page of %s was begun by the control socket (uid %d)", about[1] or about[0], peer.uid)
    return {"call": call, "phones": phones}


def _whom(box: Box, to: list[str]) -> tuple[Paged, tuple[str, str]]:
    """Whom it is for, and number and name of it for displays. Raises NotFound."""
    snapshot = box.snapshot
    if not to:
        return Paged(), ("", "All phones")
    found = []
    for name in dict.fromkeys(to):
        entry = snapshot.extensions.get(name) or snapshot.groups.get(GroupId(name))
        if entry is None:
            raise NotFound(f"There is no extension and no group {name}", "`holdfast site show groups` lists the groups")
        found.append(entry)
    devices = tuple(dict.fromkeys(device for entry in found for device in entry.devices))
    number = found[0].extension if len(found) == 1 else ""
    return Paged(devices=devices), (number, ", ".join(entry.name for entry in found)[:80])


def _padded(sound: Sound) -> Sound:
    rest = bytes(2 * round(sound.rate * SILENCE_S))
    return Sound(rest + sound.pcm + rest, sound.rate)
