"""The modem as a line: who has it, who waits for it, whom an emergency takes it from, and what its legs are told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from appliance.calls.modem_dial import modem_dial
from appliance.calls.modem_line import BUSY, ModemLine
from appliance.cellular.api import CallChanged, CallState, CallView, CellularError, End, ModemView
from appliance.sip.api import Answered, Ended, MediaChanged, Origin, Progress
from appliance.site.model.modem import Modem, Sim
from appliance.types import MODEM, LegId


class FakeModem:
    """A driver that does at once what it is told, and tells it when `step` is called."""

    def __init__(self):
        self.view, self.told, self.did, self.sound = ModemView(), None, [], None
        self.broken = ""

    def subscribe(self, told):
        self.told = told

    def dial(self, number, *, emergency=False):
        if self.broken:
            raise CellularError(self.broken)
        self.did.append(("dial", number, emergency))
        call = CallView((self.view.call.id if self.view.call else 0) + 1, number, True, CallState.DIALLING)
        self.view = replace(self.view, call=call)
        return call

    def answer(self):
        self.did.append(("answer",))

    def hang_up(self):
        self.did.append(("hang-up",))

    def tones(self, digits):
        self.did.append(("tones", digits))

    def sound_failed(self):
        self.did.append(("sound-failed",))

    def step(self, **changes):
        self.view = replace(self.view, call=replace(self.view.call, **changes))
        self.told(CallChanged(self.view.call))

    def ring(self, number):
        self.view = replace(self.view, call=CallView(9, number, False, CallState.INCOMING))
        self.told(CallChanged(self.view.call))


class FakeLeg:
    def __init__(self, name, invite=None, emergency=False):
        self.id, self.call_id, self.invite, self.emergency = LegId(name), f"{name}@line", invite, emergency
        self.news, self.sounds = [], []

    def happens(self, news):
        self.news.append(news)

    def sound(self, fd):
        self.sounds.append(fd)


class Desk:
    """A line with its modem, and legs by name."""

    def __init__(self, **settings):
        self.modem, self.urgent, self.came = FakeModem(), set(), []
        site = SimpleNamespace(modem=Modem(sim=Sim(number="+12025550188"), **settings), country="US")
        self.line = ModemLine(self.modem, self, lambda: SimpleNamespace(site=site), lambda call_id: call_id in self.urgent)

    def add(self, name, line):
        assert name == MODEM

    def comes_in(self, line, invite):
        leg = FakeLeg("in")
        leg.invite = invite(leg.id)
        self.came.append(leg)
        return leg

    def dial(self, name, number="+12025550199", emergency=False):
        leg = FakeLeg(name, emergency=emergency)
        self.line.dial(leg, modem_dial(number, emergency=emergency))
        return leg

    def over(self, end=End.HUNG_UP):
        self.modem.step(state=CallState.ENDED, end=end)


def test_a_call_is_told_as_a_sip_leg_would():
    desk = Desk()
    leg = desk.dial("a")
    desk.modem.step(taken=True)
    desk.modem.step(state=CallState.ALERTING)
    desk.modem.sound(7)
    desk.modem.step(state=CallState.ACTIVE)
    desk.over(End.FAR_END)
    assert leg.news == [Progress(183), Progress(180), MediaChanged(True, codec="pcm"), Answered(), Ended(200)]
    assert leg.sounds == [7]


@pytest.mark.parametrize(
    ("end", "code", "cause"),
    [(End.BUSY, 486, "busy"), (End.NO_ANSWER, 480, "no-answer"), (End.REFUSED, 503, "unreachable"), (End.MODEM_LOST, 503, "unreachable")],
)
def test_a_call_that_is_not_answered(end, code, cause):
    desk = Desk()
    leg = desk.dial("a")
    desk.over(end)
    (ended,) = leg.news
    assert (ended.code, ended.cause) == (code, cause)


def test_an_emergency_takes_the_modem_and_dials_when_it_is_free():
    desk = Desk()
    ordinary = desk.dial("a")
    desk.modem.step(state=CallState.ACTIVE)
    urgent = desk.dial("b", "911", emergency=True)
    assert ordinary.news[-1].cause == "dropped"
    assert desk.modem.did == [("dial", "+12025550199", False), ("hang-up",)]
    desk.line.hang_up(ordinary)
    assert desk.modem.did[-1] == ("hang-up",), "its own hang-up, late, ends nothing"
    desk.over()
    assert desk.modem.did[2:] == [("dial", "911", True)]
    assert urgent.news == []
    assert desk.dial("c", "911", emergency=True).news == [BUSY], "nor does one emergency end another"


def test_a_call_back_to_an_emergency_is_not_ended_for_another():
    desk = Desk()
    desk.modem.ring("911")
    desk.urgent = {desk.came[0].call_id}
    assert desk.dial("a", "911", emergency=True).news == [BUSY]


def test_an_ordinary_call_waits_for_one_that_hangs_up_and_for_no_other():
    desk = Desk()
    first = desk.dial("a")
    assert desk.dial("b").news == [BUSY]
    desk.line.hang_up(first)
    assert first.news[-1].code == 487
    second = desk.dial("c")
    third = desk.dial("d")
    assert (second.news, third.news) == ([], [BUSY])
    urgent = desk.dial("e", "911", emergency=True)
    assert second.news[-1].code == 503
    assert desk.modem.did.count(("hang-up",)) == 1, "a second one could meet the next call"
    desk.over()
    assert desk.modem.did[-1] == ("dial", "911", True)
    assert urgent.news == []


def test_who_waits_and_gives_up_is_not_dialled():
    desk = Desk()
    desk.line.hang_up(desk.dial("a"))
    waiting = desk.dial("b")
    desk.line.hang_up(waiting)
    desk.over()
    assert [did[0] for did in desk.modem.did] == ["dial", "hang-up"]
    assert waiting.news[-1].code == 487


def test_a_modem_that_cannot_call_says_why():
    desk = Desk()
    desk.modem.broken = "The modem cannot call now: it is absent"
    (ended,) = desk.dial("a", "911", emergency=True).news
    assert (ended.code, ended.reason, ended.cause) == (503, "The modem cannot call now: it is absent", "unreachable")


def test_switched_off_it_is_for_emergencies_alone():
    desk = Desk(enabled=False)
    assert desk.dial("a").news[-1].code == 503
    desk.modem.ring("+12025550143")
    assert desk.came == []
    assert desk.dial("b", "911", emergency=True).news == []
    assert desk.modem.did == [("hang-up",)], "what rings makes room"


@pytest.mark.parametrize(("shown", "number"), [("2025550143", "+12025550143"), ("+442079460000", "+442079460000"), ("", ""), ("911", "911")])
def test_a_call_that_comes_in(shown, number):
    desk = Desk()
    desk.modem.ring(shown)
    (leg,) = desk.came
    invite = leg.invite
    assert (invite.origin, invite.trunk, invite.uri_user, invite.from_user) == (Origin.TRUNK, MODEM, "+12025550188", number)
    desk.line.answer(leg)
    desk.modem.step(state=CallState.ACTIVE)
    desk.line.tones(leg, "5")
    desk.line.sound_failed(leg)
    assert desk.modem.did == [("answer",), ("tones", "5"), ("sound-failed",)]
    desk.over(End.MODEM_LOST)
    assert leg.news[-1].cause == "vanished"
