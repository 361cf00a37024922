"""Calls of real phones as the pages show them: the log, one call, and those that are up."""

import csv
import io

import pytest
from playwright.sync_api import expect

from tests.bench.common import register_one
from tests.browser.conftest import sideways, sign_in, violations, watched
from tests.support.carrier import Carrier, answer
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.rtp import Mute
from tests.support.sites import secret
from tests.support.web import Visitor, Web, office

NAME = '=1+1<img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A box on which 201 talked to 202, called nobody, and talks to 202 now."""
    folder = tmp_path_factory.mktemp("calls")
    site = office(3)
    site["users"]["user-201"]["name"] = NAME
    with Web(folder, site, engine=True) as web, PjPhone(folder / "p201") as first, PjPhone(folder / "p202") as second:
        for phone, user in ((first, "201"), (second, "202")):
            assert phone.register(user, secret(user), web.box.sip).ok
        for number in ("202", "203"):
            call = first.call(web.box.uri(number))
            if number == "202":
                call.wait("CONFIRMED").hangup()
            call.wait("DISCONNECTED")
        wait_until(lambda: len(web.box.rpc("calls.history", limit=9)["calls"]) == 2, 5, "both records")
        yield web, first.call(web.box.uri("202")).wait("CONFIRMED")


def _fine(page):
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 768), ("light", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert violations(page) == []
        assert sideways(page) <= 0, f"{page.url} at {width}"


@pytest.mark.timeout(120)
def test_the_log_one_call_and_hanging_up(busy, page):
    web, call = busy
    sign_in(page, web)
    page.goto(web.url("/calls/"))
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_text(NAME).first).to_be_visible()  # what people call themselves is text
    assert page.locator("main img").count() == 0
    _fine(page)
    page.get_by_label("Outcome").select_option("unanswered")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("row", name="Not reachable")).to_be_visible()
    page.get_by_role("searchbox").fill("nobody at all")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No call matches.")).to_be_visible()
    page.goto(web.url("/calls/?outcome=answered&q=202"))
    page.locator("tbody a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("to 202")
    expect(page.get_by_text("talked", exact=False).first).to_be_visible()
    expect(page.get_by_role("heading", name="Way through the flow")).to_be_visible()
    page.get_by_role("button", name="200 OK").first.click()
    expect(page.locator("#message pre")).to_contain_text("SIP/2.0 200 OK")
    assert 'response="' not in page.locator("#message pre").inner_text()
    _fine(page)
    # Now: live, and hung up after a question.
    page.goto(web.url("/calls/now"))
    expect(page.get_by_role("row", name="Talking")).to_be_visible()
    _fine(page)
    page.get_by_role("link", name="Hang up…").click()
    expect(page.get_by_role("heading", name="Hang up the call of")).to_be_visible()
    _fine(page)
    page.get_by_role("link", name="Let them talk").click()
    page.get_by_role("link", name="Hang up…").click()
    page.get_by_role("button", name="Hang up").click()
    expect(page.get_by_text("The call is hung up.")).to_be_visible()
    call.wait("DISCONNECTED")
    expect(page.get_by_text("Nobody is on a call")).to_be_visible()


def test_the_search_as_a_file(busy):
    web, *_ = busy
    visitor = Visitor(web)
    visitor.sign_in()
    answer = visitor.post("/calls/export", {"q": "203", "outcome": "unanswered"}, page="/calls/")
    assert answer.status == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="calls.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["to"], row["outcome"], row["from_name"]) for row in rows] == [("203", "unreachable", f"'{NAME}")]


def test_nothing_that_is_typed_breaks_the_log(busy):
    web, *_ = busy
    visitor = Visitor(web)
    visitor.sign_in()
    for query in ("q=%25&direction=x&outcome=y&before=z", "q=" + "x" * 3000, "before=99999999999999999999", "q=%00", "before=1"):
        assert visitor.get(f"/calls/?{query}").status == 200
    assert visitor.get("/calls/log/none-such").status == 404
    assert visitor.get("/calls/log/" + "x" * 500).status == 404


def test_without_an_engine_the_pages_say_so(web, page):
    watched(page)
    sign_in(page, web)
    for path in ("/calls/", "/calls/now", "/calls/log/s-1"):
        page.goto(web.url(path))
        expect(page.get_by_text("The phone engine does not answer.").first).to_be_visible()
        assert violations(page) == []


@pytest.mark.timeout(90)
def test_bad_sound_on_the_page_of_a_call(make_web, page):
    """202's phone sends nothing: the page says who hears nothing and what to do, as text and with keys alone."""
    web = make_web(office(2), engine=True)
    with Carrier(formats=("0",)) as caller, Carrier(formats=("0",)) as called:
        called.make_rtp = lambda call: Mute()
        called.plan = [answer()]
        register_one(web.box, called, "202")
        call = caller.call(web.box.uri("202"), web.box.sip, from_uri=web.box.uri("201"), user="201", secret=secret("201"))
        call.wait_answer()
        sign_in(page, web)
        page.goto(web.url("/calls/now"))
        expect(page.get_by_role("row", name="1.0")).to_be_visible(timeout=30_000)  # it comes by itself
        page.get_by_role("row", name="Talking").get_by_role("link").first.click()
        expect(page.get_by_text("heard nothing: no packets came from 202 User 202")).to_be_visible()
        expect(page.get_by_text("Nothing came from 202 User 202")).to_be_visible()
        page.get_by_role("button", name="180 Ringing").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#message pre")).to_contain_text("SIP/2.0 180")
        _fine(page)
        call.hangup()
