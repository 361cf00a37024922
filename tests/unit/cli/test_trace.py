"""holdfast trace: ladders that line up, raw messages, the list of calls, following."""

from __future__ import annotations

import io
import json

import pytest
from rich.cells import cell_len
from rich.console import Console

from appliance.cli import trace as trace_module
from appliance.cli.ladder import ASCII, ladder
from appliance.cli.output import Screen
from appliance.sip.trace import TraceEntry, TraceSnapshot, to_message
from appliance.types import Address, SessionId

BOX, DANA, ELI = Address("192.0.2.1", 5060), Address("192.0.2.20", 5062), Address("192.0.2.30", 5064)
HOSTILE = "\x1b[2J[red]Eve[/]\u202e"


def sip(first: str, call_id: str, cseq: str = "1 INVITE", extra: str = "") -> bytes:
    head = f"{first}\r\nFrom: <sip:205@box>;tag=1\r\nTo: <sip:206@box>\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{extra}\r\n"
    return head.encode()


def forked() -> TraceSnapshot:
    """205 calls 206 through the box; both dialogs are one session."""
    steps = [
        (False, DANA, sip("INVITE sip:206@box SIP/2.0", "near")),
        (True, DANA, sip("SIP/2.0 401 Unauthorized", "near")),
        (
            False,
            DANA,
            sip(
                "INVITE sip:206@box SIP/2.0",
                "near",
                "2 INVITE",
                'Authorization: Digest username="dana", response="s3cret"\r\nContent-Type: application/sdp\r\n',
            ),
        ),
        (True, ELI, sip("INVITE sip:206@192.0.2.30 SIP/2.0", "far", "7 INVITE", "Content-Type: application/sdp\r\n")),
        (False, ELI, sip("SIP/2.0 180 Ringing", "far", "7 INVITE")),
        (True, DANA, sip("SIP/2.0 180 Ringing", "near", "2 INVITE")),
        (False, ELI, sip("SIP/2.0 486 Busy Here", "far", "7 INVITE")),
        (True, ELI, sip("ACK sip:206@192.0.2.30 SIP/2.0", "far", "7 ACK")),
        (True, DANA, sip("SIP/2.0 486 Busy Here", "near", "2 INVITE")),
    ]
    entries = [TraceEntry(1_700_000_000 + number * 0.25, sent, BOX, remote, data) for number, (sent, remote, data) in enumerate(steps)]
    return TraceSnapshot(entries, {"near": SessionId("s-1"), "far": SessionId("s-1")})


def test_the_ladder_of_a_call_with_both_dialogs():
    messages = forked().answer("s-1")["messages"]
    lines = [line.plain for line in ladder(messages, 96, ASCII)]
    assert lines == [
        "                 192.0.2.20:5062               Holdfast                192.0.2.30:5064",
        "   +0.000               |-------- INVITE --------->|                          |  A",
        "   +0.250               |<--- 401 Unauthorized ----|                          |  A",
        "   +0.500               |----- INVITE (SDP) ------>|                          |  A",
        "   +0.750               |                          |----- INVITE (SDP) ------>|  B",
        "   +1.000               |                          |<------ 180 Ringing ------|  B",
        "   +1.250               |<------ 180 Ringing ------|                          |  A",
        "   +1.500               |                          |<----- 486 Busy Here -----|  B",
        "   +1.750               |                          |---------- ACK ---------->|  B",
        "   +2.000               |<----- 486 Busy Here -----|                          |  A",
        "",
        "A  near",
        "B  far",
    ]


@pytest.mark.parametrize("width", [20, 80, 120, 300])
@pytest.mark.parametrize("label", ["486 " + "x" * 300, "通話中" * 30, HOSTILE * 9, "", "é"])
def test_the_lanes_stay_in_line_whatever_the_label(width, label):
    messages = [m | {"label": label} for m in forked().answer("s-1")["messages"]]
    lines = [line.plain for line in ladder(messages, width)][1:10]
    assert len({cell_len(line) for line in lines}) == 1
    assert all(line.isprintable() for line in lines)


def test_many_parties_each_get_a_column_and_many_dialogs_a_letter():
    entries = [TraceEntry(float(n), True, BOX, Address(f"192.0.2.{n}", 5060), sip("INVITE x SIP/2.0", f"c{n}")) for n in range(30)]
    lines = [line.plain for line in ladder([to_message(entry) for entry in entries], 80)]
    assert all(f"192.0.2.{n}:5060" in lines[0] for n in range(30))
    assert "AD  c29" in lines
    assert ladder([], 80) == []


def test_a_call_as_ladder_raw_and_json(box):
    box.answers["trace"] = forked().answer("205")
    result = box.run("trace", "205")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("2023-11-14 22:13:20  205 to 206, call s-1\n")
    assert "486 Busy Here" in result.output
    assert box.asked == [("trace", {"selector": "205", "limit": 400})]
    raw = box.run("trace", "205", "--raw").output
    assert "--- +0.500 s  udp:192.0.2.1:5060 <- udp:192.0.2.20:5062\nINVITE sip:206@box SIP/2.0\n" in raw
    assert "response=***" in raw
    assert "s3cret" not in raw + box.run("trace", "205", "--json").output
    assert json.loads(box.run("trace", "205", "--json").output) == box.answers["trace"]


def test_what_is_left_out_is_said(box):
    box.answers["trace"] = forked().answer("s-1", limit=4)
    assert box.run("trace", "s-1", "--limit", "4").output.startswith("5 earlier messages are left out")


def test_without_argument_the_latest_calls(box):
    box.answers["trace"] = forked().answer()
    lines = box.run("trace").output.splitlines()
    assert lines[1].split() == ["2023-11-14", "22:13:20", "205", "206", "486", "9", "s-1", "near"]
    box.answers["trace"] = TraceSnapshot((), {}).answer()
    assert box.run("trace").output == "No calls yet.\n"


def test_a_call_nobody_knows_is_a_sentence_and_a_hint(box):
    box.answers["trace"] = TraceSnapshot((), {}).answer("999")
    result = box.run("trace", "999")
    assert (result.exit_code, "No message of 999 is known" in result.stderr) == (1, True)


def test_hostile_messages_are_printed_as_text(box):
    data = sip(f"INVITE sip:{HOSTILE}@box SIP/2.0", HOSTILE, extra=f'Subject: {HOSTILE}\r\nX: "<script>"\r\n')
    box.answers["trace"] = TraceSnapshot([TraceEntry(1.0, False, BOX, DANA, data)], {}).answer(HOSTILE)
    for words in (["trace", "x"], ["trace", "x", "--raw"]):
        output = box.run(*words).output
        assert [c for c in output if c != "\n" and not c.isprintable()] == []
        assert "\\x1b[2J[red]Eve[/]\\u202e" in output
    assert 'X: "<script>"' in output


def test_on_a_terminal_the_labels_are_coloured_and_hostile_text_is_not_markup():
    screen = Screen(Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=110, markup=False, highlight=False, emoji=False))
    messages = [m | {"label": "[blink]" + m["label"]} for m in forked().answer("s-1")["messages"]]
    trace_module._dialogs(messages, screen, raw=False)
    output = screen.console.file.getvalue()
    assert "\x1b[31m [blink]486 Busy Here \x1b[0m" in output


def test_following_shows_what_passes_filtered_and_says_what_was_lost(box, monkeypatch):
    """The subscription is real; it ends when the box stops."""
    messages = [to_message(entry, "s-1") for entry in forked().entries]

    def publish() -> None:
        for message in messages:
            box.server.publish("trace", message)

    real = trace_module.Client.subscribe

    def subscribe_then_publish(self, topic):
        events = real(self, topic)
        box.loop.call_soon_threadsafe(publish)
        for count, event in enumerate(events, 1):
            yield event
            if count == len(messages):
                raise KeyboardInterrupt

    monkeypatch.setattr(trace_module.Client, "subscribe", subscribe_then_publish)
    result = box.run("trace", "--follow")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == 9
    assert lines[0].split() == ["22:13:20.000", "<-", "udp:192.0.2.20:5062", "INVITE", "205", "to", "206", "near"]
    assert len(box.run("trace", "far", "--follow").output.splitlines()) == 4
    shown = [json.loads(line) for line in box.run("trace", "--follow", "--json").output.splitlines()]
    assert shown == messages
    assert "response=***" in box.run("trace", "--follow", "--raw").output
