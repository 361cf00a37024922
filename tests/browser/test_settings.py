"""Settings: the history of the site and bringing a revision back; tokens; a backup out, and in again as far as the last question."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sideways, violations
from tests.support.web import INSTALLER, Visitor

NAME = "Priya <b>Raman</b>"


def _fine(page):
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 768), ("light", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert violations(page) == []
        assert sideways(page) <= 0, f"{page.url} at {width}"


@pytest.mark.timeout(120)
def test_revisions_are_compared_and_brought_back(web, signed_in):
    page, editor = signed_in, web.editor("ines")
    editor.set("users.user-202.name", NAME)
    editor.commit("Married")
    editor.set("users.user-202.extension", "299")
    editor.commit("New number")
    page.goto(web.url("/settings/revisions"))
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_role("row", name="Revision 3 in force New number ines")).to_be_visible()
    _fine(page)
    page.get_by_role("searchbox").fill("married")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Revision 2", exact=True).click()
    expect(page.locator(".diff li")).to_have_count(1)
    expect(page.locator(".diff")).to_contain_text(NAME)  # text, not markup
    page.get_by_label("Compare with").select_option("3")
    expect(page.get_by_role("heading", name="From revision 3 to 2")).to_be_visible()
    expect(page.locator(".diff")).to_contain_text("299")
    _fine(page)
    # What waits to be applied is nobody's to lose.
    editor.set("users.user-203.name", "Waits")
    page.get_by_role("button", name="Bring back revision 2").click()
    expect(page.get_by_role("alert")).to_contain_text("Changes wait to be applied.")
    assert web.editor().history()[0].number == 3
    editor.discard()
    page.get_by_label("Why").fill("It rang the wrong desk")
    page.get_by_role("button", name="Bring back revision 2").click()
    brought = page.locator("tr", has_text="Revision 4").filter(has_text="in force")
    expect(brought).to_contain_text("It rang the wrong desk")
    expect(brought).to_contain_text("Dana Whitcomb")
    newest = web.editor().history()[0]
    assert (newest.number, newest.comment) == (4, "It rang the wrong desk")
    assert web.editor().show("users.user-202").value["extension"] != "299"


def test_no_such_revision(web):
    visitor = Visitor(web)
    visitor.sign_in()
    for path in ("/settings/revisions/99", "/settings/revisions/99999999999999999999"):
        assert visitor.get(path).status == 404
    assert visitor.get("/settings/revisions/1?against=x").status == 200
    assert visitor.post("/settings/revisions/99/bring-back", {}, page="/settings/revisions/1").status == 404


@pytest.mark.timeout(120)
def test_a_token_is_made_shown_once_used_and_revoked(web, signed_in):
    page = signed_in
    page.goto(web.url("/settings/tokens"))
    page.get_by_label("Name").fill("Nightly Backup")
    page.get_by_role("button", name="Make token").click()
    expect(page.locator("#name-e")).to_contain_text("small letters")
    expect(page.get_by_label("Name")).to_have_value("Nightly Backup")
    page.get_by_label("Name").fill("nightly")
    page.get_by_role("button", name="Make token").click()
    text = page.get_by_label("Token", exact=True).input_value()
    assert text.startswith("hf_")
    _fine(page)
    visitor = Visitor(web)
    assert visitor.get("/api/v1/commits", Authorization=f"Bearer {text}").status == 200
    page.goto(web.url("/settings/tokens"))
    assert text not in page.content()
    page.get_by_role("button", name="Revoke… nightly").click()
    page.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_text("The token nightly is revoked")).to_be_visible()
    expect(page.get_by_text("No tokens yet")).to_be_visible()
    assert visitor.get("/api/v1/commits", Authorization=f"Bearer {text}").status == 401


def test_tokens_are_for_administrators(web):
    visitor = Visitor(web)
    visitor.sign_in(INSTALLER)
    assert visitor.get("/settings/tokens").status == 403
    assert "API tokens" not in visitor.get("/settings/").text


@pytest.mark.timeout(120)
def test_a_backup_goes_out_and_comes_back_as_far_as_the_last_question(web, signed_in, tmp_path):
    page, words = signed_in, "seven blue herons fly"
    page.goto(web.url("/settings/backup"))
    page.get_by_label("Passphrase for the file", exact=True).fill(words)
    page.get_by_label("The same again", exact=True).fill(words)
    with page.expect_download() as download:
        page.get_by_role("button", name="Make and download").click()
    download.value.save_as(tmp_path / "it.holdfast")
    expect(page.get_by_text("The backup is made")).to_be_visible()  # the page is still there, and tells
    # What is wrong is said at its field, on the page as it is.
    page.get_by_label("Backup file").set_input_files({"name": "letter.txt", "mimeType": "text/plain", "buffer": b"Dear Dana"})
    page.get_by_role("button", name="Send and check").click()
    expect(page.locator("#file-e")).to_contain_text("not a file that Holdfast sealed")
    expect(page.get_by_label("Backup file")).to_be_focused()
    _fine(page)
    page.get_by_label("Backup file").set_input_files(tmp_path / "it.holdfast")
    page.get_by_label("Its passphrase", exact=True).fill("eight green herons")
    page.get_by_role("button", name="Send and check").click()
    expect(page.locator("#opens-e")).to_contain_text("The passphrase is wrong")
    page.get_by_label("Its passphrase", exact=True).fill(words)
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("The backup of Tidewater Family Clinic, revision 1")).to_be_visible()
    _fine(page)
    page.get_by_label("To go on, type").fill("yes")
    page.get_by_role("button", name="Restore and restart").click()
    expect(page.locator("#confirm-restore-e")).to_contain_text("Nothing was changed")
    page.get_by_role("button", name="Do not restore").click()
    expect(page.get_by_text("The file is deleted from the box")).to_be_visible()
