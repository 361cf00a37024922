"""Locations, the default, phones without a place, the proof, one phone's call, and an emergency call as it goes."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sideways, sign_in, violations
from tests.support.carrier import Carrier, answer
from tests.support.sites import add_trunk
from tests.support.web import Visitor, office


def clinic(ip="127.0.0.1", port=5999):
    """A line whose health nobody asks, and a phone that nobody has placed."""
    site = add_trunk(office(), "northwind", ip, port, health_seconds=0, emergency_armed=True)
    del site["devices"]["phone-203"]["location"]
    site["locations"]["annex"]["networks"] = ["10.9.0.0/16"]
    return site


@pytest.fixture
def clinic_web(make_web, page):
    web = make_web(clinic())
    sign_in(page, web)
    return web


def test_a_location_is_added_changed_and_deleted(clinic_web, page):
    page.goto(clinic_web.url("/emergency/"))
    main = page.get_by_role("row", name=re.compile("Main building"))
    expect(main).to_contain_text("3 phones")
    expect(main).to_contain_text("12 Proof Street, Floor 1, Testville, NY 12345, US")
    expect(main).to_contain_text("default")
    page.get_by_role("link", name="Add location").click()
    page.get_by_label("Name", exact=True).fill("Lab")
    page.get_by_label("Street", exact=True).fill("Marine")
    page.get_by_label("House number", exact=True).fill("410")
    page.get_by_label("Town", exact=True).fill("Astoria")
    page.get_by_label("Callback numbers").fill("5550142")
    page.get_by_label("Networks").fill("192.168.20.0/99")
    page.get_by_role("button", name="Add location").click()
    expect(page.get_by_role("alert")).to_contain_text("2 things keep this from being saved.")
    page.get_by_label("Callback numbers").fill("+15035550142\n+15035550143")
    page.get_by_label("Networks").fill("192.168.20.0/24")
    page.get_by_role("button", name="Add location").click()
    expect(page.get_by_role("heading", name="Lab")).to_be_visible()
    held = clinic_web.editor().show("locations.lab").value
    assert (held["civic"]["country"], held["civic"]["RD"], held["elins"]) == ("US", "Marine", ["+15035550142", "+15035550143"])
    page.get_by_role("button", name="Delete location…").click()
    page.get_by_role("button", name="Delete location", exact=True).click()
    expect(page.get_by_text("Lab is deleted, not applied.")).to_be_visible()
    page.goto(clinic_web.url("/emergency/locations/main"))
    expect(page.get_by_role("listitem").filter(has_text="203 User 203")).to_contain_text("Only by default")
    page.get_by_role("button", name="Delete location…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Main building is the default location")
    visitor = Visitor(clinic_web)
    visitor.sign_in()
    version = clinic_web.editor().show("locations.main").version
    assert visitor.post("/emergency/locations/main/delete", {"version": version}, "/emergency/locations/main").status == 409


def test_settings_and_phones_without_a_location(clinic_web, page):
    page.goto(clinic_web.url("/emergency/settings"))
    page.get_by_label("Default location").select_option(label="Annex")
    page.get_by_label("More emergency numbers").fill("9")
    page.get_by_label("Security").fill("201")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-extra_numbers-e")).to_be_visible()
    page.get_by_label("More emergency numbers").fill("5911")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied.").first).to_be_visible()
    held = clinic_web.editor().show("emergency").value
    assert (held["default_location"], held["extra_numbers"], held["security_extensions"]) == ("annex", ["5911"], ["201"])
    page.goto(clinic_web.url("/emergency/unplaced"))
    expect(page.get_by_role("heading", name="1 phone is only somewhere by default")).to_be_visible()
    page.get_by_label("203 User 203").check()
    page.get_by_label("They are in").select_option(label="Annex")
    page.get_by_role("button", name="Place these phones").click()
    expect(page.get_by_text("The place of every phone is known")).to_be_visible()
    assert clinic_web.editor().show("devices.phone-203.location").value == "annex"


@pytest.mark.row("Z2")
def test_the_proof_says_what_fails_and_what_gets_out(clinic_web, page):
    page.goto(clinic_web.url("/emergency/proof"))
    expect(page.get_by_text("cases tried: every number, phone and way out")).to_be_visible(timeout=40_000)
    expect(page.get_by_role("row", name=re.compile("User 201"))).to_contain_text("911")
    clinic_web.editor().delete("trunks.northwind")
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_text(re.compile("No emergency call would leave: Northwind goes"))).to_be_visible(timeout=40_000)


@pytest.mark.row("L2")
@pytest.mark.timeout(180)
def test_a_call_is_on_every_page_within_a_second_and_is_acknowledged(make_web, page):
    with Carrier("127.0.0.2") as carrier, Carrier("127.0.0.9") as phone:
        carrier.plan = [answer()]
        web = make_web(clinic(carrier.ip, carrier.port), engine=True)
        sign_in(page, web)
        page.goto(web.url("/emergency/one"))
        page.get_by_label("Which phone").select_option("203")
        page.get_by_role("button", name="Show what 911 would get").click()
        expect(page.get_by_text("The phone's place is only the site's default.")).to_be_visible()
        expect(page.get_by_text("INVITE sip:911@")).to_be_visible()
        assert violations(page) == []
        page.goto(web.url("/emergency/journal"))
        expect(page.get_by_text("No emergency call since the engine started")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("data-stream", "on")
        out = phone.call(f"sip:911@{web.box.sip[0]}", web.box.sip, from_uri=f"sip:201@{web.box.sip[0]}:{web.box.sip[1]}")
        began = time.monotonic()
        bar = page.locator(".alarm.a911")
        expect(bar).to_contain_text("911 from")
        shown_s = time.monotonic() - began
        expect(bar.get_by_role("link", name="Open call")).to_have_attribute("href", "/emergency/journal")
        row = page.get_by_role("listitem").filter(has_text="911 from")
        expect(row).to_contain_text(re.compile("Connected|Being put through"))
        page.get_by_role("button", name=re.compile("Acknowledge the call from")).click()
        expect(page.get_by_role("listitem").filter(has_text="Acknowledged by Dana Whitcomb")).to_be_visible()
        expect(bar).to_have_count(0)
        assert violations(page) == []
        out.wait_answer()
        out.hangup()
        expect(row).to_contain_text("Ended")
        assert shown_s < 3.0, f"{shown_s:.1f} s"  # a second on a quiet machine


@pytest.mark.timeout(120)
def test_the_pages_are_for_everybody_on_every_screen(clinic_web, page):
    for path in ("/emergency/", "/emergency/locations/annex", "/emergency/unplaced"):
        page.goto(clinic_web.url(path))
        for width in (1280, 768, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert sideways(page) <= 0, f"{path} at {width}"
        assert violations(page) == []
