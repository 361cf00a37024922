"""What goes on, over the API: phones, calls begun and ended, history, traces, emergency, voicemail, simulations; with real phones."""

from __future__ import annotations

import io
import json
import re
import struct
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.sound import header, save, silence
from tests.support.api import TLS, Api, refused
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.sites import secret
from tests.support.tone import PROOF, tone_fraction
from tests.support.web import Web, office

SECOND = struct.pack("<8000h", *[3000, -3000] * 4000)


def leave(folder: Path, id: str, seconds: int) -> None:
    """A message as it lies on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{id}.json").write_text(json.dumps({"caller": "+15550123", "caller_name": "<b>Zoë</b>", "session": "s1", "started_unix_s": 1.7e9}))
    (folder / f"{id}.wav").write_bytes(header(8000, len(SECOND) * seconds) + SECOND * seconds)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    site = office(4)
    site["mailboxes"] = {"box-201": {"name": "Of 201", "owner": "user-201"}, "sales": {"name": "Sales"}}
    with Web(tmp_path_factory.mktemp("api"), site, start=False) as made:
        for id, seconds in (("m1", 70), ("m2", 2), ("m3", 1)):
            leave(made.data / "voicemail" / "box-201", id, seconds)
        made.box.start()
        made.start()
        yield made


@pytest.fixture(scope="module")
def phones(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, PjPhone]]:
    """Registered phones by extension; 201 rings until somebody picks up."""
    made: dict[int, PjPhone] = {}
    for number in (201, 202, 203):
        made[number] = PjPhone(tmp_path_factory.mktemp(f"p{number}"), answers=(180,) if number == 201 else (180, 200))
        assert made[number].register(str(number), secret(number), web.box.sip).ok
    yield made
    for phone in made.values():
        phone.close()


def test_phones_that_are_there_and_that_are_not(api: Api, phones: dict[int, PjPhone]) -> None:
    status = api.ok("GET", "/status")
    assert (status["site"], status["devices"], status["devices_registered"]) == ("Tidewater Family Clinic", 4, 3)
    assert isinstance(api.ok("GET", "/alarms")["alarms"], list)
    first = api.ok("GET", "/registrations?limit=2")
    rest = api.ok("GET", f"/registrations?limit=2&cursor={first['next']}")
    assert [row["extension"] for row in first["items"] + rest["items"]] == ["201", "202", "203"]
    assert rest["next"] is None
    assert [row["extension"] for row in api.ok("GET", "/registrations/absent")["items"]] == ["204"]


def test_a_call_is_begun_transferred_and_ended_and_is_in_the_history(web: Web, api: Api, client: Callable[..., Api], phones: dict[int, PjPhone]) -> None:
    mine = client("calls", "read")
    answer = mine.post("/calls", {"extension": "201", "to": "202"})
    assert answer.status_code == 202, answer.text
    call = answer.json()["call"]
    assert answer.headers["Location"] == f"/api/v1/calls/{call}"
    ringing = phones[201].incoming().wait("EARLY")
    assert mine.ok("GET", f"/calls/{call}")["state"] == "ringing"
    ringing.answer()
    at_202 = phones[202].incoming().wait("CONFIRMED")
    ringing.wait_heard(100)
    assert tone_fraction(ringing.recording, seconds=1) >= PROOF
    (row,) = wait_until(lambda: [row for row in mine.ok("GET", "/calls")["items"] if row["state"] == "up"], 5, "the call is up")
    assert (row["id"], row["from_number"], row["to_number"]) == (call, "201", "202")

    refused(mine.post(f"/calls/{call}/transfer", {"to": "911"}), 422, "emergency-number")
    refused(mine.post(f"/calls/{call}/transfer", {"to": "203", "by": "204"}), 409, "not-a-party")
    refused(mine.post(f"/calls/{call}/transfer", {"to": "20 3"}), 422, "document")
    assert mine.post(f"/calls/{call}/transfer", {"to": "203"}).status_code == 202
    at_203 = phones[203].incoming().wait("CONFIRMED")
    at_202.wait("DISCONNECTED")
    at_203.wait_heard(50)
    assert mine.ok("POST", f"/calls/{call}/hangup") == {"call": call}
    for end in (ringing, at_203):
        end.wait("DISCONNECTED")
    wait_until(lambda: mine.ok("GET", "/calls")["items"] == [], 5, "the call is over")
    for path in (f"/calls/{call}", "/calls/none"):
        refused(mine.get(path), 404, "not-found")
    refused(mine.post(f"/calls/{call}/hangup"), 404, "not-found")
    refused(mine.post(f"/calls/{call}/transfer", {"to": "203"}), 404, "not-found")

    (past,) = wait_until(lambda: mine.ok("GET", "/history?limit=1")["items"], 5, "the record")
    assert (past["id"], past["from_number"], past["to_number"], past["outcome"]) == (call, "201", "202", "answered")
    ladder = mine.ok("GET", f"/trace?of={call}")
    assert {message["method"] for message in ladder["messages"]} >= {"INVITE", "BYE"}
    assert any(row["session"] == call for row in mine.ok("GET", "/trace")["calls"])
    assert mine.ok("GET", "/trace?of=never-heard-of")["messages"] == []


def test_what_cannot_be_begun_is_said_at_once(api: Api, phones: dict[int, PjPhone]) -> None:
    for number in ("911", "9911", "112", "933", "urn:service:sos"):
        said = refused(api.post("/calls", {"extension": "201", "to": number}), 422, "emergency-number")
        assert "a person at a phone dials it" in said["hint"]
    refused(api.post("/calls", {"extension": "299", "to": "202"}), 404, "not-found")
    refused(api.post("/calls", {"extension": "204", "to": "202"}), 409, "unreachable")
    for body in ({}, {"extension": "201"}, {"extension": 201, "to": "202"}, {"extension": "201", "to": "<script>"}, {"extension": "201", "to": "202", "x": 1}):
        said = refused(api.post("/calls", body), 422, "document")
        assert said["problems"]
    assert api.ok("GET", "/calls")["items"] == []
    assert phones[201].no_call()


def test_phones_are_paged(api: Api, client: Callable[..., Api], phones: dict[int, PjPhone]) -> None:
    refused(client("read").post("/pages", {"everybody": True, "text": "x"}), 403, "scope")
    mine = client("calls", "read")
    for body, status, code in (
        ({}, 422, "page"), ({"to": ["202"]}, 422, "page"), ({"to": ["202"], "everybody": True, "phone": "201"}, 422, "page"),
        ({"to": ["999"], "text": "x"}, 404, "not-found"), ({"to": ["204"], "text": "x"}, 409, "unreachable"), ({"to": "202"}, 422, "document"),
    ):  # fmt: skip
        refused(mine.post("/pages", body), status, code)
    answer = mine.post("/pages", {"to": ["202", "203"], "phone": "201"})
    assert (answer.status_code, answer.json()["phones"]) == (202, 2)
    call = answer.json()["call"]
    assert answer.headers["Location"] == f"/api/v1/calls/{call}"
    speaks = phones[201].incoming().answer()
    listens = [phones[number].incoming().wait("CONFIRMED") for number in (202, 203)]
    assert listens[0].message.header("Call-Info").endswith(";answer-after=0")
    refused(mine.post(f"/calls/{call}/transfer", {"to": "204"}), 409, "not-up")
    mine.ok("POST", f"/calls/{call}/hangup")
    for end in (speaks, *listens):
        end.wait("DISCONNECTED")
    past = wait_until(lambda: mine.get(f"/history/{call}").is_success and mine.ok("GET", f"/history/{call}"), 5, "the record")
    assert "page: heard on 2 phones" in past["path"]


def test_the_history_in_pages(api: Api, phones: dict[int, PjPhone]) -> None:
    for to in ("204", "204", "204"):
        call = phones[202].call(api.web.box.uri(to))
        wait_until(lambda call=call: call.state == "DISCONNECTED", 8, "the refusal")
    whole = wait_until(lambda: len(found := api.ok("GET", "/history?limit=200")["items"]) >= 3 and found, 5, "the records")
    seen, cursor = [], ""
    while cursor is not None:
        found = api.ok("GET", f"/history?limit=2&cursor={cursor}")
        seen += found["items"]
        cursor = found["next"]
    assert seen == whole
    assert [row["serial"] for row in seen] == sorted((row["serial"] for row in seen), reverse=True)
    refused(api.get("/history?cursor=" + "A" * 100), 422)
    assert {row["outcome"] for row in api.ok("GET", "/history?outcome=unanswered")["items"]} >= {whole[0]["outcome"]}
    assert api.ok("GET", "/history?direction=in")["items"] == []
    assert api.ok("GET", f"/history?search=202 204&until_unix_s={whole[0]['started_unix_s']}")["items"] == [
        row for row in whole[1:] if (row["from_number"], row["to_number"]) == ("202", "204")
    ]
    refused(api.get("/history?direction=sideways"), 422, "document")
    assert api.ok("GET", f"/history/{whole[0]['id']}") == whole[0]
    refused(api.get("/history/none"), 404, "not-found")
    (one, other) = ([row["serial"] for row in api.ok("GET", f"/history?user={user}&limit=200")["items"]] for user in ("user-202", "user-203"))
    assert set(one) >= {row["serial"] for row in whole if row["user"] == "user-202" or row["to_number"] == "202"}
    assert not set(other) & {row["serial"] for row in whole if row["from_number"] == "202" and row["to_number"] == "204"}
    refused(api.get("/history?user=nobody"), 404, "not-found")


def test_what_to_type_what_is_wrong_and_the_proof(api: Api, client: Callable[..., Api], phones: dict[int, PjPhone]) -> None:
    refused(client("read").post("/secrets/sign-in", {"extension": "201"}), 403, "scope")
    said = api.ok("POST", "/secrets/sign-in", {"extension": "201"})
    assert said["devices"] == [{"device": "phone-201", "name": "User 201", "sip_user": "201", "secret": secret(201)}]
    assert api.ok("GET", "/secrets/reveals?limit=1")["items"][0]["who"] == f"token {api.name}"
    refused(api.post("/secrets/sign-in", {"extension": "299"}), 404, "not-found")
    assert any(finding["device"] == "phone-204" for finding in api.ok("GET", "/diagnosis")["findings"]), "it has never signed in"
    proof = api.ok("GET", "/emergency/proof")
    assert proof["cases"] == 0
    assert proof["warnings"][0].startswith("There is no trunk")


def test_an_emergency_call_is_seen_and_acknowledged(api: Api, phones: dict[int, PjPhone]) -> None:
    proof = api.ok("POST", "/emergency/test", {"extension": "202"})
    assert (proof["extension"], proof["dialled"], proof["call"]) == ("202", "911", None)
    assert any(problem["path"] == "trunks" for problem in proof["problems"])
    refused(api.post("/emergency/test", {"extension": "299"}), 404, "not-found")
    refused(api.post("/emergency/test", {"extension": "202", "call": True}), 409, "emergency")  # there is no trunk
    call = phones[202].call(api.web.box.uri("911"))
    wait_until(lambda: call.state == "DISCONNECTED", 20, "without a trunk nobody can be reached")
    (notice,) = wait_until(lambda: api.ok("GET", "/emergency/notices")["items"], 5, "the notice")
    assert (notice["dialled"], notice["extension"], notice["acknowledged_by"]) == ("911", "202", "")
    seen = api.ok("POST", f"/emergency/notices/{notice['id']}/acknowledge")
    assert seen["acknowledged_by"] == f"token {api.name}"
    again = api.ok("POST", f"/emergency/notices/{notice['id']}/acknowledge", {"by": "Somebody else"})
    assert again["acknowledged_by"] == f"token {api.name}", "the first who says so stays"
    refused(api.post("/emergency/notices/none/acknowledge"), 404, "not-found")


def test_messages_are_listed_fetched_heard_and_deleted(api: Api, client: Callable[..., Api]) -> None:
    mine = client("voicemail")
    wait_until(lambda: len(mine.ok("GET", "/voicemail")["items"]) == 3, 10, "the messages")
    first = mine.ok("GET", "/voicemail?mailbox=box-201&limit=1")
    assert [row["id"] for row in first["items"]] == ["m1"]
    assert [row["id"] for row in mine.ok("GET", f"/voicemail?limit=5&cursor={first['next']}")["items"]] == ["m2", "m3"]
    assert mine.ok("GET", "/voicemail/m2")["caller_name"] == "<b>Zoë</b>"
    assert mine.ok("GET", "/voicemail?mailbox=sales")["items"] == []
    for id, seconds in (("m1", 70), ("m2", 2)):  # the first comes in more than one piece
        answer = mine.get(f"/voicemail/{id}/audio")
        assert answer.headers["Content-Type"] == "audio/wav"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{id}.wav"'
        assert len(answer.content) == int(answer.headers["Content-Length"])
        with wave.open(io.BytesIO(answer.content)) as sound:
            assert (sound.getframerate(), sound.getnframes()) == (8000, 8000 * seconds)
    assert mine.ok("GET", "/voicemail/m1")["heard_unix_s"] is None
    assert mine.ok("POST", "/voicemail/m1/heard")["heard_unix_s"]
    assert {"mailbox": "box-201", "new": 2, "old": 1} in mine.ok("GET", "/voicemail-counts")["items"]
    assert mine.ok("POST", "/voicemail/m1/new")["heard_unix_s"] is None
    assert mine.delete("/voicemail/m3").status_code == 204
    gone = (("GET", "/m3"), ("GET", "/m3/audio"), ("POST", "/m3/heard"), ("DELETE", "/m3"), ("GET", "/..%2f..%2fx"), ("GET", "/" + "x" * 300 + "/audio"))
    for method, path in gone:
        refused(mine.ask(method, f"/voicemail{path}"), 404)


def test_a_greeting_is_read_and_forgotten(api: Api, client: Callable[..., Api]) -> None:
    mine = client("voicemail")
    spoken = {"mailbox": "box-201", "kind": "spoken", "recording": "", "seconds": 0.0}
    assert mine.ok("GET", "/mailboxes/box-201/greeting") == spoken
    refused(mine.get("/mailboxes/box-201/greeting/audio"), 404, "not-found")
    save(api.web.data / "voicemail" / "box-201" / "greeting.wav", silence(2))
    assert mine.ok("GET", "/mailboxes/box-201/greeting") == {**spoken, "kind": "own", "seconds": 2.0}
    assert len(mine.get("/mailboxes/box-201/greeting/audio").content) == 32_044
    assert mine.ok("DELETE", "/mailboxes/box-201/greeting") == spoken
    hello = api.web.data / "hello.wav"
    save(hello, silence(1, 16_000))
    put = mine.ask("PUT", "/mailboxes/box-201/greeting", raw=hello.read_bytes(), Content_Type="audio/wav")
    assert put.json() == {**spoken, "kind": "own", "seconds": 1.0}
    refused(mine.ask("PUT", "/mailboxes/box-201/greeting", raw=b"no sound", Content_Type="audio/wav"), 422, "sound-unknown")
    refused(mine.ask("PUT", "/mailboxes/none/greeting", raw=hello.read_bytes(), Content_Type="audio/wav"), 404, "not-found")
    assert mine.ok("DELETE", "/mailboxes/box-201/greeting") == spoken
    for path in ("/mailboxes/none/greeting", "/mailboxes/..%2fx/greeting/audio"):
        refused(mine.get(path), 404)


def test_what_would_become_of_a_call(api: Api) -> None:
    found = api.ok("POST", "/simulations", {"number": "202", "user": "user-201", "people": {"user-202": "busy"}})
    assert found["visits"][0]["flow"] == "house"
    assert found["end"]
    emergency = api.ok("POST", "/simulations", {"number": "911", "user": "user-201"})
    assert emergency["how"] == "emergency"
    refused(api.post("/simulations", {"number": "202", "at": "teatime"}), 422, "situation")
    refused(api.post("/simulations", {"number": "202", "user": "nobody"}), 404, "not-found")
    refused(api.post("/simulations", {"number": "202", "revision": 77}), 404, "not-found")
    for wrong in ({}, {"number": ""}, {"number": "202", "others": "sleeps"}, {"number": "202", "keys": "x"}, {"number": 202}):
        assert api.post("/simulations", wrong).status_code == 422


def test_flows_and_drafts_of_them_are_outlined_and_tried(api: Api) -> None:
    found = api.ok("GET", "/flow-kinds")
    assert {"dial", "prompt"} <= {each["type"] for each in found["kinds"]}
    assert {each["id"] for each in found["starters"]} == {"empty", "ring", "hours", "menu"}
    assert api.ok("POST", "/flow-outlines", {"flow": "house"})["steps"][0]["exits"][0]["state"] == "leads"
    draft = next(each["flow"] for each in found["starters"] if each["id"] == "ring")
    outlined = api.ok("POST", "/flow-outlines", {"flow": "new", "drafts": {"new": draft}})
    assert [problem["path"] for step in outlined["steps"] for problem in step["problems"]] == ["flows.new.steps.ring.settings.targets"]
    draft["steps"]["ring"]["settings"] = {"targets": [{"user": "user-202"}]}
    tried = api.ok("POST", "/simulations", {"flow": "new", "drafts": {"new": draft}})
    assert (tried["visits"][0]["step"], tried["how"]) == ("ring", "answered")
    refused(api.post("/flow-outlines", {"flow": "new"}), 404, "not-found")  # nothing was saved
    refused(api.post("/simulations", {"flow": "new"}), 404, "not-found")
    refused(api.post("/flow-outlines", {"flow": "new", "drafts": {"new": {"steps": 5}}}), 422, "document")


def test_the_box_describes_its_api(web: Web) -> None:
    with httpx.Client(base_url=web.url(), verify=TLS) as anybody:
        described: dict[str, Any] = anybody.get("/api/v1/openapi.json").json()
        assert described["openapi"].startswith("3.1")
        pages = {"/api/v1/": anybody.get("/api/v1/")}
        for path in described["paths"]:
            assert f"<code>{path}</code>" in pages["/api/v1/"].text
        linked = sorted(set(re.findall(r'href="(/api/v1/docs/[a-z-]+)"', pages["/api/v1/"].text)))
        assert len(linked) == len({each["tags"][0] for methods in described["paths"].values() for each in methods.values()})
        pages |= {address: anybody.get(address) for address in linked}
        for address, page in pages.items():
            assert page.headers["Content-Type"].startswith("text/html")
            assert len(page.content) < 60_000, address
            ids = set(re.findall(r'id="([^"]+)"', page.text))
            assert set(re.findall(r'href="#([^"]+)"', page.text)) <= ids, address
            assert "<script" not in page.text
            assert "&lt;code" not in page.text
            assert not re.search(r"""(?:href|src|url|action)\W{1,2}(?:https?:)?//""", page.text), "nothing comes from outside"
