"""Every page: for everybody (axe), on every screen, within its weight, and with nothing from outside."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sideways, sign_in, violations, watched
from tests.screenshots import pages
from tests.support.web import DANA, PASSWORD, Visitor, Web, office

SIZES = ((1280, 800), (768, 1024), (360, 740))
FRONT = ("/claim", "/sign-in")


@pytest.fixture(scope="module")
def new_box(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("new")) as web:
        yield web


@pytest.fixture(scope="module")
def full_box(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("full"), office(60), engine=True) as web:
        web.editor("dana").set("users.user-203.name", "Priya Raman")
        web.editor("dana").set("mailboxes.priya", {"name": "Priya Raman", "owner": "user-203", "extension": "601"})
        yield web


def _is_fine(page) -> None:
    page.locator("[data-load]").wait_for(state="detached")
    for width, height in SIZES:
        page.emulate_media(color_scheme="dark" if width == 768 else "light")
        page.set_viewport_size({"width": width, "height": height})
        assert violations(page) == []
        assert sideways(page) <= 0, f"{page.url} is too wide at {width}"


@pytest.mark.timeout(300)
def test_the_claim_page_is_for_everybody(new_box, page):
    page.goto(new_box.url("/claim"))
    _is_fine(page)


@pytest.mark.timeout(300)
def test_the_sign_in_page_is_for_everybody(full_box, page):
    page.goto(full_box.url("/sign-in"))
    _is_fine(page)


@pytest.mark.timeout(1200)
def test_every_page_is_for_everybody(full_box, page):
    outside = []
    page.on("request", lambda request: outside.append(request.url) if not request.url.startswith((full_box.url(""), "data:", "blob:")) else None)
    sign_in(page, full_box)
    seen = 0
    for path in (*pages(full_box), "/nothing/here", "/people/?q=nobody-at-all"):
        page.goto(full_box.url(path))
        assert page.locator("h1").count() == 1, path
        _is_fine(page)
        seen += 1
    assert seen > 8
    assert outside == []


@pytest.mark.timeout(600)
def test_every_page_holds_with_longer_words(full_box, page):
    """40 % more text, as translations need."""
    sign_in(page, full_box)
    for path in pages(full_box):
        page.goto(full_box.url(path))
        page.locator("[data-load]").wait_for(state="detached")
        page.evaluate(
            """() => {const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); let n;
            while (n = walk.nextNode()) { const t = n.data.trim(); if (t) n.data = n.data.replace(t, t + ' ' + 'ö'.repeat(Math.ceil(t.length * .4))) } }"""
        )
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert sideways(page) <= 0, f"{path} at {width}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["fr", "it", "sv"])
def test_every_page_holds_in_every_language(full_box, profile, language):
    page = watched(profile(locale=language).new_page())
    page.goto(full_box.url("/sign-in"))
    page.locator("#user").fill(DANA)
    page.locator("#password").fill(PASSWORD)
    page.locator("button.pri").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    for path in pages(full_box):
        page.goto(full_box.url(path))
        assert page.locator("html").get_attribute("lang") == language
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert sideways(page) <= 0, f"{path} in {language} at {width}"


@pytest.mark.timeout(300)
def test_every_page_is_light_enough(full_box):
    visitor = Visitor(full_box)
    visitor.sign_in()
    for path in pages(full_box):
        html = visitor.get(path).text
        parts = {name: len(visitor.get(name).text.encode()) for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', html)}
        assert len(html.encode()) < 60_000, f"{path}: {len(html.encode())} bytes of HTML"
        assert len(html.encode()) + sum(parts.values()) < 100_000, f"{path}: {len(html.encode())} + {parts}"


def test_static_files_are_kept_for_ever_and_pages_not_at_all(full_box):
    visitor = Visitor(full_box)
    visitor.sign_in()
    page = visitor.get("/people/")
    assert page.headers["cache-control"] == "no-store"
    address = re.search(r"/static/[^\"]+\.css", page.text)[0]
    assert "immutable" in visitor.get(address).headers["cache-control"]
    old = re.sub(r"/static/[0-9a-f]+/", "/static/000000000000/", address)
    assert visitor.get(old).headers["cache-control"] == "no-cache"
    assert visitor.get("/static/0/../app.py").status == 404
    assert visitor.get("/static/0/people/../forms.py").status == 404


def test_headers_shut_everything_else_out(full_box):
    visitor = Visitor(full_box)
    for path in ("/sign-in", "/nothing", "/static/0/holdfast.css"):
        headers = visitor.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_without_scripts_everything_still_works(full_box, profile):
    page = watched(profile(java_script_enabled=False).new_page())
    sign_in(page, full_box)
    page.goto(full_box.url("/people/users/user-204"))
    page.locator("#f-name").fill("No Script")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-name")).to_have_value("No Script")
    page.get_by_role("link", name="Review").click()
    page.get_by_role("link", name="Show the checks").click()
    expect(page.get_by_text("Nothing points to something missing")).to_be_visible()


def test_the_theme_and_the_language_are_ones_own_choice(full_box, page):
    sign_in(page, full_box)
    page.goto(full_box.url("/account"))
    page.locator("#theme").select_option("dark")
    page.locator("#language").select_option("sv")
    page.locator("form:has(#theme) button").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "sv")
    page.locator("#theme").select_option("")
    page.locator("#language").select_option("")
    page.locator("form:has(#theme) button").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
