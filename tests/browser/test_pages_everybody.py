"""Every page is for everybody: axe on a wide screen in light and on a phone in dark, on one screen without sideways scroll, nothing from outside."""

import pytest

from tests.browser.conftest import sideways, violations, watched
from tests.support.everypage import AREAS, SIZES
from tests.support.web import Web

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def new_box(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("new")) as web:
        yield web


@pytest.fixture
def inside(profile, entered):
    return watched(profile(storage_state=entered, reduced_motion="reduce").new_page())


def _is_fine(page) -> None:
    page.locator("[data-load]").wait_for(state="detached")
    assert page.locator("h1").count() == 1, page.url
    for width, height in SIZES:
        page.emulate_media(color_scheme="dark" if width == 360 else "light")
        page.set_viewport_size({"width": width, "height": height})
        assert sideways(page) <= 0, f"{page.url} is too wide at {width}"
        if width != 768:  # the same colours as the one, the same folds as the other
            assert violations(page) == []


def test_the_claim_page_is_for_everybody(new_box, page):
    page.goto(new_box.url("/claim"))
    _is_fine(page)


def test_the_sign_in_page_is_for_everybody(full_box, page):
    page.goto(full_box.url("/sign-in"))
    _is_fine(page)


@pytest.mark.parametrize("path", ["/nothing/here", "/people/?q=nobody-at-all"])
def test_what_is_not_there_is_for_everybody(full_box, inside, path):
    inside.goto(full_box.url(path))
    _is_fine(inside)


@pytest.mark.parametrize("area", AREAS)
def test_every_page_is_for_everybody(full_box, areas, inside, area):
    outside = []
    inside.on("request", lambda request: outside.append(request.url) if not request.url.startswith((full_box.url(""), "data:", "blob:")) else None)
    for path in areas[area]:
        inside.goto(full_box.url(path))
        _is_fine(inside)
    assert outside == []
    assert inside.faults == []
