"""The example area: lists, forms, what is wrong with them, two people at once."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sign_in, watched
from tests.support.web import DANA, INSTALLER, Visitor, office

NASTY = '<script>alert(1)</script>"\'><img src=x onerror=alert(2)> ☎ 日本語'


@pytest.mark.row("E1")
@pytest.mark.row("A3")
def test_users_are_added_found_changed_and_deleted(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/"))
    page.get_by_role("link", name="Add user").click()
    page.get_by_label("Name", exact=True).fill("Marguerite Fournier")
    page.get_by_label("Main extension").fill("299")
    page.get_by_role("button", name="Add user").click()
    expect(page.get_by_role("heading", name="299 Marguerite Fournier")).to_be_visible()
    expect(page.get_by_text("Changed, not applied.")).to_be_visible()
    expect(page.get_by_role("region", name="Changes not applied")).to_contain_text("1 change not applied")
    assert web.editor().show("users.marguerite-fournier").value["extension"] == "299"
    page.get_by_label("Mobile number").fill("+1 (503) 555-0166")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Mobile number")).to_have_value("+15035550166")
    page.goto(web.url("/people/"))
    expect(page.get_by_role("row", name=re.compile("299 Marguerite Fournier New, not applied"))).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("fourn")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Marguerite Fournier").click()
    page.get_by_role("button", name="Delete user…").click()
    expect(page.get_by_role("heading", name="Delete Marguerite Fournier?")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete user…")).to_be_focused()
    page.get_by_role("button", name="Delete user…").click()
    page.get_by_role("button", name="Delete user", exact=True).click()
    expect(page.get_by_text("Marguerite Fournier is deleted, not applied.")).to_be_visible()
    assert "marguerite-fournier" not in web.editor().show("users").value
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back.")).to_be_visible()
    assert web.editor().show("users.marguerite-fournier").value["mobile"] == "+15035550166"


def test_a_mistake_is_shown_at_its_field_with_a_cure_and_nothing_is_saved(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-202"))
    page.get_by_label("Main extension").fill("2")
    page.get_by_label("Mobile number").fill("0166")
    page.get_by_label("Rings for").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Write a whole number.")).to_be_visible()
    expect(page.get_by_label("Rings for")).to_be_focused()
    expect(page.get_by_label("Rings for")).to_have_value("many")
    page.get_by_label("Rings for").fill("25")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("2 things keep this from being saved.")
    expect(page.get_by_label("Main extension")).to_be_focused()
    expect(page.get_by_label("Main extension")).to_have_attribute("aria-invalid", "true")
    for field in ("Main extension", "Mobile number"):
        described = page.get_by_label(field).get_attribute("aria-describedby")
        assert page.locator(f"#{described.split()[0]}").inner_text()
    expect(page.get_by_label("Mobile number")).to_have_value("0166")
    page.get_by_label("Mobile number").fill("")
    page.get_by_label("Main extension").fill("203")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-extension-e")).to_contain_text("203 belongs to User 203. Free nearby: 204")
    assert web.editor().pending() == ()


def test_what_people_write_is_text(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-202"))
    page.get_by_label("Name", exact=True).fill(NASTY)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-name")).to_have_value(NASTY)
    for path in ("/people/", "/apply"):
        page.goto(web.url(path))
        expect(page.get_by_text(NASTY[:45]).first).to_be_visible()
    assert page.locator("img").count() == 0


VALUES = ["x" * 100_000, "\x00", "\ud83d", "9" * 400, "../../etc/passwd", "%s%n", "' OR 1=1 --", "\u202eevil", "\U0001d7d9\U0001d7da"]


@pytest.mark.parametrize("field", ["name", "extension", "mode", "flow", "mobile", "ring_seconds", "version", "form", "email"])
def test_no_value_breaks_the_form(shared, field):
    visitor, web = shared
    csrf = visitor.get("/account").csrf
    for number, value in enumerate(VALUES):
        good = {"name": "Ann", "extension": str(280 + number), "mode": "sip_phone", "flow": "house", "ring_seconds": "30"}
        form = {"csrf": csrf, "form": "UserForm", **good, field: value}
        answer = visitor.ask("POST", "/people/new", {name: text.encode("utf-8", "surrogatepass") for name, text in form.items()})
        assert answer.status in {200, 303}, f"{value[:20]!r}: {answer.text[:300]}"
    assert visitor.get("/people/").status == 200
    assert visitor.get("/apply").status == 200
    web.editor().discard()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from tests.support.web import Web

    with Web(tmp_path_factory.mktemp("shared"), office()) as web:
        visitor = Visitor(web)
        visitor.sign_in()
        yield visitor, web


def test_two_browsers_one_user(web, signed_in, profile):
    mine = signed_in
    theirs = watched(profile().new_page())
    sign_in(theirs, web, INSTALLER)
    for page in (mine, theirs):
        page.goto(web.url("/people/users/user-202"))
    theirs.get_by_label("Name", exact=True).fill("Their name")
    theirs.get_by_label("E-mail").fill("theirs@example.org")
    theirs.get_by_role("button", name="Save").click()
    expect(theirs.get_by_text("Changed, not applied.")).to_be_visible()
    # An open page sees that something is pending.
    expect(mine.get_by_role("region", name="Changes not applied")).to_be_visible()
    mine.get_by_label("Name", exact=True).fill("My name")
    mine.get_by_label("Customer").fill("Mine alone")
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_text("Somebody changed this while you had it open.")).to_be_visible()
    # What only they changed is taken over, what only I changed is kept, what both changed is asked.
    expect(mine.get_by_label("E-mail")).to_have_value("theirs@example.org")
    expect(mine.get_by_label("Customer")).to_have_value("Mine alone")
    expect(mine.get_by_role("radio")).to_have_count(2)
    assert web.editor().show("users.user-202").value["name"] == "Their name"
    mine.get_by_role("radio", name="Theirs: Their name").check()
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_text("Changed, not applied.")).to_be_visible()
    held = web.editor().show("users.user-202").value
    assert (held["name"], held["email"], held["customer"]) == ("Their name", "theirs@example.org", "Mine alone")


def test_a_user_deleted_meanwhile_can_be_made_anew(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-202"))
    web.editor("somebody").delete("users.user-202")
    page.get_by_label("Name", exact=True).fill("Still here")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Somebody deleted this meanwhile.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied.")).to_be_visible()
    assert web.editor().show("users.user-202").value["name"] == "Still here"


def test_delete_of_what_changed_meanwhile_is_asked_again(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-202"))
    web.editor("somebody").set("users.user-202.name", "Renamed")
    page.get_by_role("button", name="Delete user…").click()
    page.get_by_role("button", name="Delete user", exact=True).click()
    expect(page.get_by_text("Somebody changed it meanwhile.")).to_be_visible()
    assert web.editor().show("users.user-202").value["name"] == "Renamed"


def test_lists_come_in_pages_of_fifty(make_web, page):
    web = make_web(office(120))
    sign_in(page, web, DANA)
    page.goto(web.url("/people/"))
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Next 50").click()
    expect(page.get_by_text("Rows 51 to 100 of 120")).to_be_visible()
    page.get_by_role("link", name="Next 20").click()
    expect(page.locator("tbody tr")).to_have_count(20)
    page.goto(web.url("/people/?q=User+3&page=99"))
    expect(page.get_by_text("Rows 1 to 40 of 40")).to_be_visible()


def test_no_such_user(web):
    visitor = Visitor(web)
    visitor.sign_in()
    answer = visitor.get("/people/users/nobody")
    assert answer.status == 404
    assert "There is no users.nobody" in answer.text
