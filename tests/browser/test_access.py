"""Claiming, signing in and out, in a browser and by hand."""

import time

import pytest
from playwright.sync_api import expect

from appliance.site.claim import claim_code
from tests.support.proc import wait_until
from tests.support.web import DANA, INSTALLER, PASSWORD, Visitor, office


def test_a_new_box_shows_only_the_claim_page_and_the_code_opens_it(make_web, page):
    web = make_web()
    page.goto(web.url("/people/"))
    expect(page).to_have_url(web.url("/claim"))
    code = claim_code(web.data)
    page.get_by_label("Claim code").fill("AAAA-AAAA")
    page.get_by_role("button", name="Claim this box").click()
    expect(page.get_by_text("This is not the code.")).to_be_visible()
    expect(page.get_by_label("Claim code")).to_be_focused()
    page.get_by_label("Claim code").fill(code.lower().replace("-", " "))
    page.get_by_label("Your name").fill("Dana Whitcomb")
    page.get_by_label("User name").fill("dana")
    page.get_by_label("Password", exact=True).fill("dana")
    page.get_by_role("button", name="Claim this box").click()
    expect(page.get_by_text("Is shorter than 8 characters")).to_be_visible()
    page.get_by_label("Password", exact=True).fill("lighthouse keeper")
    page.get_by_role("button", name="Claim this box").click()
    expect(page.get_by_role("navigation", name="First hour")).to_be_visible()
    assert claim_code(web.data) is None
    assert not (web.data / "web" / "claim").exists()
    # Nobody can claim it a second time.
    other = Visitor(web)
    assert other.get("/claim").headers["location"] == "/sign-in"
    # What was claimed holds before anything is applied, and survives a restart of the web.
    web.kill()
    web.start()
    page.goto(web.url("/"))
    expect(page.get_by_role("link", name="Dana Whitcomb")).to_be_visible()
    assert [change.path for change in web.editor().pending()] == ["administrators.dana", "administrators.dana.password"]


def test_the_claim_file_is_for_its_owner_alone(make_web):
    web = make_web()
    Visitor(web).get("/claim")
    assert (web.data / "web" / "claim").stat().st_mode & 0o777 == 0o600
    assert (web.data / "web").stat().st_mode & 0o777 == 0o700


def test_wrong_codes_are_slowed_down(make_web):
    web = make_web()
    visitor = Visitor(web)
    form = {"code": "AAAA-AAAA", "name": "x", "user": "x", "password": "lighthouse keeper"}
    statuses = [visitor.post("/claim", form).status for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    code = claim_code(web.data)
    assert visitor.post("/claim", {**form, "code": code}).status == 429
    wait_until(lambda: visitor.post("/claim", {**form, "code": code}).status == 303, 10.0, "the right code taken after the pause")


def test_wrong_password_says_so_and_keeps_the_name(web, page):
    page.goto(web.url("/"))
    expect(page.get_by_role("heading", name="Tidewater Family Clinic")).to_be_visible()
    page.get_by_label("User name or e-mail").fill("dana@tidewater.example")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("User name or password is not right.")).to_be_visible()
    expect(page.get_by_label("User name or e-mail")).to_have_value("dana@tidewater.example")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def test_guessing_is_slowed_down_but_shuts_nobody_out(web):
    owner = Visitor(web, "127.0.0.2")
    assert owner.sign_in().status == 303
    stranger = Visitor(web, "127.0.0.3")
    statuses = [stranger.sign_in(password=f"guess {number}").status for number in range(7)]
    assert statuses == [422] * 5 + [429] * 2
    # From another address, and from a browser that was signed in before, at once.
    assert Visitor(web, "127.0.0.4").sign_in().status == 303
    owner.cookies.pop("__Host-holdfast")
    assert owner.sign_in().status == 303
    # From the very address that guessed: after the pause.
    began = time.monotonic()
    wait_until(lambda: stranger.sign_in().status == 303, 15.0, "the right password taken after the pause")
    assert time.monotonic() - began < 10.0


def test_cookies_are_for_this_host_over_tls_alone(web):
    visitor = Visitor(web)
    cookie = next(cookie for cookie in visitor.sign_in().cookies if cookie.startswith("__Host-holdfast="))
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_no_write_without_the_token_or_from_another_site(web):
    visitor = Visitor(web)
    visitor.sign_in()
    csrf = visitor.get("/account").csrf
    assert visitor.ask("POST", "/account/sign-out-everywhere", {}).status == 403
    assert visitor.ask("POST", "/account/sign-out-everywhere", {"csrf": "0" * 64}).status == 403
    assert visitor.ask("POST", "/account/sign-out-everywhere", {"csrf": csrf}, Origin="https://evil.example").status == 403
    assert visitor.ask("POST", "/account/sign-out-everywhere", {"csrf": csrf}, Sec_Fetch_Site="cross-site").status == 403
    assert visitor.ask("POST", "/sign-in", {"user": DANA, "password": PASSWORD}).status == 403
    refused = visitor.ask("POST", "/people/new", {"name": "Mallory", "extension": "666"})
    assert refused.status == 403
    assert "Nothing was changed" in refused.text
    assert web.editor().pending() == ()
    assert visitor.ask("POST", "/account/sign-out-everywhere", {"csrf": csrf}).status == 303


def test_a_session_survives_a_restart_of_the_web_and_ends_everywhere(web):
    here, there = Visitor(web), Visitor(web)
    here.sign_in()
    there.sign_in()
    web.kill()
    web.start()
    assert here.get("/people/").status == 200
    assert there.get("/people/").status == 200
    here.post("/account/sign-out-everywhere", {}, page="/account")
    assert here.get("/people/").status == 200
    assert there.get("/people/").status == 303


def test_a_new_password_ends_other_sessions(web):
    here, there = Visitor(web), Visitor(web)
    here.sign_in()
    there.sign_in()
    assert here.post("/account/password", {"old": "wrong", "new": "another password"}, page="/account").status == 422
    assert here.post("/account/password", {"old": PASSWORD, "new": "short"}, page="/account").status == 422
    assert here.post("/account/password", {"old": PASSWORD, "new": "another password"}, page="/account").status == 303
    assert here.get("/people/").status == 200
    assert there.get("/people/").status == 303
    assert Visitor(web).sign_in().status == 422
    assert Visitor(web).sign_in(password="another password").status == 303


def test_the_console_gives_a_new_password_and_signs_everybody_out(web):
    visitor = Visitor(web)
    visitor.sign_in()
    said = web.cli("web", "reset-password", DANA, typed="console password\n")
    assert "has a new password" in said
    assert visitor.get("/people/").status == 303
    assert Visitor(web).sign_in(password="console password").status == 303


@pytest.mark.row("A11")
def test_no_access_means_no_entry_and_403(web):
    visitor = Visitor(web)
    assert visitor.sign_in("user-201").headers["location"] == "/me/"
    shown = visitor.get("/account")
    assert shown.status == 200
    assert "/people/" not in shown.text
    refused = visitor.get("/people/")
    assert refused.status == 403
    assert "may not open this page" in refused.text
    assert visitor.get("/apply").status == 403
    assert visitor.ask("POST", "/people/new", {"csrf": shown.csrf, "name": "x", "extension": "299"}).status == 403
    assert web.editor().pending() == ()
    installer = Visitor(web)
    installer.sign_in(INSTALLER)
    assert installer.get("/people/").status == 200


def test_only_own_addresses_are_gone_to_after_signing_in(web):
    for wanted in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        visitor = Visitor(web)
        answer = visitor.post(f"/sign-in?next={wanted}", {"user": DANA, "password": PASSWORD})
        assert answer.headers["location"] == "/home/", wanted


@pytest.mark.row("E12")
def test_a_user_in_mode_flow_cannot_sign_in(make_web):
    site = office()
    site["users"]["user-201"]["mode"] = "flow"
    site["devices"].pop("phone-201")
    web = make_web(site)
    assert Visitor(web).sign_in("user-201").status == 422


def test_expiry_loses_nothing_that_was_typed(web, signed_in):
    page = signed_in
    page.goto(web.url("/people/users/user-202"))
    page.get_by_label("Name", exact=True).fill("Zoë <b>Öberg</b>")
    page.get_by_role("textbox", name="New password").fill("a long new password")
    web.expire_sessions()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Signed out after 30 minutes.")).to_be_visible()
    page.get_by_label("User name or e-mail").fill(DANA)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("You were signed out. What you typed is kept.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Zoë <b>Öberg</b>")
    expect(page.get_by_role("textbox", name="New password")).to_have_value("a long new password")
    assert web.editor().pending() == ()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied.")).to_be_visible()
    assert web.editor().show("users.user-202").value["name"] == "Zoë <b>Öberg</b>"


def test_what_was_typed_is_shown_to_nobody_else(web):
    visitor = Visitor(web)
    visitor.sign_in()
    csrf = visitor.get("/people/new").csrf
    web.expire_sessions()
    sent = visitor.ask("POST", "/people/new", {"csrf": csrf, "form": "UserForm", "name": "Secret Project", "extension": "288"})
    kept = sent.headers["location"].split("kept=")[1]
    other = Visitor(web)
    other.sign_in(INSTALLER)
    assert "Secret Project" not in other.get(f"/people/new?kept={kept}").text
    # In the same browser, but somebody else.
    visitor.sign_in(INSTALLER)
    assert "Secret Project" not in visitor.get(f"/people/new?kept={kept}").text
    visitor.sign_in(DANA)
    assert "Secret Project" in visitor.get(f"/people/new?kept={kept}").text
    assert b"Secret Project" not in (web.data / "web" / "sessions.db").read_bytes() + (web.data / "web" / "sessions.db-wal").read_bytes()
