"""Recordings and opening hours over the API: sounds in and out, texts spoken, what is open when, and who uses an object."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.api import Api, refused

HOURS = {
    "name": "Desk", "periods": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "08:30", "end": "17:00"}],
    "holidays": [{"day": "12-25", "name": "Christmas"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sounds") / "a.mp3"
    subprocess.run(["sox", "-n", "-r", "22050", path, "synth", "2", "sine", "440", "vol", "0.5"], check=True)
    return Path(path).read_bytes()


def test_a_sound_goes_in_and_comes_out(api: Api, tone: bytes) -> None:
    made = api.ask("PUT", "/audio/welcome/sound?name=Welcome", raw=tone, Content_Type="audio/mpeg")
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/audio/welcome")
    item = made.json()
    assert item["name"] == "Welcome"
    assert item["seconds"] == pytest.approx(2, abs=0.1)
    wav = api.get("/audio/welcome/sound")
    assert wav.headers["Content-Type"] == "audio/wav"
    assert wav.content[:4] == b"RIFF"
    assert len(wav.content) == item["bytes"]
    again = api.ask("PUT", "/audio/welcome/sound?name=Other", raw=wav.content, Content_Type="application/octet-stream")
    assert (again.status_code, again.json()["name"], again.json()["sha256"]) == (200, "Welcome", item["sha256"])
    api.ok("PUT", "/mailboxes/front", {"name": "Front", "greeting": "welcome"}, If_None_Match="*")
    (listed,) = [each for each in api.ok("GET", "/sounds")["items"] if each["id"] == "welcome"]
    assert listed["uses"] == ["mailboxes.front.greeting"]
    assert api.ok("GET", "/uses/audio/welcome") == {"uses": [{"path": "mailboxes.front.greeting", "words": "greeting of Front"}]}
    refused(api.get("/uses/audios/welcome"), 404)


def test_what_is_no_sound_changes_nothing(api: Api, client: Callable[..., Api], tone: bytes) -> None:
    said = refused(api.ask("PUT", "/audio/letter/sound", raw=b"Dear all", Content_Type="audio/wav"), 422, "sound-unknown")
    assert "WAV, MP3" in said["hint"]
    refused(api.ask("PUT", "/audio/letter/sound", raw=b"", Content_Type="audio/wav"), 400, "empty")
    refused(api.ask("PUT", "/audio/letter/sound", raw=b"{}", Content_Type="application/json"), 415, "media-type")
    refused(api.ask("PUT", "/audio/letter/sound", raw=bytes(61 << 20), Content_Type="audio/wav"), 413, "too-large")
    refused(api.ask("PUT", "/audio/No%20Id/sound", raw=tone, Content_Type="audio/mpeg"), 404)
    refused(client("read").ask("PUT", "/audio/letter/sound", raw=tone, Content_Type="audio/mpeg"), 403)
    refused(api.get("/audio/letter/sound"), 404)
    api.ok("PUT", "/audio/lost", {"name": "Lost", "sha256": "a" * 64}, If_None_Match="*")
    assert "is missing" in refused(api.get("/audio/lost/sound"), 404)["detail"]


def test_the_box_speaks_a_text(api: Api) -> None:
    item = api.ok("POST", "/audio/closed/speech", {"text": "We are closed today.", "name": "Closed"})
    assert item["name"] == "Closed"
    assert item["seconds"] > 0.7
    refused(api.post("/audio/closed/speech", {"text": ""}), 422)
    refused(api.post("/audio/closed/speech", {"text": "Hi", "language": "xx-yy"}), 422, "speech-voice")
    refused(api.post("/audio/closed/speech", {"text": "..."}), 422, "speech-empty")


def test_a_number_says_where_it_leads(api: Api) -> None:
    api.ok("PUT", "/numbers/main", {"number": "+12125550100", "destination": {"kind": "extension", "target": "202"}}, If_None_Match="*")
    api.ok("PUT", "/mailboxes/box-202", {"name": "Of 202", "owner": "user-202"}, If_None_Match="*")
    first, then = api.ok("GET", "/numbers/main/leads")["levels"]
    assert (first[0]["kind"], first[0]["id"], first[0]["lost"]) == ("users", "user-202", False)
    assert then == [{"kind": "mailboxes", "id": "box-202", "words": "mailbox Of 202", "lost": False}]
    refused(api.get("/numbers/none/leads"), 404)


def test_a_schedule_says_what_is_open_when(api: Api) -> None:
    api.ok("PUT", "/schedules/desk", HOURS, If_None_Match="*")
    assert api.ok("GET", "/schedules/desk/outlook?time=2026-12-24T18:00") == {
        "time": "2026-12-24T18:00", "time_zone": api.ok("GET", "/settings")["value"]["time_zone"], "state": "closed", "holiday": None,
        "until": "2026-12-25T00:00", "then": "holiday", "then_until": "2026-12-26T00:00",
    }  # fmt: skip
    assert api.ok("GET", "/schedules/desk/outlook?time=2026-12-25T10:00")["holiday"] == "Christmas"
    assert api.ok("GET", "/schedules/desk/outlook")["state"] in {"open", "closed", "holiday"}
    for wrong in ("noon", "0001-01-01", "9999-12-31T23:59"):
        refused(api.get(f"/schedules/desk/outlook?time={wrong}"), 422)
    refused(api.get("/schedules/none/outlook"), 404)
    api.ok("PUT", "/schedules/odd", {"name": "Odd"}, If_None_Match="*")
    api.web.editor().set("schedules.odd.periods", [{"days": [], "start": "nine", "end": "10:00"}])
    assert refused(api.get("/schedules/odd/outlook"), 422)["problems"][0]["path"] == "schedules.odd.periods[0].start"
