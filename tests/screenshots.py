"""Pictures of every page, for people to look at: `make screenshots` puts them into build/screenshots (or the folder named).

Every page of every area that can be opened without more than the office's own objects, at three widths, some in dark; and the pages before signing in.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, sideways, sign_in
from tests.support.web import Web, office
from webui.app import create_app
from webui.config import Config

WIDTHS = {360: 740, 768: 1024, 1280: 800}
DARK = re.compile(r"^/(home|people|apply|account|emergency|flows)/?$")


def pages(web: Web) -> Iterator[str]:
    """Addresses of every page that a GET opens: arguments are filled with an object of the candidate."""
    app = create_app(Config(web.data, web.box.control))
    document = web.editor().show("").value
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        skip = rule.endpoint.split(".")[0] in {"static", "live", "health"} or rule.endpoint in {"access.claim", "access.sign_in", "front", "apply.checks"}
        if skip or "GET" not in (rule.methods or ()) or rule.rule.startswith("/api"):
            continue
        kinds = [kind for kind in document if f"/{kind}/" in rule.rule and isinstance(document[kind], dict)]
        kind = max(kinds, key=lambda kind: rule.rule.rindex(f"/{kind}/"), default="users")  # `/flows/schedules/<key>` is a schedule's
        key = next(iter(document.get(kind) or {}), None)
        if rule.arguments and (key is None or rule.arguments != {"key"}):
            continue
        yield re.sub(r"<[^>]+>", str(key), rule.rule)


def shoot(page: Page, folder: Path, name: str) -> None:
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(150)  # words of the event stream
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=width == 360)
        if over := sideways(page):
            print(f"{name} is {over} px too wide at {width}")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        with Web(Path(scratch)) as new:
            page = _page(browser)
            page.goto(new.url("/claim"))
            shoot(page, folder, "claim")
        with Web(Path(scratch), office(12), engine=True) as web:
            _fill(web)
            for scheme in ("light", "dark"):
                page = _page(browser, scheme)
                page.goto(web.url("/sign-in"))
                if scheme == "light":
                    shoot(page, folder, "sign-in")
                sign_in(page, web)
                for path in pages(web):
                    if scheme == "light" or DARK.match(path):
                        page.goto(web.url(path))
                        page.locator("[data-load]").wait_for(state="detached")
                        shoot(page, folder, re.sub(r"\W+", "-", path).strip("-") + ("-dark" if scheme == "dark" else ""))
        browser.close()


def _page(browser: Browser, scheme: str = "light") -> Page:
    page = browser.new_context(ignore_https_errors=True, color_scheme="dark" if scheme == "dark" else "light").new_page()
    page.set_default_timeout(30_000)
    return page


def _fill(web: Web) -> None:
    """Something to look at: changes not applied."""
    editor = web.editor("dana")
    editor.set("users.user-203.name", "Priya Raman")
    editor.set("users.tom-okafor", {"name": "Tom Okafor", "extension": "233", "mobile": "+15035550133"})


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
