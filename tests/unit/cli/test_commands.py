"""The holdfast command against a real control server: what it shows, its JSON, its faults, and that no caller's text acts on the terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from appliance.cli.output import Screen, duration, plain
from appliance.cli.status import show
from appliance.control.protocol import METHODS
from appliance.errors import HoldfastError, NotFound

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]Eve[/] <script>alert(1)</script>\r\n\u202eevil\u2028:smile:\x9b31m\ud83d"

NOTICE = {
    "id": "n-1", "session": "s-1", "test": False, "started_unix_s": 1_700_000_000.0, "dialled": "911", "service": "urn:service:sos",
    "device": "dana-desk", "extension": "205",
    "source_ip": "192.0.2.20", "callback_number": "+15550100", "location": "1 Main St, Room 4", "location_sent": True, "path": "acme",
    "outcome": "connected", "durable": True,
    "note": "", "acknowledged_by": "", "acknowledged_unix_s": None,
}  # fmt: skip


def trunk(**changes):
    return {
        "id": "acme",
        "name": "Acme",
        "host": "sip.acme.example",
        "state": "up",
        "reason": "",
        "calls": 2,
        "max_calls": 10,
        "emergency_armed": True,
    } | changes


def status(**changes):
    base = {
        "version": "1.2.3", "pid": 77, "uptime_s": 3700.0, "site": "Main office", "revision": 12, "unconfirmed": None, "mode": "normal", "rescue_reason": "",
        "addresses": ["udp:192.0.2.1:5060", "tcp:192.0.2.1:5060"], "devices": 9, "devices_registered": 7, "registrations": 8, "calls": 3, "free_legs": 490,
        "trunks": [trunk()], "emergency": {"armed": True, "reasons": [], "active": [], "last": None}, "crashes": 0, "alarms": [], "missing": [],
        "line_test": None,
    }  # fmt: skip
    return base | changes


def registration(**changes):
    base = {
        "device": "dana-desk", "sip_user": "dana", "extension": "205", "name": "Dana Reyes", "contact": "sip:dana@192.0.2.20",
        "received": "udp:192.0.2.20:5060",
        "user_agent": "Phone/1.0", "expires_s": 3000, "registered_unix_s": 1.0, "location": "Room 4",
    }  # fmt: skip
    return base | changes


def call(**changes):
    base = {
        "id": "s-1", "call_id": "c@x", "from_number": "205", "from_name": "Dana", "to_number": "206", "to_name": "Eli", "state": "up",
        "since_s": 75.0, "codec": "pcmu",
        "forwarded": True, "emergency": False, "score": None, "bad_sound": None,
    }  # fmt: skip
    return base | changes


def proof(**changes):
    base = {
        "extension": "205", "device": "dana-desk", "dialled": "911", "number": "911", "service": "urn:service:sos", "location": "1 Main St, Room 4",
        "location_source": "manual",
        "civic": {"RD": "Main", "ROOM": "4"}, "callback": "+15550100",
        "paths": [{"id": "acme", "name": "Acme", "state": "up", "armed": True, "uri": "sip:911@sip.acme.example"}],
        "invite": "INVITE sip:911@sip.acme.example SIP/2.0\r\nPriority: emergency\r\n\r\n<pidf/>", "problems": [], "call": None,
    }  # fmt: skip
    return base | changes


# ---- what is shown ----------------------------------------------------------------------------------------------


def test_status_of_a_healthy_box(box):
    box.answers["status"] = status()
    result = box.run("status")
    assert result.exit_code == 0, result.output
    for words in (
        "1.2.3, up 1 h 1 min, process 77", "Main office, revision 12", "normal", "udp:192.0.2.1:5060, tcp:192.0.2.1:5060", "8 (7 of 9 devices)",
        "3 up, 490 legs free",
        "acme   Acme  sip.acme.example  up     2/10   armed",
    ):  # fmt: skip
        assert words in result.output
    for words in ("RESCUE", "ALARM", "Missing", "NOT ARMED", "CALL NOW"):
        assert words not in result.output


def _shown(box, found):
    box.answers["status"] = found
    return box.run("status").output


def test_status_says_when_what_is_in_force_goes_back(box):
    assert "Unconfirmed" not in _shown(box, status())
    said = _shown(box, status(unconfirmed={"revision": 12, "previous": 11, "seconds_left": 200.0, "author": "dana"}))
    assert re.search(r"Unconfirmed +goes back to revision 11 in 3 min 20 s: `holdfast site confirm` keeps it", said)


def test_status_says_all_that_is_wrong_first_what_matters_most(box):
    box.answers["status"] = status(
        mode="rescue",
        rescue_reason="3 crashes in 60 s with revision 13",
        crashes=3,
        missing=["opus"],
        trunks=[trunk(state="down", reason="408 Request Timeout", emergency_armed=False)],
        emergency={"armed": False, "reasons": ["No callback number is set up"], "active": [NOTICE], "last": NOTICE},
        alarms=[{"code": "journal", "sentence": "The disk is full", "hint": "free some space", "since_unix_s": 1_700_000_000.0}],
    )
    output = box.run("status").output
    assert output.startswith("RESCUE: 3 crashes in 60 s with revision 13\n")
    for words in (
        "EMERGENCY CALL NOW: 2023-11-14 22:13:20: 911 from 205 (1 Main St, Room 4), connected, over acme, call back +15550100",
        "NOT ARMED",
        "No callback number is set up",
        "opus",
        "408 Request Timeout",
        "ALARM since 2023-11-14 22:13:20: The disk is full\n  free some space",
    ):
        assert words in output


def test_rescue_is_red_on_a_terminal():
    screen = Screen(Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=120, markup=False, highlight=False, emoji=False))
    show(status(mode="rescue", rescue_reason="crashed"), screen)
    assert "\x1b[1;31mRESCUE: crashed" in screen.console.file.getvalue()


def test_registrations_lists_who_is_there_and_who_is_not(box):
    absent = {"device": "gate", "sip_user": "gate", "extension": "300", "name": "Gate"}
    box.answers["registrations"] = {"registrations": [registration(extension="206", name="Eli"), registration()], "absent": [absent]}
    lines = box.run("registrations").output.splitlines()
    assert lines[0].split() == ["Extension", "Name", "Device", "From", "Expires", "in", "Place", "Phone"]
    assert lines[1].split() == ["205", "Dana", "Reyes", "dana-desk", "udp:192.0.2.20:5060", "50", "min", "0", "s", "Room", "4", "Phone/1.0"]
    assert lines[2].startswith("206")
    assert lines[4] == "Not registered:"
    assert lines[6].split() == ["300", "Gate", "gate", "gate"]
    box.answers["registrations"] = {"registrations": [], "absent": []}
    assert box.run("registrations").output == "No phone is registered.\n"


@pytest.mark.row("E3")
@pytest.mark.row("E4")
def test_sign_in_shows_what_to_type_into_a_phone(box):
    device = {"device": "da", "name": "Ann", "sip_user": "1001", "secret": "sesame-1001"}
    box.answers["devices.sign-in"] = {"domain": "box.test", "servers": ["192.168.1.5:5060"], "devices": [device]}
    shown = box.run("sign-in", "1001").output
    assert box.asked == [("devices.sign-in", {"extension": "1001", "by": ""})]
    for word in ("Ann", "1001", "sesame-1001", "box.test", "192.168.1.5:5060"):
        assert word in shown


def test_calls_in_progress_and_past(box):
    box.answers["calls"] = {"calls": [call(), call(id="s-2", emergency=True, codec="", forwarded=False, state="ringing")]}
    output = box.run("calls").output
    assert "s-1   205 Dana  206 Eli  up                 1 min 15 s  pcmu   forwarded" in output
    assert "EMERGENCY ringing" in output
    past = {
        "id": "s-0", "direction": "outgoing", "from_number": "205", "from_name": "", "to_number": "+15550100", "started_unix_s": 1_700_000_000.0, "talk_s": 0.0,
        "outcome": "busy", "code": 486, "trunk": "acme", "path": ["flow menu", "ask: 1 -> sales"], "sound": None,
    }  # fmt: skip
    box.answers["calls.history"] = {"calls": [past, past | {"outcome": "answered", "code": 200, "talk_s": 61.0}]}
    output = box.run("calls", "--history", "5").output
    assert "busy (486)" in output
    assert "flow menu; ask: 1 -> sales" in output
    assert "answered" in output
    assert "1 min 1 s" in output
    asked = {"limit": 5, "before": 0, "search": "", "user": "", "direction": "", "outcome": "", "call": ""}
    assert box.asked[-1] == ("calls.history", asked | {"bad_sound": False, "since_unix_s": 0.0, "until_unix_s": 0.0})
    box.run("calls", "--history", "5", "--search", "dana 0188")
    assert box.asked[-1][1]["search"] == "dana 0188"
    output = box.run("calls", "history", "--bad-sound", "--from", "2026-05-30", "--to", "2026-05-31").output
    assert "flow menu" in output
    asked = box.asked[-1][1]
    assert (asked["bad_sound"], asked["until_unix_s"] - asked["since_unix_s"]) == (True, 2 * 86400)
    assert box.run("calls", "history", "--from", "yesterday").exit_code == 2
    box.answers["calls"] = {"calls": []}
    assert box.run("calls").output == "No calls.\n"


def test_how_a_call_sounds(box):
    way = {"packets": 500, "lost_percent": 6.1, "jitter_ms": 31.0, "score": 2.9}
    unknown = {"packets": 500, "lost_percent": None, "jitter_ms": None, "score": None}
    side = {"side": "caller", "name": "205 Dana", "line": False, "codec": "pcmu", "sends": way, "gets": unknown, "rtt_ms": None, "gap_s": 0.12,
            "hears_lost_percent": None, "hears_score": None, "forwarded": True}  # fmt: skip
    finding = {"code": "loss", "listener": "206", "speaker": "205", "side": "caller", "line": False, "value": 6.1, "cause": "206 lost 6 %", "cure": "Swap it"}
    sound = {"score": 2.9, "bad": True, "sides": [side], "findings": [finding]}
    box.answers["calls.sound"] = {"call": "s-1", "up": False, "sound": sound, "step_s": 5.0, "course": []}
    output = box.run("calls", "show", "s-1").output
    assert output.startswith("206 lost 6 %.\n  Swap it.\n")
    assert re.search(r"205 Dana to the box\s+2\.9\s+6\.1 %\s+31 ms\s+500", output)
    assert re.search(r"the box to 205 Dana\s+not told\s+not told", output)
    box.answers["calls.sound"] = {"call": "s-1", "up": False, "sound": None, "step_s": 0.0, "course": []}
    assert box.run("calls", "show", "s-1").output.startswith("Its sound was not measured")


def test_hangup_also_with_the_box_named_before_the_word(box):
    box.answers["calls.hangup"] = {"call": "s-1"}
    assert box.run("calls", "hangup", "s-1").output == "Call s-1 is told to end.\n"
    other = box.run("calls", "--control", "/nowhere/control.sock", "hangup", "s-1")
    assert (other.exit_code, "/nowhere/control.sock" in other.output) == (1, True)
    assert box.asked == [("calls.hangup", {"call": "s-1"})]
    box.answers["calls.hangup"] = NotFound("No call s-9 is up", "`holdfast calls` lists them")
    result = box.run("calls", "hangup", "s-9")
    assert (result.exit_code, result.output) == (1, "No call s-9 is up\n  `holdfast calls` lists them\n")


def test_a_call_is_begun_for_somebody_and_sent_on(box):
    box.answers["calls.originate"] = {"call": "s-3"}
    assert box.run("calls", "dial", "201", "+12125550100").output == "Call s-3 begins: the phones of 201 ring.\n"
    box.answers["calls.transfer"] = {"call": "s-3"}
    assert box.run("calls", "transfer", "s-3", "205", "--by", "201").output == "Call s-3 goes on to 205.\n"
    assert box.asked == [
        ("calls.originate", {"extension": "201", "to": "+12125550100"}),
        ("calls.transfer", {"call": "s-3", "to": "205", "by": "201"}),
    ]
    box.answers["calls.page"] = {"call": "s-4", "phones": 3}
    assert box.run("calls", "page", "front", "205", "--phone", "201").output == "Call s-4 begins: the phones of 201 ring, then 3 phones listen.\n"
    assert box.run("calls", "page", "--everybody", "--say", "Lunch").output == "Call s-4: 3 phones listen.\n"
    assert [sent for _, sent in box.asked[2:]] == [
        {"to": ["front", "205"], "everybody": False, "phone": "201", "text": "", "audio": "", "seconds": 120},
        {"to": [], "everybody": True, "phone": "", "text": "Lunch", "audio": "", "seconds": 120},
    ]
    refused = box.run("calls", "dial", "201", "not a number")
    assert refused.exit_code == 1
    assert "to:" in refused.output
    assert json.loads(box.run("calls", "transfer", "s-3", "205", "--json").stdout) == {"call": "s-3"}


@pytest.mark.row("E13")
def test_the_emergency_proof_shows_everything_and_its_exit_code_is_its_verdict(box):
    box.answers["emergency.test"] = proof()
    result = box.run("emergency", "test", "205")
    assert result.exit_code == 0, result.output
    assert box.asked == [("emergency.test", {"extension": "205", "call": False})]
    for words in (
        "911 (urn:service:sos)",
        "1 Main St, Room 4 (manual)",
        "+15550100",
        "sip:911@sip.acme.example",
        "  Priority: emergency\n",
        "  <pidf/>\n",
        "The proof holds.",
    ):
        assert words in result.output
    box.answers["emergency.test"] = proof(paths=[], problems=[{"path": "trunks", "sentence": "There is no way out", "hint": "add a trunk"}])
    result = box.run("emergency", "test", "205")
    assert result.exit_code == 1
    assert "WRONG: There is no way out (trunks)\n  add a trunk\n" in result.output
    assert "The proof holds" not in result.output


@pytest.mark.parametrize(("answered", "words", "code"), [(True, "was answered after 1.2 s", 0), (False, "was NOT answered: 503 busy", 1)])
def test_the_test_call_is_placed_only_when_asked_for(box, answered, words, code):
    outcome = {"answered": answered, "path": "acme", "code": 200 if answered else 503, "reason": "" if answered else "busy", "setup_s": 1.23}
    box.answers["emergency.test"] = proof(call=outcome)
    result = box.run("emergency", "test", "205", "--call")
    assert (result.exit_code, words in result.output) == (code, True)
    assert box.asked == [("emergency.test", {"extension": "205", "call": True})]
    assert box.run("emergency", "test", "205", "--json").exit_code == code


def test_notices_and_acknowledging(box):
    box.answers["emergency.notices"] = {"notices": [NOTICE, NOTICE | {"id": "n-0", "location_sent": False, "test": True}]}
    output = box.run("emergency", "notices").output
    assert "1 Main St, Room 4 (not sent)" in output
    assert "911 TEST" in output
    box.answers["emergency.acknowledge"] = {"notice": NOTICE | {"acknowledged_by": "Dana"}}
    assert box.run("emergency", "acknowledge", "n-1", "--by", "Dana").output == "Notice n-1 was seen by Dana.\n"
    assert box.asked[-1] == ("emergency.acknowledge", {"notice": "n-1", "by": "Dana"})


# ---- JSON and faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "method", "answer"),
    [
        (["status"], "status", status(site=HOSTILE)),
        (["registrations"], "registrations", {"registrations": [registration(name=HOSTILE)], "absent": []}),
        (["calls"], "calls", {"calls": [call(from_name=HOSTILE)]}),
        (["calls", "--history", "1"], "calls.history", {"calls": []}),
        (["calls", "hangup", "s-1"], "calls.hangup", {"call": "s-1"}),
        (["trace"], "trace", {"messages": [], "call_ids": [], "left_out": 0, "calls": []}),
        (["emergency", "test", "205"], "emergency.test", proof(location=HOSTILE)),
        (["emergency", "notices"], "emergency.notices", {"notices": [NOTICE]}),
    ],
)
def test_json_is_the_answer_itself_and_ascii(box, words, method, answer):
    box.answers[method] = answer
    result = box.run(*words, "--json")
    assert result.exit_code == 0, result.output
    assert result.output.isascii()
    assert "\x1b" not in result.output
    assert json.loads(result.output) == answer


def test_no_box_is_one_sentence_with_a_hint_and_no_traceback(box, tmp_path):
    box.stop()
    for words in (["status"], ["registrations"], ["sign-in", "1"], ["calls"], ["trace"], ["trace", "--follow"],
                  ["emergency", "test", "205"], ["emergency", "notices"]):  # fmt: skip
        result = box.run(*words)
        assert result.exit_code == 1
        assert "No box answers at" in result.stderr
        assert "make run" in result.stderr
        assert "Traceback" not in result.output
        assert result.stdout == ""
    assert json.loads(box.run("status", "--json").stdout)["code"] == "not-running"


def test_a_refusal_of_the_box_is_shown_with_its_hint(box):
    box.answers["emergency.test"] = NotFound("No device has the extension 999", "`holdfast registrations` lists them")
    result = box.run("emergency", "test", "999")
    assert (result.exit_code, result.stderr) == (1, "No device has the extension 999\n  `holdfast registrations` lists them\n")
    answer = json.loads(box.run("emergency", "test", "999", "--json").stdout)
    assert answer == {"code": "not-found", "sentence": "No device has the extension 999", "hint": "`holdfast registrations` lists them"}


def test_the_box_is_found_by_option_environment_and_data_folder(box, tmp_path, monkeypatch):
    box.answers["status"] = status()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "control.sock").symlink_to(box.path)
    assert box.run("status", "--control", str(box.path)).exit_code == 0
    command = [sys.executable, "-m", "appliance.cli.main", "status"]
    base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    for more in ({"HOLDFAST_CONTROL": str(box.path)}, {"HOLDFAST_DATA": str(tmp_path)}):
        done = subprocess.run(command, cwd=ROOT, env=base | more, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(command, cwd=ROOT, env=base, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "/nonexistent/.local/state/holdfast/run/control.sock" in done.stderr) == (1, True)


def test_a_terminal_without_the_characters_of_a_name_still_shows_it(box):
    box.answers["status"] = status(site="Büro 東京")
    env = {"PATH": os.environ["PATH"], "HOLDFAST_CONTROL": str(box.path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "appliance.cli.main", "status"], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "B\\xfcro \\u6771\\u4eac" in done.stdout


# ---- hostile text -----------------------------------------------------------------------------------------------


def harmless(output: str) -> None:
    """Nothing in it acts: only line ends and printable characters, and what was written as markup is still there as text."""
    assert [c for c in output if c != "\n" and not c.isprintable()] == []
    assert "<script>alert(1)</script>" in output
    assert "[bold red]Eve[/]" in output
    assert ":smile:" in output
    assert "\\x1b]0;owned\\x07\\x1b[2J" in output
    assert "\\u202eevil\\u2028" in output


@pytest.mark.parametrize(
    ("words", "method", "answer"),
    [
        (["status"], "status", status(site=HOSTILE)),
        (["status"], "status", status(emergency={"armed": False, "reasons": [HOSTILE], "active": [], "last": None})),
        (["status"], "status", status(trunks=[trunk(reason=HOSTILE)])),
        (["status"], "status", status(alarms=[{"code": "x", "sentence": HOSTILE, "hint": HOSTILE, "since_unix_s": 0.0}])),
        (["registrations"], "registrations", {"registrations": [registration(user_agent=HOSTILE)], "absent": []}),
        (["calls"], "calls", {"calls": [call(from_name=HOSTILE, to_number=HOSTILE)]}),
        (["emergency", "test", "205"], "emergency.test", proof(invite=HOSTILE.replace("\r\n", ""))),
        (["emergency", "notices"], "emergency.notices", {"notices": [NOTICE | {"location": HOSTILE}]}),
        (["calls"], "calls", NotFound(HOSTILE, HOSTILE)),
    ],
)
def test_what_callers_and_phones_wrote_is_printed_as_text(box, words, method, answer):
    box.answers[method] = answer
    harmless(box.run(*words).output)


def test_on_a_terminal_too_hostile_text_is_only_text(box):
    """On a real pseudo-terminal: no escape sequence of the caller's gets through, only the command's own colours."""
    box.answers["calls"] = {"calls": [call(from_name=HOSTILE)]}
    env = {"PATH": os.environ["PATH"], "HOLDFAST_CONTROL": str(box.path), "TERM": "xterm-256color", "COLUMNS": "400", "LANG": "C.UTF-8"}
    output = on_a_terminal(["calls"], env)
    assert "\x1b[" in output  # it is in colour
    for sequence in ("\x1b]0;", "\x07", "\x1b[2J", "\x9b", "\u202e", "\u2028", "\x1b[31m"):
        assert sequence not in output
    assert "<script>alert(1)</script>" in output
    assert "[bold red]Eve[/]" in output


def on_a_terminal(words: list[str], env: dict[str, str]) -> str:
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "appliance.cli.main", *words], cwd=ROOT, env=env, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        output = b""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            output += data
        assert process.wait(10) == 0
    os.close(master)
    return output.decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Zoë 東京", "Zoë 東京"), ("a\tb", "a\\x09b"), ("\x00", "\\x00"), ("\U000e0041", "\\U000e0041"), ("\ud800", "\\ud800"), (5, "5"), ("", "")],
)
def test_plain_keeps_names_and_shows_the_rest(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (7300, "2 h 1 min"), (90_000, "1 d 1 h")])
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_diagnose_says_cause_and_cure(box):
    finding = {"code": "silent", "device": "d", "name": "Desk", "username": "201", "source": "", "user_agent": "", "cause": "It is off", "cure": "Switch it on",
               "at_unix_s": 0.0, "times": 0, "call": ""}  # fmt: skip
    box.answers["diagnosis"] = {"findings": [finding, finding | {"times": 3, "at_unix_s": 1_800_000_000.0}]}
    output = box.run("diagnose").output
    assert output.startswith("It is off.\n  Switch it on.\n")
    assert "3 times, last" in output
    box.answers["diagnosis"] = {"findings": []}
    assert "Nothing is wrong" in box.run("diagnose").output


def test_every_method_has_a_command():
    """What the socket can do, the command can do; a site is edited in its folder, and only put into force by the socket; phones ask for their settings."""
    asked_by_phones, told_by_the_pages = {"phones.first", "phones.settings"}, {"firewall.seen"}
    sources = [path.read_text() for path in (ROOT / "appliance" / "cli").glob("*.py")]
    called = {name for text in sources for name in re.findall(r"\.call\(\s*\"([a-z.-]+)\"", text)}
    assert called == {name for name in METHODS if not name.startswith("site.")} - asked_by_phones - told_by_the_pages | {"site.activate"}


def test_ctrl_c_ends_following_quietly(box):
    env = {"PATH": os.environ["PATH"], "HOLDFAST_CONTROL": str(box.path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "appliance.cli.main", "trace", "--follow"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not box.server.wanted("trace"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_health_says_what_is_wrong_and_its_cure(box):
    check = {"name": "disk", "level": "ok", "sentence": "20.0 GB of 32.0 GB are free", "cure": "", "share": 0.4}
    clock = {"name": "clock", "level": "look", "sentence": "The clock was never set", "cure": "Let it reach a time server", "share": None}
    process = {"name": "engine", "pid": 7, "memory_bytes": 80_000_000, "busy": 0.02, "handles": 60, "most_handles": 1024, "threads": 9}
    found = {
        "level": "look", "at_unix_s": 1.8e9, "checks": [check, clock], "load": [0.1, 0.2, 0.3], "uptime_s": 7300.0, "clock": "never", "processes": [process],
        "history": [],
    }  # fmt: skip
    box.answers["health"] = found
    shown = box.run("health")
    assert shown.exit_code == 0
    assert "well  20.0 GB" in shown.output and "LOOK  The clock was never set\n      Let it reach a time server\n" in shown.output
    assert "2 h 1 min" in shown.output and "80 MB" in shown.output and "60/1024" in shown.output
    box.answers["health"] = found | {"level": "bad"}
    assert box.run("health").exit_code == 1
    assert json.loads(box.run("health", "--json").stdout)["level"] == "bad"
    box.answers["health"] = found | {"at_unix_s": 0.0}
    assert "Nothing was measured yet" in box.run("health").output
    box.answers["status"] = status(health={"level": "look", "problems": [clock], "at_unix_s": 1.8e9})
    assert "HEALTH: The clock was never set\n  Let it reach a time server\n" in box.run("status").output


SYSTEM = {
    "version": "1.2", "uptime_s": 100.0, "machine_uptime_s": 7300.0, "host": "box", "board": "Raspberry Pi 4", "architecture": "aarch64", "system": "Debian 12",
    "board_problem": "", "board_file": {
        "id": "raspberry-pi-4", "name": "Raspberry Pi 4 family", "tested": "none", "console": "ttyS1,115200", "watchdog_s": 15, "status_led": "ACT",
        "links": [{"name": "eth0", "role": "lan", "up": True}, {"name": "wlan0", "role": "wan", "up": False}],
        "modem_at": ["/dev/ttyUSB2"], "modem_audio": [],
    },
    "kernel": "6.1", "python": "3.11.2", "cores": 4, "supervised": True, "libraries": [{"name": "Flask", "version": "3.1", "licence": "BSD-3-Clause"}],
}  # fmt: skip


def test_system_says_what_the_box_runs_on_and_is_made_of(box):
    process = {"name": "engine", "pid": 7, "memory_bytes": 80_000_000, "busy": 0.02, "handles": 60, "most_handles": 1024, "threads": 9}
    box.answers |= {"system": SYSTEM, "health": {"processes": [process]}}
    output = box.run("system").output
    for words in ("Holdfast 1.2", "Raspberry Pi 4, box, aarch64, 4 cores", "kernel 6.1", "2 h 1 min", "80 MB", "Flask    3.1      BSD-3-Clause"):
        assert words in output
    for words in ("Raspberry Pi 4 family (raspberry-pi-4), not tested on this kind of board", "eth0 LAN, wlan0 WAN (down)", "Modem    /dev/ttyUSB2 commands"):
        assert words in output
    assert json.loads(box.run("system", "--json").stdout)["processes"] == [process]
    box.answers["system"] = SYSTEM | {"board_file": None, "board_problem": "There is no board file (add one)"}
    assert "Board    none: There is no board file (add one)" in box.run("system").output
    box.answers["system"] = SYSTEM
    box.answers["system.licence"] = {"name": "Flask", "text": "Redistribution \x1b[31m\nand use"}
    assert box.run("system", "--licence", "Flask").output == "Redistribution \\x1b[31m\nand use\n"
    assert box.asked[-1] == ("system.licence", {"name": "Flask"})


def test_a_restart_is_confirmed_and_says_what_it_ends(box):
    box.answers |= {"status": status(calls=2), "box.restart": {"calls": 2}}
    refused = box.run("restart")
    assert (refused.exit_code, "not confirmed" in refused.output) == (1, True)
    assert [name for name, _ in box.asked] == ["status"]
    assert "2 calls end" in box.run("restart", "--whole", "--yes").output
    assert box.asked[-1] == ("box.restart", {"reason": "holdfast restart", "force": False, "whole": True})
    box.answers["box.restart"] = HoldfastError("An emergency call is in progress", "wait", code="emergency-in-progress")
    assert box.run("restart", "--yes").exit_code == 1
