"""Calls over the cellular modem of a running box: real phones on one side, a modem's dialogue and its sound on terminals on the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from appliance.emergency import journal
from tests.support.box import Box, BoxError
from tests.support.carrier import Carrier, answer, refuse
from tests.support.modem import SimModem, sim_modem
from tests.support.pjphone import PjCall, PjPhone
from tests.support.proc import wait_until
from tests.support.sites import Document, add_trunk, make_site, secret
from tests.support.tone import PROOF, tone_fraction

OUTSIDE, MOBILE, SIM = "+12025550199", "+12025550177", "+12025550188"
TALK = 75
"""Packets: a second and a half."""


def _site(carrier: Carrier, **modem: Any) -> Document:
    """Phones 201 and 202, a trunk, and the modem for all calls."""
    site = add_trunk(make_site(2), "carrier", carrier.ip, carrier.port, health_seconds=0)
    site["modem"] = {"use": "emergency-and-outside", "destination": "201", "sim": {"number": SIM}, **modem}
    return site


class Scene:
    """A box whose only way out is the modem, for its carrier refuses everything, and two phones."""

    def __init__(self, folder: Path, stack: ExitStack, kind: str = "simcom") -> None:
        self.folder = folder
        self.carrier = stack.enter_context(Carrier("127.0.0.2"))
        self.carrier.plan = [refuse(503)]
        self.modem: SimModem = stack.enter_context(sim_modem(folder, kind=kind, freq_hz=700.0))
        self.box = stack.enter_context(Box(folder, _site(self.carrier), env={"HOLDFAST_MODEM": f"{self.modem.at},{self.modem.audio}"}))
        self.phones = [stack.enter_context(PjPhone(folder / f"phone{number}", freq_hz=1000.0, answers=(180,))) for number in (201, 202)]
        for number, phone in zip((201, 202), self.phones, strict=True):
            assert phone.register(str(number), secret(number), self.box.sip).ok
        self.ready()

    def ready(self) -> None:
        wait_until(lambda: self.box.status()["cellular"]["calls"], 20.0, "the modem ready")

    def dial(self, number: str, phone: int = 0) -> PjCall:
        return self.phones[phone].call(self.box.uri(number))

    def fresh(self, far: str = "answers") -> None:
        """As if nothing had been before."""
        for left in self.box.calls():
            self.box.rpc("calls.hangup", call=left["id"])
        self.box.wait_idle()
        wait_until(lambda: self.modem.call is None, 5.0, "the modem idle")
        self.modem.asked.clear()
        self.modem.heard.clear()
        self.modem.far, self.modem.tones, self.modem.late = far, "", ""
        self.carrier.plan = [refuse(503)]

    def last(self) -> dict[str, Any]:
        """The newest call record."""
        rows: list[dict[str, Any]] = self.box.rpc("calls.history", limit=1)["calls"]
        return rows[0] if rows else dict.fromkeys(("trunk", "outcome", "direction", "from_number"))

    def both_hear(self, call: PjCall) -> None:
        """Sound passes both ways, by the tone each hears."""
        call.wait_heard(TALK)
        del self.modem.heard[: len(self.modem.heard) // 2 * 2]  # whole samples: what an earlier call said, and the silence before this one
        wait_until(lambda: len(self.modem.heard) > 320 * TALK, 10.0, "sound at the far end")
        far = tone_fraction(self.modem.recording(self.folder / "far.wav"), 1000.0, 1.0)
        assert far >= PROOF, f"the far end heard {far:.2f} of the phone's tone"

    def heard_there(self, call: PjCall) -> None:
        near = tone_fraction(call.recording, 700.0, 1.0)
        assert near >= PROOF, f"the phone heard {near:.2f} of the far end's tone"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(tmp_path_factory.mktemp("modem"), stack)


def _journal(box: Box) -> list[dict[str, Any]]:
    return journal.read(box.data / "state" / "emergency.journal")


def _alarm(box: Box, code: str) -> dict[str, Any] | None:
    return next((alarm for alarm in box.status()["alarms"] if alarm["code"] == code), None)


def _outside(scene: Scene) -> None:
    call = scene.dial("2025550199").wait("CONFIRMED", 15.0)
    assert f"ATD{OUTSIDE};" in scene.modem.asked
    scene.both_hear(call)
    call.send_digits("12")
    wait_until(lambda: scene.modem.tones == "12", 5.0, "keys at the far end")
    call.hangup()
    wait_until(lambda: scene.modem.call is None, 5.0, "hung up at the far end")
    scene.heard_there(call)


@pytest.mark.row("Z9")
def test_a_call_to_outside_goes_over_the_modem_when_no_trunk_works(scene: Scene) -> None:
    scene.fresh()
    _outside(scene)
    wait_until(lambda: scene.last()["trunk"] == "mobile modem" and scene.last()["outcome"] == "answered", 5.0, "the record")


def test_a_quectel_has_its_sound_as_well(tmp_path: Path) -> None:
    with ExitStack() as stack:
        _outside(Scene(tmp_path, stack, "quectel"))


def test_the_box_tries_the_modem_with_a_call_of_its_own(scene: Scene) -> None:
    scene.fresh()
    scene.box.rpc("trunks.test", trunk="mobile modem", to="202 555 0177")
    done = wait_until(lambda: (test := scene.box.status()["line_test"])["state"] in {"ended", "failed"} and test, 40.0, "the end of the test call")
    assert (done["state"], done["cause"], done["heard"]) == ("ended", "", True)
    assert f"ATD{MOBILE};" in scene.modem.asked
    assert len(scene.modem.heard) > 16_000, "a sentence was said"
    with pytest.raises(BoxError):
        scene.box.rpc("trunks.test", trunk="mobile modem", to="911")
    assert "ATD911;" not in scene.modem.asked


def test_a_busy_number_is_told_as_busy(scene: Scene) -> None:
    scene.fresh("busy")
    assert scene.dial("2025550199").wait("DISCONNECTED", 10.0).code == 486


def test_a_call_comes_in_where_the_site_says_and_the_caller_hears_the_phone(scene: Scene) -> None:
    scene.fresh()
    scene.modem.ring(MOBILE)
    call = scene.phones[0].incoming()
    assert MOBILE in call.message.uri_of("from")
    call.answer()
    scene.both_hear(call)
    scene.modem.drop()
    call.wait("DISCONNECTED", 5.0)
    scene.heard_there(call)
    wait_until(lambda: (scene.last()["direction"], scene.last()["from_number"], scene.last()["trunk"]) == ("in", MOBILE, "mobile modem"), 5.0, "the record")


def test_a_caller_who_gives_up_stops_the_ringing(scene: Scene) -> None:
    scene.fresh()
    scene.modem.ring(MOBILE)
    call = scene.phones[0].incoming()
    scene.modem.drop()
    call.wait("DISCONNECTED", 10.0)


@pytest.mark.row("Z9")
@pytest.mark.row("L1", "L3")
def test_911_goes_over_the_modem_and_the_centre_calls_back_to_whoever_called(scene: Scene) -> None:
    scene.fresh("rings")
    call = scene.dial("911", phone=1).wait("EARLY", 3.0)
    wait_until(lambda: "ATD911;" in scene.modem.asked, 10.0, "911 dialled by the modem")
    scene.modem.pick_up()
    call.wait("CONFIRMED", 10.0)
    scene.both_hear(call)
    notice = scene.box.rpc("emergency.notices")["notices"][0]
    assert (notice["path"], notice["location_sent"], notice["callback_number"]) == ("mobile modem", False, SIM)
    assert notice["outcome"] == "connected"
    call.hangup()
    scene.heard_there(call)
    entries = [entry for entry in _journal(scene.box) if entry["session"] == notice["session"]]
    answered = next(entry for entry in entries if entry["event"] == "answered")
    assert (answered["path"], answered["location"], answered["callback"]) == ("mobile modem", False, SIM)
    wait_until(lambda: scene.modem.call is None, 5.0, "the modem idle")
    # Its own number leads to 201; the centre's call is for 202 all the same, after a kill as well.
    scene.box.kill9()
    scene.box.start()
    scene.ready()
    scene.modem.ring("911")
    back = scene.phones[1].incoming(15.0).answer()
    scene.both_hear(back)
    back.hangup()


@pytest.mark.parametrize("late", ["OK", "NO CARRIER"])
def test_an_emergency_takes_the_modem_from_an_ordinary_call(scene: Scene, late: str) -> None:
    scene.fresh()
    scene.modem.late = late
    ordinary = scene.dial("2025550199").wait("CONFIRMED", 15.0)
    urgent = scene.dial("911", phone=1).wait("CONFIRMED", 10.0)
    ordinary.wait("DISCONNECTED", 5.0)
    assert scene.modem.call is not None
    assert scene.modem.call.number == "911"
    scene.both_hear(urgent)
    # And keeps it.
    assert scene.dial("2025550198").wait("DISCONNECTED", 10.0).code == 503
    assert urgent.state == "CONFIRMED"
    urgent.hangup()


def test_a_modem_that_says_nothing_is_passed_over(scene: Scene) -> None:
    scene.fresh()
    scene.modem.deaf = True
    scene.carrier.plan = [answer()]
    call = scene.dial("911").wait("CONFIRMED", 15.0)
    call.wait_heard(10)
    call.hangup()
    wait_until(lambda: _alarm(scene.box, "modem"), 30.0, "the alarm")
    scene.modem.deaf = False
    scene.ready()
    wait_until(lambda: not _alarm(scene.box, "modem"), 5.0, "the end of the alarm")


def test_garbage_in_mid_call_is_not_heard_and_ends_nothing(scene: Scene) -> None:
    scene.fresh()
    call = scene.dial("2025550199").wait("CONFIRMED", 15.0)
    for junk in (b"\xff\x00\xfe" * 400, b"\r\n+CLCC: 9,9,9\r\n+CLCC\r\n", b"x" * 5000 + b"\r\n", b"\r\nOK\r\nERROR\r\n> "):
        scene.modem.raw(junk)
    scene.both_hear(call)
    call.hangup()
    scene.heard_there(call)


def test_a_modem_unplugged_in_mid_call_ends_it_and_the_next_911_takes_another_way(scene: Scene) -> None:
    scene.fresh()
    call = scene.dial("2025550199").wait("CONFIRMED", 15.0)
    scene.modem.unplug()
    call.wait("DISCONNECTED", 5.0)
    scene.carrier.plan = [answer()]
    urgent = scene.dial("911").wait("CONFIRMED", 10.0)
    urgent.hangup()
    assert _alarm(scene.box, "modem") is not None
    scene.modem.plug()
    scene.ready()
    scene.carrier.plan = [refuse(503)]
    _outside(scene)
