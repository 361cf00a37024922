"""Schedules and recordings in a browser: a file is chosen, dropped and played, and the week is drawn and moved by the keyboard."""

import json
import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sign_in
from tests.support.web import Web, office


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    site = office()
    site["schedules"] = {"desk": {"name": "Front desk", "periods": [{"days": ["mon", "fri"], "start": "08:30", "end": "17:00"}]}}
    with Web(tmp_path_factory.mktemp("library"), site) as web:
        yield web


@pytest.fixture(scope="module")
def tone(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "Welcome friends.wav"
    subprocess.run(["sox", "-n", "-r", "8000", path, "synth", "20", "sine", "440", "vol", "0.1"], check=True)
    return path


def test_a_file_is_chosen_and_played_in_the_list(library, page, tone):
    sign_in(page, library)
    page.goto(library.url("/flows/recordings/new"))
    page.get_by_label("Sound file").set_input_files(tone)
    expect(page.get_by_label("Name")).to_have_value("Welcome friends")
    page.get_by_role("button", name="Add recording").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome friends")
    page.goto(library.url("/flows/recordings/"))
    play = page.get_by_role("button", name="Play Welcome friends")
    with page.expect_response(lambda answer: "/flows/sounds/" in answer.url) as heard:
        play.press("Space")
    assert heard.value.status in {200, 206}
    expect(play).to_have_attribute("aria-pressed", "true")
    play.press("Enter")
    expect(play).to_have_attribute("aria-pressed", "false")


def test_what_is_too_large_is_told_before_it_is_sent_and_a_file_can_be_dropped(library, page, tone):
    sign_in(page, library)
    page.goto(library.url("/flows/recordings/new"))
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.evaluate("document.getElementById('file').dataset.most = 1000")
    drop = """name => {const files = new DataTransfer(); files.items.add(new File([new Uint8Array(2000)], name));
    document.querySelector('.drop').dispatchEvent(new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true}))}"""
    page.evaluate(drop, "huge.wav")
    expect(page.get_by_role("alert")).to_contain_text("This file is larger than 60 MB")
    page.get_by_label("Name").fill("Mine")
    page.get_by_role("button", name="Add recording").click()
    expect(page.get_by_label("Sound file")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value("Mine")
    assert sent == []
    page.evaluate("document.getElementById('file').dataset.most = 1e6")
    page.evaluate(drop, "small.wav")
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Add recording").click()
    expect(page.locator("#f-sha256")).to_contain_text("Small.wav is no sound file the box knows.")
    expect(page.get_by_label("Name")).to_have_value("Mine")


def test_the_week_follows_what_is_typed_and_the_keyboard_moves_its_bars(library, page):
    sign_in(page, library)
    page.goto(library.url("/flows/schedules/desk"))
    start, end = page.get_by_label("From"), page.get_by_label("To", exact=True)
    monday, saturday = page.locator("tr[data-day=mon]"), page.locator("tr[data-day=sat]")
    expect(saturday).to_contain_text("closed")
    end.fill("2 am")
    expect(page.get_by_role("link", name="Saturday 00:00 to 02:00, line 1")).to_be_visible()
    end.fill("17")
    expect(saturday).to_contain_text("closed")
    page.get_by_label("Saturday", exact=True).press("Space")
    expect(saturday).to_contain_text("08:30\u201317:00")
    monday.get_by_role("link").press("ArrowRight")
    expect(start).to_have_value("08:45")
    expect(monday.get_by_role("link", name="Monday 08:45 to 17:15, line 1")).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#week-said")).to_have_text("Monday 08:45 to 17:00, line 1")
    page.keyboard.press("Enter")
    expect(start).to_be_focused()
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Show what is then").click()
    expect(page.locator("#tried")).to_be_focused()
    with page.expect_event("dialog") as asked:
        page.get_by_role("link", name="Schedules and holidays").click(no_wait_after=True)
    assert asked.value.type == "beforeunload", "what was tried is not saved yet"
    expect(start).to_have_value("08:45")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied", exact=True).first).to_be_visible()
    held = library.editor().show("schedules.desk.periods").value
    assert held == [{"days": ["mon", "fri", "sat"], "start": "08:45", "end": "17:00"}], json.dumps(held)
