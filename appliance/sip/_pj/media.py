"""Sounds to calls and recordings of what their far ends say, on the SIP thread: the shim plays from memory kept here and records into rings emptied here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from _holdfast_shim import ffi, lib

from appliance.sip.api import News, PlaybackEnded, Recorded
from appliance.sip.leg import SipLeg
from appliance.sound import Sound

log = logging.getLogger(__name__)

PIECE_S = 0.2
"""Between two looks at the recordings; the rings hold five seconds."""
PIECE_SAMPLES = 32_768
RECORD_RATES = range(8000, 48001, 50)

Tell = Callable[[SipLeg, News], None]


class CallMedia:
    """What plays to which leg, who is recorded, and who listens to whom. `busy` says that news pile up: then recordings wait in their rings."""

    def __init__(self, tell: Tell, busy: Callable[[], bool]) -> None:
        self._tell, self._busy = tell, busy
        self._sounds: dict[int, tuple[SipLeg, Any]] = {}
        self._recorded: list[SipLeg] = []
        self._fetched_s = 0.0
        self._samples = ffi.new("short[]", PIECE_SAMPLES)
        self._level, self._lost_ms = ffi.new("int*"), ffi.new("int*")

    # ---- playing -------------------------------------------------------------------------------------------------

    def play(self, leg: SipLeg, sound: Sound, loop: bool, playback: int) -> None:
        """PlaybackEnded comes at once for what cannot be played."""
        pcm = ffi.from_buffer(sound.pcm)
        # The bridge reads from this very memory, by its own clock: it stays until the shim says that nobody does any more.
        self._sounds[playback] = (leg, pcm)
        leg.playing = playback
        if leg.call < 0 or lib.hf_play(leg.call, pcm, len(sound.pcm) // 2, sound.rate, int(loop), playback):
            del self._sounds[playback]
            leg.playing = 0
            self._tell(leg, PlaybackEnded(playback))

    def tone(self, leg: SipLeg, name: str) -> None:
        if leg.call >= 0:
            leg.playing = 0
            lib.hf_tone(leg.call, name.encode())

    def stop(self, leg: SipLeg) -> None:
        if leg.call >= 0:
            leg.playing = 0
            lib.hf_stop(leg.call)

    def ended(self, playback: int) -> None:
        """A media thread came to the end of a sound."""
        leg, _ = self._sounds.get(playback, (None, None))
        # One that was stopped, or replaced, at its very end is not told any more.
        if leg is not None and leg.playing == playback and leg.call >= 0:
            self.stop(leg)
            self._tell(leg, PlaybackEnded(playback))

    def collect(self) -> None:
        """Let go of sounds that nobody reads any more."""
        while playback := lib.hf_sound_freed():
            self._sounds.pop(playback, None)

    def held(self) -> int:
        """Sounds in memory."""
        return len(self._sounds)

    # ---- one speaker, many listeners -----------------------------------------------------------------------------

    def listen(self, speaker: SipLeg, listener: SipLeg) -> None:
        """One way, until one of them ends; begins when both have media."""
        if speaker.call >= 0 and listener.call >= 0 and listener.hears is None:
            listener.hears = speaker
            speaker.listeners.append(listener)
            lib.hf_listen(speaker.call, listener.call)

    def listen_again(self, leg: SipLeg) -> None:
        """A leg whose media began anew has another place on the bridge."""
        if leg.hears is not None:
            lib.hf_listen(leg.hears.call, leg.call)
        for listener in leg.listeners:
            lib.hf_listen(leg.call, listener.call)

    @staticmethod
    def leave(leg: SipLeg) -> None:
        """A leg that ends hears nobody, and nobody hears it."""
        if leg.hears is not None:
            leg.hears.listeners.remove(leg)
            leg.hears = None
        for listener in leg.listeners:
            listener.hears = None
        leg.listeners.clear()

    # ---- recording -----------------------------------------------------------------------------------------------

    def record(self, leg: SipLeg, rate: int) -> bool:
        """True: from now on its pieces are fetched. What was recorded before ends."""
        if leg.call < 0:
            return False
        self.stop_recording(leg)
        if rate not in RECORD_RATES or lib.hf_record_start(leg.call, rate):
            log.error("leg %s cannot be recorded at %d samples a second", leg.id, rate)
            self._tell(leg, Recorded(b"", 0, last=True))
            return False
        leg.recorded = True
        self._recorded.append(leg)
        return True

    def stop_recording(self, leg: SipLeg) -> None:
        """The rest, with `last`; also for a leg that has just ended, as long as its call is known."""
        if not leg.recorded:
            return
        leg.recorded = False
        self._recorded.remove(leg)
        *pieces, last = (*self._pieces(leg), Recorded(b"", 0, last=True))
        if pieces:
            rest = pieces.pop()
            last = Recorded(rest.pcm, rest.level, rest.lost_ms, last=True)
        for piece in (*pieces, last):
            self._tell(leg, piece)
        lib.hf_record_stop(leg.call)

    def fetch(self, now: float) -> None:
        """A few times a second: what waits in the rings. Under a backlog it waits there, and what finds no room is counted as lost."""
        if not self._recorded or now - self._fetched_s < PIECE_S or self._busy():
            return
        self._fetched_s = now
        for leg in self._recorded:
            for piece in self._pieces(leg):
                self._tell(leg, piece)

    def _pieces(self, leg: SipLeg) -> list[Recorded]:
        pieces: list[Recorded] = []
        while n := lib.hf_record_read(leg.call, self._samples, PIECE_SAMPLES, self._level, self._lost_ms):
            pieces.append(Recorded(bytes(ffi.buffer(self._samples, 2 * n)), self._level[0], self._lost_ms[0]))
        return pieces
