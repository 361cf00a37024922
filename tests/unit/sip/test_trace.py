"""The trace: reading any message, masking secrets, finding a call by what people know of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.protocol import MAX_FRAME, answer
from appliance.sip.trace import TraceEntry, TraceSnapshot, call_id_of, redact, summarise, to_message
from appliance.types import Address, SessionId

BOX, PHONE, OTHER = Address("192.0.2.1", 5060), Address("192.0.2.20", 5062), Address("192.0.2.30", 5064)


def message(
    first: str, call_id: str = "c1@phone", cseq: str = "1 INVITE", caller: str = "1001", callee: str = "1002", extra: str = "", body: str = ""
) -> bytes:
    return (
        f"{first}\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK1\r\nFrom: <sip:{caller}@192.0.2.1>;tag=a\r\nTo: <sip:{callee}@192.0.2.1>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def entry(data: bytes, at_s: float = 0.0, sent: bool = False, remote: Address = PHONE) -> TraceEntry:
    return TraceEntry(at_s, sent, BOX, remote, data)


def ring_of(*entries: TraceEntry) -> TraceSnapshot:
    return TraceSnapshot(entries, {})


def call(number: int, caller: str, callee: str) -> list[TraceEntry]:
    """One call through the box: two dialogs."""
    near, far = f"near-{number}@phone", f"far-{number}@box"
    return [
        entry(message("INVITE sip:x SIP/2.0", near, caller=caller, callee=callee), number),
        entry(message("SIP/2.0 401 Unauthorized", near, caller=caller, callee=callee), number + 0.1, True),
        entry(message("INVITE sip:x SIP/2.0", near, "2 INVITE", caller=caller, callee=callee), number + 0.2),
        entry(message("INVITE sip:x SIP/2.0", far, caller=caller, callee=callee), number + 0.3, True, OTHER),
        entry(message("SIP/2.0 200 OK", far, caller=caller, callee=callee), number + 0.4, False, OTHER),
        entry(message("SIP/2.0 200 OK", near, "2 INVITE", caller=caller, callee=callee), number + 0.5, True),
    ]


# ---- reading ----------------------------------------------------------------------------------------------------


def test_a_request_and_an_answer_are_summarised():
    found = summarise(message("INVITE sip:1002@box SIP/2.0", extra="c: application/sdp\r\n", body="v=0\r\n"))
    assert (found.method, found.status, found.cseq, found.call_id, found.from_user, found.to_user) == ("INVITE", 0, 1, "c1@phone", "1001", "1002")
    assert (found.label, found.first_line) == ("INVITE (SDP)", "INVITE sip:1002@box SIP/2.0")
    found = summarise(message("SIP/2.0 486 Busy Here", cseq="7 INVITE"))
    assert (found.method, found.status, found.cseq, found.label) == ("INVITE", 486, 7, "486 Busy Here")


def test_compact_folded_and_oddly_written_headers_are_read():
    data = b'OPTIONS sip:a SIP/2.0\r\nf: "O\'<sip:evil@x>\\" Brien"\r\n <sip:dana:pw@h>;tag=1\r\nT : tel:+1-555;x=y\r\nI:  abc@d  \r\ncSeQ: 3 OPTIONS\r\n\r\n'
    found = summarise(data)
    assert (found.from_user, found.to_user, found.call_id, found.cseq) == ("dana", "+1-555", "abc@d", 3)


@pytest.mark.parametrize(("uri", "user"), [("<sip:box.example>", ""), ("<urn:service:sos>", "urn:service:sos"), ("sip:911@h;user=phone", "911"), ("", "")])
def test_users_of_unusual_uris(uri, user):
    assert summarise(b"INVITE x SIP/2.0\r\nTo: " + uri.encode() + b"\r\n\r\n").to_user == user


def test_a_call_id_in_a_body_or_another_header_is_not_taken():
    data = b"INVITE x SIP/2.0\r\nX: a\r\n\r\nCall-ID: wrong\r\n"
    assert call_id_of(data) == ""
    assert call_id_of(b"INVITE x SIP/2.0\r\nX-Call-ID: wrong\r\nSubject: i: wrong\r\nI\t: right\r\n\r\n") == "right"


@given(st.binary(max_size=600))
def test_any_bytes_can_be_shown(data):
    shape = to_message(entry(data))
    assert json.loads(json.dumps(shape)) == shape


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "support" / "rfc4475").glob("*.dat")), ids=lambda path: path.stem)
def test_the_torture_messages_can_be_shown(path):
    data = path.read_bytes()
    shape = to_message(entry(data))
    assert shape["first_line"]
    assert shape["label"]


@pytest.mark.parametrize(
    "data",
    [
        b"INVITE x SIP/2.0\r\n" + b"sip:a:" * 10_000,
        b"response=" * 7_000,
        b"response" + b" " * 60_000 + b"=" + b" " * 60_000,
        b"Authorization: x" + b"\r\n " * 20_000,
        b"i:" * 30_000,
        b"From: " + b"<" * 60_000,
        b"a=crypto:" + b"inline:" * 9_000,
        b"f:\r\n " * 12_000,
    ],
)
def test_hostile_messages_are_read_in_linear_time(data):
    began = time.process_time()
    to_message(entry(data))
    assert time.process_time() - began < 2.0


# ---- secrets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        'Authorization: Digest username="dana", nonce="n0", response="SECRET", qop=auth',
        "Authorization: Digest username=dana,RESPONSE = SECRET,qop=auth",
        'Proxy-Authorization: Digest username="dana", response=\r\n "SECRET"',
        'Authentication-Info: rspauth="SECRET"',
        "Authorization: Basic SECRET",
        "authorization:\tBearer SECRET",
        "Authorization: Basic\r\n SECRET",
        "Authorization:\r\n Basic SECRET\r\n SECRET",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^20|1:4",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET;inline:SECRET",
        "a=key-mgmt:mikey SECRET",
        "a=ice-pwd:SECRET",
        "k=clear:SECRET",
        "Contact: <sip:dana:SECRET@192.0.2.20>",
        "REFER-TO: sips:dana:SECRET@192.0.2.20",
    ],
)
def test_secrets_never_leave_the_ring(line):
    data = f"INVITE sip:x SIP/2.0\r\n{line}\r\nCall-ID: keep@me\r\n\r\nv=0\r\n{line}\r\n".encode()
    shape = to_message(entry(data))
    assert "SECRET" not in json.dumps(shape)
    assert "***" in shape["text"]
    assert "keep@me" in shape["text"]


def test_what_diagnosis_needs_stays():
    text = redact(b'Authorization: Digest username="dana", realm="box", nonce="n0", response="x", stale=true\r\n')
    assert text == 'Authorization: Digest username="dana", realm="box", nonce="n0", response=***, stale=true\r\n'


def test_a_secret_in_the_request_line_is_masked():
    assert "SECRET" not in json.dumps(to_message(entry(b"INVITE sip:dana:SECRET@h SIP/2.0\r\n\r\n")))


# ---- finding ----------------------------------------------------------------------------------------------------


def linked(*later: TraceEntry) -> TraceSnapshot:
    register = entry(message("REGISTER sip:box SIP/2.0", "reg@phone", "9 REGISTER", "1009", "1009"), 30)
    entries = (*call(1, "1001", "1002"), *call(10, "1003", "+15550100"), *call(20, "1001", "1004"), register, *later)
    links = {call_id: SessionId(f"s-{number}") for number in (1, 10, 20) for call_id in (f"near-{number}@phone", f"far-{number}@box")}
    return TraceSnapshot(entries, links)


@pytest.mark.parametrize(
    ("selector", "call_ids", "count"),
    [
        ("near-1@phone", ["near-1@phone", "far-1@box"], 6),
        ("far-10@box", ["near-10@phone", "far-10@box"], 6),
        ("s-10", ["near-10@phone", "far-10@box"], 6),
        ("1001", ["near-20@phone", "far-20@box"], 6),
        ("1002", ["near-1@phone", "far-1@box"], 6),
        ("15550100", ["near-10@phone", "far-10@box"], 6),
        ("+1 (555) 0100", ["near-10@phone", "far-10@box"], 6),
        ("1009", ["reg@phone"], 1),
        ("1010", [], 0),
        ("100", [], 0),
    ],
)
def test_a_call_is_found_with_all_its_dialogs_by_call_id_session_or_number(selector, call_ids, count):
    found = linked().answer(selector)
    assert (found["call_ids"], len(found["messages"]), found["left_out"]) == (call_ids, count, 0)
    assert [each["at_s"] for each in found["messages"]] == sorted(each["at_s"] for each in found["messages"])
    if selector == "s-10":
        assert {each["session"] for each in found["messages"]} == {"s-10"}


def test_a_dialog_of_no_known_session_is_found_alone():
    found = ring_of(*call(1, "1001", "1002")).answer("near-1@phone")
    assert found["call_ids"] == ["near-1@phone"]


def test_without_selector_the_latest_calls_come_newest_first_with_their_outcome():
    ring = linked(
        entry(message("INVITE sip:x SIP/2.0", "open@phone", caller="1005"), 40), entry(message("SIP/2.0 180 Ringing", "open@phone", caller="1005"), 41, True)
    )
    calls = ring.answer()["calls"]
    assert [(row["session"], row["from_user"], row["to_user"], row["status"], row["messages"]) for row in calls] == [
        ("", "1005", "1002", 0, 2),
        ("s-20", "1001", "1004", 200, 6),
        ("s-10", "1003", "+15550100", 200, 6),
        ("s-1", "1001", "1002", 200, 6),
    ]
    assert len(ring.answer(limit=2)["calls"]) == 2


def test_a_challenge_is_not_the_outcome_of_a_call():
    ring = ring_of(*call(1, "1001", "1002")[:2])
    assert [row["status"] for row in ring.answer()["calls"]] == [0]


def test_the_newest_messages_are_kept_within_the_limit_and_the_frame():
    ring = ring_of(*(entry(message("OPTIONS x SIP/2.0", "o@x"), number) for number in range(50)))
    found = ring.answer("o@x", limit=10)
    assert ([each["at_s"] for each in found["messages"]], found["left_out"]) == ([*range(40, 50)], 40)
    worst = message("OPTIONS x SIP/2.0", "o@x", body="\x01" * 15_000)
    ring = ring_of(*(entry(worst, number) for number in range(300)))
    found = ring.answer("o@x", limit=2000)
    assert 0 < len(found["messages"]) == 300 - found["left_out"]
    assert len(answer(1, found)) < MAX_FRAME


def test_an_empty_header_does_not_mask_the_next():
    assert redact(b"Authorization:\r\nCall-ID: a@b\r\n") == "Authorization:\r\nCall-ID: a@b\r\n"
