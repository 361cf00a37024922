"""The modem as the engine shows it: a simulated one on a terminal, a real control socket, and the command and the API that ask there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.app.cellular import CellularService, SimPin, cellular_methods
from appliance.cellular.modem import Timing
from appliance.cli.main import main
from appliance.control.protocol import METHODS
from appliance.control.server import Server
from appliance.events.cellular import ModemStateChanged
from appliance.site import sim_pin
from appliance.site.tokens import Tokens
from appliance.site.vault import Vault
from tests.support.modem import SimModem, sim_modem
from tests.support.proc import wait_until
from webui.app import create_app
from webui.config import Config

FAST = Timing(0.15, probes=3, command_s=0.3, poll_s=0.1, searching_poll_s=0.05, call_poll_s=0.05, silences=2, reopen_first_s=0.05, reopen_longest_s=0.2)


class Engine:
    """What of the engine is about the modem, on a loop of its own."""

    def __init__(self, folder: Path, *ports: Path, pin: str = "") -> None:
        self.pin = pin
        (folder / "state").mkdir(exist_ok=True)
        self.folder, self.path = folder, folder / "control.sock"
        self.alarms: dict[str, tuple[str, str]] = {}
        self.told = 0
        self.events: list[Any] = []
        self._ports = ports
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.service = CellularService(
            self._ports, self._alarm, self.events.append, SimPin(sim_pin.note(self.folder), lambda: self.pin, Vault(self.folder)), FAST
        )
        running = asyncio.create_task(self.service.run())
        server = Server(self.path, release="9.9")
        for name, handler in cellular_methods(self.service).items():
            server.register(METHODS[name], handler)
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def _alarm(self, code: str, sentence: str, hint: str) -> None:
        self.told += 1
        self.alarms[code] = (sentence, hint)
        if not sentence:
            del self.alarms[code]

    def state(self, state: str) -> None:
        wait_until(lambda: self.service.summary()["state"] == state, 8.0, f"{state}: {self.service.whole()}")

    def run(self, *words: str) -> Result:
        return CliRunner(env={"HOLDFAST_CONTROL": str(self.path), "HOLDFAST_DATA": "", "COLUMNS": "120", "TZ": "UTC"}).invoke(main, list(words))

    def api(self, method: str, path: str, body: Any = None, scope: str = "") -> tuple[int, Any]:
        _, token = Tokens(self.folder).new(f"t{len(list(Tokens(self.folder).all()))}", [scope] if scope else ["read", "calls"], "tests")
        client = create_app(Config(self.folder, self.path)).test_client()
        answer = client.open(f"/api/v1{path}", method=method, json=body, headers={"Authorization": f"Bearer {token}"}, base_url="https://box.test")
        return answer.status_code, answer.get_json()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[SimModem]:
    with sim_modem(tmp_path) as modem:
        yield modem


@pytest.fixture
def engine(tmp_path: Path, sim: SimModem) -> Iterator[Engine]:
    made = Engine(tmp_path, sim.at, sim.audio)
    made.state("ready")
    yield made
    made.close()


def test_the_command_shows_the_modem_and_sends_a_text(engine: Engine, sim: SimModem) -> None:
    wait_until(lambda: engine.service.summary()["operator"])
    shown = engine.run("modem", "status").output
    for words in ("ready to call, Holdfast Mobile 4G, -71 dBm", str(sim.at), "SIMCOM_SIM7600G-H", "867584030000011", "the telephone network"):
        assert words in shown
    sent = engine.run("modem", "sms", "+1 202 555 0177", "WAN down")
    assert (sent.exit_code, sent.output) == (0, "The network took the text to +12025550177.\n")
    assert sim.texts == [("+12025550177", "WAN down", b"")]
    sim.verdicts["text"] = ["+CMS ERROR: 50"]
    failed = engine.run("modem", "sms", "5550100", "again")
    assert failed.exit_code == 1
    assert "the SIM card's contract has no texts" in failed.output
    assert json.loads(engine.run("modem", "status", "--json").output)["texts"][0]["state"] == "failed"
    wrong = engine.run("modem", "sms", "dana", "x")
    assert wrong.exit_code != 0
    assert "no phone number" in wrong.output


def test_the_api_shows_the_modem_and_sends_a_text(engine: Engine, sim: SimModem) -> None:
    status, found = engine.api("GET", "/modem/status")
    assert (status, found["state"], found["imei"], found["trouble"]) == (200, "ready", "867584030000011", "")
    status, made = engine.api("POST", "/modem/texts", {"to": "+12025550177", "text": "över"})
    assert (status, made["to"], made["parts"]) == (202, "+12025550177", 1)
    wait_until(lambda: sim.texts == [("+12025550177", "över", b"")])
    assert engine.api("POST", "/modem/texts", {"to": "nobody", "text": "x"})[0] == 422
    assert engine.api("POST", "/modem/texts", {"to": "911", "text": "x" * 1599 + "ж"})[0] == 422
    assert engine.api("POST", "/modem/texts", {"to": "911", "text": "x"}, scope="read")[0] == 403


def test_an_alarm_comes_with_the_trouble_and_goes_with_it(engine: Engine, sim: SimModem) -> None:
    assert engine.alarms == {}
    sim.unplug()
    wait_until(lambda: "modem" in engine.alarms, 5.0)
    wait_until(lambda: "does not exist" in engine.alarms["modem"][0], 5.0)
    assert engine.alarms["modem"][1] == "plug it in, or correct HOLDFAST_MODEM"
    assert "does not exist" in engine.run("modem", "status").output
    sim.plug()
    engine.state("ready")
    wait_until(lambda: engine.alarms == {}, 5.0)
    states = [event.state for event in engine.events if isinstance(event, ModemStateChanged)]
    assert states[-3:] == ["starting", "searching", "ready"]


def test_a_modem_that_answers_nothing_is_one_alarm_however_often_it_is_tried(tmp_path: Path) -> None:
    with sim_modem(tmp_path, deaf=True) as sim:
        engine = Engine(tmp_path, sim.at)
        try:
            wait_until(lambda: "modem" in engine.alarms, 8.0)
            wait_until(lambda: sum(isinstance(event, ModemStateChanged) for event in engine.events) >= 4, 8.0, "tried again")
            assert engine.told == 1
            assert engine.alarms["modem"][0] == f"No modem answers on {sim.at}"
        finally:
            engine.close()


def test_a_box_without_a_modem(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    try:
        assert engine.service.summary()["state"] == "none"
        assert engine.alarms == {}
        assert "The box has no modem" in engine.run("modem", "status").output
        refused = engine.run("modem", "sms", "5550100", "x")
        assert "HOLDFAST_MODEM" in refused.output
        assert engine.api("POST", "/modem/texts", {"to": "5550100", "text": "x"})[0] == 409
    finally:
        engine.close()


def test_a_wrong_pin_is_entered_once_over_restarts_as_well_and_the_right_one_opens_the_card(tmp_path: Path) -> None:
    Vault(tmp_path).put({"modem.sim.pin": "1234"})
    with sim_modem(tmp_path, sim="SIM PIN", pin="4711") as sim:
        for _ in range(2):
            engine = Engine(tmp_path, sim.at, pin="1234")
            try:
                engine.state("pin-needed")
                wait_until(lambda: sim.wrong, 5.0, "the PIN entered")
                sim.asked.clear()
                wait_until(lambda: sim.asked.count("AT+CPIN?") > 2, 5.0, "the card looked at again")
                assert sim.wrong == 1
            finally:
                engine.close()
        assert "1234" not in sim_pin.note(tmp_path).read_text()
        engine = Engine(tmp_path, sim.at, pin="4711")
        try:
            engine.state("ready")
            wait_until(lambda: not sim_pin.note(tmp_path).exists(), 5.0, "the note gone")
            assert sim.wrong == 1
            assert engine.alarms == {}
        finally:
            engine.close()


@contextlib.contextmanager
def running(folder: Path, sim: SimModem, pin: str) -> Iterator[Engine]:
    Vault(folder).put({sim_pin.NAME: pin})
    engine = Engine(folder, sim.at, pin=pin)
    try:
        yield engine
    finally:
        engine.close()


def _looked_at(sim: SimModem) -> None:
    """The card was looked at again, and the PIN had the time to be entered."""
    sim.asked.clear()
    wait_until(lambda: sim.asked.count("AT+CPIN?") > 2, 5.0, "the card looked at again")


def test_the_note_goes_as_soon_as_the_card_is_open_though_there_is_no_network(tmp_path: Path) -> None:
    with sim_modem(tmp_path, sim="SIM PIN", pin="4711", cs=3, eps=3) as sim:
        for _ in range(2):
            with running(tmp_path, sim, "4711") as engine:
                engine.state("denied")
                wait_until(lambda: not sim_pin.note(tmp_path).exists(), 5.0, "the note gone")
            sim.sim = "SIM PIN"  # its power was away


def test_a_card_that_is_busy_gets_the_pin_again(tmp_path: Path) -> None:
    with sim_modem(tmp_path, sim="SIM PIN", pin="4711", verdicts={"AT+CPIN=": ["+CME ERROR: 14"]}) as sim, running(tmp_path, sim, "4711") as engine:
        engine.state("ready")
        assert sim.wrong == 0


def test_a_pin_is_tried_again_when_a_person_sets_it_anew_and_not_before(tmp_path: Path) -> None:
    sim_pin.note(tmp_path).parent.mkdir()
    Vault(tmp_path).put({sim_pin.NAME: "4711"})
    with sim_modem(tmp_path, sim="SIM PIN", pin="4711") as sim:
        # Killed between the note and the command.
        SimPin(sim_pin.note(tmp_path), lambda: "4711", Vault(tmp_path)).take()
        with running(tmp_path, sim, "4711") as engine:
            engine.state("pin-needed")
            _looked_at(sim)
            assert not any(asked.startswith("AT+CPIN=") for asked in sim.asked)
            sim_pin.set_again(tmp_path, "1234", {sim_pin.NAME: "4711"})
            assert sim_pin.note(tmp_path).exists(), "another PIN needs it not, and the old one is not to be tried again"
            sim_pin.set_again(tmp_path, "4711", {sim_pin.NAME: "4711"})
            engine.state("ready")


def test_a_pin_that_does_not_come_to_be_entered_is_not_noted(tmp_path: Path) -> None:
    with sim_modem(tmp_path) as sim:
        made = CellularService((sim.at,), lambda *_: None, lambda _: None, SimPin(sim_pin.note(tmp_path), lambda: "4711", Vault(tmp_path)), FAST)
        made._enter("4711")  # no card asks for it
        assert made._spared


def test_a_locked_card_is_never_given_a_pin(tmp_path: Path) -> None:
    with sim_modem(tmp_path, sim="SIM PUK", pin="4711") as sim:
        engine = Engine(tmp_path, sim.at, pin="4711")
        try:
            wait_until(lambda: "modem" in engine.alarms, 8.0)
            assert "PUK" in engine.alarms["modem"][0]
            assert not any(asked.startswith("AT+CPIN=") for asked in sim.asked)
        finally:
            engine.close()
