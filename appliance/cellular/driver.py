"""Runs a modem: its ports, the clock and the state machine, on the loop, which never waits for a port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

from appliance.cellular.api import CallView, Fault, ModemState, ModemView, News, TextView
from appliance.cellular.modem import Modem, Timing, reopen_backoff_s
from appliance.cellular.port import SerialPort, SoundPort

log = logging.getLogger(__name__)

SOUND_AGAIN_S = 1.0
"""A port of the sound that failed is tried again so often."""


class Driver:
    """As `api.Cellular` says. `audio`: the port the sound comes over, None: calls have none. It is open as long as the other, so that its faults are known
    before a call needs it."""

    def __init__(self, path: Path, audio: Path | None = None, timing: Timing | None = None) -> None:
        self._path, self._audio_path, self._timing = path, audio, timing or Timing()
        self._modem = Modem(self._timing)
        self._told: list[Callable[[News], None]] = []
        self._woken = asyncio.Event()
        self._port: SerialPort | None = None
        self._up = False
        self._failures = 0
        self._open_at_s = 0.0
        self._old: SerialPort | None = None
        self._audio: SoundPort | None = None
        self._audio_at_s = 0.0
        self._sounding: int | None = None
        self.sound: Callable[[int | None], None] | None = None

    # ---- api.Cellular --------------------------------------------------------------------------------------------

    @property
    def view(self) -> ModemView:
        return self._modem.view

    def subscribe(self, told: Callable[[News], None]) -> None:
        self._told.append(told)

    def dial(self, number: str, *, emergency: bool = False) -> CallView:
        self._woken.set()
        return self._modem.dial(number, time.monotonic(), emergency=emergency)

    def answer(self) -> None:
        self._woken.set()
        self._modem.voice.answer()

    def hang_up(self) -> None:
        self._woken.set()
        self._modem.voice.hang_up()

    def tones(self, digits: str) -> None:
        self._woken.set()
        self._modem.voice.tones(digits)

    def sound_failed(self) -> None:
        if self._audio is not None:
            self._silence(Fault.UNPLUGGED, time.monotonic())

    def enter_pin(self, pin: str) -> None:
        self._woken.set()
        self._modem.enter_pin(pin)

    def send_text(self, number: str, text: str) -> TextView:
        self._woken.set()
        return self._modem.send_text(number, text, time.monotonic())

    # ---- the loop ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """As long as the box."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    self._step(time.monotonic())
                except Exception:
                    log.exception("the modem's driver failed; its port is opened anew")
                    self._shut(Fault.HUNG, time.monotonic())
                # Not wait_for: that of Python 3.11 loses a cancellation that comes as the event is set.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._timing.tick_s):
                        await self._woken.wait()
                self._woken.clear()
        finally:
            self._silence(None, 0.0)
            if self._port is not None:
                self._port.close()
                await asyncio.shield(self._loop.run_in_executor(None, self._port.join))

    def _ready(self) -> None:
        """On a port's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._woken.set)

    def _step(self, now: float) -> None:
        port, modem = self._port, self._modem
        if port is None:
            modem.tick(now)
            if now >= self._open_at_s and (self._old is None or self._old.over):
                self._port = SerialPort(self._path, self._ready)
        else:
            if port.opened and not self._up:
                self._up = True
                modem.opened(now)
            if data := port.take():
                modem.received(data, now)
            modem.tick(now)
            fault = port.fault or modem.gave_up
            if fault is not None:
                self._shut(fault, now)
            elif self._up and (out := modem.take(now)):
                port.write(out)
        if modem.view.state not in {ModemState.ABSENT, ModemState.STARTING}:
            self._failures = 0
        self._sound_step(now)
        self._tell()

    def _shut(self, fault: Fault, now: float) -> None:
        if self._port is not None:
            self._port.close()
        self._old, self._port, self._up = self._port, None, False
        self._modem.lost(fault, now)
        self._open_at_s = now + reopen_backoff_s(self._failures, random.random(), self._timing)  # noqa: S311 - jitter
        self._failures += 1

    def _tell(self) -> None:
        news, self._modem.news = self._modem.news, []
        for each in news:
            for told in self._told:
                try:
                    told(each)
                except Exception:
                    log.exception("news of the modem could not be told")

    def _sound_step(self, now: float) -> None:
        """The sound's port is kept open beside the other; a call is told when it has sound on it."""
        if self._audio_path is None:
            return
        if not self._up:
            self._silence(None, now)
        elif self._audio is None:
            if now >= self._audio_at_s:
                self._audio = SoundPort(self._audio_path, self._ready)
        elif self._audio.fault is not None:
            self._silence(self._audio.fault, now)
        elif (fd := self._audio.fd) is not None:
            self._modem.sound_fault(None)
            self._say_sound(fd if self._modem.voice.sound else None)

    def _silence(self, fault: Fault | None, now: float) -> None:
        """The sound's port is given up; with a `fault` it is tried again in a while."""
        self._say_sound(None)
        if self._audio is not None:
            self._audio.close()
            self._audio = None
        if fault is not None:
            self._modem.sound_fault(fault)
            self._audio_at_s = now + SOUND_AGAIN_S

    def _say_sound(self, fd: int | None) -> None:
        if fd != self._sounding:
            self._sounding = fd
            if self.sound is not None:
                self.sound(fd)
