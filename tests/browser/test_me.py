"""A user in a browser: he signs in with his extension, plays a message, his phone's lamp goes out, forwards his calls, and reaches nothing else."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sideways, sign_in, violations
from tests.integration.web.conftest import leave
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.sites import secret
from tests.support.web import Visitor, Web, office

SIZES = ((1280, 800), (768, 1024), (360, 740))


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    site = office()
    site["mailboxes"] = {"one": {"name": "Box of 201", "owner": "user-201", "extension": "601"}}
    with Web(tmp_path_factory.mktemp("me"), site, start=False) as web:
        leave(web.data, "one", "m1", 2)
        leave(web.data, "one", "m2", 65, "203", "Priya Raman")
        web.box.start()
        web.start()
        wait_until(lambda: len(web.box.rpc("voicemail.list", mailbox="one")["messages"]) == 2, 10.0, "the messages")
        yield web


def voice(event):
    return re.search(r"Voice-Message: (\S+)", event["message"])[1]


def test_a_message_is_played_and_the_lamp_goes_out(box, page, tmp_path):
    with PjPhone(tmp_path / "phone", "127.0.0.1") as phone:
        assert phone.register("201", secret(201), box.box.sip, mwi=True).ok
        wait_until(lambda: phone.events and any(each["event"] == "mwi" and voice(each) == "2/0" for each in phone.events), 10, "the lamp on")
        sign_in(page, box, "201")
        expect(page).to_have_url(box.url("/me/"))
        start = len(phone.events)
        row = page.get_by_role("listitem").filter(has_text="+15035550188")
        expect(row.get_by_text("New", exact=True)).to_be_visible()
        player = row.get_by_label(re.compile("Message of"))
        player.evaluate("player => { player.muted = true; return player.play() }")
        expect(row.get_by_text("Heard", exact=True)).to_be_visible()
        wait_until(lambda: player.evaluate("player => player.currentTime > 0.2 && player.duration > 1.9"), 10, "that it plays")
        assert voice(phone.wait_event("mwi", start=start)) == "1/1"
        row.get_by_role("button", name="Mark as new").click()
        expect(page.get_by_role("listitem").filter(has_text="+15035550188").get_by_text("New", exact=True)).to_be_visible()


def test_forwarding_is_in_force_at_once(box, page):
    sign_in(page, box, "201")
    page.get_by_role("navigation", name="My pages").get_by_role("link", name="Forwarding").click()
    page.get_by_role("switch", name="Follow me is on").check()
    page.get_by_role("button", name="Add a line to Follow me").click()
    page.locator("#f-forwarding-follow_me").get_by_label("Person or number").fill("202 User 202")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Your calls are forwarded like this from now on.")).to_be_visible()
    expect(page.get_by_text("Follow me is on.", exact=True)).to_be_visible()
    shown = box.box.rpc("status")
    assert shown["revision"] == box.editor().history()[0].number
    assert box.editor().pending() == ()
    walked = box.cli("flow", "simulate", "201", "--as", "user-203")
    assert "User 202" in walked, walked


def test_every_own_page_is_for_everybody_and_no_other_is_reached(box, page):
    sign_in(page, box, "201")
    for path in ("/me/", "/me/forwarding", "/me/calls", "/me/phones", "/me/voicemail/one/messages/m2/delete"):
        page.goto(box.url(path))
        page.locator("[data-load]").wait_for(state="detached")
        assert page.locator("h1").count() == 1, path
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert violations(page) == []
            assert sideways(page) <= 0, f"{path} is too wide at {width}"
    expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_count(2)
    one = Visitor(box)
    one.sign_in("201")
    for path in ("/home/", "/people/", "/phones/", "/lines/", "/calls/", "/flows/mailboxes", "/emergency/", "/diag/", "/settings/", "/apply", "/welcome/"):
        assert one.get(path).status in {403, 404}, path
