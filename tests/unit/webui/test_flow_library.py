"""Schedules and recordings as pages: what is typed becomes hours and sounds, what is wrong is said at its place, and nothing that is used goes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appliance.site.media import media_path
from appliance.sound import load
from tests.support.pages import Pages
from tests.support.web import DANA, PASSWORD, office
from webui.areas.flows.hours import clock

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
HOURS = {
    "name": "Front desk",
    "periods": [{"days": WEEKDAYS, "start": "08:30", "end": "17:00"}],
    "holidays": [{"day": "12-25", "name": "Christmas"}, {"day": "2026-12-24", "name": "Eve", "open": [["09:00", "12:00"]]}],
}
NIGHT = {"name": "Night shift", "periods": [{"days": ["fri"], "start": "22:00", "end": "06:00"}]}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Any:
    site = office()
    site["time_zone"] = "America/New_York"
    site["schedules"] = {"desk": HOURS, "night": NIGHT}
    site["flows"] = {
        "menu": {
            "name": "Main menu", "start": "hours",
            "steps": {"hours": {"type": "schedule", "settings": {"schedule": "desk"}, "exits": {"open": "end", "closed": "end"}}, "end": {"type": "hang-up"}},
        }
    }  # fmt: skip
    return Pages(tmp_path_factory.mktemp("library"), site)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder, made = tmp_path_factory.mktemp("sounds"), {}
    for name, hz in (("welcome.mp3", "440"), ("bye.wav", "600")):
        subprocess.run(["sox", "-n", "-r", "22050", folder / name, "synth", "2", "sine", hz, "vol", "0.5"], check=True)
        made[name] = (folder / name).read_bytes()
    return made


@pytest.fixture(autouse=True)
def _clean(pages: Pages) -> Any:
    yield
    if pages.editor().pending():
        pages.editor().discard()


def hours_form(*periods: tuple[list[str], str, str], holidays: tuple[dict[str, str], ...] = (), **more: Any) -> dict[str, Any]:
    form: dict[str, Any] = {"form": "ScheduleForm", "name": "Hours"}
    for n, (days, start, end) in enumerate(periods):
        form |= {f"periods:{n}:day": days, f"periods:{n}:start": start, f"periods:{n}:end": end}
    for n, holiday in enumerate(holidays):
        form |= {f"holidays:{n}:{part}": value for part, value in {"day": "", "name": "", "open": "", **holiday}.items()}
    return {**form, **more}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("9", "09:00"), ("9:30", "09:30"), ("0930", "09:30"), ("9.30", "09:30"), ("17h15", "17:15"), (" 24:00 ", "24:00"), ("5 pm", "17:00"),
        ("12 a.m.", "00:00"), ("12:30PM", "12:30"), ("25:00", ""), ("24:01", ""), ("13 pm", ""), ("9:60", ""), ("", ""), ("noon", ""),
        ("\u0669:\u0660\u0660", ""), ("<script>", ""),
    ],
)  # fmt: skip
def test_times_are_read_the_way_people_write_them(typed: str, found: str) -> None:
    assert clock(typed) == found


def test_the_list_says_what_is_open_and_who_uses_it(pages: Pages) -> None:
    shown = pages.get("/flows/schedules/")
    assert shown.status == 200
    assert "Times are those of America/New_York" in shown.words
    assert "Mon-Fri 08:30-17:00" in shown.words
    assert "step hours of the flow Main menu" in shown.words
    assert re.search(r"(Open|Closed)( for a holiday)? until", shown.words)
    assert "Night shift" not in pages.get("/flows/schedules/?q=front").words


def test_a_new_schedule_is_made_of_what_was_typed(pages: Pages) -> None:
    form = hours_form((WEEKDAYS, "8.30", "5 pm"), (["sat"], "9", "12"), ([], "", ""), holidays=(
        {"day": "2026-12-25", "yearly": "on", "name": "Christmas"}, {"day": "2026-12-24", "name": "Eve", "open": "9-12, 14:00\u201316:00"}, {"day": ""},
    ))  # fmt: skip
    answer = pages.post("/flows/schedules/new", {**form, "name": "Büro"})
    assert answer.status == 303, answer.words
    held = pages.editor().show("schedules.buro").value
    assert held["periods"] == [{"days": WEEKDAYS, "start": "08:30", "end": "17:00"}, {"days": ["sat"], "start": "09:00", "end": "12:00"}]
    assert held["holidays"] == [
        {"day": "12-25", "name": "Christmas", "open": []},
        {"day": "2026-12-24", "name": "Eve", "open": [["09:00", "12:00"], ["14:00", "16:00"]]},
    ]
    assert "New, not applied" in pages.get("/flows/schedules/").words


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (hours_form((WEEKDAYS, "8:30", "25:00")), "Line 1: “25:00” is not a time of day."),
        (hours_form((WEEKDAYS, "8:30", "")), "Line 1: a time is missing."),
        (hours_form(([], "8:30", "9")), "Line 1: no day is chosen."),
        (hours_form((WEEKDAYS, "24:00", "9")), "Line 1: 24:00 is the end of a day."),
        (hours_form(holidays=({"day": "someday", "name": "X"},)), "Line 1: “someday” is not a day."),
        (hours_form(holidays=({"day": "", "name": "X"},)), "Line 1: a day is missing."),
        (hours_form(holidays=({"day": "2026-12-24", "open": "mornings"},)), "Line 1: “mornings” are not hours."),
        (hours_form(holidays=({"day": "2026-12-24"}, {"day": "2026-12-24"})), "Line 2: 2026-12-24 is listed already."),
        (hours_form((WEEKDAYS, "<script>alert(1)</script>", "9")), "is not a time of day."),
        (hours_form(name="x" * 81), "Is longer than 80 characters."),
    ],
)
def test_what_is_wrong_is_said_at_its_line_and_nothing_typed_is_lost(pages: Pages, form: dict[str, Any], said: str) -> None:
    shown = pages.post("/flows/schedules/new", form)
    assert shown.status == 200
    assert said in shown.words
    assert "<script>alert" not in shown.text
    for name, value in form.items():
        if isinstance(value, str) and value and "<" not in value:
            assert f'"{value}"' in shown.text, name
    assert not pages.editor().pending()


def test_lines_come_and_go_without_losing_the_others(pages: Pages) -> None:
    form = hours_form((WEEKDAYS, "7:15", "16"), (["sun"], "10", "11"), act="periods:0:add")
    shown = pages.post("/flows/schedules/desk", form)
    assert shown.text.count(':start"') == 3
    assert '"7:15"' in shown.text
    shown = pages.post("/flows/schedules/desk", {**form, "act": "periods:0:remove"})
    assert '"7:15"' not in shown.text
    assert '"10"' in shown.text
    assert pages.post("/flows/schedules/desk", {**form, "act": "periods:99999:remove"}).status == 200
    assert not pages.editor().pending()


def test_the_week_is_a_picture_and_a_table_in_words(pages: Pages) -> None:
    shown = pages.get("/flows/schedules/night")
    assert 'aria-label="Friday 22:00 to 24:00, line 1"' in shown.text
    assert 'data-vars="--a:91.67%;--w:8.33%"' in shown.text
    assert 'aria-label="Saturday 00:00 to 06:00, line 1"' in shown.text
    assert "Sun Sunday closed" in shown.words


@pytest.mark.parametrize(
    ("day", "time", "said"),
    [
        ("2026-12-24", "18:00", ("Thursday 24 December 2026, 18:00", "Closed: holiday Eve", "Closed for a holiday until Sat 00:00, then closed until Mon 28")),
        ("2026-12-24", "10", ("Open Eve", "Open until 12:00, then closed for a holiday until Sat 00:00.")),
        ("2026-11-17", "16:00", ("Open until 17:00, then closed until Wed 08:30.",)),
        ("2026-11-20", "18:00", ("Closed until Mon 08:30, then open until Mon 17:00.",)),
        ("2026-02-30", "18:00", ("Choose a day and a time",)),
        ("", "", ("Choose a day and a time",)),
    ],
)
def test_a_day_and_a_time_can_be_tried(pages: Pages, day: str, time: str, said: tuple[str, ...]) -> None:
    holidays = ({"day": "2026-12-25", "yearly": "on"}, {"day": "2026-12-24", "name": "Eve", "open": "9-12"})
    shown = pages.post("/flows/schedules/desk", hours_form((WEEKDAYS, "8:30", "17"), holidays=holidays, act="try", try_on=day, try_time=time))
    for words in said:
        assert words.replace(" 28", "") in shown.words.replace(" ,", ",").replace(" .", "."), shown.words
    assert not pages.editor().pending()


def test_what_flows_use_is_not_deleted_and_the_rest_is(pages: Pages) -> None:
    assert "Delete schedule</button>" not in pages.get("/flows/schedules/desk").text
    refused = pages.post("/flows/schedules/desk/delete", {}, page="/flows/schedules/desk")
    assert refused.status == 409
    assert "It is still used, so it was not deleted." in refused.words
    assert "desk" in pages.editor().show("schedules").value
    assert pages.post("/flows/schedules/night/delete", {}, page="/flows/schedules/night").status == 303
    assert "night" not in pages.editor().show("schedules").value


def test_a_schedule_with_mistakes_in_the_candidate_is_still_a_page(pages: Pages) -> None:
    pages.editor().set("schedules.odd", {"name": "Odd", "periods": [{"days": ["someday"], "start": "nine", "end": 5}], "holidays": "none"})
    assert "Cannot be read" in pages.get("/flows/schedules/").words
    shown = pages.get("/flows/schedules/odd")
    assert shown.status == 200
    assert '"nine"' in shown.text


# ---- recordings --------------------------------------------------------------------------------------------------


def send(pages: Pages, path: str, name: str, file: tuple[str, bytes] | None, **more: str) -> Any:
    form = {"form": "RecordingForm", "name": name, "how": "file", "sha256": "", **more}
    return pages.post(path, form, files={"file": file} if file else {})


def test_a_file_becomes_a_recording_named_after_it_played_and_downloaded(pages: Pages, sounds: dict[str, bytes]) -> None:
    answer = send(pages, "/flows/recordings/new", "", ("Welcome, friends.mp3", sounds["welcome.mp3"]))
    assert answer.headers["Location"] == "/flows/audio/welcome-friends"
    held = pages.editor().show("audio.welcome-friends").value
    assert held["name"] == "Welcome, friends"
    assert load(media_path(pages.data, held["sha256"])).seconds == pytest.approx(2, abs=0.1)
    assert "Welcome, friends New, not applied 0:02 65 kB nothing yet" in pages.get("/flows/recordings/").words
    shown = pages.get("/flows/audio/welcome-friends")
    address = f"/flows/sounds/{held['sha256']}.wav"
    assert f'src="{address}"' in shown.text
    assert 'download="Welcome, friends.wav"' in shown.text
    heard = pages.get(address)
    assert heard.headers["Content-Type"] == "audio/wav"
    assert heard.data[:4] == b"RIFF"
    part = pages.get(address, Range="bytes=0-9")
    assert (part.status, len(part.data)) == (206, 10)
    for wrong in ("a" * 64, "../site/current", "A" * 64, "x"):
        assert pages.get(f"/flows/sounds/{wrong}.wav").status == 404


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (None, "Choose a sound file."),
        (("empty.wav", b""), "Empty.wav is no sound file the box knows."),
        (("letter.wav", b"Dear all, this is a letter.\n" * 99), "Letter.wav is no sound file the box knows."),
        (("film.wav", b"\x00\x00\x00\x18ftypmp42" + b"\0" * 999), "Film.wav is no sound file the box knows."),
        (("film.wav", b"RIFF\x00\x00\x00\x18AVI LIST" + b"\0" * 999), "Film.wav cannot be read as wav"),
        (("<script>.mp3", b"\xff\xfb" + b"\0" * 40), "&lt;script&gt;.mp3 cannot be read as mp3"),
    ],
)
def test_what_is_no_sound_is_said_and_the_name_stays(pages: Pages, file: tuple[str, bytes] | None, said: str) -> None:
    shown = send(pages, "/flows/recordings/new", "My greeting", file)
    assert shown.status == 200
    assert said in shown.words
    assert shown.field("name") == "My greeting"
    assert not pages.editor().pending()


def test_a_sound_that_came_in_is_kept_while_the_name_is_corrected(pages: Pages, sounds: dict[str, bytes]) -> None:
    send(pages, "/flows/recordings/new", "Bye", ("bye.wav", sounds["bye.wav"]))
    shown = send(pages, "/flows/recordings/new", "bye", ("welcome.mp3", sounds["welcome.mp3"]))
    assert "There is a recording of this name already." in shown.words
    assert "The sound is here, 0:02 long." in shown.words
    sha256 = shown.field("sha256")
    assert send(pages, "/flows/recordings/new", "Hello", None, sha256=sha256).status == 303
    assert pages.editor().show("audio.hello").value == {"name": "Hello", "sha256": sha256}


def test_replacing_keeps_the_object_and_renaming_keeps_the_sound(pages: Pages, sounds: dict[str, bytes]) -> None:
    send(pages, "/flows/recordings/new", "Menu", ("bye.wav", sounds["bye.wav"]))
    first = pages.editor().show("audio.menu").value["sha256"]
    assert send(pages, "/flows/audio/menu", "Main menu", None, sha256=first).status == 303
    assert pages.editor().show("audio.menu").value == {"name": "Main menu", "sha256": first}
    assert send(pages, "/flows/audio/menu", "Main menu", ("x.mp3", sounds["welcome.mp3"]), sha256=first).status == 303
    held = pages.editor().show("audio.menu").value
    assert held["name"] == "Main menu"
    assert held["sha256"] != first


def test_the_box_speaks_a_text(pages: Pages) -> None:
    assert "A text is missing." in send(pages, "/flows/recordings/new", "Closed", None, how="text", text=" ").words
    refused = send(pages, "/flows/recordings/new", "Closed", None, how="text", text="We are closed.", language="xx-yy")
    assert "Espeak-ng has no voice for xx-yy." in refused.words
    assert ">\nWe are closed.</textarea>" in refused.text
    assert send(pages, "/flows/recordings/new", "Closed", None, how="text", text="We are closed today.", language="en-us").status == 303
    assert load(media_path(pages.data, pages.editor().show("audio.closed").value["sha256"])).seconds > 0.7


def test_a_recording_that_is_used_stays_and_one_without_its_file_says_so(pages: Pages, sounds: dict[str, bytes]) -> None:
    send(pages, "/flows/recordings/new", "Hello", ("bye.wav", sounds["bye.wav"]))
    pages.editor().set("flows.menu.steps.say", {"type": "play", "settings": {"audio": "hello"}, "exits": {"next": "end"}})
    refused = pages.post("/flows/audio/hello/delete", {}, page="/flows/audio/hello")
    assert refused.status == 409
    assert "Step say of the flow Main menu" in refused.words
    pages.editor().delete("flows.menu.steps.say")
    file = media_path(pages.data, pages.editor().show("audio.hello").value["sha256"])
    os.utime(file, (0, 0))  # old enough to be collected
    assert pages.post("/flows/audio/hello/delete", {}, page="/flows/audio/hello").status == 303
    assert file.exists()  # an undo brings it back
    assert pages.editor().show("audio").value == {}
    pages.editor().set("audio.lost", {"name": "Lost", "sha256": "a" * 64})
    assert "File missing: replace it" in pages.get("/flows/recordings/").words
    assert "The file of this recording is missing." in pages.get("/flows/audio/lost").words


def test_more_than_a_request_may_have_is_refused_clearly(pages: Pages, tmp_path: Path) -> None:
    shown = send(pages, "/flows/recordings/new", "Huge", ("huge.wav", b"RIFF" + bytes(65 * 1024 * 1024)))
    assert shown.status == 413
    assert "This is too large" in shown.words
    assert "At most 64 MB can be sent at once." in shown.words
    assert not pages.editor().pending()


@pytest.mark.parametrize(("size", "name"), [(1000, "Typed before"), (5 * 1024 * 1024, "")])
def test_a_session_that_ends_meanwhile_keeps_what_was_typed_if_not_the_file(pages: Pages, size: int, name: str) -> None:
    before = pages.hidden("/flows/recordings/new")
    pages.expire_session()
    answer = send(pages, "/flows/recordings/new", "Typed before", ("a.wav", bytes(size)), **before)
    assert answer.status == 303
    assert "/sign-in?next=/flows/recordings/new" in answer.headers["Location"]
    back = pages.post(answer.headers["Location"], {"user": DANA, "password": PASSWORD}).headers["Location"]
    shown = pages.get(back)
    assert shown.status == 200
    assert shown.field("name") == name


def test_a_session_that_ends_keeps_every_line_of_a_schedule(pages: Pages) -> None:
    before = pages.hidden("/flows/schedules/desk")
    pages.expire_session()
    form = hours_form((["mon", "sun"], "7:15", "16"), (["sat"], "10", "11"), holidays=({"day": "2026-12-24", "name": "Eve"},))
    answer = pages.post("/flows/schedules/desk", {**form, **before})
    shown = pages.get(pages.post(answer.headers["Location"], {"user": DANA, "password": PASSWORD}).headers["Location"])
    assert "What you typed is kept." in shown.words
    assert shown.text.count(" checked") == 3
    assert shown.field("periods:0:start") == "7:15"
    assert shown.field("holidays:0:name") == "Eve"
    assert not pages.editor().pending()


def test_two_who_change_the_same_hours_choose_between_them(pages: Pages) -> None:
    mine = pages.hidden("/flows/schedules/desk")
    pages.editor().set("schedules.desk.periods", [{"days": ["mon"], "start": "10:00", "end": "11:00"}])
    form = hours_form((WEEKDAYS, "7", "8"), name="Front desk")
    shown = pages.post("/flows/schedules/desk", {**form, **mine})
    assert "Somebody changed this while you had it open." in shown.words
    assert "Yours: Mon-Fri 07:00-08:00 Theirs: Mon 10:00-11:00" in shown.words
    assert pages.editor().show("schedules.desk.periods").value[0]["start"] == "10:00"
    again = {**form, "csrf": mine["csrf"], "version": shown.field("version")}
    assert pages.post("/flows/schedules/desk", {**again, "pick:periods": "theirs"}).status == 303
    assert pages.editor().show("schedules.desk.periods").value[0]["start"] == "10:00"
    assert pages.editor().show("schedules.desk.holidays").value == [], "what only one of the two changed is taken over"
