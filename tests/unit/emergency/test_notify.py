"""Notices of emergency calls: what status shows of them and how they read."""

from dataclasses import replace

import pytest

from appliance.emergency.notify import NoticeRegister, sentence
from appliance.events.emergency import EmergencyNotice
from appliance.types import DeviceId, SessionId

NOTICE = EmergencyNotice(
    id="n1",
    session=SessionId("s1"),
    test=False,
    dialled="9911",
    service="911",
    started_unix_s=1e9,
    started_s=5.0,
    device=DeviceId("desk"),
    extension="1001",
    callback_number="+12125550101",
    location="Office, 12 State Street, Floor 2",
    location_sent=True,
    path="carrier",
)


def test_a_live_notice_becomes_a_recent_one_when_the_call_is_over():
    register = NoticeRegister()
    register.put(NOTICE)
    connected = register.update("n1", outcome="connected", path="second")
    assert connected is not None and connected.path == "second"
    assert (register.live(), register.recent()) == ((connected,), ())
    ended = register.update("n1", outcome="ended")
    assert (register.live(), register.recent()) == ((), (ended,))


def test_the_latest_come_first_and_only_so_many_are_kept_but_never_a_live_one_dropped():
    register = NoticeRegister(kept=2)
    for number in range(5):
        register.put(replace(NOTICE, id=f"live-{number}"))
        register.put(replace(NOTICE, id=f"over-{number}", outcome="ended"))
    assert [notice.id for notice in register.recent()] == ["over-4", "over-3"]
    assert [notice.id for notice in register.live()] == [f"live-{number}" for number in range(5)]
    assert register.update("over-0", outcome="failed") is None


@pytest.mark.row("L2")
def test_the_sentence_says_who_where_and_how_it_stands():
    where = "Office, 12 State Street, Floor 2; callback +12125550101"
    assert sentence(NOTICE) == f"EMERGENCY CALL (9911) from extension 1001; {where}; is being put through over carrier"


@pytest.mark.row("L5")
def test_a_test_is_marked_as_one():
    said = sentence(replace(NOTICE, test=True, dialled="933"))
    assert said.startswith("TEST of the emergency route (933)")
    assert "EMERGENCY CALL" not in said


def test_what_the_dispatcher_was_not_told_is_said():
    assert sentence(replace(NOTICE, location_sent=False, outcome="connected")).endswith("is connected over carrier; the location was not sent with the call")
    unknown = sentence(replace(NOTICE, device=None, extension="", location="", callback_number="", path="", outcome="failed"))
    assert unknown == "EMERGENCY CALL (9911) from an unknown phone; location unknown; did not get through on any path"
