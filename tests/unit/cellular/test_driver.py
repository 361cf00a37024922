"""The driver over real terminals: a modem of either make, and all the ways in which it fails."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import termios
import threading
import time
from pathlib import Path

import pytest

from appliance.cellular.api import CallChanged, CallState, End, Fault, ModemState, TextState
from appliance.cellular.driver import Driver
from appliance.cellular.modem import Timing
from appliance.cellular.port import SerialPort, SoundPort
from tests.support.modem import sim_modem
from tests.support.proc import wait_until

FAST = Timing(0.15, probes=3, command_s=0.3, poll_s=0.1, searching_poll_s=0.05, call_poll_s=0.05, silences=2, reopen_first_s=0.05, reopen_longest_s=0.2)


class Running:
    """A driver on a loop of its own, beside the test."""

    def __init__(self, path, audio=None):
        self.driver = Driver(path, audio, FAST)
        self.longest_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()

    async def _run(self):
        self._stop = asyncio.Event()
        task = asyncio.create_task(self.driver.run())
        beat = asyncio.create_task(self._beat())
        await self._stop.wait()
        for each in (task, beat):
            each.cancel()
        await asyncio.gather(task, beat, return_exceptions=True)

    async def _beat(self):
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.01)
            self.longest_s = max(self.longest_s, time.thread_time() - began)

    def do(self, work, *args, **named):
        async def run():
            return work(*args, **named)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)

    @property
    def view(self):
        return self.driver.view

    def until(self, look, what=""):
        wait_until(lambda: look(self.driver.view), 8.0, f"{what} {self.driver.view}")

    def state(self, state, fault=None):
        self.until(lambda view: (view.state, view.fault) == (state, fault), f"{state} {fault}")

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()


@contextlib.contextmanager
def running(path, audio=None):
    found = Running(path, audio)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(params=["simcom", "quectel"])
def pair(request, tmp_path):
    with sim_modem(tmp_path, kind=request.param) as modem, running(modem.at, modem.audio) as box:
        box.state(ModemState.READY)
        yield modem, box


def test_it_is_known_and_calls_out_with_sound_both_ways(pair):
    modem, box = pair
    box.until(lambda view: view.operator == "Holdfast Mobile")
    told = []
    box.driver.sound = lambda fd: told.append(fd if fd is None else os.dup(fd))
    modem.far = "rings"
    box.do(box.driver.dial, "+12025550177")
    box.until(lambda view: view.call.state is CallState.ALERTING)
    modem.pick_up()
    box.until(lambda view: view.call.state is CallState.ACTIVE)
    wait_until(lambda: modem.sound)
    wait_until(lambda: told)
    modem.play(b"from there")
    wait_until(lambda: b"from there" in os.read(told[0], 4096))
    os.write(told[0], b"from here")
    wait_until(lambda: b"from here" in modem.heard)
    box.do(box.driver.tones, "12#")
    wait_until(lambda: modem.tones == "12#")
    box.do(box.driver.hang_up)
    box.until(lambda view: view.call.end is End.HUNG_UP)
    wait_until(lambda: not modem.sound and told[1:] == [None])
    os.close(told[0])
    assert modem.call is None


@pytest.mark.parametrize("late", ["OK", "NO CARRIER"])
def test_a_call_that_waits_for_the_end_of_another_is_not_ended_with_it(pair, late):
    modem, box = pair
    modem.late = late

    def told(news):
        if isinstance(news, CallChanged) and (news.call.id, news.call.state) == (1, CallState.ENDED):
            box.driver.dial("911", emergency=True)

    box.driver.subscribe(told)
    box.do(box.driver.dial, "+12025550177")
    box.until(lambda view: view.call.state is CallState.ACTIVE)
    box.do(box.driver.hang_up)
    box.until(lambda view: view.call.id == 2 and view.call.state is CallState.ACTIVE)
    modem.asked.clear()
    wait_until(lambda: modem.asked.count("AT+CLCC") > 3)
    assert box.view.call.state is CallState.ACTIVE
    assert modem.call.number == "911"


def test_a_hang_up_the_modem_refuses_is_repeated(pair):
    modem, box = pair
    box.do(box.driver.dial, "+12025550177")
    box.until(lambda view: view.call.state is CallState.ACTIVE)
    modem.verdicts = {"AT+CHUP": ["+CME ERROR: 100"]}
    box.do(box.driver.hang_up)
    box.until(lambda view: view.call.end is End.HUNG_UP)
    assert modem.call is None
    assert modem.asked.count("ATH") == 1


def test_sound_that_fails_in_mid_call_comes_back_with_its_port(pair):
    _, box = pair
    told = []
    box.driver.sound = told.append
    box.do(box.driver.dial, "+12025550177")
    wait_until(lambda: told)
    box.do(box.driver.sound_failed)
    wait_until(lambda: told[1:2] == [None] and len(told) == 3 and told[2] is not None)
    box.until(lambda view: view.call.state is CallState.ACTIVE and view.audio_fault is None)


def test_a_pin_is_entered_when_it_is_given_and_never_again(tmp_path):
    with sim_modem(tmp_path, sim="SIM PIN", pin="4711") as modem, running(modem.at) as box:
        box.state(ModemState.PIN_NEEDED)
        box.do(box.driver.enter_pin, "1234")
        wait_until(lambda: modem.wrong)
        modem.asked.clear()
        wait_until(lambda: modem.asked.count("AT+CPIN?") > 2)
        assert modem.wrong == 1
        box.do(box.driver.enter_pin, "4711")
        box.state(ModemState.READY)


def test_a_call_comes_in(pair):
    modem, box = pair
    modem.ring("+12025550143")
    box.until(lambda view: view.call is not None and view.call.state is CallState.INCOMING)
    assert box.view.call.number == "+12025550143"
    box.do(box.driver.answer)
    box.until(lambda view: view.call.state is CallState.ACTIVE)
    modem.drop()
    box.until(lambda view: view.call.end is End.FAR_END)


@pytest.mark.parametrize("ims", [False, True], ids=["circuit", "volte"])
@pytest.mark.parametrize(("far", "end"), [("busy", End.BUSY), ("refuses", End.REFUSED)])
def test_a_call_that_is_not_taken(pair, far, end, ims):
    modem, box = pair
    modem.ims, modem.far = ims, far
    box.do(box.driver.dial, "+12025550177")
    box.until(lambda view: view.call.end is end)


def test_texts_arrive_as_written_even_byte_by_byte(pair):
    modem, box = pair
    modem.pieces = 1
    box.do(box.driver.send_text, "+12025550177", "WAN down at Överby 🚨")
    box.do(box.driver.send_text, "5550100", "long " * 40)
    box.until(lambda view: [text.state for text in view.texts] == [TextState.SENT] * 2)
    assert modem.texts[0][:2] == ("+12025550177", "WAN down at Överby 🚨")
    assert "".join(words for _, words, _ in modem.texts[1:]) == "long " * 40


def test_it_is_unplugged_in_mid_call_and_comes_back(pair):
    modem, box = pair
    box.do(box.driver.dial, "+12025550177")
    box.until(lambda view: view.call.state is CallState.ACTIVE)
    modem.unplug()
    box.until(lambda view: view.call.end is End.MODEM_LOST)
    box.until(lambda view: view.state is ModemState.ABSENT and view.fault in {Fault.UNPLUGGED, Fault.MISSING})
    modem.plug()
    box.state(ModemState.READY)
    assert box.do(box.driver.dial, "+12025550177").id == 2


def test_it_hangs_and_comes_back(pair):
    modem, box = pair
    modem.deaf = True
    box.until(lambda view: view.fault is Fault.HUNG)
    modem.deaf = False
    box.state(ModemState.READY)


def test_it_restarts_by_itself(pair):
    modem, box = pair
    modem.asked.clear()
    modem.restart()
    wait_until(lambda: "AT+CGMI" in modem.asked)
    box.state(ModemState.READY)


def test_garbage_and_half_lines_between_everything(pair):
    modem, box = pair
    modem.pieces = 3
    for junk in (b"\xff\x00\xfe", b"+CREG: \x00\x07", b"\r\n+CLIP", b"x" * 3000, b"\r\n> \r\nOK\r\nERROR\r\n", os.urandom(500)):
        modem.raw(junk)
        modem.raw(b"\r\n")
    box.do(box.driver.send_text, "5550100", "still here")
    box.until(lambda view: view.texts and view.texts[0].state is TextState.SENT)
    box.state(ModemState.READY)


def test_a_flood_does_not_hold_the_loop_or_fill_the_memory(pair):
    modem, box = pair
    box.longest_s = 0.0
    for _ in range(200):
        modem.raw(os.urandom(4000))
    modem.raw(b"\r\n")
    box.state(ModemState.READY)
    assert box.longest_s < 0.5


def test_registration_that_is_late_and_errors_on_the_way(tmp_path):
    verdicts = {"AT+CIMI": ["ERROR"], "AT+CSQ": ["+CME ERROR: 100", ""], "AT+CLIP": ["+CME ERROR: operation not allowed"]}
    with sim_modem(tmp_path, sim="busy", cs=2, eps=2, verdicts=verdicts) as modem, running(modem.at) as box:
        box.state(ModemState.SEARCHING)
        modem.sim = "READY"
        wait_until(lambda: "AT+CREG=1" in modem.asked)
        box.state(ModemState.SEARCHING)
        modem.register(3, 3)
        box.state(ModemState.DENIED)
        modem.register(0, 5)
        box.state(ModemState.ROAMING)
        modem.ims = True
        box.until(lambda view: view.state is ModemState.READY and view.volte and view.roaming)


@pytest.mark.parametrize(("sim", "state"), [("absent", ModemState.NO_SIM), ("SIM PIN", ModemState.PIN_NEEDED)])
def test_without_a_usable_card(tmp_path, sim, state):
    with sim_modem(tmp_path, sim=sim) as modem, running(modem.at) as box:
        box.state(state)
        box.do(box.driver.dial, "112", emergency=True)
        box.until(lambda view: view.call.state is CallState.ACTIVE)


# ---- ports -----------------------------------------------------------------------------------------------------------


def fault(path):
    port = SerialPort(path, lambda: None)
    wait_until(lambda: port.over)
    return port.fault


def test_ports_that_are_none(tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    assert fault(tmp_path / "missing") is Fault.MISSING
    assert fault(tmp_path) is Fault.WRONG_PORT
    assert fault(tmp_path / "file") is Fault.WRONG_PORT
    assert fault(tmp_path / "fifo") is Fault.WRONG_PORT
    (tmp_path / "null").symlink_to("/dev/null")
    assert fault(tmp_path / "null") is Fault.WRONG_PORT


def test_a_port_that_is_unplugged_as_it_is_opened(tmp_path, monkeypatch):
    def gone(*_):
        raise termios.error(errno.EIO, "Input/output error")

    with sim_modem(tmp_path) as modem:
        monkeypatch.setattr(termios, "tcflush", gone)
        assert fault(modem.at) is Fault.UNPLUGGED
        ready = threading.Event()
        sound = SoundPort(modem.audio, ready.set)
        assert ready.wait(5)
        assert (sound.fault, sound.fd) == (Fault.UNPLUGGED, None)
        sound.close()


def test_nobody_waits_for_the_sounds_port_to_close(tmp_path):
    opened, closed, let = threading.Event(), threading.Event(), threading.Event()
    with sim_modem(tmp_path) as modem:
        port = SoundPort(modem.audio, opened.set)
        assert opened.wait(5)
        device = port._serial
        close = device.close

        def slow():
            let.wait(10)
            close()
            closed.set()

        device.close = slow  # as the kernel does while a modem that hangs takes nothing; a pseudo-terminal closes at once
        port.close()
        assert port.fd is None
        assert not closed.is_set()
        let.set()
        assert closed.wait(5)
        again = SoundPort(modem.audio, opened.set)
        wait_until(lambda: again.fd is not None)
        again.close()


def test_a_port_another_program_has(tmp_path):
    with sim_modem(tmp_path) as modem:
        other = os.open(modem.at, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(other, fcntl.LOCK_EX)
        assert fault(modem.at) is Fault.BUSY
        os.close(other)


def test_a_port_that_takes_nothing_hangs_and_nobody_waits_for_it():
    master, slave = os.openpty()
    port = SerialPort(Path(os.ttyname(slave)), lambda: None)
    wait_until(lambda: port.opened)
    began = time.thread_time()
    port.write(b"x" * 60_000)
    assert time.thread_time() - began < 0.1
    wait_until(lambda: port.fault is Fault.HUNG)
    os.close(master)
    os.close(slave)


def test_nothing_but_a_modem_on_the_port(tmp_path):
    with sim_modem(tmp_path, deaf=True) as modem, running(modem.at) as box:
        box.until(lambda view: view.fault is Fault.WRONG_PORT)


def test_a_modem_nobody_knows(tmp_path):
    with sim_modem(tmp_path, kind="other") as modem, running(modem.at) as box:
        box.state(ModemState.STARTING, Fault.UNKNOWN_MODEL)
        assert box.view.model == "Telegraph 1"


def test_a_port_of_the_sound_that_is_missing_is_told_and_the_call_goes_on(tmp_path):
    with sim_modem(tmp_path) as modem, running(modem.at, tmp_path / "nowhere") as box:
        box.state(ModemState.READY)
        box.do(box.driver.dial, "+12025550177")
        box.until(lambda view: view.audio_fault is Fault.MISSING and view.call.state is CallState.ACTIVE)
