"""The phones: the fleet, one device, what to type into it."""

import re

import pytest
from playwright.sync_api import expect

from appliance.site.vault import Vault
from tests.browser.conftest import sign_in
from tests.support.pjphone import PjPhone
from tests.support.sites import secret
from tests.support.web import office


@pytest.mark.row("K2")
def test_a_door_station_without_owner_is_added_found_and_deleted(web, signed_in):
    page = signed_in
    page.goto(web.url("/phones/"))
    page.get_by_role("link", name="Add phone").click()
    page.locator("#f-name").fill("Front door")
    page.get_by_label("MAC address").fill("0022EE-0A413C")
    page.get_by_role("button", name="Add phone").click()
    expect(page.get_by_text("Is missing: a device without owner needs its own extension.").first).to_be_visible()
    page.get_by_label("Own extension").fill("260")
    page.get_by_role("button", name="Add phone").click()
    expect(page.get_by_role("heading", name="260 Front door")).to_be_visible()
    expect(page.get_by_text("Not applied yet.", exact=True)).to_be_visible()
    held = web.editor().show("devices.front-door").value
    assert (held["sip_user"], held["extension"], held["owner"], held["mac"]) == ("260", "260", None, "00:22:ee:0a:41:3c")
    page.goto(web.url("/phones/?q=0022ee0a"))
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("row", name=re.compile("260 Front door New, not applied nobody"))).to_be_visible()
    page.get_by_role("link", name="No owner 1").click()
    page.get_by_role("link", name="Front door").click()
    page.get_by_role("button", name="Delete phone…").click()
    page.get_by_role("button", name="Delete phone", exact=True).click()
    expect(page.get_by_text("Front door is deleted, not applied.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert web.editor().pending() == ()


def test_a_second_phone_of_somebody_gets_a_name_of_its_own(web, signed_in):
    page = signed_in
    page.goto(web.url("/phones/new?owner=user-202"))
    expect(page.get_by_label("Owner")).to_have_value("user-202")
    page.get_by_role("button", name="Add phone").click()
    expect(page.get_by_label("SIP user name")).to_have_value("202-2")
    page.get_by_label("SIP user name").fill("203")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(re.compile("is the SIP user name of another device"))).to_be_visible()
    assert web.editor().show("devices.user-202").value["sip_user"] == "202-2"


def test_who_named_a_deleted_phone_names_it_no_more(web, signed_in):
    page = signed_in
    web.editor().set("users.user-202.main_device", "phone-202")
    web.editor().set("groups.all", {"name": "All", "extension": "290", "devices": ["phone-202", "phone-203"]})
    page.goto(web.url("/phones/devices/phone-202"))
    page.get_by_role("button", name="Delete phone…").click()
    page.get_by_role("button", name="Delete phone", exact=True).click()
    expect(page.get_by_text("Phone 202 is deleted, not applied.")).to_be_visible()
    assert web.editor().show("users.user-202").value.get("main_device") is None
    assert web.editor().show("groups.all").value["devices"] == ["phone-203"]
    assert web.editor().check().problems == ()


@pytest.mark.row("E3")
@pytest.mark.row("E4")
def test_what_to_type_is_shown_and_the_password_only_on_demand_and_on_record(web, signed_in):
    page = signed_in
    page.clock.install()
    page.goto(web.url("/phones/devices/phone-201"))
    expect(page.get_by_label("User name", exact=True)).to_have_value("201@holdfast.test")
    expect(page.get_by_label("Domain, registrar and proxy")).to_have_value("holdfast.test")
    field = page.locator("#signs-secret")
    assert secret(201) not in page.content()
    assert Vault(web.data).reveals() == []
    page.get_by_role("button", name="Show SIP password").click()
    expect(field).to_have_value(secret(201))
    expect(field).to_have_attribute("type", "text")
    assert [(each.name, each.who) for each in Vault(web.data).reveals()] == [("devices.phone-201.secret", "Dana Whitcomb (dana)")]
    page.clock.run_for(29_000)
    expect(field).to_have_value(secret(201))
    page.clock.run_for(2_000)
    expect(field).to_have_attribute("type", "password")
    expect(field).not_to_have_value(secret(201))


@pytest.mark.row("E3")
def test_a_new_password_counts_once_it_is_applied(web, signed_in):
    page = signed_in
    page.goto(web.url("/phones/devices/phone-201"))
    page.get_by_role("button", name="New password…").click()
    expect(page.get_by_role("heading", name="New password for Phone 201?")).to_be_focused()
    page.get_by_role("button", name="Make a new password").click()
    expect(page.get_by_text("A new password waits to be applied.")).to_be_visible()
    assert Vault(web.data).values(1)["devices.phone-201.secret"] == secret(201)
    web.editor().commit("new password")
    page.reload()
    expect(page.get_by_text("A new password waits to be applied.")).not_to_be_visible()
    page.get_by_role("button", name="Show SIP password").click()
    expect(page.locator("#signs-secret")).to_have_value(re.compile("^[a-z2-9]{20}$"))


def test_no_new_password_for_a_phone_that_changed_meanwhile(web, signed_in):
    page = signed_in
    page.goto(web.url("/phones/devices/phone-201"))
    web.editor("somebody").set("devices.phone-201.name", "Another")
    page.get_by_role("button", name="New password…").click()
    page.get_by_role("button", name="Make a new password").click()
    expect(page.get_by_text("Somebody changed this phone meanwhile.")).to_be_visible()
    assert Vault(web.data).staged() == frozenset()


def test_the_fleet_shows_who_is_there_while_it_is_open(make_web, page, tmp_path):
    web = make_web(office(), engine=True)
    sign_in(page, web)
    page.goto(web.url("/phones/"))
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("Silent")
    with PjPhone(tmp_path / "desk", ip="127.0.0.11") as phone:
        assert phone.register("201", secret(201), web.box.sip, domain="holdfast.test").ok
        expect(row).to_contain_text("Ready")
        expect(row).to_contain_text("127.0.0.11")
        page.get_by_role("link", name="Phone 201", exact=True).click()
        expect(page.get_by_text(re.compile("Emergency calls from here report Main building."))).to_be_visible()
        expect(page.get_by_text(f"port {web.box.sip[1]}").first).to_be_visible()
        page.goto(web.url("/phones/?show=ready"))
        expect(page.locator("tbody tr")).to_have_count(1)
