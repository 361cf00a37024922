"""Tab Phones and SIP of a user."""

import pytest
from playwright.sync_api import expect

from appliance.site.vault import Vault
from tests.support.sites import secret
from tests.support.web import Visitor


@pytest.mark.row("E2")
def test_only_who_has_a_desk_phone_has_the_page(web):
    visitor = Visitor(web)
    visitor.sign_in()
    assert "Phones and SIP" in visitor.get("/people/users/user-202").text
    assert visitor.get("/people/users/user-202/phones").status == 200
    web.editor().set("users.user-202.mode", "softphone")
    assert "Phones and SIP" not in visitor.get("/people/users/user-202").text
    assert visitor.get("/people/users/user-202/phones").status == 404
    assert visitor.post("/people/users/user-202/phones/link", {"phone": "203"}, "/account").status == 404


@pytest.mark.row("T3")
@pytest.mark.row("T4")
def test_phones_are_linked_made_and_one_is_the_main_one(web, signed_in):
    page = signed_in
    web.editor().set("devices.lab", {"name": "Lab bench", "sip_user": "219", "extension": "219"})
    page.goto(web.url("/people/users/user-201"))
    page.get_by_role("link", name="Phones and SIP").click()
    assert "219 Lab bench (219)" in page.locator("datalist option").evaluate_all("all => all.map(o => o.value)")
    page.get_by_label("Add a phone").fill("219")
    page.get_by_role("button", name="Link").click()
    expect(page.get_by_text("Lab bench belongs to User 201 now, not applied.")).to_be_visible()
    assert web.editor().show("devices.lab").value["owner"] == "user-201"
    page.get_by_role("button", name="Make Lab bench the main phone").click()
    expect(page.get_by_text("Main", exact=True)).to_be_visible()
    web.editor().commit("main phone")
    assert web.editor().show("users.user-201").value["extension"] == "219"
    page.get_by_label("Add a phone").fill("299")
    page.get_by_role("button", name="Link").click()
    expect(page.get_by_role("heading", name="Add phone")).to_be_visible()
    expect(page.get_by_label("Owner")).to_have_value("user-201")
    expect(page.get_by_label("Own extension")).to_have_value("299")


def test_a_main_phone_that_moves_is_no_longer_the_old_owners(web, signed_in):
    page = signed_in
    web.editor().set("users.user-202.main_device", "phone-202")
    page.goto(web.url("/people/users/user-201/phones"))
    page.get_by_label("Add a phone").fill("phone-202 (202)")
    page.get_by_role("button", name="Link").click()
    expect(page.get_by_text("Phone 202 belongs to User 201 now, not applied.")).to_be_visible()
    assert web.editor().show("users.user-202").value.get("main_device") is None
    assert web.editor().check().problems == ()


@pytest.mark.row("A9")
def test_the_user_page_says_what_to_type(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-201/phones"))
    assert secret(201) not in page.content()
    expect(page.get_by_label("User name", exact=True)).to_have_value("201@holdfast.test")
    page.get_by_role("button", name="Show SIP password").click()
    expect(page.locator("#s1-secret")).to_have_value(secret(201))
    assert [each.who for each in Vault(web.data).reveals()] == ["Dana Whitcomb (dana)"]
