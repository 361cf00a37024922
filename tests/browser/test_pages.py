"""Every page: within its weight, kept or not, shut to what comes from outside; without scripts, in one's own colours and language."""

import functools
import itertools
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sign_in, watched
from tests.support.everypage import AREAS
from tests.support.web import Visitor


def test_the_areas_cover_every_page(areas):
    """What `test_pages_*.py` is repeated for."""
    assert sorted(areas) == sorted(AREAS)
    assert sum(map(len, areas.values())) > 60


@pytest.mark.timeout(300)
def test_every_page_is_light_enough(full_box, areas):
    visitor = Visitor(full_box)
    visitor.sign_in()
    size = functools.cache(lambda name: len(visitor.get(name).text.encode()))
    for path in itertools.chain(*areas.values()):
        html = visitor.get(path).text
        parts = {name: size(name) for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', html)}
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
