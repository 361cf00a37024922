"""Every page holds with words 40 % longer, as translations need."""

import pytest

from tests.browser.conftest import sideways
from tests.support.everypage import AREAS, SIZES

LONGER = """() => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; node = walk.nextNode();) node.data = node.data.replace(/\\p{L}+/gu, word => word + 'ö'.repeat(Math.ceil(word.length * .4)));
}"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("area", AREAS)
def test_every_page_holds_with_longer_words(full_box, areas, profile, entered, area):
    page = profile(storage_state=entered, reduced_motion="reduce").new_page()
    for path in areas[area]:
        page.goto(full_box.url(path))
        page.locator("[data-load]").wait_for(state="detached")
        page.evaluate(LONGER)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert sideways(page) <= 0, f"{path} at {width}"
