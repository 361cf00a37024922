"""Fixtures of the browser tests: one Chromium for a module, a fresh box and a fresh browser profile for each test."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.everypage import by_area
from tests.support.web import DANA, PASSWORD, Web, office

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--font-render-hinting=none",
)
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
WebMaker = Callable[..., Web]
expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One per module: as long as Playwright runs, so does an event loop in this thread, and tests elsewhere begin their own."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield made
        made.close()


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    """What is entered here is closed after the test, the latest first."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def make_web(tmp_path: Path, opened: contextlib.ExitStack) -> WebMaker:
    """`make_web(site, engine=False) -> Web`, ready."""
    return lambda *args, **options: opened.enter_context(Web(tmp_path, *args, **options))


@pytest.fixture
def web(make_web: WebMaker) -> Web:
    """The office, without an engine."""
    return make_web(office())


@pytest.fixture
def profile(browser: Browser, opened: contextlib.ExitStack) -> Callable[..., BrowserContext]:
    """`profile(**options)`: a browser of its own: another person's."""

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(ignore_https_errors=True, **options)
        context.set_default_timeout(20_000)
        opened.callback(context.close)
        return context

    return make


@pytest.fixture
def page(profile: Callable[..., BrowserContext]) -> Page:
    """A page whose mistakes (of scripts, of the content security policy) fail the test."""
    return watched(profile().new_page())


@pytest.fixture(scope="module")
def full_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Sixty people, an engine, and something that waits to be applied."""
    with Web(tmp_path_factory.mktemp("full"), office(60), engine=True) as web:
        web.editor("dana").set("users.user-203.name", "Priya Raman")
        web.editor("dana").set("mailboxes.priya", {"name": "Priya Raman", "owner": "user-203", "extension": "601"})
        yield web


@pytest.fixture(scope="module")
def areas(full_box: Web) -> dict[str, list[str]]:
    """Every page of the full box, by area."""
    return by_area(full_box)


@pytest.fixture(scope="module")
def entered(full_box: Web, browser: Browser) -> Any:
    """Dana's cookies: for profiles that begin signed in to the full box."""
    context = browser.new_context(ignore_https_errors=True)
    sign_in(context.new_page(), full_box)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def signed_in(web: Web, page: Page) -> Page:
    """A page of the administrator Dana, on Home."""
    sign_in(page, web)
    return page


def watched(page: Page) -> Page:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on("console", lambda message: faults.append(f"{page.url}: {message.text}") if "Content Security Policy" in message.text else None)
    page.faults = faults  # type: ignore[attr-defined]
    return page


@pytest.fixture(autouse=True)
def _no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    page = request.node.funcargs.get("page")
    assert not getattr(page, "faults", []), page.faults


def sign_in(page: Page, web: Web, user: str = DANA, password: str = PASSWORD) -> None:
    page.goto(web.url("/sign-in"))
    page.get_by_label("User name or e-mail").fill(user)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA, one line each. It runs outside of the page's policy, as an extension would.

    Bars that stay at an edge of the window are laid into the page meanwhile: what they happen to cover now can be scrolled to, which axe does not know.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    page.evaluate("document.querySelectorAll('.bars, .nav').forEach(bar => bar.style.position = 'static')")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", tags)
    page.evaluate("document.querySelectorAll('.bars, .nav').forEach(bar => bar.style.position = '')")
    where = {each["id"]: json.dumps([node["html"][:200] for node in each["nodes"][:3]]) for each in found["violations"]}
    return [f"{page.url} {each['id']} ({each['impact']}): {each['help']}: {where[each['id']]}" for each in found["violations"]]


def sideways(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
