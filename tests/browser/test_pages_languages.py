"""Every page holds in every language."""

import pytest

from tests.browser.conftest import sideways
from tests.support.everypage import AREAS, SIZES


@pytest.mark.timeout(600)
@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("language", ["fr", "it", "sv"])
def test_every_page_holds_in_every_language(full_box, areas, profile, entered, language, area):
    page = profile(storage_state=entered, locale=language, reduced_motion="reduce").new_page()
    for path in areas[area]:
        page.goto(full_box.url(path))
        page.locator("[data-load]").wait_for(state="detached")
        assert page.locator("html").get_attribute("lang") == language, path
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert sideways(page) <= 0, f"{path} in {language} at {width}"
