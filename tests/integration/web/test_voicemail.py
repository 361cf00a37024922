"""Voicemail in pages: boxes, messages with their sound in ranges, what is heard, greetings; without a browser."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.api import TLS
from tests.support.proc import wait_until
from tests.support.web import Visitor, Web

BOX = "/flows/mailboxes/one"


@pytest.fixture(scope="module")
def dana(web: Web) -> Visitor:
    visitor = Visitor(web)
    visitor.sign_in()
    return visitor


def raw(visitor: Visitor, path: str, **headers: str) -> httpx.Response:
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    return httpx.get(visitor.web.url(path), headers={"Cookie": cookie, **headers}, verify=TLS, timeout=20.0)


def heard(web: Web) -> dict[str, bool]:
    return {row["id"]: row["heard_unix_s"] is not None for row in web.box.rpc("voicemail.list", mailbox="")["messages"]}


def test_boxes_are_listed_with_what_waits_in_them(web: Web, dana: Visitor) -> None:
    page = wait_until(lambda: (answer := dana.get("/flows/mailboxes")) and "2 new, 0 heard" in answer.text and answer, 10.0, "the counts")
    assert "Box of 202" in page.text
    assert "User 201" in page.text or "user-201" in page.text
    assert "No voicemail box matches" in dana.get("/flows/mailboxes?q=nothing").text


def test_a_box_shows_its_messages_the_newest_first_and_names_are_text(dana: Visitor) -> None:
    page = dana.get(BOX).text
    assert page.index("m2.wav") < page.index("m1.wav")
    assert "m3.wav" not in page
    assert "Zoë &lt;b&gt;" in page
    assert "1 min 10 s" in page


def test_sound_comes_whole_and_in_ranges(dana: Visitor) -> None:
    path = f"{BOX}/messages/m1.wav"
    whole = raw(dana, path)
    size = 44 + 70 * 16_000
    assert (whole.status_code, len(whole.content), whole.headers["Accept-Ranges"]) == (200, size, "bytes")
    assert whole.content[:4] == b"RIFF"
    assert "Content-Disposition" not in whole.headers
    assert raw(dana, f"{path}?save=1").headers["Content-Disposition"] == 'attachment; filename="m1.wav"'
    for asked, start, stop in (("0-99", 0, 100), ("1048570-1048600", 1048570, 1048601), (f"{size - 5}-", size - 5, size), ("-7", size - 7, size)):
        part = raw(dana, path, Range=f"bytes={asked}")
        assert (part.status_code, part.content) == (206, whole.content[start:stop]), asked
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
    beyond = raw(dana, path, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert raw(dana, path, Range="pages=1-2").status_code == 200


def test_what_is_played_is_heard_and_can_be_new_again(web: Web, dana: Visitor) -> None:
    raw(dana, f"{BOX}/messages/m2.wav")
    assert heard(web) == {"m1": False, "m2": False, "m3": False}, "fetching alone marks nothing"
    csrf = dana.get(BOX).csrf
    part = dana.ask("POST", f"{BOX}/messages/m2/mark", {"to": "heard"}, X_CSRF=csrf, X_Requested_With="holdfast")
    assert (part.status, "Mark as new" in part.text, "<html" in part.text) == (200, True, False)
    assert heard(web)["m2"]
    assert dana.post(f"{BOX}/messages/m2/mark", {"to": "new", "back": "//evil.example"}, page=BOX).headers["location"] == BOX
    assert not heard(web)["m2"]


def test_an_id_of_another_box_is_no_message_of_this_one(web: Web, dana: Visitor) -> None:
    for path in (f"{BOX}/messages/m3.wav", f"{BOX}/messages/m3/delete", f"{BOX}/messages/none.wav", "/flows/mailboxes/none/messages/m3.wav"):
        assert dana.get(path).status == 404, path
    for path in (f"{BOX}/messages/m3/mark", f"{BOX}/messages/m3/delete", "/flows/mailboxes/none/greeting"):
        assert dana.post(path, {"to": "heard"}, page=BOX).status == 404, path
    assert heard(web)["m3"] is False


def test_a_message_is_deleted_after_a_question(web: Web, dana: Visitor) -> None:
    asked = dana.get("/flows/mailboxes/two/messages/m3/delete")
    assert "Nobody can bring it back" in asked.text
    gone = dana.post("/flows/mailboxes/two/messages/m3/delete", {}, page="/flows/mailboxes/two")
    assert (gone.status, gone.headers["location"]) == (303, "/flows/mailboxes/two")
    assert "m3" not in heard(web)
    assert "No messages" in dana.get("/flows/mailboxes/two").text


def test_a_greeting_is_brought_played_and_removed(web: Web, dana: Visitor, tmp_path: Path) -> None:
    assert "The box speaks a greeting" in dana.get(BOX).text
    sound = tmp_path / "hello.mp3"
    subprocess.run(["sox", "-n", str(sound), "synth", "2", "sine", "440"], check=True)

    def bring(name: str, content: bytes) -> httpx.Response:
        cookie = "; ".join(f"{key}={value}" for key, value in dana.cookies.items())
        data = {"csrf": dana.get(BOX).csrf}
        return httpx.post(web.url(f"{BOX}/greeting"), headers={"Cookie": cookie}, data=data, files={"sound": (name, content)}, verify=TLS, timeout=60.0)

    for name, content, words in (("x.wav", b"no sound at all", "no sound file the box knows"), ("", b"", "Choose a sound file first"),
                                 ("long.wav", _wav(190), "at most 180 s")):  # fmt: skip
        refused = bring(name, content)
        assert (refused.status_code, words in refused.text) == (422, True), (name, refused.text.split("sound-e")[-1][:300])
    assert bring("hello.mp3", sound.read_bytes()).status_code == 303
    assert web.box.rpc("voicemail.greeting", mailbox="one")["kind"] == "own"
    assert raw(dana, f"{BOX}/greeting.wav", Range="bytes=0-3").content == b"RIFF"
    assert "Callers hear the greeting of this box" in dana.get(BOX).text
    assert dana.post(f"{BOX}/greeting/remove", {}, page=BOX).status == 303
    assert web.box.rpc("voicemail.greeting", mailbox="one")["kind"] == "spoken"


def _wav(seconds: int) -> bytes:
    pcm = bytes(8000 * 2 * seconds)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", len(pcm) + 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16, b"data", len(pcm)) + pcm


def test_a_box_is_made_changed_and_deleted(web: Web, dana: Visitor) -> None:
    right = {"name": "Sales <i>", "owner": "", "extension": "603", "pin": "7294", "max_message_seconds": "60", "max_messages": "5", "email": "s@example.org"}
    assert "Write a whole number" in dana.post("/flows/mailboxes/new", {**right, "max_messages": "x"}).text
    assert "is not an e-mail address" in dana.post("/flows/mailboxes/new", {**right, "email": "sales"}).text
    assert "among the first an attacker tries" in dana.post("/flows/mailboxes/new", {**right, "pin": "1111"}).text
    done = dana.post("/flows/mailboxes/new", right)
    assert done.headers.get("location") == "/flows/mailboxes/sales-i/settings", done.text.split("<main")[1][:3000]
    assert "Not applied yet" in dana.get("/flows/mailboxes/sales-i").text
    assert web.editor().show("mailboxes.sales-i").value["email"] == "s@example.org"
    page = dana.get("/flows/mailboxes/sales-i/settings")
    version = page.text.split('name="version" value="')[1].split('"')[0]
    assert "602 belongs to Box of 202" in dana.post("/flows/mailboxes/sales-i/settings", {**right, "extension": "602", "version": version}).text
    assert dana.post("/flows/mailboxes/sales-i/delete", {"version": version}, page="/flows/mailboxes/sales-i/settings").status == 303
    assert "sales-i" not in web.editor().show("mailboxes").value


def test_a_users_page_has_his_boxes(dana: Visitor) -> None:
    page = dana.get("/people/users/user-201/voicemail").text
    assert "m1.wav" in page
    assert "m3.wav" not in page
    assert "No voicemail box" in dana.get("/people/users/user-203/voicemail").text
    assert 'value="user-203" selected' in dana.get("/flows/mailboxes/new?owner=user-203").text
    assert dana.get("/people/users/nobody/voicemail").status == 404


def test_without_the_engine_it_says_so(web: Web, dana: Visitor) -> None:
    web.box.stop()
    try:
        page = wait_until(lambda: (answer := dana.get(BOX)) and "The phone engine does not answer" in answer.text and answer, 20.0, "the note")
        assert page.status == 200
        assert dana.get(f"{BOX}/messages/m1.wav").status == 503
    finally:
        web.box.start()
