"""Home, from what the engine said last: the sentence, the ways out, what needs somebody, today."""

import time
from types import SimpleNamespace

import pytest
from flask import g

from tests.support.sites import add_trunk
from tests.support.web import Web, office
from webui.app import create_app
from webui.areas.diag import health
from webui.areas.home.needs import needs
from webui.areas.home.picture import address, clock, headline, numbers, ways_out, works
from webui.areas.home.today import today
from webui.areas.home.views import whole
from webui.config import Config
from webui.engine import State

CLOCK = {"name": "clock", "level": "look", "sentence": "The clock was never set", "cure": "Let it reach a time server", "share": None}
DISK = {"name": "disk", "level": "bad", "sentence": "50 MB are free", "cure": "Delete old voicemail", "share": 0.99}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    site = office(3)
    for name in ("acme", "north", "west"):
        add_trunk(site, name, f"{name}.example", 5060)
    site["outbound"] = {"trunks": ["north", "acme"]}
    with Web(tmp_path_factory.mktemp("home"), site, start=False) as web:
        yield create_app(Config(web.data, web.box.control))


@pytest.fixture(autouse=True)
def signed_in(app):
    with app.test_request_context("/home/"):
        g.account, g.preferences, g.token = SimpleNamespace(id="administrators.dana", role="administrator", name="Dana"), None, "t"
        yield


def trunk(id, state="up", calls=0, reason=""):
    return {"id": id, "name": id.title(), "host": f"{id}.example", "state": state, "reason": reason, "calls": calls, "max_calls": 0, "emergency_armed": True}


def notice(**more):
    return {
        "id": "n1", "session": "s", "test": False, "started_unix_s": time.time(), "dialled": "911", "service": "sos", "device": "d", "extension": "201",
        "source_ip": "192.0.2.9",
        "callback_number": "+15550100", "location": "Room 3", "location_sent": True, "path": "acme", "outcome": "connected", "durable": True, "note": "",
        "acknowledged_by": "", "acknowledged_unix_s": None,
    } | more  # fmt: skip


def state(up=True, notices=(), absent=(), **more):
    status = {
        "version": "1", "pid": 1, "uptime_s": 60.0, "site": "x", "revision": 1, "unconfirmed": None, "mode": "normal", "rescue_reason": "",
        "addresses": ["udp:127.0.0.1:5060", "udp:192.168.20.2:5060"], "devices": 3, "devices_registered": 3, "registrations": 3, "calls": 2, "free_legs": 500,
        "trunks": [trunk("acme"), trunk("north"), trunk("west")], "emergency": {"armed": True, "reasons": [], "active": [], "last": None}, "crashes": 0,
        "alarms": [], "missing": [], "health": {"level": "ok", "problems": [], "at_unix_s": 1.8e9},
    } | more  # fmt: skip
    now = time.monotonic()
    return State(
        status=status, registrations={"registrations": [], "absent": list(absent)}, notices={"notices": list(notices)}, messages={"mailboxes": [], "fault": ""},
        health={"clock": "set"}, at={"status": now}, up=up,
    )  # fmt: skip


EMERGENCY = {"armed": True, "reasons": [], "active": [notice()], "last": None}


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        (state(), "ok", "Calls and 911 work."),
        (State(), "bad", "does not answer"),
        (state(up=False), "bad", "is away"),
        (state(emergency=EMERGENCY), "bad", "calling 911 now"),
        (state(mode="rescue"), "bad", "Emergency and local calls only"),
        (state(trunks=[trunk("acme", "down"), trunk("north", "disabled")]), "bad", "Calls outside do not"),
        (state(emergency={**EMERGENCY, "active": [], "armed": False}), "warn", "911 is not ready"),
        (state(trunks=[trunk("acme", "down"), trunk("north")]), "warn", "One line is down"),
        (state(health={"level": "bad", "problems": [DISK], "at_unix_s": 1.0}), "warn", "The machine needs somebody"),
    ],
)
def test_one_sentence_says_how_the_box_is_the_worst_first(told, kind, words):
    shape, sentence = headline(told)
    assert shape == kind
    assert words in sentence
    assert words in whole(told), "the page stands with it"


def test_ways_out_stand_in_the_order_calls_take_them():
    told = state(trunks=[trunk("acme", calls=2), trunk("north", "down", reason="503 Busy"), trunk("west", "disabled")])
    assert [(way.href, way.kind, way.word, way.look) for way in ways_out(told)] == [
        ("/lines/trunks/north", "bad", "Down", "cut"),
        ("/lines/trunks/acme", "ok", "In use, 2 calls", "live"),
        ("/lines/trunks/west", "off", "Switched off", ""),
    ]
    assert ways_out(told)[0].via == "503 Busy"
    assert address(told) == "192.168.20.2"
    assert address(state(addresses=["udp:127.0.0.1:5060"])) == ""


def test_what_works_is_explained_only_when_not_all_does():
    assert works(state()) == []
    some = {service.name: (service.kind, service.notice) for service in works(state(trunks=[trunk("acme", "down"), trunk("north")]))}
    assert some["Calls inside"][0] == "ok"
    assert some["Outside calls"] == ("warn", "They leave over North.")
    assert "Acme" in some["Calls from outside"][1]
    none = {service.name: service.kind for service in works(state(trunks=[trunk("acme", "down")]))}
    assert (none["Outside calls"], none["Calls from outside"], none["Calls to 911"]) == ("bad", "bad", "bad")


def test_the_modem_is_the_last_way_out_and_what_it_saves_is_said():
    modem = {"state": "ready", "fault": "", "operator": "Acme Mobile", "network": "4G", "signal_dbm": -71, "roaming": False, "calls": True}
    told = state(trunks=[trunk("acme", "down")], cellular=modem)
    last = ways_out(told)[-1]
    assert (last.href, last.name, last.via, last.kind, last.word) == ("/lines/modem", "Mobile modem", "Acme Mobile 4G", "ok", "Ready")
    assert headline(told)[1] == "Every line is down. Calls inside work, and 911 goes over the modem."
    saved = {service.name: (service.kind, service.word) for service in works(told)}
    assert saved["Calls to 911"] == ("warn", "Go over the modem")
    assert saved["Outside calls"][0] == "bad", "it is for emergency calls alone"
    assert "Mobile modem" in whole(told)
    assert ways_out(state(trunks=[trunk("acme")], cellular=modem | {"state": "none"}))[-1].name == "Acme"


def test_every_number_leads_to_what_makes_it():
    found = {number.label: (number.value, number.of, number.href) for number in numbers(state(health={"level": "look", "problems": [CLOCK], "at_unix_s": 1.0}))}
    assert found["phones registered"] == ("3", "3", "/phones/")
    assert found["calls now"][::2] == ("2", "/calls/now")
    assert found["the machine"][::2] == ("look", "/diag/health")


def test_what_needs_somebody_has_its_cure_the_worst_first():
    alarm = {"code": "trunk-down:north", "sentence": "The trunk North is down: 503", "hint": "check the carrier", "since_unix_s": 1.0}
    absent = [{"device": f"d{n}", "sip_user": str(n), "extension": str(n), "name": f"Phone {n}"} for n in range(6)]
    told = state(
        alarms=[alarm], health={"level": "bad", "problems": [CLOCK, DISK], "at_unix_s": 1.0}, absent=absent,
        emergency={"armed": False, "reasons": ["No location is set up: the dispatcher gets no address"], "active": [], "last": None},
    )  # fmt: skip
    found = needs(told)
    assert [need.kind for need in found] == sorted((need.kind for need in found), key=("bad", "warn", "info", "off").index)
    by = {need.title: need for need in found}
    assert by["The trunk North is down: 503."].href == "/lines/trunks/north"
    assert by["Disk: 50 MB are free."].detail == "Delete old voicemail."
    assert by["Disk: 50 MB are free."].button == "Open voicemail"
    assert by["Clock: The clock was never set."].href == "/diag/health"
    assert by["No location is set up."].href == "/emergency/"
    silent = by["6 phones are not registered"]
    assert silent.detail == "Phone 0, Phone 1, Phone 2, Phone 3 and 2 more. Nothing rings there." and silent.href == "/diag/"
    assert "Nothing needs you." in whole(state())


def test_the_page_of_health_tells_of_the_board_and_of_what_is_around_it():
    power = {"name": "power", "level": "bad", "sentence": "The power supply gave the board too little voltage", "cure": "Use its own", "share": None}
    alarm = {"code": "trunk-down:north", "sentence": "The trunk North is down: 503", "hint": "check the carrier", "since_unix_s": 1.0}
    absent = [{"device": "d1", "sip_user": "1", "extension": "1", "name": "Door"}]
    told = state(alarms=[alarm], absent=absent)
    told.health.update(checks=[power], history=[])
    page = health.whole(told)
    for words in (
        "<b>Power supply</b>",
        "gave the board too little voltage.",
        "The trunk North is down: 503.",
        "/lines/trunks/north",
        "Door. Nothing rings there.",
    ):
        assert words in page, words
    calm = state()
    calm.health.update(checks=[power], history=[])
    assert "No line is down, and every phone is registered." in health.whole(calm)


def test_today_tells_what_happened_the_newest_first():
    told = state(notices=[notice(started_unix_s=time.time() + 1), notice(started_unix_s=time.time() - 3 * 86400, location="Long ago")])
    texts = [event.text for event in today(told)]
    assert texts[0] == "911 from Room 3"
    assert any(text.startswith("tests applied changes") for text in texts)
    assert not any("Long ago" in text for text in texts)


def test_an_emergency_call_stands_beside_the_ways_out_and_names_are_text():
    shown = whole(state(emergency={**EMERGENCY, "active": [notice(location="<script>alert(1)</script>")]}))
    assert "Nobody has acknowledged" in shown
    assert "<script" not in shown and "&lt;script&gt;" in shown


def test_the_clock_is_trusted_only_when_it_was_set():
    assert "time server" in clock(state())
    assert clock(State()) == ""
