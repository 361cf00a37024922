"""What is wrong? Each cause is named with its cure."""

import json

import pytest

from appliance.app.diagnosis import diagnose
from appliance.sip.admission import Refused
from appliance.site import snapshot
from appliance.site.document import parse
from appliance.types import Address, Transport
from tests.support.sites import make_site
from tests.unit.state.samples import call

NOW, WALL = 5000.0, 1_800_000_000.0
PHONE = Address("192.168.20.88", 5060, Transport.UDP)
LISTENING = (Address("192.168.20.2", 5060, Transport.UDP), Address("192.168.20.2", 5061, Transport.TLS))


def _compiled(change=lambda site: None):
    site = make_site(3)
    change(site)
    made, secrets = parse(site)
    return snapshot.compile(made, 1, secrets)


def _refused(reason, username="201", at_s=NOW - 10, method="REGISTER"):
    return Refused(method, reason, username, PHONE, "Acme T1", at_s, 403)


def _findings(refusals=(), there=(), calls=(), change=lambda site: None):
    snap = _compiled(change)
    registered = {entry.id for entry in snap.devices.values() if entry.sip_user in there}
    return diagnose(snap, refusals, registered, calls, LISTENING, NOW, WALL)


ALL = ("201", "202", "203")
REST = ("202", "203")


def test_nothing_is_wrong():
    assert _findings(there=ALL) == []


@pytest.mark.row("E14")
@pytest.mark.row("Z7")
@pytest.mark.parametrize(
    ("reason", "username", "cause", "cure"),
    [
        ("wrong-password", "201", "another password than its SIP password", "not an older one, nor the one with which User 201 signs in to these pages"),
        ("unknown-user", "dana", "no phone of this site has that user name", "Type the SIP user name that Phones shows"),
        ("wrong-domain", "201", "in another domain than holdfast.test", "Type holdfast.test as domain and registrar"),
        ("wrong-realm", "201", "in another domain than holdfast.test", "Type holdfast.test"),
        ("replayed", "201", "repeats an old answer", "Restart the phone"),
        ("malformed", "201", "cannot be understood (malformed)", "update the phone"),
    ],
)
def test_why_a_phone_does_not_register(reason, username, cause, cure):
    there = REST if username == "201" else ALL
    (found,) = _findings([_refused(reason, username), _refused(reason, username, NOW - 5)], there)
    assert cause in found["cause"]
    assert cure in found["cure"]
    assert (found["code"], found["times"], found["at_unix_s"], found["username"]) == (reason, 2, WALL - 5, username)
    assert bool(found["device"]) == (username == "201")


def test_an_extension_typed_for_a_user_name_is_recognised():
    def other_name(site):
        next(iter(site["devices"].values()))["sip_user"] = "desk-one"

    (found,) = _findings([_refused("unknown-user", "201")], ("desk-one", "202", "203"), change=other_name)
    assert found["cure"] == "Type desk-one into it, if it is that phone"


def test_what_has_come_right_or_is_old_is_not_told():
    assert _findings([_refused("wrong-password")], ALL) == []
    assert _findings([_refused("unknown-user", "dana", NOW - 100_000)], ALL) == []


def test_a_phone_of_which_nothing_was_heard_names_transports_and_ports():
    (found,) = _findings(there=REST)
    assert found["code"] == "silent"
    assert "another address, port or transport" in found["cause"]
    assert found["cure"].endswith("UDP port 5060 or TLS port 5061")


def test_a_phone_that_is_switched_off_here():
    def off(site):
        next(iter(site["devices"].values()))["enabled"] = False

    (found,) = _findings(there=REST, change=off)
    assert found["code"] == "switched-off"


@pytest.mark.row("E14")
@pytest.mark.row("E6")
def test_dialling_without_a_flow_names_who_and_the_cure():
    calls = [call("s1", caller="201", called="5550188", dialled="5550188", outcome="no-flow", started_unix_s=WALL - 60)]
    calls.append(call("s0", caller="201", outcome="no-flow", started_unix_s=WALL - 200_000))
    (found,) = _findings(there=ALL, calls=calls)
    assert found["cause"] == "201 dialled 5550188, but no flow is set for User 201"
    assert found["cure"] == "Choose a flow for User 201 under People"


@pytest.mark.row("Z7")
def test_calls_that_sounded_bad_are_one_finding_for_each_fault_of_a_side():
    fault = {"code": "loss", "listener": "202", "speaker": "201 Ann", "side": "caller", "line": False, "value": 6.0, "cause": "202 lost 6 %", "cure": "Swap it"}
    sound = json.dumps({"score": 3.1, "bad": True, "sides": [{"side": "caller", "name": "201 Ann"}, {"side": "called", "name": "202"}], "findings": [fault]})
    calls = [call(f"s{n}", outcome="answered", started_unix_s=WALL - 60 * n, bad_sound=True, sound=sound) for n in (1, 2)]
    calls.append(call("s3", outcome="answered", started_unix_s=WALL - 200_000, bad_sound=True, sound=sound))
    calls.append(call("s4", outcome="answered", started_unix_s=WALL - 60, bad_sound=True, sound="{"))
    (found,) = _findings(there=ALL, calls=calls)
    assert (found["code"], found["username"], found["times"], found["call"]) == ("loss", "201 Ann", 2, "s1")
    assert (found["cause"], found["cure"]) == ("202 lost 6 %", "Swap it")


def test_a_text_to_an_emergency_number_is_told():
    (found,) = _findings([_refused("emergency-text", method="MESSAGE")], ALL)
    assert "no text can reach" in found["cause"]
