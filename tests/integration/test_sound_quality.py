"""How calls sound, measured against what a bad cable does to them: forwarded and bridged, live and in the record."""

import contextlib
import os

import pytest

from tests.support import net
from tests.support.badline import BadLine
from tests.support.box import Box
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.sites import make_site, secret

LOST = 10.0


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """201 behind a cable that can be made bad; on the LAN 202, with 201's codec, and 203, with another."""
    if reason := net.privileged():
        pytest.skip(reason)
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("a bad cable needs /dev/net/tun")
    folder = tmp_path_factory.mktemp("sound")
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(net.site_net(phones=3, wan=False))
        line = stack.enter_context(BadLine(site.box, site.phones[0]))
        box = stack.enter_context(Box(folder, make_site(3), bind=(site.box_lan, line.near_ip), ns=site.box))
        port = box.sip[1]
        first = stack.enter_context(PjPhone(folder / "p201", line.far_ip, ns=site.phones[0], codecs=("pcmu",)))
        second = stack.enter_context(PjPhone(folder / "p202", site.phone_ip(1), ns=site.phones[1], codecs=("pcmu",)))
        third = stack.enter_context(PjPhone(folder / "p203", site.phone_ip(2), ns=site.phones[2], codecs=("pcma",)))
        for phone, user, at in ((first, "201", line.near_ip), (second, "202", site.box_lan), (third, "203", site.box_lan)):
            assert phone.register(user, secret(user), (at, port)).ok
        yield box, line, first


def talk(box, line, phone, number):
    """The call is up, and its id at the box."""
    before = {row["id"] for row in box.calls()}
    call = phone.call(f"sip:{number}@{line.near_ip}:{box.sip[1]}").wait("CONFIRMED")
    (session,) = {row["id"] for row in wait_until(lambda: [row for row in box.calls() if row["id"] not in before and row["state"] == "up"], 5, "a call")}
    return call, session


def sound(box, session):
    return box.rpc("calls.sound", call=session)["sound"]


def recorded(box, session):
    (row,) = wait_until(lambda: box.rpc("calls.history", call=session)["calls"], 10, "the record")
    return row["sound"]


@pytest.mark.timeout(150)
def test_loss_jitter_and_round_trip_are_those_of_the_cable_forwarded_and_bridged(office):
    box, line, phone = office
    calls = {number: talk(box, line, phone, number) for number in ("202", "203")}
    clean = {number: wait_until(lambda s=session: (it := sound(box, s)) and it["score"] and it, 20, "a first look") for number, (_, session) in calls.items()}
    for number, heard in clean.items():
        assert heard["findings"] == [], heard
        assert [side["forwarded"] for side in heard["sides"]] == [number == "202"] * 2
        assert heard["score"] > 4.2
    # From here on one packet of ten is lost each way, and those that come are 60 to 120 ms late.
    for way in (line.to_near, line.to_far):
        way.drop_every, way.delay_ms, way.jitter_ms = 10, 60.0, 60.0

    def bad(session):
        heard = sound(box, session)
        caller = heard["sides"][0]
        known = caller["rtt_ms"] and caller["gets"]["lost_percent"] and caller["sends"]["packets"] > 700
        return heard if known and caller["rtt_ms"] > 100 and caller["gets"]["lost_percent"] > 4 else None

    for number, (_, session) in calls.items():
        heard = wait_until(lambda s=session: bad(s), 60, f"the cable seen in the call to {number}")
        caller, called = heard["sides"]
        assert 4 < caller["sends"]["lost_percent"] < LOST + 1
        assert 4 < caller["gets"]["lost_percent"] < LOST + 2
        assert 5 < caller["sends"]["jitter_ms"] < 60
        assert 100 < caller["rtt_ms"] < 400
        assert called["sends"]["lost_percent"] < 0.5
        assert (called["gets"]["lost_percent"] or 0.0) < 1.5  # what came is passed on whole: the fault is on the caller's side
        assert called["hears_score"] < clean[number]["sides"][1]["hears_score"] - 0.3
        assert ("loss", "caller") in {(f["code"], f["side"]) for f in heard["findings"]}
    course = box.rpc("calls.sound", call=calls["202"][1])
    (caller, _) = course["course"]
    assert max(value or 0.0 for value in caller["sent_lost"][1:]) == pytest.approx(LOST, abs=2.5)
    for call, _ in calls.values():
        call.hangup()
    for number, (_, session) in calls.items():
        kept = recorded(box, session)
        assert kept["bad"]
        assert kept["score"] < clean[number]["score"] - 0.3
        assert 4 < kept["sides"][0]["sends"]["lost_percent"] < LOST + 1
    line.mend()
    call, session = talk(box, line, phone, "202")
    call.wait_heard(50)
    call.hangup()
    assert not recorded(box, session)["bad"]
    found = box.rpc("calls.history", bad_sound=True)["calls"]
    assert {row["id"] for row in found} == {session for _, session in calls.values()}


@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", ["202", "203"])
def test_one_way_audio_is_named_with_who_hears_nothing_since_when_and_the_cure(office, number):
    box, line, phone = office
    line.mend()
    line.to_near.drop_every = 1
    try:
        call, session = talk(box, line, phone, number)
        heard = wait_until(lambda: (found := sound(box, session)) and found["bad"] and found, 20, "the finding")
        (finding,) = [each for each in heard["findings"] if each["code"] == "one-way"]
        assert finding["listener"].startswith(number)
        assert finding["speaker"].startswith("201")
        assert finding["cause"].startswith(f"{number} ")
        assert "heard nothing: no packets came from 201" in finding["cause"]
        assert "address" in finding["cure"]
        assert heard["score"] == 1.0
        call.hangup()
        kept = recorded(box, session)
        assert [each["code"] for each in kept["findings"]] == ["one-way"]
        told = [each for each in box.rpc("diagnosis")["findings"] if each["code"] == "one-way"]
        assert told[0]["call"] == session
        assert session in box.cli("diagnose")
    finally:
        line.mend()
