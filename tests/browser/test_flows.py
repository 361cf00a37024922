"""Flows in the browser: built by mouse and by keyboard, cured with one press, tried, replayed, changed by two at once; and without a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import sideways, sign_in, violations, watched
from tests.support.proc import wait_until
from tests.support.web import INSTALLER, Web, office

SCRIPT = "<script>document.title='owned'</script>"
LARGE = 300


def _site() -> dict[str, Any]:
    site = office()
    site["mailboxes"] = {"desk": {"name": "Front desk"}}
    site["numbers"] = {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "main"}}}
    site["flows"] = {
        "main": {
            "name": "Main number",
            "start": "menu",
            "steps": {
                "menu": {"type": "prompt", "settings": {"text": "Hello", "choices": ["1", "2"]}, "exits": {"1": "ring", "2": "box", "timeout": "box"}},
                "ring": {"type": "dial", "settings": {"targets": [{"user": "user-202"}]}, "exits": {"no-answer": "box"}},
                "box": {"type": "voicemail", "settings": {"mailbox": "desk"}},
            },
        },
        "both": {
            "name": "Both",
            "start": "say",
            "steps": {"say": {"type": "say", "settings": {"text": "One"}, "exits": {"next": "end"}}, "end": {"type": "hang-up"}},
        },
        "large": {"name": "Large", "start": "s0", "steps": {f"s{n}": _large(n) for n in range(LARGE)}},
    }
    return site


def _large(n: int) -> dict[str, Any]:
    if n == LARGE - 1:
        return {"type": "voicemail", "settings": {"mailbox": "desk"}}
    exits = {"1": f"s{min(2 * n + 1, LARGE - 1)}", "2": f"s{min(2 * n + 2, LARGE - 1)}", "timeout": f"s{LARGE - 1}"}
    return {"type": "prompt", "settings": {"text": f"Menu {n}", "choices": ["1", "2"]}, "exits": exits}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One for the module; each test has a flow of its own."""
    with Web(tmp_path_factory.mktemp("flows"), _site()) as made:
        yield made


def _flow(web: Web, key: str) -> dict[str, Any]:
    found: dict[str, Any] = web.editor().show(f"flows.{key}").value
    return found


def _open(page: Page, web: Web, key: str) -> None:
    page.goto(web.url(f"/flows/flow/{key}"))
    page.locator("#picture svg.g").wait_for()


def _panel(page: Page, title: str) -> None:
    expect(page.locator("#panel-h")).to_have_text(re.compile(title))


@pytest.mark.row("E10")
def test_a_menu_is_built_by_mouse(signed_in: Page, web: Web) -> None:
    page = signed_in
    page.goto(web.url("/flows/"))
    page.get_by_role("link", name="Add flow").first.click()
    page.get_by_label("Name").fill("Évening menu")
    page.get_by_label("Begin with").select_option("empty")
    page.get_by_role("button", name="Add flow").click()
    page.wait_for_url("**/flows/flow/evening-menu")
    page.locator("a.node[data-id=end]").wait_for()
    page.locator(".tools").get_by_role("link", name="Step").click()
    page.get_by_role("button", name="Prompt").click()
    _panel(page, "Prompt")
    page.locator("#f-settings-text").fill("Press 1 for Dana")
    page.locator("#f-settings-choices").fill("1")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("a.node[data-id=prompt]")).to_have_class(re.compile("bad"))
    # A way out that leads nowhere: choose where, in the list and in the picture.
    page.locator("#panel .ways").get_by_role("link", name="key 1").click()
    page.get_by_label("Leads to").select_option("new:dial")
    page.get_by_role("button", name="Lead there").click()
    _panel(page, "Dial")
    page.get_by_role("button", name="Add a line").click()
    page.get_by_label("Whom").fill("202 User 202")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("a.node[data-id=dial]")).to_contain_text("User 202")
    page.locator("a.node[data-id=prompt]").click()
    page.locator("#panel .ways").get_by_role("link", name="nothing pressed").click()
    _panel(page, "nothing pressed")
    page.locator("a.node[data-id=end]").click()
    _panel(page, "Prompt")
    page.get_by_role("link", name="Name and extensions").click()
    page.get_by_label("Begins at").select_option("prompt")
    page.locator("#f-extensions").fill("300")
    page.get_by_role("button", name="Save", exact=True).click()
    _panel(page, "This flow")
    expect(page.locator("#fixes")).to_have_text("Nothing to fix")
    held = _flow(web, "evening-menu")
    assert (held["name"], held["start"], held["extensions"]) == ("Évening menu", "prompt", ["300"])
    assert held["steps"]["prompt"]["settings"] == {"text": "Press 1 for Dana", "choices": ["1"]}
    assert held["steps"]["prompt"]["exits"] == {"1": "dial", "timeout": "end"}
    assert held["steps"]["dial"]["settings"] == {"targets": [{"user": "user-202"}]}
    assert violations(page) == []


def test_a_menu_is_built_by_keyboard(signed_in: Page, web: Web) -> None:
    page = signed_in
    page.goto(web.url("/flows/flow/new"))
    page.get_by_label("Name").focus()
    page.keyboard.type("Keys")
    page.get_by_label("Begin with").focus()
    page.keyboard.type("Men")
    page.get_by_role("button", name="Add flow").press("Enter")
    page.wait_for_url("**/flows/flow/keys")
    first = page.locator("a.node[tabindex='0']")
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("a.node[data-id=menu]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    sales = page.locator("a.node:focus")
    assert sales.get_attribute("data-id") in {"sales", "service"}
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    _panel(page, "Dial")
    expect(page.locator("#panel-h")).to_be_focused()
    step = page.url.rsplit("/", 1)[1]
    page.get_by_role("button", name="Add a line").press("Enter")
    expect(page.get_by_label("Whom")).to_be_focused()
    page.keyboard.type("203")
    page.keyboard.press("Enter")
    expect(page.locator(f"a.node[data-id={step}]")).to_contain_text("User 203")
    assert _flow(web, "keys")["steps"][step]["settings"] == {"targets": [{"user": "user-203"}]}
    # Delete asks; Ctrl+Z brings it back.
    page.locator(f"a.node[data-id={step}]").focus()
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog")).to_contain_text("Delete step")
    page.get_by_role("button", name="Delete step", exact=True).press("Enter")
    expect(page.locator(f"a.node[data-id={step}]")).to_have_count(0)
    assert step not in _flow(web, "keys")["steps"]
    page.locator("#panel-h").press("Control+z")
    page.locator(f"a.node[data-id={step}]").wait_for()
    assert _flow(web, "keys")["steps"][step]["settings"] == {"targets": [{"user": "user-203"}]}
    page.locator("#picture").press("Control+z")
    wait_until(lambda: _flow(web, "keys")["steps"][step]["settings"] == {}, 10, "the line to be taken back as well")


def test_a_missing_way_out_is_cured_with_one_press(signed_in: Page, web: Web) -> None:
    held = _flow(web, "main")
    del held["steps"]["menu"]["exits"]["timeout"]
    web.editor().set("flows.cure", {**held, "name": "Cure"})
    page = signed_in
    _open(page, web, "cure")
    expect(page.locator("#fixes")).to_have_text("1 thing to fix")
    expect(page.locator(".edge.bad")).to_have_count(1)
    page.locator(".fix", has_text="Voicemail").click()
    expect(page.locator("#fixes")).to_have_text("Nothing to fix")
    expect(page.locator(".edge.bad")).to_have_count(0)
    assert _flow(web, "cure")["steps"]["menu"]["exits"]["timeout"] == "box"
    page.locator("#undo").get_by_role("button").click()
    expect(page.locator(".edge.bad")).to_have_count(1)
    page.locator("#steps").get_by_role("button", name="Add Hang up").click()
    _panel(page, "Hang up")
    assert _flow(web, "cure")["steps"]["menu"]["exits"]["timeout"] == "hang-up"


@pytest.mark.row("Z6")
def test_a_call_is_tried_on_the_picture(signed_in: Page, web: Web) -> None:
    page = signed_in
    _open(page, web, "main")
    page.get_by_text("What happens if").click()
    page.get_by_label("And presses").fill("1")
    page.get_by_label("Those who ring").select_option("no-answer")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".trial [role=status]")).to_have_text(re.compile("Ends in voicemail .Front desk. after"))
    expect(page.locator(".hop text")).to_have_text(["1", "2", "3"])
    expect(page.locator(".edge.on")).to_have_count(4)  # from the beginning to where the call ends
    page.locator("a.node[data-id=ring]").click()
    _panel(page, "Dial")
    expect(page.locator(".hop text")).to_have_text(["1", "2", "3"])
    page.goto(web.url("/flows/flow/main?try=1&keys=abc"))
    expect(page.locator(".trial [role=status]")).to_contain_text("are not keys of a telephone")
    page.goto(web.url("/flows/flow/main?call=nobody"))
    expect(page.locator(".trial [role=status]")).to_contain_text("engine")


def test_two_change_one_flow(signed_in: Page, web: Web, profile: Callable[..., BrowserContext]) -> None:
    mine, theirs = signed_in, watched(profile().new_page())
    sign_in(theirs, web, INSTALLER)
    for page in (mine, theirs):
        page.goto(web.url("/flows/flow/both/steps/say"))
        page.locator("#panel-h").wait_for()
    theirs.locator("#f-settings-text").fill("Theirs")
    theirs.get_by_role("button", name="Save", exact=True).last.click()
    expect(theirs.locator(".toast")).to_contain_text("Changed, not applied")
    mine.locator("#f-settings-text").fill("Mine")
    mine.get_by_role("button", name="Save", exact=True).last.click()
    expect(mine.locator("#panel")).to_contain_text("Both of you changed this")
    expect(mine.get_by_label("Yours")).to_be_visible()
    expect(mine.locator("#panel")).to_contain_text("Theirs: Theirs")
    mine.get_by_role("button", name="Save", exact=True).last.click()
    expect(mine.locator(".toast")).to_contain_text("Changed, not applied")
    assert _flow(web, "both")["steps"]["say"]["settings"]["text"] == "Mine"
    # Changes in different places of one flow do not hinder each other.
    for page in (mine, theirs):
        page.goto(web.url("/flows/flow/both/steps/say"))
    theirs.goto(web.url("/flows/flow/both/steps/end"))
    theirs.get_by_label("Say first").fill("Bye")
    theirs.get_by_role("button", name="Save", exact=True).last.click()
    expect(theirs.locator(".toast")).to_contain_text("Changed, not applied")
    mine.locator("#f-settings-text").fill("Mine again")
    mine.get_by_role("button", name="Save", exact=True).last.click()
    expect(mine.locator(".toast")).to_contain_text("Changed, not applied")
    steps = _flow(web, "both")["steps"]
    assert (steps["say"]["settings"]["text"], steps["end"]["settings"]["say"]) == ("Mine again", "Bye")
    # The same way out, led to two places.
    for page in (mine, theirs):
        page.goto(web.url("/flows/flow/both/steps/say/exits/next"))
    theirs.get_by_label("Leads to").select_option("new:voicemail")
    theirs.get_by_role("button", name="Lead there").click()
    _panel(theirs, "Voicemail")
    mine.get_by_label("Leads to").select_option("")
    mine.get_by_role("button", name="Lead there").click()
    expect(mine.get_by_role("alert")).to_contain_text("Which one counts?")
    mine.get_by_role("button", name="Yours: nowhere").click()
    _panel(mine, "Say")
    assert _flow(web, "both")["steps"]["say"]["exits"] == {}


def test_names_that_are_scripts_are_text(signed_in: Page, web: Web) -> None:
    editor = web.editor()
    editor.set("flows.evil", {**_flow(web, "both"), "name": SCRIPT})
    editor.set("flows.evil.steps.say.settings.text", f"{SCRIPT}\"'&")
    editor.set("flows.evil.steps.say.exits", {"next": "end"})
    page = signed_in
    _open(page, web, "evil")
    expect(page.locator("h1")).to_have_text(SCRIPT)
    expect(page.locator("a.node[data-id=say] title")).to_contain_text("<script>")
    expect(page.locator("#steps")).to_contain_text("<script>")
    page.locator("a.node[data-id=say]").click()
    _panel(page, "Say")
    assert SCRIPT in page.title()
    assert page.locator("main script").count() == 0


def test_a_flow_of_300_steps_stays_usable(signed_in: Page, web: Web) -> None:
    page = signed_in
    page.set_viewport_size({"width": 1280, "height": 900})
    _open(page, web, "large")
    expect(page.locator("a.node")).to_have_count(LARGE + 1)
    expect(page.locator("#steps > ol > li")).to_have_count(50)
    page.locator("a.node[data-id=s1]").click()
    _panel(page, "2 Prompt")
    page.locator("#f-settings-text").fill("Changed")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("a.node[data-id=s1]")).to_contain_text("Changed")
    assert sideways(page) <= 0


def test_a_phone_gets_the_text_first_and_no_script_is_needed(web: Web, profile: Callable[..., BrowserContext]) -> None:
    page = watched(profile(java_script_enabled=False, viewport={"width": 360, "height": 740}).new_page())
    sign_in(page, web)
    web.editor().set("flows.plain", {**_flow(web, "main"), "name": "Plain"})
    page.goto(web.url("/flows/flow/plain"))
    page.get_by_role("link", name="Read this flow as text").first.click()
    steps, picture = page.locator("#steps").bounding_box(), page.locator("#picture").bounding_box()
    assert steps and picture and steps["y"] < picture["y"]
    page.locator("#steps").get_by_role("link", name="key 2").click()
    page.get_by_label("Leads to").select_option("new:say")
    page.get_by_role("button", name="Lead there").click()
    page.locator("#f-settings-text").fill("Without a script")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("#f-settings-text")).to_have_value("Without a script")
    steps_now = _flow(web, "plain")["steps"]
    assert steps_now[steps_now["menu"]["exits"]["2"]]["settings"] == {"text": "Without a script"}
    assert sideways(page) <= 0
