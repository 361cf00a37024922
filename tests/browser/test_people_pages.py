"""A user's forwarding and phones, and groups."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.web import Visitor


@pytest.mark.row("A5")
@pytest.mark.row("A6")
def test_lists_of_forwarding_are_written_ordered_and_saved(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-201"))
    page.get_by_role("link", name="Forwarding").click()
    page.get_by_role("button", name="Add a line to Nobody answers").click()
    expect(page.get_by_label("Person or number")).to_be_focused()
    page.get_by_label("Person or number").fill("202")
    page.get_by_role("button", name="Add a line to Nobody answers").click()
    page.get_by_label("Person or number").nth(1).fill("+1 (503) 555-0166")
    page.get_by_label("After (s)").nth(1).fill("10")
    page.get_by_label("Rings (s)").nth(1).fill("25")
    page.get_by_role("group", name="Line 2 of Nobody answers").get_by_role("button", name="Move up").click()
    expect(page.get_by_label("Person or number").first).to_have_value("+1 (503) 555-0166")
    expect(page.get_by_label("Person or number").first).to_be_focused()
    assert web.editor().pending() == ()
    page.get_by_role("switch", name="Follow me is on").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied.")).to_be_visible()
    expect(page.get_by_label("Person or number").nth(1)).to_have_value("202 User 202")
    forwarding = web.editor().show("users.user-201").value["forwarding"]
    first, second = forwarding["no_answer"]
    assert (first["number"], first["delay_seconds"], first["ring_seconds"]) == ("+15035550166", 10, 25)
    assert second["user"] == "user-202"
    assert forwarding["follow_me_on"] is True
    page.get_by_role("group", name="Line 1 of Nobody answers").get_by_role("button", name="Remove").click()
    page.get_by_label("Person or number").press("Enter")
    expect(page.get_by_label("Person or number")).to_have_count(1)
    expect(page.get_by_text("Changed, not applied.").first).to_be_visible()
    assert [step["user"] for step in web.editor().show("users.user-201").value["forwarding"]["no_answer"]] == ["user-202"]


def test_a_mistake_in_a_list_says_in_which_line(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-201/forwarding"))
    page.get_by_role("button", name="Add a line to Busy").click()
    page.get_by_label("Person or number").fill("Nobody Known")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Line 1: nobody here is called Nobody Known.")).to_be_visible()
    page.get_by_label("Person or number").fill("201")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Line 1: is the user whose calls are forwarded.")).to_be_visible()
    page.get_by_label("Person or number").fill("User 202")
    page.get_by_label("Rings (s)").fill("4")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Line 1: write 5 to 300 seconds.")).to_be_visible()
    assert web.editor().pending() == ()


@pytest.mark.row("A12")
@pytest.mark.row("K7")
def test_a_group_gets_members_by_typing_and_is_deleted(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/groups"))
    page.get_by_role("link", name="Add group").first.click()
    page.locator("#f-name").fill("Nurses")
    page.get_by_label("Extension").fill("290")
    page.get_by_label("Add a person or phone").fill("user 201")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("checkbox", name="201 User 201")).to_be_checked()
    page.get_by_label("Add a person or phone").fill("somebody else")
    page.get_by_role("button", name="Add group").click()
    expect(page.get_by_text("Nobody here is called somebody else.")).to_be_visible()
    assert web.editor().pending() == ()
    page.get_by_label("Add a person or phone").fill("phone-203 (203)")
    page.get_by_role("button", name="Add group").click()
    expect(page.get_by_role("heading", name="290 Nurses")).to_be_visible()
    held = web.editor().show("groups.nurses").value
    assert (held["users"], held["devices"]) == (["user-201"], ["phone-203"])
    page.get_by_role("checkbox", name="201 User 201").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("checkbox")).to_have_count(1)
    page.goto(web.url("/people/groups?q=203"))
    expect(page.get_by_role("row", name=re.compile("290 Nurses New, not applied"))).to_be_visible()
    page.get_by_role("link", name="Nurses").click()
    page.get_by_role("button", name="Delete group…").click()
    page.get_by_role("button", name="Delete group", exact=True).click()
    expect(page.get_by_text("Nurses is deleted, not applied.")).to_be_visible()
    assert web.editor().pending() == ()


VALUES = ["x" * 100_000, "\x00", "\ud83d", "9" * 400, "\u202eevil", "\U0001d7d9\U0001d7da"]


@pytest.mark.parametrize("path", ["/people/users/user-201/forwarding", "/people/groups/new", "/phones/new"])
def test_no_value_breaks_the_forms(web, path):
    visitor = Visitor(web)
    visitor.sign_in()
    csrf = visitor.get("/account").csrf
    lists = [f"forwarding.busy:{part}" for part in ("who", "delay", "ring")]
    for value in VALUES:
        form = dict.fromkeys(("name", "extension", "ring_seconds", "users", "devices", "add", "act", "version", "owner", "mac", "sip_user", *lists), value)
        answer = visitor.ask("POST", path, {"csrf": csrf, **{name: text.encode("utf-8", "surrogatepass") for name, text in form.items()}})
        assert answer.status in {200, 303}, f"{value[:20]!r}: {answer.text[:300]}"
